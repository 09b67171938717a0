// A client's TCP connection. It cuts what arrives into frames and sends what the coordinator leaves in its output.
// Like ZooKeeper it ends once the client has ended its side: words are answered before, requests are done, though their
// answers may be lost.
// Idle, it holds no buffers: input goes into one that all connections of the loop share.
// One thread, the event loop's; shared ownership by the handlers under way.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "base/tls/engine.h"
#include "zk/server/coordinator.h"
#include "zk/server/ready_sockets.h"

namespace zk::server {

// What the connections of one loop have received in one round of it, one behind the other: see ReadySockets::Owner.
class RoundBuffer {
 public:
  static constexpr std::size_t kEachMax = 16 * 1024;

  // Room for kEachMax bytes; null: there is none left.
  std::uint8_t* room() { return kBytes - used_ >= kEachMax ? bytes_.get() + used_ : nullptr; }
  void use(std::size_t bytes) {
    used_ += bytes;
    ++pieces_;
  }
  // A piece has been served; with the last one all room is free again.
  void release() {
    if (--pieces_ == 0) used_ = 0;
  }

 private:
  static constexpr std::size_t kBytes = 256 * 1024;
  std::unique_ptr<std::uint8_t[]> bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(kBytes);  // untouched, it takes none
  std::size_t used_ = 0;
  std::size_t pieces_ = 0;
};

// What the connections of one loop share.
struct ConnectionShared {
  Coordinator& coordinator;
  ReadySockets& sockets;
  base::Bytes read_buffer;
  base::Bytes plain_buffer;                        // what the read buffer held, of a client with TLS
  std::function<void()> after_work;                // batches to the log, flushes
  std::function<void(tree::WatcherId)> on_closed;  // once, from within close
  RoundBuffer round_buffer = {};
};

class Connection final : public Peer, private ReadySockets::Owner, public std::enable_shared_from_this<Connection> {
 public:
  // `from` is where the socket came from when it was accepted. With `tls`, whose handshake is done, all that goes over it
  // is sealed.
  Connection(boost::asio::ip::tcp::socket socket, const boost::asio::ip::tcp::endpoint& from, ConnectionShared& shared,
             std::unique_ptr<base::tls::Engine> tls = nullptr);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `input`: what the client sent together with the end of its TLS handshake.
  void start(base::ByteView input = {});
  void close_after_output() override;
  void close_now() override;
  void flush() override;

 private:
  void on_ready(const ReadySockets::Ready& ready) override;
  void on_all_ready() override;
  void receive_for_round();
  void receive();
  void receive_later();
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

  boost::asio::any_io_executor executor_;
  int socket_;  // -1: closed
  ConnectionShared& shared_;
  std::unique_ptr<base::tls::Engine> tls_;
  base::Bytes sealed_;  // output as it goes over the socket
  std::size_t sealed_sent_ = 0;
  base::Bytes input_;  // the start of a frame that isn't whole, or frames that must wait
  std::size_t output_sent_ = 0;
  base::ByteView received_;       // in this round, in the shared buffer
  bool has_input_ = false;        // there may be something to read
  bool has_end_ = false;          // and behind it the end
  bool is_read_later_ = false;    // receive() is posted
  bool writing_ = false;          // waits for writability
  bool stalled_ = false;  // has frames that the coordinator doesn't accept yet
  bool closing_ = false;
  bool closed_ = false;
  bool first_bytes_ = true;
};

}  // namespace zk::server
