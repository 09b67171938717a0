#include "zk/server/loop_threads.h"

#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

namespace zk::server {

namespace {

// A group of writes waits for less than the 50 us by which the system is late otherwise.
constexpr unsigned long kTimerSlackNs = 1000;

// Of the thread that runs handlers: set by block() when the loop was taken from it.
thread_local bool lost_the_loop = false;

}  // namespace

LoopThreads::LoopThreads(boost::asio::io_context& io, std::chrono::milliseconds patience,
                         std::function<void(const std::string& what)> on_thrown)
    : io_(io),
      patience_(patience),
      on_thrown_(std::move(on_thrown)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
  if (timer_ < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
}

LoopThreads::~LoopThreads() {
  join();
  ::close(timer_);
}

void LoopThreads::start() {
  for (std::size_t self = 0; self < threads_.size(); ++self) threads_.at(self) = std::thread([this, self] { run(self); });
}

void LoopThreads::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void LoopThreads::run(std::size_t self) {
  ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
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
  arm(Clock::duration(1));
}

// False: the loop has ended.
bool LoopThreads::run_one() {
  try {
    return io_.run_one() > 0;
  } catch (const std::exception& error) {
    if (!lost_the_loop) {  // before anything else runs: what was being done is half done
      on_thrown_(error.what());
    } else {
      boost::asio::post(io_, [this, what = std::string(error.what())] { on_thrown_(what); });
    }
    return true;
  }
}

void LoopThreads::watch(std::unique_lock<std::mutex>& lock, std::size_t self) {
  lock.unlock();
  std::uint64_t times = 0;
  while (::read(timer_, &times, sizeof times) < 0 && errno == EINTR) {
  }
  lock.lock();
  if (ended_) return;
  is_armed_ = false;
  if (!is_blocked_) return;  // the next block() arms it again
  const Clock::duration left = blocked_since_ + patience_ - Clock::now();
  if (left > Clock::duration::zero()) return arm(left);
  leader_ = self;
  is_blocked_ = false;
}

// With the mutex held.
void LoopThreads::arm(Clock::duration after) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t nanoseconds = std::max<std::int64_t>(1, std::chrono::nanoseconds(after).count());  // 0 would disarm it
  itimerspec when{};
  when.it_value.tv_sec = nanoseconds / kSecond;
  when.it_value.tv_nsec = nanoseconds % kSecond;
  ::timerfd_settime(timer_, 0, &when, nullptr);
  is_armed_ = true;
}

bool LoopThreads::block(const std::function<void()>& work) {
  std::size_t self = 0;
  {
    std::lock_guard lock(mutex_);
    self = leader_;
    is_blocked_ = true;
    blocked_since_ = Clock::now();
    if (!is_armed_) arm(patience_);
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
