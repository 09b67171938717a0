// The ports: clientPort and secureClientPort, and how many connections may come.
#include "base/listen.h"
#include "base/logging.h"
#include "zk/server/server_impl.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Server";

}  // namespace

using boost::asio::ip::tcp;

void Server::Impl::prepare_tls() {
  if (!config_.tls.enabled()) return;
  tls_stamp_ = tls_files_stamp(config_.tls);
  const base::tls::Options options = tls_options(config_.tls);
  if (options.trust_store.path.empty() && options.client_auth != base::tls::ClientAuth::none) {
    base::log_warn(kLogger,
                   "ssl.trustStore.location is missing: certificates of clients are checked against the system's "
                   "certificate authorities");
  }
  TlsHandshakes::Events events;
  events.done = [this](TlsHandshakes::Done done) {
    coordinator_.stats().tls_handshakes = handshakes_->size();
    on_connection(std::move(done.socket), done.from, std::move(done.engine), done.input);
  };
  events.failed = [this](const tcp::endpoint& from) {
    coordinator_.stats().tls_handshakes = handshakes_->size();
    ++coordinator_.stats().metrics.unsuccessful_handshake;
    ++coordinator_.stats().auth_failed;
    free_slot(base::java_address_text(from.address()));
  };
  handshakes_ = std::make_unique<TlsHandshakes>(
      io_, std::make_shared<base::tls::Context>(base::tls::Context::Role::server, options), std::move(events));
}

// With client.certReload. Stores that can't be read, as when only half of them is written, leave the old ones in use.
void Server::Impl::reload_tls() {
  std::string stamp = tls_files_stamp(config_.tls);
  if (stamp == tls_stamp_) return;
  tls_stamp_ = std::move(stamp);
  try {
    handshakes_->set_context(
        std::make_shared<base::tls::Context>(base::tls::Context::Role::server, tls_options(config_.tls)));
    base::log_info(kLogger, "The TLS stores have changed: new connections use the new ones");
  } catch (const base::tls::TlsError& error) {
    base::log_error(kLogger, "The TLS stores have changed, but the old ones stay in use: {}", error.what());
  }
}

void Server::Impl::listen() {
  ListenerOptions options;
  options.backlog = config_.listen_backlog;
  if (config_.serves_client_port) {
    options.address_key = "clientPortAddress";
    options.address = config_.client_address;
    options.port = config_.client_port;
    const bool detect = config_.tls.port_unification;
    listener_ = std::make_unique<Listener>(io_, options, [this, detect](tcp::socket socket, const tcp::endpoint& from) {
      on_socket(std::move(socket), from, detect, true);
    });
    port = listener_->port();
  }
  if (config_.tls.port) {
    options.address_key = "secureClientPortAddress";
    options.address = config_.tls.address;
    options.port = *config_.tls.port;
    secure_listener_ = std::make_unique<Listener>(io_, options, [this](tcp::socket socket, const tcp::endpoint& from) {
      on_socket(std::move(socket), from, true, false);
    });
    secure_port = secure_listener_->port();
  }
  if (!listener_ && !secure_listener_) {
    base::log_warn(kLogger, "Neither clientPort nor secureClientPort is set: no port is opened, as by ZooKeeper, and no client can come");
  }
}

void Server::Impl::close_listeners() {
  if (listener_) listener_->close();
  if (secure_listener_) secure_listener_->close();
}

void Server::Impl::on_socket(tcp::socket socket, const tcp::endpoint& from, bool tls, bool detect) {
  if (stopping_ || failed_) return;
  const std::string address = base::java_address_text(from.address());
  if (!take_slot(address)) return;
  // As ZooKeeper, which counts with TLS alone who comes to the plain port, whatever is spoken there.
  if (detect && config_.tls.enabled()) ++coordinator_.stats().without_tls[from.address().is_loopback() ? 0 : 1];
  if (config_.keep_alive) {
    boost::system::error_code ignored;
    socket.set_option(tcp::socket::keep_alive(true), ignored);
  }
  if (!tls) return on_connection(std::move(socket), from, nullptr, {});
  if (config_.tls.handshakes_max > 0 && handshakes_->size() >= config_.tls.handshakes_max) {
    ++coordinator_.stats().metrics.tls_handshake_exceeded;
    base::log_warn(kLogger, "Too many TLS handshakes at once - max is {}", config_.tls.handshakes_max);
    return free_slot(address);
  }
  handshakes_->start(std::move(socket), from, detect, clock_.monotonic_ms());
  coordinator_.stats().tls_handshakes = handshakes_->size();
}

void Server::Impl::on_connection(tcp::socket socket, const tcp::endpoint& from, std::unique_ptr<base::tls::Engine> tls,
                                 base::ByteView input) {
  auto connection = std::make_shared<Connection>(std::move(socket), from, shared_, std::move(tls));
  connection->start(input);
  connections_.emplace(connection->id, connection);
  after_work();
}

bool Server::Impl::take_slot(const std::string& address) {
  const std::size_t all = connections_.size() + (handshakes_ ? handshakes_->size() : 0);
  std::size_t& count = per_address_[address];
  if ((config_.connections_per_address_max == 0 || count < config_.connections_per_address_max) &&
      (config_.connections_max == 0 || all < config_.connections_max)) {
    ++count;
    return true;
  }
  ++coordinator_.stats().metrics.connection_rejected;
  if (config_.connections_max > 0 && all >= config_.connections_max) {
    base::log_warn(kLogger, "Too many connections: {}, from {} - maxCnxns is {}", all, address, config_.connections_max);
  } else {
    base::log_warn(kLogger, "Too many connections from {} - max is {}", address, config_.connections_per_address_max);
  }
  if (count == 0) per_address_.erase(address);
  return false;
}

void Server::Impl::free_slot(const std::string& address) {
  auto count = per_address_.find(address);
  if (count != per_address_.end() && --count->second == 0) per_address_.erase(count);
}

void Server::Impl::on_listen_tick() {
  if (!handshakes_) return;
  if (config_.tls.reload) reload_tls();
  handshakes_->expire(clock_.monotonic_ms() - config_.handshake_timeout_ms);
}

}  // namespace zk::server
