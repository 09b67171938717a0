// Where a listener is bound. Blocks while a name is resolved.
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

// Listening and non-blocking; several if the host is a name of several addresses, all at one port. Throws
// std::runtime_error with a message for the user if there is none.
std::vector<boost::asio::ip::tcp::acceptor> bind_listener(boost::asio::io_context& context,
                                                          const ListenerOptions& options, int backlog);

}  // namespace broker::net
