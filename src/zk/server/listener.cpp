#include "zk/server/listener.h"

#include "base/logging.h"
#include "zk/server/config.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Listener";

using boost::asio::ip::tcp;

boost::asio::ip::address resolve(boost::asio::io_context& io, const ListenerOptions& options) {
  if (options.address.empty()) return boost::asio::ip::address_v4::any();
  boost::system::error_code error;
  auto address = boost::asio::ip::make_address(options.address, error);
  if (!error) return address;
  tcp::resolver resolver(io);
  auto found = resolver.resolve(options.address, "", error);
  if (error || found.empty()) {
    throw ConfigError(0, options.address_key + "=" + options.address + " is neither an address nor a known host");
  }
  return found.begin()->endpoint().address();
}

}  // namespace

Listener::Listener(boost::asio::io_context& io, const ListenerOptions& options,
                   std::function<void(tcp::socket)> on_socket)
    : acceptor_(io), retry_timer_(io), on_socket_(std::move(on_socket)) {
  const tcp::endpoint endpoint(resolve(io, options), options.port);
  boost::system::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) {
    acceptor_.listen(options.backlog > 0 ? options.backlog : tcp::acceptor::max_listen_connections, error);
  }
  if (error) {
    throw std::runtime_error("Cannot listen on " + endpoint.address().to_string() + ":" + std::to_string(options.port) +
                             ": " + error.message());
  }
  port_ = acceptor_.local_endpoint().port();
  base::log_info(kLogger, "binding to port {}:{}", endpoint.address().to_string(), port_);
  accept();
}

void Listener::accept() {
  acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
    if (closed_) return;
    if (!error) {
      on_socket_(std::move(socket));
      if (!closed_) accept();
      return;
    }
    base::log_warn(kLogger, "Cannot accept a connection: {}", error.message());
    retry_timer_.expires_after(std::chrono::milliseconds(100));  // out of descriptors, most likely
    retry_timer_.async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled && !closed_) accept();
    });
  });
}

void Listener::close() {
  closed_ = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  retry_timer_.cancel();
}

}  // namespace zk::server
