// The broker's listeners and event loops. Owned by the app. Connections are spread over the loops and stay there; a
// request is served on the loop of its connection.
//
// Thread-safe. The order of a clean stop: whoever owns waiting requests ends them, then stop(), then the services that
// the handler uses may go; last the Server itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/api/frame_handler.h"
#include "broker/net/binding.h"
#include "broker/net/connection_limits.h"

namespace broker::net {

struct ServerOptions {
  std::vector<ListenerOptions> listeners;
  int network_threads = 3;                       // num.network.threads
  std::int64_t request_bytes_max = 104'857'600;  // socket.request.max.bytes
  std::int64_t queued_request_bytes_max = -1;    // queued.max.request.bytes; 0 or less: kDefaultQueuedBytes
  std::int64_t connection_idle_ms = 600'000;     // connections.max.idle.ms; -1: never
  std::int64_t stalled_frame_ms = 30'000;        // of a large frame, while others wait for memory
  int send_buffer_bytes = 102'400;               // socket.send.buffer.bytes; -1: the system's
  int receive_buffer_bytes = 102'400;            // socket.receive.buffer.bytes
  int listen_backlog = 50;                       // socket.listen.backlog.size
  std::int64_t stop_grace_ms = 5'000;            // for requests in flight
  ConnectionLimitOptions limits;
};

// Kafka has no bound by default and grows with its heap; a native process needs one.
inline constexpr std::int64_t kDefaultQueuedBytes = 256LL << 20;

using ListenerFailures = std::map<std::string, std::string>;  // name -> why

class Server {
 public:
  // Binds at once; throws std::runtime_error with a message for the user if an address can't be had.
  Server(ServerOptions options, api::FrameHandler& handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port(const std::string& listener) const;  // the one bound, also if 0 was asked for
  void start();
  // Accepts no more, reads no more, gives requests in flight the grace time, closes and joins. Once.
  void stop();

  std::int64_t connection_count() const;
  // How long each of the threads that get new connections has been at work on a processor; empty before start() and after stop().
  std::vector<std::chrono::nanoseconds> cpu_times() const;
  // Count at once: those that wait to be accepted are, and what is more than max.connections is closed, as by Kafka.
  void set_limits(ConnectionLimitOptions limits);
  // Opens those that aren't there, with another host or port too, and closes what isn't wanted any more; connections of a
  // name that is gone are closed once their requests are answered. Returns what couldn't be had, which stays at its old
  // address if it was open before; nothing if the server was stopped. Blocks for names to be resolved.
  std::optional<ListenerFailures> set_listeners(const std::vector<ListenerOptions>& wanted);
  std::vector<ListenerOptions> open_listeners() const;  // as asked for: a port may be 0
  // num.network.threads, or as many as the system gives. With fewer, the connections of the threads that go are closed once their requests are answered.
  void set_network_threads(int threads);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace broker::net
