// Ports and addresses as Java has them, whose users' files, access lists and tools we serve. Thread-safe.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

namespace base {

// Opens, binds and listens on `host`, an address or a name, and returns the address that it is bound at. All addresses
// (an empty host, 0.0.0.0, ::) are one socket for IPv6 and IPv4 where the system has IPv6. A name is bound at its first
// address, of IPv4 if it has one. A backlog that isn't positive is the system's largest.
boost::asio::ip::address listen(boost::asio::ip::tcp::acceptor& acceptor, const std::string& host, std::uint16_t port,
                                int backlog, boost::system::error_code& error);

// The same for one address. `v6_only`: an address of IPv6 leaves IPv4 to another socket.
void listen_at(boost::asio::ip::tcp::acceptor& acceptor, const boost::asio::ip::tcp::endpoint& endpoint, bool v6_only,
               int backlog, boost::system::error_code& error);

// A socket whose number is of the reserve (process_limits.h), which begins there, gets another number if there is one now; its
// operations must have ended. Whether it is out of the reserve.
bool leave_reserve(boost::asio::ip::tcp::socket& socket, int reserved_begin);

// A client that came by IPv4 to a socket for both has its IPv4 address.
boost::asio::ip::tcp::endpoint unmapped(const boost::asio::ip::tcp::endpoint& from);

// As Java's getHostAddress() writes it: all eight groups of IPv6, and the interface behind % of one with a scope.
std::string java_address_text(const boost::asio::ip::address& address);

}  // namespace base
