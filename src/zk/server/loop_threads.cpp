#include "zk/server/loop_threads.h"

#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

namespace zk::server {

namespace {

// Of the thread that runs handlers: set by block() when the loop was taken from it.
thread_local bool lost_the_loop = false;

}  // namespace

LoopThreads::LoopThreads(boost::asio::io_context& io, std::chrono::milliseconds patience,
                         std::function<void(const std::string& what)> on_thrown)
    : io_(io), patience_(patience), on_thrown_(std::move(on_thrown)) {}

LoopThreads::~LoopThreads() { join(); }

void LoopThreads::start() {
  for (std::size_t self = 0; self < threads_.size(); ++self) threads_.at(self) = std::thread([this, self] { run(self); });
}

void LoopThreads::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void LoopThreads::run(std::size_t self) {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (leader_ == self) {
      lead(lock, self);
    } else {
      watch(lock, self);
    }
  }
}

void LoopThreads::lead(std::unique_lock<std::mutex>& lock, std::size_t self) {
  lock.unlock();
  lost_the_loop = false;
  while (!lost_the_loop && run_one()) {
  }
  lock.lock();
  if (leader_ != self) return;
  ended_ = true;
  changed_.notify_all();
}

// False: the loop has ended.
bool LoopThreads::run_one() {
  try {
    return io_.run_one() > 0;
  } catch (const std::exception& error) {  // it may have lost the loop, so not here
    boost::asio::post(io_, [this, what = std::string(error.what())] { on_thrown_(what); });
    return true;
  }
}

void LoopThreads::watch(std::unique_lock<std::mutex>& lock, std::size_t self) {
  if (!is_watched_) return changed_.wait(lock);
  const std::uint64_t blocks_seen = blocks_;
  changed_.wait_until(lock, (is_blocked_ ? blocked_since_ : Clock::now()) + patience_);
  if (is_blocked_ && Clock::now() - blocked_since_ >= patience_) {
    leader_ = self;
    is_blocked_ = false;
  } else if (!is_blocked_ && blocks_ == blocks_seen) {
    is_watched_ = false;
  }
}

bool LoopThreads::block(const std::function<void()>& work) {
  std::size_t self = 0;
  {
    std::lock_guard lock(mutex_);
    self = leader_;
    is_blocked_ = true;
    blocked_since_ = Clock::now();
    ++blocks_;
    if (!std::exchange(is_watched_, true)) changed_.notify_all();
  }
  work();
  std::lock_guard lock(mutex_);
  if (leader_ == self) {
    is_blocked_ = false;
    return true;
  }
  lost_the_loop = true;
  return false;
}

}  // namespace zk::server
