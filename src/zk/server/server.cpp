#include "zk/server/server.h"

#include <boost/asio/post.hpp>

#include "base/logging.h"
#include "zk/server/server_impl.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Server";
constexpr std::size_t kReadBufferBytes = 64 * 1024;
// So long the loop waits for a sync: an ordinary one takes less than 1 ms.
constexpr std::chrono::milliseconds kSyncPatience(5);
// So long a group that waits for more writes looks for them before it sleeps.
constexpr std::chrono::microseconds kLookFor(5);

std::chrono::nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

using boost::asio::ip::tcp;

Server::Server(ZooKeeperServerConfig config, base::FileSystem& files)
    : impl_(std::make_unique<Impl>(std::move(config), files)) {}
Server::~Server() = default;
void Server::set_on_failure(OnFailure on_failure) { impl_->on_failure = std::move(on_failure); }
void Server::start() {
  try {
    impl_->start();
  } catch (...) {
    impl_->audit("serverStart", "failure");
    throw;
  }
}
void Server::stop() { impl_->stop(); }
void Server::run(std::function<void(Coordinator&)> work) { impl_->run(std::move(work)); }
void Server::take_snapshot(std::function<void(const SnapshotResult&)> done) { impl_->take_snapshot(std::move(done)); }
void Server::restore(const std::string& path, std::int64_t zxid, std::function<void(const RestoreResult&)> done) {
  impl_->restore(path, zxid, std::move(done));
}
base::FileSystem& Server::files() { return impl_->files(); }
std::uint16_t Server::port() const { return impl_->port; }
std::uint16_t Server::secure_port() const { return impl_->secure_port; }

Server::Impl::Impl(ZooKeeperServerConfig config, base::FileSystem& files)
    : config_(std::move(config)),
      files_(files),
      data_dir_(files, config_.data_dir, config_.data_log_dir),
      io_(2),
      coordinator_(config_, clock_),
      sockets_(io_, [this] { pump(); }),
      shared_{coordinator_, sockets_, base::Bytes(kReadBufferBytes), base::Bytes(), [this] { after_work(); },
              [this](tree::WatcherId id) {
                // The object stays until the handlers that use it have returned.
                boost::asio::post(io_, [this, id] {
                  auto entry = connections_.find(id);
                  if (entry == connections_.end()) return;
                  free_slot(entry->second->address);
                  connections_.erase(entry);
                });
              }},
      tick_timer_(io_),
      snapshot_timer_(io_),
      random_(static_cast<unsigned>(clock_.wall_ms())),
      threads_(io_, kSyncPatience,
               [this](const std::string& what) { fail("uncaught exception: " + what, ExitCode::unexpected_error); }) {}

Server::Impl::~Impl() {
  stop();
  if (purge_thread_.joinable()) purge_thread_.join();  // of a start that failed
}

void Server::Impl::start() {
  prepare_tls();
  load();
  TxnLogOptions options;
  options.preallocate_bytes = config_.preallocate_bytes;
  options.sync = config_.force_sync;
  options.file_bytes_max = config_.log_bytes_max;
  log_ = std::make_unique<TxnLogWriter>(files_, data_dir_.log_dir(), options);
  coordinator_.begin();
  listen();
  // Not before the ports are ours: on a directory that a ZooKeeper still serves, a record may be half written just now.
  data_dir_.cut_torn(torn_);
  if (config_.force_sync) data_dir_.sync_logs(replayed_logs_);
  run_tick();
  after_work();
  threads_.start();
  audit("serverStart", "success");
}

void Server::Impl::audit(const char* operation, const char* result) const {
  if (config_.audit) write_audit_line(audit_line_of_server(operation, result));
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
  torn_ = std::move(result.torn);
  replayed_logs_ = std::move(result.replayed_logs);
  if (result.fresh) write_whole_snapshot();
  base::log_info(
      kLogger,
      "Loaded {}: snapshot.{:x} ({} bytes) and {} transactions, now {} znodes and {} sessions at zxid 0x{:x}, "
      "in {} ms",
      config_.data_dir, result.snapshot_zxid, result.snapshot_bytes, result.replayed,
      coordinator_.state().tree().node_count(), coordinator_.state().sessions().size(),
      coordinator_.state().last_zxid(), clock_.monotonic_ms() - started_ms);
  Metrics& metrics = coordinator_.stats().metrics;
  metrics.dbinittime.add(clock_.monotonic_ms() - started_ms);
  metrics.startup_snap_load_time.add(result.snapshot_ms);
  if (result.replayed > 0) {
    metrics.startup_txns_loaded.add(static_cast<std::int64_t>(result.replayed));
    metrics.startup_txns_load_time.add(result.replay_ms);
  }
  metrics.digest_mismatches_count += result.digest_mismatches;
  coordinator_.stats().last_snapshot_zxid = result.snapshot_zxid;
  coordinator_.stats().last_snapshot_wall_ms = result.fresh ? clock_.wall_ms() : result.snapshot_wall_ms;
  txns_since_snapshot_ = result.replayed;
  bytes_since_snapshot_ = result.log_bytes;
  draw_snapshot_limit();
}

void Server::Impl::run_tick() {
  coordinator_.on_tick();
  on_listen_tick();
  purge_when_due();
  after_work();
  wait_for_tick(false);
}

// A tick that comes late is left out once: the process may have stood still, as a stopped virtual machine does, and what clients
// sent meanwhile, or who comes back, is heard before sessions end. (ZooKeeper 3.9.4 lets most of them expire then.)
void Server::Impl::wait_for_tick(bool after_late) {
  const auto interval = std::chrono::milliseconds(std::min<std::int64_t>(config_.tick_ms, 1000));
  const auto due = std::chrono::steady_clock::now() + interval;
  tick_timer_.expires_at(due);
  tick_timer_.async_wait([this, after_late, interval, due](const boost::system::error_code& cancelled) {
    if (cancelled || stopping_ || failed_) return;
    if (after_late || std::chrono::steady_clock::now() <= due + interval) return run_tick();
    const std::size_t rounds = connections_.size() / ReadySockets::kServedAtOnce + 1;
    for (std::size_t i = 0; i < rounds; ++i) sockets_.serve();
    after_work();
    wait_for_tick(true);
  });
}

void Server::Impl::after_work() {
  coordinator_.flush_dirty();
  // Not before all connections that are readable now have been served, so that they get into the same batch: after that the
  // sockets pump, and so does who serves a round of them by itself.
  if (sockets_.is_serving() || pump_posted_ || is_log_busy_ || !coordinator_.has_batch()) return;
  pump_posted_ = true;
  boost::asio::post(io_, [this] {
    pump_posted_ = false;
    pump();
  });
}

void Server::Impl::pump() {
  if (failed_ || stopping_ || is_log_busy_ || !coordinator_.has_batch()) return;
  wait_for_more();
  LogBatch batch = coordinator_.take_batch();
  txns_since_snapshot_ += batch.count;
  bytes_since_snapshot_ += batch.records.size();
  write_log(std::move(batch));
}

// A client on another processor writes again within microseconds; if we slept meanwhile, it would have to wake us each time, which costs
// more than to look. Has nothing come for longer, then it may need this very processor, or none comes any more.
void Server::Impl::wait_for_more() {
  auto time = now();
  for (auto served_last = time; commit_delay_.should_wait(coordinator_.batch_count(), time); time = now()) {
    if (sockets_.serve() > 0) {
      served_last = time;
    } else if (time - served_last >= kLookFor) {
      sockets_.sleep(commit_delay_.wait_until() - time);
    }
  }
}

// In place, as long as the disk is quick: see LoopThreads.
void Server::Impl::write_log(LogBatch batch) {
  is_log_busy_ = true;
  Written written;
  const bool still_on_loop = threads_.block([&] {
    const auto started = now();
    try {
      if (batch.roll) log_->roll();
      log_->append(batch.records, batch.first_zxid);
      log_->sync();
    } catch (const std::exception& failure) {
      written.failure = failure.what();
    }
    written.took = now() - started;
    written.synced.queued_ms = std::chrono::duration_cast<std::chrono::milliseconds>(started).count() - batch.first_ms;
    written.synced.count = batch.count;
    written.synced.bytes = batch.records.size();
    written.synced.buffer = std::move(batch.records);
    written.synced.buffer.clear();
    written.synced.took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(written.took).count();
  });
  if (still_on_loop) return on_written(std::move(written));
  boost::asio::post(io_, [this, written = std::move(written)]() mutable { on_written(std::move(written)); });
}

void Server::Impl::on_written(Written written) {
  is_log_busy_ = false;
  if (failed_ || stopping_) return;
  if (!written.failure.empty()) {
    return fail("the transaction log cannot be written: " + written.failure, ExitCode::unexpected_error);
  }
  const std::uint64_t count = written.synced.count;
  coordinator_.on_durable(std::move(written.synced));
  coordinator_.flush_dirty();
  commit_delay_.on_answered(count, coordinator_.batch_count(), written.took, now());
  maybe_restore();
  maybe_start_snapshot();
  after_work();
}

void Server::Impl::fail(const std::string& reason, ExitCode code) {
  if (failed_) return;
  failed_ = true;
  base::log_fatal(kLogger, "No longer serving: {}", reason);
  ++coordinator_.stats().metrics.unrecoverable_error_count;
  close_listeners();
  coordinator_.fail();
  if (on_failure) on_failure(reason, code);
}

void Server::Impl::run(std::function<void(Coordinator&)> work) {
  boost::asio::post(io_, [this, work = std::move(work)] {
    if (!stopping_) work(coordinator_);
  });
}

void Server::Impl::stop() {
  if (!threads_.is_started()) return;
  audit("serverStop", "invoked");
  boost::asio::post(io_, [this] { shut_down(); });
  threads_.join();
  if (handshakes_) handshakes_->stop();
  snapshot_thread_.reset();
  if (purge_thread_.joinable()) purge_thread_.join();
  log_.reset();
  lock_.reset();
  log_lock_.reset();
  base::log_info(kLogger, "Stopped at zxid 0x{:x}", coordinator_.state().last_zxid());
}

void Server::Impl::shut_down() {
  stopping_ = true;
  close_listeners();
  for (const auto& [id, connection] : connections_) connection->close_now();
  io_.stop();
}

}  // namespace zk::server
