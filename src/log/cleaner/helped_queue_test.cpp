// Order, errors, an end in the middle, and a system that has no thread left.
#include "log/cleaner/helped_queue.h"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <stdexcept>
#include <vector>

#include "base/testing/no_threads.h"

namespace storage {
namespace {

struct Counted final : HelpedQueue::Job {
  explicit Counted(int of) : number(of) {}
  void run(std::size_t worker, const std::atomic<bool>&) override {
    result = number * 2;
    ran_on = worker;
    if (number % 7 == 3) throw std::runtime_error(std::to_string(number));
  }
  int number;
  int result = -1;
  std::size_t ran_on = 99;
};

// Keeps its worker until it is told to go on, or the queue is abandoned.
struct Held final : HelpedQueue::Job {
  void run(std::size_t worker, const std::atomic<bool>& abandoned) override {
    ran_on = worker;
    begun.count_down();
    while (!abandoned && !go_on) std::this_thread::yield();
    saw_abandoned = abandoned;
  }
  std::latch begun{1};
  std::atomic<bool> go_on = false;
  std::size_t ran_on = 99;
  bool saw_abandoned = false;
};

void take_all_in_order(HelpedQueue& queue, int count, std::size_t ahead) {
  std::vector<std::unique_ptr<Counted>> jobs;
  for (int i = 0; i < count; ++i) jobs.push_back(std::make_unique<Counted>(i));
  std::size_t added = 0;
  for (int i = 0; i < count; ++i) {
    while (added < jobs.size() && added < static_cast<std::size_t>(i) + ahead) queue.add(*jobs[added++]);
    const auto& job = *jobs[static_cast<std::size_t>(i)];
    if (i % 7 == 3) {
      try {
        queue.take();
        ADD_FAILURE() << "no error of " << i;
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(error.what(), std::to_string(i));
      }
    } else {
      EXPECT_EQ(&queue.take(), &job);
    }
    EXPECT_EQ(job.result, 2 * i);
    EXPECT_LT(job.ran_on, HelpedQueue::kWorkers);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(HelpedQueue, GivesBackInOrderWithTheErrors) {
  for (const bool with_helper : {false, true}) {
    for (const std::size_t ahead : std::initializer_list<std::size_t>{1, 2, 8}) {
      HelpedQueue queue(with_helper);
      take_all_in_order(queue, 1000, ahead);
      take_all_in_order(queue, 10, ahead);
    }
  }
}

TEST(HelpedQueue, BothWork) {
  HelpedQueue queue(true);
  Held first;
  Held second;
  queue.add(first);
  queue.add(second);  // the helper begins with the first
  first.begun.wait();
  EXPECT_EQ(first.ran_on, 1u);
  std::thread frees([&] {
    second.begun.wait();  // which only the owner can have begun
    second.go_on = true;
    first.go_on = true;
  });
  EXPECT_EQ(&queue.take(), &first);
  frees.join();
  EXPECT_EQ(&queue.take(), &second);
  EXPECT_EQ(second.ran_on, 0u);
}

TEST(HelpedQueue, AnAbandonedOneWaitsForWhatRunsAndBeginsNothing) {
  HelpedQueue queue(true);
  Held running;
  Counted waiting(1);
  queue.add(running);
  queue.add(waiting);
  running.begun.wait();
  // The helper is busy, so the other one waits.
  queue.abandon();
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(running.saw_abandoned);
  EXPECT_EQ(waiting.result, -1);
  take_all_in_order(queue, 20, 4);
  // Its end does the same.
  auto last = std::make_unique<HelpedQueue>(true);
  Held again;
  last->add(again);
  last->add(waiting);
  again.begun.wait();
  last.reset();
  EXPECT_TRUE(again.saw_abandoned);
  EXPECT_EQ(waiting.result, -1);
}

TEST(HelpedQueue, WithoutAThreadTheOwnerDoesAll) {
  const base::testing::NoThreads no_threads;
  HelpedQueue queue(true);
  take_all_in_order(queue, 50, 8);
}

}  // namespace
}  // namespace storage
