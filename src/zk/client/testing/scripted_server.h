// For tests of a session: the server's side of one connection at a time, step by step as the test says.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "base/bytes.h"

namespace zk::client::testing {

using boost::asio::ip::tcp;

inline std::string plain(std::string hex) {
  std::erase(hex, ' ');
  return hex;
}

// Bodies in hex.
class ScriptedServer {
 public:
  ScriptedServer() : acceptor_(loop_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)), socket_(loop_) {}

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void accept() {
    tcp::socket next(loop_);
    acceptor_.accept(next);
    socket_ = std::move(next);
  }
  void drop() { socket_.close(); }

  std::string receive() {
    std::array<std::uint8_t, 4> length{};
    boost::asio::read(socket_, boost::asio::buffer(length));
    base::Bytes body(base::load_big_endian<std::uint32_t>(length.data()));
    boost::asio::read(socket_, boost::asio::buffer(body));
    return base::to_hex(body);
  }
  // The next frame that isn't a ping.
  std::string receive_request() {
    for (;;) {
      std::string frame = receive();
      if (frame != "fffffffe0000000b") return frame;
    }
  }
  void send(const std::string& hex) {
    const base::Bytes body = base::from_hex(plain(hex)).value();
    base::Bytes frame;
    base::append_big_endian(frame, static_cast<std::uint32_t>(body.size()));
    frame.insert(frame.end(), body.begin(), body.end());
    boost::asio::write(socket_, boost::asio::buffer(frame));
  }
  // Handshake with session 0x5 and password 01..01.
  std::string attach() {
    accept();
    std::string request = receive();
    send("00000000 00002710 0000000000000005 00000010 01010101010101010101010101010101 00");
    return request;
  }

 private:
  boost::asio::io_context loop_;
  tcp::acceptor acceptor_;
  tcp::socket socket_;
};

}  // namespace zk::client::testing
