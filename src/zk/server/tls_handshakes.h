// TLS handshakes of the server's clients, from the new socket until both sides know each other. The work for a
// signature, a millisecond or so, is done on a thread of its own, so that many new clients at once don't delay those
// who are there; on several where a client's certificate is looked up over the network. Everything else runs on the owner's event loop, on which all callbacks are called.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>

#include "base/bytes.h"
#include "base/tls/engine.h"

namespace zk::server {

class TlsHandshakes {
 public:
  struct Done {
    boost::asio::ip::tcp::socket socket;
    boost::asio::ip::tcp::endpoint from;
    std::unique_ptr<base::tls::Engine> engine;  // null: the client doesn't speak TLS, and nothing was read yet
    base::Bytes input;                          // what came with the end of the handshake
  };
  struct Events {
    std::function<void(Done)> done;
    std::function<void(const boost::asio::ip::tcp::endpoint& from)> failed;  // its socket is closed
  };

  TlsHandshakes(boost::asio::io_context& io, std::shared_ptr<const base::tls::Context> context, Events events);
  ~TlsHandshakes();

  // `detect`: a client whose first byte is no handshake's is handed on as it is.
  void start(boost::asio::ip::tcp::socket socket, const boost::asio::ip::tcp::endpoint& from, bool detect,
             std::int64_t now_ms);
  // Ends those that began before.
  void expire(std::int64_t began_before_ms);
  // For those that start from now on.
  void set_context(std::shared_ptr<const base::tls::Context> context) { context_ = std::move(context); }
  std::size_t size() const { return handshakes_.size(); }
  // No callback comes any more.
  void stop();

 private:
  class Handshake;

  void finish(const std::shared_ptr<Handshake>& handshake, bool good);

  boost::asio::io_context& io_;
  std::shared_ptr<const base::tls::Context> context_;
  Events events_;
  std::unordered_set<std::shared_ptr<Handshake>> handshakes_;
  bool stopped_ = false;
  boost::asio::thread_pool threads_;
};

}  // namespace zk::server
