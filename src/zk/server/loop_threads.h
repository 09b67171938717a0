// Two threads for one event loop. One of them runs it, the other one watches. A handler that has to wait for the disk does
// so by block(), in place: no other thread needs to be woken, and be waited for, as long as the disk is quick. Takes it longer
// than the patience, then the watcher runs the loop from there on, and the blocked thread becomes the watcher: nobody but
// those who need the disk waits for a slow one. (A leader and its follower.)
// The watcher is woken by a timer alone, not by who blocks: to wake a thread on an idle processor costs as much as a small request.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace zk::server {

class LoopThreads {
 public:
  // `io` must have been made for two threads at least. It outlives this object.
  // Throws std::system_error when the system has no descriptor for the timer.
  // What a handler throws ends that handler alone; `on_thrown` is called on the loop with its text.
  LoopThreads(boost::asio::io_context& io, std::chrono::milliseconds patience,
              std::function<void(const std::string& what)> on_thrown);
  ~LoopThreads();  // join()

  void start();
  // Waits until the loop has ended, by its stop() or for want of work, and every block() has returned.
  void join();
  bool is_started() const { return threads_.front().joinable(); }

  // Only in a handler of the loop, and not within another block(). Calls `work`, which must neither touch what handlers
  // touch nor throw. True: the caller is on the loop still. False: the loop went on without it; the caller must
  // leave everything alone that belongs to the loop, and post what is to be done there.
  bool block(const std::function<void()>& work);

 private:
  using Clock = std::chrono::steady_clock;

  void run(std::size_t self);
  bool run_one();
  void lead(std::unique_lock<std::mutex>& lock, std::size_t self);
  void watch(std::unique_lock<std::mutex>& lock, std::size_t self);
  void arm(Clock::duration after);

  boost::asio::io_context& io_;
  const Clock::duration patience_;
  const std::function<void(const std::string& what)> on_thrown_;
  std::array<std::thread, 2> threads_;
  std::mutex mutex_;
  const int timer_;  // a timerfd, at which the watcher sleeps
  std::size_t leader_ = 0;
  bool ended_ = false;
  bool is_blocked_ = false;
  Clock::time_point blocked_since_;
  bool is_armed_ = false;  // the timer is, by the first block() after it had fired
};

}  // namespace zk::server
