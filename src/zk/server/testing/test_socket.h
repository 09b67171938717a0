// For tests: a blocking connection to a port of this machine, through TLS if it is given a context. It waits as long as
// it takes.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/tls/engine.h"

namespace zk::server::testing {

class TestSocket {
 public:
  explicit TestSocket(std::uint16_t port, std::shared_ptr<const base::tls::Context> context = nullptr,
                      bool by_ipv6 = false)
      : socket_(::socket(by_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0)) {
    if (!(by_ipv6 ? connect_by_ipv6(port) : connect_by_ipv4(port))) {
      ::close(socket_);
      throw std::runtime_error("cannot connect");
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (context) engine_ = std::make_unique<base::tls::Engine>(std::move(context), "localhost");
  }
  ~TestSocket() { ::close(socket_); }
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  // Ends it as a client that crashes, so that the server's socket forgets where it came from.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(socket_, -1));
  }

  // Nothing more comes from here; answers still may.
  void half_close() { ::shutdown(socket_, SHUT_WR); }

  // As the bytes are, also with TLS.
  void send_raw(base::ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
  }
  void send_bytes(base::ByteView bytes) {
    if (!engine_) return send_raw(bytes);
    engine_->send(bytes);
    send_raw(engine_->take_output());
  }
  void send_text(std::string_view text) { send_bytes(base::as_bytes(text)); }
  void send_frame(base::ByteView body) {
    base::Bytes frame;
    base::append_big_endian(frame, static_cast<std::int32_t>(body.size()));
    frame.insert(frame.end(), body.begin(), body.end());
    send_bytes(frame);
  }
  // False if the server refuses.
  bool handshake() {
    if (!engine_) return true;
    send_raw(engine_->take_output());
    while (!engine_->established()) {
      if (!receive_some()) return false;
    }
    return true;
  }
  // False once the server has closed.
  bool receive_some() {
    base::Bytes chunk(16384);
    const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
    is_broken_ = got < 0;
    if (got <= 0) return false;
    chunk.resize(static_cast<std::size_t>(got));
    if (!engine_) {
      plain_.insert(plain_.end(), chunk.begin(), chunk.end());
      return true;
    }
    const bool good = engine_->receive(chunk, plain_);
    send_raw(engine_->take_output());
    return good;
  }
  // Whether it was reset, as receive_some() has seen, instead of ended.
  bool is_broken() const { return is_broken_; }
  std::string read_all() {
    while (receive_some()) {
    }
    return std::string(base::as_text(take()));
  }
  // Nothing once the server has closed.
  std::optional<base::Bytes> receive_frame() {
    for (;;) {
      if (plain_.size() >= 4) {
        const std::size_t size = base::load_big_endian<std::uint32_t>(plain_.data());
        if (plain_.size() >= 4 + size) {
          base::Bytes frame(plain_.begin() + 4, plain_.begin() + 4 + static_cast<std::ptrdiff_t>(size));
          plain_.erase(plain_.begin(), plain_.begin() + 4 + static_cast<std::ptrdiff_t>(size));
          return frame;
        }
      }
      if (!receive_some()) return std::nullopt;
    }
  }
  // What has come and wasn't taken as a frame.
  base::Bytes take() { return std::exchange(plain_, {}); }

 private:
  bool connect_by_ipv4(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool connect_by_ipv6(std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    return ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  int socket_;
  std::unique_ptr<base::tls::Engine> engine_;
  base::Bytes plain_;
  bool is_broken_ = false;
};

}  // namespace zk::server::testing
