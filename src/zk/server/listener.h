// A port: binds, and hands each new socket to its owner. Runs on the owner's event loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <string>

namespace zk::server {

struct ListenerOptions {
  std::string address_key;  // names the address in messages
  std::string address;      // empty: all
  std::uint16_t port = 0;   // 0: any that is free
  int backlog = -1;         // -1: as many as the system allows
};

class Listener {
 public:
  // Listens at once; throws if it can't.
  Listener(boost::asio::io_context& io, const ListenerOptions& options,
           std::function<void(boost::asio::ip::tcp::socket)> on_socket);

  void close();
  std::uint16_t port() const { return port_; }

 private:
  void accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  std::function<void(boost::asio::ip::tcp::socket)> on_socket_;
  std::uint16_t port_ = 0;
  bool closed_ = false;
};

}  // namespace zk::server
