#include "broker/net/binding.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/listen.h"

namespace broker::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

}  // namespace

// Of a name all addresses, those of IPv4 first.
Addresses resolve_listener(asio::io_context& context, const ListenerOptions& options) {
  if (options.host.empty()) return {tcp::endpoint(tcp::v6(), options.port), tcp::endpoint(tcp::v4(), options.port)};
  boost::system::error_code error;
  auto address = asio::ip::make_address(options.host, error);
  if (!error) return {tcp::endpoint(address, options.port)};
  tcp::resolver resolver(context);
  auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty())
    throw std::runtime_error(fmt::format("cannot resolve {}: {}", options.host, error.message()));
  Addresses endpoints(found.begin(), found.end());
  std::stable_partition(endpoints.begin(), endpoints.end(),
                        [](const tcp::endpoint& each) { return each.protocol() == tcp::v4(); });
  return endpoints;
}

// Without a host, the first of the candidates that the system has: a machine without IPv6 gets 0.0.0.0. A name is bound at its
// first address, of IPv4 if it has one, as by Java; and at its others where that works, since clients may take any of
// them: in most systems localhost is ::1 first.
std::vector<tcp::acceptor> bind_listener(asio::io_context& context, const ListenerOptions& options,
                                         const Addresses& addresses, int backlog) {
  std::vector<tcp::acceptor> bound;
  boost::system::error_code error;
  const bool any_host = options.host.empty();
  for (tcp::endpoint endpoint : addresses) {
    if (!bound.empty()) endpoint.port(bound.front().local_endpoint().port());
    tcp::acceptor acceptor(context);
    base::listen_at(acceptor, endpoint, !bound.empty(), backlog, error);
    if (!error) acceptor.non_blocking(true, error);
    if (error == asio::error::address_in_use && bound.empty()) break;
    if (error) continue;
    bound.push_back(std::move(acceptor));
    if (any_host) break;
  }
  if (!bound.empty()) return bound;
  throw std::runtime_error(
      fmt::format("Socket server failed to bind to {}:{}: {}.", options.host, options.port, error.message()));
}

}  // namespace broker::net
