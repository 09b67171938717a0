#include "zk/server/loop_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>

namespace zk::server {
namespace {

using namespace std::chrono_literals;

class LoopThreadsTest : public ::testing::Test {
 protected:
  ~LoopThreadsTest() override {
    boost::asio::post(io_, [this] { io_.stop(); });
    threads_.join();
  }
  void post(std::function<void()> work) { boost::asio::post(io_, std::move(work)); }
  // Runs `work` on the loop and waits for it.
  template <class Work>
  auto on_loop(Work work) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto result = task.get_future();
    post([&task] { task(); });
    return result.get();
  }

  boost::asio::io_context io_{2};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{io_.get_executor()};
  std::vector<std::string> thrown_;  // the loop's
  LoopThreads threads_{io_, 1ms, [this](const std::string& what) { thrown_.push_back(what); }};
};

TEST_F(LoopThreadsTest, WhatAHandlerThrowsIsTold) {
  threads_.start();
  post([] { throw std::runtime_error("one"); });
  post([this] {
    std::promise<void> other_leads;
    boost::asio::post(io_, [&] { other_leads.set_value(); });
    EXPECT_FALSE(threads_.block([&] { other_leads.get_future().wait(); }));
    throw std::runtime_error("another, off the loop");
  });
  std::size_t told = 0;
  while (told < 2) told = on_loop([this] { return thrown_.size(); });
  EXPECT_EQ(on_loop([this] { return thrown_; }), (std::vector<std::string>{"one", "another, off the loop"}));
}

TEST_F(LoopThreadsTest, QuickWorkStaysOnItsThread) {
  boost::asio::io_context io(2);
  LoopThreads threads(io, 1h, nullptr);
  std::vector<std::thread::id> seen;
  for (int i = 0; i < 100; ++i) {
    boost::asio::post(io, [&] {
      EXPECT_TRUE(threads.block([&] { seen.push_back(std::this_thread::get_id()); }));
      seen.push_back(std::this_thread::get_id());
    });
  }
  threads.start();
  threads.join();
  ASSERT_EQ(seen.size(), 200U);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), seen[0]), 200);
}

// The disk hangs until handlers have run: without the other thread this would never end.
TEST_F(LoopThreadsTest, TheLoopGoesOnWithoutAThreadThatIsBlocked) {
  threads_.start();
  for (int round = 0; round < 20; ++round) {
    std::promise<void> disk_is_back;
    std::promise<std::thread::id> blocked_thread;
    std::promise<bool> kept;
    post([&] {
      kept.set_value(threads_.block([&] {
        blocked_thread.set_value(std::this_thread::get_id());
        disk_is_back.get_future().wait();
      }));
    });
    auto loop_thread = on_loop([] { return std::this_thread::get_id(); });
    EXPECT_NE(blocked_thread.get_future().get(), loop_thread);
    disk_is_back.set_value();
    EXPECT_FALSE(kept.get_future().get());
    EXPECT_EQ(on_loop([] { return std::this_thread::get_id(); }), loop_thread);
  }
}

// What a handler posts after its block() is seen by the thread that runs the loop now, though it sleeps.
TEST_F(LoopThreadsTest, HandlersNeverRunSideBySide) {
  threads_.start();
  std::atomic<int> running = 0;
  int handled = 0;  // unguarded: the thread sanitizer would tell
  std::promise<void> done;
  std::function<void(int)> chain = [&](int left) {
    EXPECT_EQ(running.fetch_add(1), 0);
    ++handled;
    running.fetch_sub(1);
    const bool ours = threads_.block([&] {
      if (left % 7 == 0) std::this_thread::sleep_for(3ms);
    });
    if (ours) ++handled;
    post([&, left] {
      if (left == 0) return done.set_value();
      chain(left - 1);
    });
  };
  post([&] { chain(200); });
  done.get_future().get();
  EXPECT_GE(on_loop([&] { return handled; }), 201);
}

TEST_F(LoopThreadsTest, EndsWhenTheLoopIsStoppedBesideABlockedThread) {
  threads_.start();
  std::promise<void> disk_is_back;
  post([&] { threads_.block([&] { disk_is_back.get_future().wait(); }); });
  on_loop([&] { io_.stop(); return true; });
  disk_is_back.set_value();
  threads_.join();
  EXPECT_TRUE(io_.stopped());
}

}  // namespace
}  // namespace zk::server
