#include "base/listen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/v6_only.hpp>
#include <vector>

#include "base/process_limits.h"

namespace base {

namespace {

namespace ip = boost::asio::ip;
using boost::system::error_code;
using ip::tcp;

// The first that the system has is taken.
std::vector<ip::address> candidates_of(tcp::acceptor& acceptor, const std::string& host, error_code& error) {
  error_code no_address;
  const ip::address address = host.empty() ? ip::address_v6::any() : ip::make_address(host, no_address);
  if (!no_address && address.is_unspecified()) return {ip::address_v6::any(), ip::address_v4::any()};
  if (!no_address) return {address};
  tcp::resolver resolver(acceptor.get_executor());
  std::vector<ip::address> found;
  for (const auto& entry : resolver.resolve(host, "", error)) found.push_back(entry.endpoint().address());
  if (!error && found.empty()) error = boost::asio::error::host_not_found;
  if (error) return {};
  const auto first = std::find_if(found.begin(), found.end(), [](const ip::address& each) { return each.is_v4(); });
  return {first == found.end() ? found.front() : *first};
}

}  // namespace

void listen_at(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, bool v6_only, int backlog, error_code& error) {
  error_code ignored;
  acceptor.close(ignored);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint.protocol() == tcp::v6()) acceptor.set_option(ip::v6_only(v6_only), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(backlog > 0 ? backlog : tcp::acceptor::max_listen_connections, error);
}

ip::address listen(tcp::acceptor& acceptor, const std::string& host, std::uint16_t port, int backlog,
                   error_code& error) {
  error.clear();
  for (const ip::address& address : candidates_of(acceptor, host, error)) {
    listen_at(acceptor, tcp::endpoint(address, port), false, backlog, error);
    if (!error) return address;
    if (error == boost::asio::error::address_in_use) break;
  }
  return {};
}

bool leave_reserve(tcp::socket& socket, int reserved_begin) {
  if (socket.native_handle() < reserved_begin) return true;
  error_code error;
  const tcp protocol = socket.local_endpoint(error).protocol();
  const int other = error ? -1 : ::fcntl(socket.native_handle(), F_DUPFD_CLOEXEC, 0);
  if (other < 0) return false;
  tcp::socket moved(socket.get_executor());
  if (other < reserved_begin) moved.assign(protocol, other, error);
  if (!moved.is_open()) {
    ::close(other);
    return false;
  }
  const int old = socket.release(error);  // not closed by Asio, whose epoll set would keep it: the other one is the same socket
  if (error) return false;
  ::close(old);
  socket = std::move(moved);
  return true;
}

tcp::endpoint unmapped(const tcp::endpoint& from) {
  const ip::address& address = from.address();
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return from;
  return tcp::endpoint(ip::make_address_v4(ip::v4_mapped, address.to_v6()), from.port());
}

std::string java_address_text(const ip::address& address) {
  if (address.is_v4()) return address.to_string();
  const ip::address_v6 v6 = address.to_v6();
  const ip::address_v6::bytes_type bytes = v6.to_bytes();
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    text += fmt::format("{}{:x}", i == 0 ? "" : ":", bytes[i] * 256U + bytes[i + 1]);
  }
  if (v6.scope_id() == 0) return text;
  std::array<char, IF_NAMESIZE> name{};
  const auto scope = static_cast<unsigned>(v6.scope_id());
  return text + "%" + (if_indextoname(scope, name.data()) == nullptr ? std::to_string(scope) : name.data());
}

}  // namespace base
