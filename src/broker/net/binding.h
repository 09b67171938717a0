// Where a listener is bound.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace broker::net {

struct ListenerOptions {
  std::string name;  // "PLAINTEXT"
  std::string host;  // empty: all addresses, IPv6 and IPv4, as Kafka binds an empty host
  std::uint16_t port = 0;
  bool operator==(const ListenerOptions&) const = default;
};

using Addresses = std::vector<boost::asio::ip::tcp::endpoint>;

// Where it may be bound. Blocks while a name is resolved. Both throw std::runtime_error with a message for the user.
Addresses resolve_listener(boost::asio::io_context& context, const ListenerOptions& options);
// Listening and non-blocking, at least one; several if the host is a name of several addresses, all at one port.
std::vector<boost::asio::ip::tcp::acceptor> bind_listener(boost::asio::io_context& context,
                                                          const ListenerOptions& options, const Addresses& addresses,
                                                          int backlog);

}  // namespace broker::net
