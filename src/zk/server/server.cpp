#include "zk/server/server.h"

#include <boost/asio/post.hpp>

#include "base/logging.h"
#include "zk/server/server_impl.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Server";
constexpr std::size_t kReadBufferBytes = 64 * 1024;

}  // namespace

using boost::asio::ip::tcp;

Server::Server(ZooKeeperServerConfig config, base::FileSystem& files)
    : impl_(std::make_unique<Impl>(std::move(config), files)) {}
Server::~Server() = default;
void Server::set_on_failure(OnFailure on_failure) { impl_->on_failure = std::move(on_failure); }
void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }
std::uint16_t Server::port() const { return impl_->port; }

Server::Impl::Impl(ZooKeeperServerConfig config, base::FileSystem& files)
    : config_(std::move(config)),
      files_(files),
      data_dir_(files, config_.data_dir, config_.data_log_dir),
      io_(1),
      coordinator_(config_, clock_),
      shared_{coordinator_, base::Bytes(kReadBufferBytes), [this] { after_work(); },
              [this](tree::WatcherId id) {
                // The object stays until the handlers that use it have returned.
                boost::asio::post(io_, [this, id] {
                  auto entry = connections_.find(id);
                  if (entry == connections_.end()) return;
                  auto count = per_address_.find(entry->second->address);
                  if (count != per_address_.end() && --count->second == 0) per_address_.erase(count);
                  connections_.erase(entry);
                });
              }},
      acceptor_(io_),
      tick_timer_(io_),
      accept_timer_(io_),
      snapshot_timer_(io_),
      random_(static_cast<unsigned>(clock_.wall_ms())) {}

Server::Impl::~Impl() { stop(); }

void Server::Impl::start() {
  load();
  TxnLogOptions options;
  options.preallocate_bytes = config_.preallocate_bytes;
  options.sync = config_.force_sync;
  log_thread_ = std::make_unique<LogThread>(
      std::make_unique<TxnLogWriter>(files_, data_dir_.log_dir(), options),
      [this](base::Bytes buffer) {
        boost::asio::post(io_, [this, buffer = std::move(buffer)]() mutable { on_log_durable(std::move(buffer)); });
      },
      [this](const std::string& reason) {
        boost::asio::post(io_, [this, reason] {
          fail("the transaction log cannot be written: " + reason, ExitCode::unexpected_error);
        });
      });
  coordinator_.begin();
  listen();
  run_tick();
  after_work();
  thread_ = std::thread([this] { io_.run(); });
}

void Server::Impl::prepare_directories() {
  try {
    data_dir_.prepare(config_.create_data_dir);
  } catch (const std::exception& error) {
    throw StartError(ExitCode::data_dir_inaccessible,
                     std::string("Unable to access the data directory: ") + error.what());
  }
}

void Server::Impl::load() {
  prepare_directories();
  const char* kInUse = " is in use by another coordinator";
  lock_ = files_.try_lock(config_.data_dir + "/.lock");
  if (!lock_) throw DataDirError(config_.data_dir + kInUse);
  if (config_.data_log_dir != config_.data_dir) {
    log_lock_ = files_.try_lock(config_.data_log_dir + "/.lock");
    if (!log_lock_) throw DataDirError(config_.data_log_dir + kInUse);
  }
  LoadOptions options;
  options.check_digests = config_.digest;
  options.trust_empty_snapshot = config_.trust_empty_snapshot;
  std::int64_t started_ms = clock_.monotonic_ms();
  LoadResult result = data_dir_.load(coordinator_.state(), options);
  if (result.fresh) write_first_snapshot();
  base::log_info(
      kLogger,
      "Loaded {}: snapshot.{:x} ({} bytes) and {} transactions, now {} znodes and {} sessions at zxid 0x{:x}, "
      "in {} ms",
      config_.data_dir, result.snapshot_zxid, result.snapshot_bytes, result.replayed,
      coordinator_.state().tree().node_count(), coordinator_.state().sessions().size(),
      coordinator_.state().last_zxid(), clock_.monotonic_ms() - started_ms);
  txns_since_snapshot_ = result.replayed;
  bytes_since_snapshot_ = result.log_bytes;
  draw_snapshot_limit();
  if (config_.purge_every_hours > 0) purge();
}

void Server::Impl::listen() {
  boost::system::error_code error;
  auto address = config_.client_address.empty() ? boost::asio::ip::address(boost::asio::ip::address_v4::any())
                                                : boost::asio::ip::make_address(config_.client_address, error);
  if (error) {
    tcp::resolver resolver(io_);
    auto found = resolver.resolve(config_.client_address, "", error);
    if (error || found.empty()) {
      throw ConfigError(0, "clientPortAddress=" + config_.client_address + " is neither an address nor a known host");
    }
    address = found.begin()->endpoint().address();
  }
  tcp::endpoint endpoint(address, config_.client_port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) {
    acceptor_.listen(config_.listen_backlog > 0 ? config_.listen_backlog : tcp::acceptor::max_listen_connections,
                     error);
  }
  if (error) {
    throw std::runtime_error("Cannot listen on " + address.to_string() + ":" + std::to_string(config_.client_port) +
                             ": " + error.message());
  }
  port = acceptor_.local_endpoint().port();
  base::log_info(kLogger, "binding to port {}:{}", address.to_string(), port);
  accept();
}

void Server::Impl::accept() {
  acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
    if (stopping_ || failed_) return;
    if (!error) {
      on_accepted(std::move(socket));
      return accept();
    }
    base::log_warn(kLogger, "Cannot accept a connection: {}", error.message());
    accept_timer_.expires_after(std::chrono::milliseconds(100));  // out of descriptors, most likely
    accept_timer_.async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled) accept();
    });
  });
}

void Server::Impl::on_accepted(tcp::socket socket) {
  auto connection = std::make_shared<Connection>(std::move(socket), shared_);
  std::size_t& count = per_address_[connection->address];
  bool too_many = (config_.connections_per_address_max > 0 && count >= config_.connections_per_address_max) ||
                  (config_.connections_max > 0 && connections_.size() >= config_.connections_max);
  if (too_many) {
    ++coordinator_.stats().connections_rejected;
    base::log_warn(kLogger, "Too many connections from {} - max is {}", connection->address,
                   config_.connections_per_address_max);
    if (count == 0) per_address_.erase(connection->address);
    return;
  }
  ++count;
  connection->start();
  connections_.emplace(connection->id, connection);
}

void Server::Impl::run_tick() {
  coordinator_.on_tick();
  after_work();
  tick_timer_.expires_after(std::chrono::milliseconds(std::min<std::int64_t>(config_.tick_ms, 1000)));
  tick_timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && !stopping_ && !failed_) run_tick();
  });
}

void Server::Impl::after_work() {
  coordinator_.flush_dirty();
  // Posted, so that all connections that are readable now get into the same batch.
  if (log_busy_ || pump_posted_ || !coordinator_.has_batch()) return;
  pump_posted_ = true;
  boost::asio::post(io_, [this] { pump(); });
}

void Server::Impl::pump() {
  pump_posted_ = false;
  if (log_busy_ || failed_ || stopping_ || !coordinator_.has_batch()) return;
  log_busy_ = true;
  LogBatch batch = coordinator_.take_batch();
  txns_since_snapshot_ += batch.count;
  bytes_since_snapshot_ += batch.records.size();
  log_thread_->submit(std::move(batch));
}

void Server::Impl::on_log_durable(base::Bytes buffer) {
  log_busy_ = false;
  if (failed_ || stopping_) return;
  coordinator_.on_durable(std::move(buffer));
  pump();
  coordinator_.flush_dirty();
  maybe_start_snapshot();
}

void Server::Impl::fail(const std::string& reason, ExitCode code) {
  if (failed_) return;
  failed_ = true;
  base::log_fatal(kLogger, "No longer serving: {}", reason);
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  coordinator_.fail();
  if (on_failure) on_failure(reason, code);
}

void Server::Impl::stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_, [this] { shut_down(); });
  thread_.join();
  snapshot_thread_.reset();
  log_thread_->stop();
  lock_.reset();
  log_lock_.reset();
  base::log_info(kLogger, "Stopped at zxid 0x{:x}", coordinator_.state().last_zxid());
}

void Server::Impl::shut_down() {
  stopping_ = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (const auto& [id, connection] : connections_) connection->close_now();
  io_.stop();
}

}  // namespace zk::server
