// A client's TCP connection. It cuts what arrives into frames and sends what the coordinator leaves in its output.
// Idle, it holds a small buffer for what comes next: most requests fit into it, and a receive that is under way costs no call
// that waits for readability. Longer input goes on into a buffer that all connections of the loop share.
// One thread, the event loop's; shared ownership by the handlers under way.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "base/tls/engine.h"
#include "zk/server/coordinator.h"

namespace zk::server {

// What the connections of one loop share.
struct ConnectionShared {
  Coordinator& coordinator;
  base::Bytes read_buffer;
  base::Bytes plain_buffer;                        // what the read buffer held, of a client with TLS
  std::function<void()> after_work;                // batches to the log, flushes
  std::function<void(tree::WatcherId)> on_closed;  // once, from within close
};

class Connection final : public Peer, public std::enable_shared_from_this<Connection> {
 public:
  // `from` is where the socket came from when it was accepted. With `tls`, whose handshake is done, all that goes over it
  // is sealed.
  Connection(boost::asio::ip::tcp::socket socket, const boost::asio::ip::tcp::endpoint& from, ConnectionShared& shared,
             std::unique_ptr<base::tls::Engine> tls = nullptr);

  // `input`: what the client sent together with the end of its TLS handshake.
  void start(base::ByteView input = {});
  void close_after_output() override;
  void close_now() override;
  void flush() override;

 private:
  void receive();
  void on_received(std::size_t bytes);
  void take_bytes(base::ByteView bytes);
  void take_input(base::ByteView bytes);
  // Moves `done` on; whether all of it is out.
  bool send_all(base::Bytes& bytes, std::size_t& done);
  bool send_sealed();
  void say_goodbye();
  // Serves whole frames; returns the bytes used.
  std::size_t take_frames(base::ByteView bytes);
  bool take_word(base::ByteView bytes);
  void resume();

  boost::asio::ip::tcp::socket socket_;
  ConnectionShared& shared_;
  std::unique_ptr<base::tls::Engine> tls_;
  base::Bytes sealed_;  // output as it goes over the socket
  std::size_t sealed_sent_ = 0;
  base::Bytes input_;  // the start of a frame that isn't whole, or frames that must wait
  std::size_t output_sent_ = 0;
  std::array<std::uint8_t, 512> arriving_;
  bool reading_ = false;  // a receive is under way
  bool writing_ = false;  // waits for writability
  bool stalled_ = false;  // has frames that the coordinator doesn't accept yet
  bool closing_ = false;
  bool closed_ = false;
  bool first_bytes_ = true;
};

}  // namespace zk::server
