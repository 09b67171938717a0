// The listeners that are open, and the accepting on them: connections come in no faster and no more than the limits allow, leave
// descriptors to files, and go to the event loops in turn. Owned by the Server. They live on one loop, the first; each function says
// who may call it.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "broker/net/binding.h"
#include "broker/net/connection_limits.h"
#include "broker/net/event_loop.h"
#include "broker/net/open_listener.h"
#include "broker/net/server.h"

namespace broker::net {

// A listener that is open, and where it may be bound again.
struct Opened {
  ListenerOptions options;
  Addresses addresses;
};

// Which loop a new connection goes to. Thread-safe.
class LoopTurns {
 public:
  virtual ~LoopTurns() = default;
  virtual EventLoop& next() = 0;
  // Whether new connections may still go to that loop; if so, the next one goes to another.
  virtual bool take_turn(const EventLoop& loop) = 0;
};

class Listeners {
 public:
  using Chosen = std::function<bool(const ListenerOptions&)>;

  // All of them outlive it, and it outlives what runs on the loop.
  Listeners(boost::asio::io_context& loop, const ServerOptions& options, ConnectionLimits& limits, LoopTurns& turns);

  // From any thread, one at a time for open, close and close_without_loop.
  Addresses resolve(const ListenerOptions& listener);  // blocks; throws std::runtime_error with a message for the user
  // Binds, without accepting. Throws std::runtime_error if it can't be had.
  void open(const ListenerOptions& listener, const Addresses& addresses);
  // When they return, the ports are free. close() waits for the loop, which must be running; the other must be alone with it.
  void close(const Chosen& chosen);
  void close_without_loop(const Chosen& chosen);

  // From any thread at any time.
  void accept();        // on each of those open on which nobody does
  void wake_waiting();  // those that wait for room look again
  std::vector<Opened> opened() const;
  std::uint16_t port(std::string_view name) const;  // the one bound; throws std::logic_error if it isn't open

 private:
  using Moment = std::chrono::steady_clock::time_point;
  using Socket = boost::asio::ip::tcp::socket;

  void accept_on(const std::shared_ptr<Listener>& listener);
  base::Task<void> accept_loop(Accepting accepts);
  base::Task<void> accept_waiting(Listener& listener);
  base::Task<void> let_in(Listener& listener, EventLoop& loop, Socket socket);
  base::Task<void> wait_for_descriptors(Listener& listener, Socket& socket);
  base::Task<void> wait_for_room(Listener& listener, Moment until);
  void log_accept_failure(std::string_view reason);
  void accepted(Listener& listener, EventLoop& loop, Socket socket);
  void hand_over(Listener& listener, EventLoop& loop, Socket socket, const boost::asio::ip::tcp::endpoint& peer,
                 const std::string& address);
  void set_socket_options(Socket& socket) const;

  boost::asio::io_context& loop_;
  const ServerOptions& options_;
  ConnectionLimits& limits_;
  LoopTurns& turns_;
  mutable std::mutex mutex_;  // guards the next; what the listeners hold belongs to the loop
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::atomic<int> waiting_ = 0;  // how many of those who accept wait for room or for their time
  bool failure_logged_ = false;   // of the loop
};

}  // namespace broker::net
