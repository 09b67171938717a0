#include "broker/app/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <semaphore>
#include <stdexcept>
#include <utility>

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

// What asks for such a time isn't run without end, and holds up nothing else.
class SchedulerAtTheEnds : public ::testing::TestWithParam<std::pair<std::int64_t, int>> {};

TEST_P(SchedulerAtTheEnds, RunsAsOftenAsKafkas) {
  const auto [ms, times] = GetParam();
  std::atomic<int> runs = 0;
  std::atomic<int> runs_of_the_other = 0;
  std::counting_semaphore<> done(0);
  Scheduler scheduler("test");
  scheduler.add("first delay", times == 0 ? ms : 0, ms, [&, most = times] {
    if (++runs == most + 1) done.release();
  });
  scheduler.add("often", 0, 1, [&] {
    if (++runs_of_the_other == 5) done.release();
  });
  scheduler.start();
  done.acquire();
  scheduler.stop();
  EXPECT_EQ(runs, times);
}

constexpr std::int64_t kLongMax = std::numeric_limits<std::int64_t>::max();

INSTANTIATE_TEST_SUITE_P(Each, SchedulerAtTheEnds,
                         ::testing::Values(std::pair{kLongMax, 0}, std::pair{kLongMax, 1}, std::pair{kLongMax / 1'000'000, 0},
                                           std::pair{std::int64_t{0}, 1}, std::pair{std::int64_t{-1}, 1}));

TEST(Scheduler, EndsWhenNothingIsLeftToRun) {
  std::binary_semaphore ran(0);
  Scheduler scheduler("test");
  scheduler.add("once", -1, -1, [&] { ran.release(); });
  scheduler.start();
  ran.acquire();
  scheduler.stop();
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
