#include "zk/server/listener.h"

#include <utility>

#include "base/listen.h"
#include "base/logging.h"
#include "base/process_limits.h"
#include "zk/server/config.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Listener";

using boost::asio::ip::tcp;

}  // namespace

Listener::Listener(boost::asio::io_context& io, const ListenerOptions& options, OnSocket on_socket)
    : acceptor_(io), retry_timer_(io), on_socket_(std::move(on_socket)) {
  boost::system::error_code error;
  const auto address = base::listen(acceptor_, options.address, options.port, options.backlog, error);
  if (error.category() == boost::asio::error::get_netdb_category()) {
    throw ConfigError(0, options.address_key + "=" + options.address + " is neither an address nor a known host");
  }
  if (error) {
    throw std::runtime_error("Cannot listen on " + (options.address.empty() ? "*" : options.address) + ":" +
                             std::to_string(options.port) + ": " + error.message());
  }
  port_ = acceptor_.local_endpoint().port();
  base::log_info(kLogger, "binding to port {}:{}", address.is_unspecified() ? "*" : address.to_string(), port_);
  accept();
}

void Listener::accept() {
  acceptor_.async_accept(from_, [this](const boost::system::error_code& error, tcp::socket socket) {
    if (closed_) return;
    if (error) return pause(error.message(), [this] { accept(); });  // out of descriptors, most likely
    if (socket.native_handle() < base::descriptors_of_files_begin()) failure_logged_ = false;
    take(std::move(socket));
  });
}

// One that would cost files their descriptors waits, and all behind it.
void Listener::take(tcp::socket socket) {
  if (!base::leave_reserve(socket, base::descriptors_of_files_begin())) {
    auto waiting = std::make_shared<tcp::socket>(std::move(socket));
    return pause("too few descriptors are left", [this, waiting] { take(std::move(*waiting)); });
  }
  on_socket_(std::move(socket), base::unmapped(from_));
  if (!closed_) accept();
}

void Listener::pause(const std::string& reason, std::function<void()> then) {
  if (!std::exchange(failure_logged_, true)) base::log_warn(kLogger, "Cannot accept a connection: {}", reason);
  retry_timer_.expires_after(std::chrono::milliseconds(100));
  retry_timer_.async_wait([this, then = std::move(then)](const boost::system::error_code& cancelled) {
    if (!cancelled && !closed_) then();
  });
}

void Listener::close() {
  closed_ = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  retry_timer_.cancel();
}

}  // namespace zk::server
