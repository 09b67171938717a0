// The sockets of all clients in an epoll set of their own, which the loop watches as one descriptor. Asio would watch each by
// itself; then every request costs a second receive that finds nothing (counted: 13,820 calls for 13,755 requests here, 44,808
// for 22,233 there), and a handler of the loop. Here a round of the loop serves all that have something to read.
// One thread, the event loop's.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <functional>

struct epoll_event;

namespace zk::server {

class ReadySockets {
 public:
  // What has happened on a socket since its owner was told last, and only once: the owner reads until nothing is left.
  struct Ready {
    bool to_read = false;
    bool to_write = false;
    bool is_over = false;  // the peer has ended, or broken, its side: there is an end to read
  };
  class Owner {
   public:
    virtual void on_ready(const Ready& ready) = 0;
    // After on_ready() of all owners of the round. What is received in the first pass and served in the second runs through the
    // system's code and ours once each for all of them, not in turns that push each other out of the caches.
    virtual void on_all_ready() {}

   protected:
    ~Owner() = default;
  };

  // `after_round` is called in the loop once those that were ready, kServedAtOnce at most, have been served, as the last thing there: it may lose the
  // loop (LoopThreads). Throws boost::system::system_error.
  explicit ReadySockets(boost::asio::io_context& io, std::function<void()> after_round = nullptr);
  ReadySockets(const ReadySockets&) = delete;
  ReadySockets& operator=(const ReadySockets&) = delete;

  // Until the descriptor is closed; within on_ready() of somebody the owner must outlive that round of the loop. False: the
  // system has no room for it; errno says why.
  bool add(int descriptor, Owner& owner);
  // Serves what is ready now, so many at most, as the loop does by itself; returns how many it were. Not within on_ready().
  static constexpr std::size_t kServedAtOnce = 128;
  std::size_t serve();
  // Sleeps until something is ready, so long (less than a second) at most.
  void sleep(std::chrono::nanoseconds at_most);
  bool is_serving() const { return is_serving_; }

 private:
  void watch();

  boost::asio::posix::stream_descriptor set_;
  std::function<void()> after_round_;
  bool is_serving_ = false;
};

}  // namespace zk::server
