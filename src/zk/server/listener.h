// A port: binds, and hands each new socket to its owner, with the address that it came from (a socket that has been reset
// meanwhile doesn't know it any more). Runs on the owner's event loop.
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
  std::string address;      // empty: all, as base::listen() has it
  std::uint16_t port = 0;   // 0: any that is free
  int backlog = -1;         // -1: as many as the system allows
};

class Listener {
 public:
  using OnSocket = std::function<void(boost::asio::ip::tcp::socket, const boost::asio::ip::tcp::endpoint& from)>;

  // Listens at once; throws if it can't.
  Listener(boost::asio::io_context& io, const ListenerOptions& options, OnSocket on_socket);

  void close();
  std::uint16_t port() const { return port_; }

 private:
  void accept();
  void take(boost::asio::ip::tcp::socket socket);
  void pause(const std::string& reason, std::function<void()> then);

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  boost::asio::ip::tcp::endpoint from_;  // of the connection being accepted
  OnSocket on_socket_;
  std::uint16_t port_ = 0;
  bool failure_logged_ = false;  // since one came without any
  bool closed_ = false;
};

}  // namespace zk::server
