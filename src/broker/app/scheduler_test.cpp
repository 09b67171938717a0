#include "broker/app/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <stdexcept>

namespace broker::app {
namespace {

TEST(Scheduler, RunsAgainAfterATaskThrew) {
  std::atomic<int> runs = 0;
  std::binary_semaphore third(0);
  Scheduler scheduler("test");
  scheduler.add("throws", 0, 1, [&] {
    if (++runs == 3) third.release();
    throw std::runtime_error("a disk is full");
  });
  scheduler.start();
  third.acquire();
  scheduler.stop();
  const int at_stop = runs;
  EXPECT_GE(at_stop, 3);
  EXPECT_EQ(runs, at_stop);
}

TEST(Scheduler, StopsWhileAllWait) {
  Scheduler scheduler("test");
  bool ran = false;
  scheduler.add("much later", 3'600'000, 3'600'000, [&] { ran = true; });
  scheduler.start();
  scheduler.stop();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace broker::app
