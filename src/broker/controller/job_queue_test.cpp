#include "broker/controller/job_queue.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

namespace broker::controller {
namespace {

class JobQueueTest : public ::testing::Test {
 protected:
  ~JobQueueTest() override {
    queue->close();
    loop.restart();
    loop.poll();
  }

  // The answer of a job that takes until its gate is set.
  std::shared_ptr<std::optional<int>> ask_for(int value, std::optional<base::OneShot<bool>> until = std::nullopt,
                                              Asker asker = Asker::request) {
    auto answer = std::make_shared<std::optional<int>>();
    std::function<base::Task<int>()> job = [value, until, this]() -> base::Task<int> {
      ++begun;
      if (until) co_await until->wait();
      co_return value;
    };
    const auto wait = [](std::shared_ptr<JobQueue> jobs, std::function<base::Task<int>()> work,
                         std::shared_ptr<std::optional<int>> to, Asker who) -> base::Task<void> {
      *to = co_await ask<int>(std::move(jobs), std::move(work), -1, who);
    };
    boost::asio::co_spawn(loop, wait(queue, std::move(job), answer, asker), boost::asio::detached);
    return answer;
  }
  void run_until(const std::shared_ptr<std::optional<int>>& answer) {
    while (!*answer && loop.run_one() > 0) {
    }
  }

  boost::asio::io_context loop;
  std::shared_ptr<JobQueue> queue = std::make_shared<JobQueue>(loop.get_executor(), std::chrono::milliseconds(5));
  int begun = 0;
};

TEST_F(JobQueueTest, WhoAskedBehindAJobWithoutEndIsAnswered) {
  const base::OneShot<bool> gate;
  const auto first = ask_for(1, gate);
  const auto second = ask_for(2);
  bool own_ran = false;
  loop.poll();
  queue->post([&own_ran]() -> base::Task<void> {
    own_ran = true;
    co_return;
  });
  run_until(second);
  EXPECT_EQ(**second, -1);
  const auto third = ask_for(3);
  run_until(third);
  EXPECT_EQ(**third, -1) << "later ones too";
  EXPECT_FALSE(*first) << "what runs is waited for";
  gate.set(true);
  run_until(first);
  EXPECT_EQ(**first, 1);
  loop.run();
  EXPECT_TRUE(own_ran) << "what nobody waits for isn't dropped";
  EXPECT_EQ(begun, 1);
}

TEST_F(JobQueueTest, TheStartOfABrokerWaitsHoweverLong) {
  const base::OneShot<bool> gate;
  const auto first = ask_for(1, gate);
  const auto start = ask_for(2, std::nullopt, Asker::start);
  const auto request = ask_for(3);
  run_until(request);
  EXPECT_EQ(**request, -1);
  EXPECT_FALSE(*start);
  gate.set(true);
  run_until(start);
  EXPECT_EQ(**start, 2);
}

TEST_F(JobQueueTest, NothingKeepsTheLoopWhenAllIsDone) {
  queue = std::make_shared<JobQueue>(loop.get_executor(), std::chrono::hours(1));
  const base::OneShot<bool> gate;
  const auto first = ask_for(1, gate);
  const auto second = ask_for(2);
  loop.poll();
  gate.set(true);
  loop.run();
  EXPECT_EQ(**first, 1);
  EXPECT_EQ(**second, 2);
}

}  // namespace
}  // namespace broker::controller
