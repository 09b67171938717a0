// One io_context with one thread, and the connections that live on it. Connections are added and looked at on its
// thread alone.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>

#include "broker/net/connection.h"
#include "broker/net/connection_limits.h"

namespace broker::net {

struct EventLoopOptions {
  std::int64_t connection_idle_ms = 600'000;
  std::int64_t stalled_frame_ms = 30'000;
  // Of a large frame over that time, while others wait for memory; more if that doesn't fill in that time what it held and hadn't filled.
  std::int64_t frame_bytes_per_second_min = 64 << 10;
};

class EventLoop {
 public:
  EventLoop(EventLoopOptions options, LoopState state, ConnectionLimits& limits);
  ~EventLoop();

  boost::asio::io_context& context() { return context_; }
  // `recover` is called on the loop's thread a moment after something has thrown there: what it was done for may have lost its next
  // operation, past all that could catch, because there was no memory for it. If it throws as well, it is called again after a pause.
  void start(int number, std::function<void()> recover = nullptr);
  // From any thread; on the loop the connection starts. `removed` is called on the loop after it is closed.
  void add(boost::asio::ip::tcp::socket socket, api::ConnectionInfo info, std::string address,
           std::function<void()> removed);
  // From any thread: no more requests are read; `done` is called on the loop's thread when the last one has gone.
  void finish(std::function<void()> done);
  // From any thread: closes those that are there, of one listener or all, as soon as their requests in flight are
  // answered.
  void drop_connections(std::optional<std::string> listener = std::nullopt);
  // From any thread: while there are more connections than the limits allow, closes idle ones, those first that have been
  // quiet longest. If none is idle any more, the sweep closes others, one at a time.
  void shed();
  // Of its thread, since that began; between start() and stop_and_join().
  std::chrono::nanoseconds cpu_time();
  // Closes what is left and ends the thread.
  void stop_and_join();

 private:
  struct Entry {
    std::shared_ptr<Connection> connection;
    std::string address;
    std::function<void()> removed;
  };

  void on_loop_add(boost::asio::ip::tcp::socket socket, api::ConnectionInfo info, std::string address,
                   std::function<void()> removed);
  void remove(Connection& connection);
  bool shed_one(bool also_busy);
  void run();
  bool recover();
  void schedule_sweep();
  void sweep();
  bool holds_memory_in_vain(Connection& connection, std::int64_t now_ms) const;

  EventLoopOptions options_;
  LoopState state_;
  ConnectionLimits& limits_;
  std::unordered_map<Connection*, Entry> connections_;
  std::function<void()> finished_;
  std::function<void()> recover_;
  bool sweep_is_due_ = false;
  bool finishing_ = false;
  boost::asio::io_context context_;  // after the state: what its handlers hold goes first
  RequestRunners runners_;           // after the context, on which its coroutines end
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer sweep_timer_;
  std::thread thread_;
};

}  // namespace broker::net
