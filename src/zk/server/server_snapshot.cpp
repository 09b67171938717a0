// Snapshots while serving: the loop serialises a few hundred znodes at a time, a thread writes them. The tree hands
// over znodes before they change, so the file is the state at one zxid, not a fuzzy one.
#include <boost/asio/post.hpp>
#include <system_error>

#include "base/logging.h"
#include "zk/server/server_impl.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Server";
constexpr std::int64_t kMinuteMs = 60 * 1000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::size_t kNodesPerStep = 256;
constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::size_t kPieceReserved = kPieceBytes + 16 * 1024;  // the last znode goes beyond it
constexpr std::size_t kQueuedBytesMax = 8 * 1024 * 1024;

SnapshotOptions snapshot_options(const ZooKeeperServerConfig& config) {
  SnapshotOptions options;
  options.codec = config.snapshot_compression == SnapshotCompression::gzip     ? base::Codec::gzip
                  : config.snapshot_compression == SnapshotCompression::snappy ? base::Codec::snappy
                                                                               : base::Codec::none;
  options.last_zxid = config.snapshot_last_zxid;
  return options;
}

}  // namespace

void Server::Impl::draw_snapshot_limit() {
  const auto draw = [&](std::uint64_t limit) {
    const std::uint64_t half = std::max<std::uint64_t>(limit / 2, 1);
    return half + random_() % half;
  };
  snapshot_limit_ = draw(config_.snapshot_every);
  snapshot_bytes_limit_ = config_.snapshot_every_bytes == UINT64_MAX ? UINT64_MAX : draw(config_.snapshot_every_bytes);
}

// On the loop, which serves nobody meanwhile.
void Server::Impl::write_whole_snapshot() {
  SnapshotWriter writer(files_, data_dir_.snapshot_dir(), snapshot_options(config_));
  tree::State& state = coordinator_.state();
  writer.append(encode_snapshot_head(state.sessions(), state.tree().acls().lists()));
  state.tree().begin_snapshot([&](std::string_view path, const tree::Znode& node) {
    base::Bytes bytes;
    append_snapshot_node(bytes, path, node);
    writer.append(bytes);
  });
  while (!state.tree().step_snapshot(kNodesPerStep)) {
  }
  writer.finish(state.last_zxid(), config_.digest ? std::optional(state.tree().digest()) : std::nullopt);
}

void Server::Impl::maybe_start_snapshot() {
  if (snapshot_thread_ || failed_ || restore_) return;
  if (txns_since_snapshot_ <= snapshot_limit_ && bytes_since_snapshot_ <= snapshot_bytes_limit_) return;
  try {
    start_snapshot();
  } catch (const std::system_error& error) {  // no thread can be had: until then, the log holds everything
    base::log_warn(kLogger, "The snapshot is put off until there are as many transactions again: {}", error.what());
  }
}

void Server::Impl::start_snapshot() {
  tree::State& state = coordinator_.state();
  snapshot_zxid_ = state.last_zxid();
  const SnapshotOptions options = snapshot_options(config_);
  snapshot_path_ = data_dir_.snapshot_dir() + "/" + snapshot_name(snapshot_zxid_, options.codec);
  snapshot_started_ms_ = clock_.monotonic_ms();
  snapshot_digest_ = config_.digest ? std::optional(state.tree().digest()) : std::nullopt;
  txns_since_snapshot_ = 0;
  bytes_since_snapshot_ = 0;
  draw_snapshot_limit();
  coordinator_.roll_log();
  snapshot_piece_.clear();  // one that failed may have left some
  snapshot_thread_ = std::make_unique<SnapshotThread>(
      files_, data_dir_.snapshot_dir(), options,
      [this](const std::string& failure) { boost::asio::post(io_, [this, failure] { on_snapshot_done(failure); }); });
  snapshot_piece_.reserve(kPieceReserved);
  snapshot_thread_->append(encode_snapshot_head(state.sessions(), state.tree().acls().lists()));
  state.tree().begin_snapshot([this](std::string_view path, const tree::Znode& node) {
    append_snapshot_node(snapshot_piece_, path, node);
    if (snapshot_piece_.size() < kPieceBytes) return;
    snapshot_thread_->append(std::move(snapshot_piece_));
    snapshot_piece_ = base::Bytes();
    snapshot_piece_.reserve(kPieceReserved);
  });
  continue_snapshot();
}

void Server::Impl::continue_snapshot() {
  if (stopping_ || failed_ || !snapshot_thread_) return;
  if (snapshot_thread_->queued_bytes() > kQueuedBytesMax) {
    snapshot_timer_.expires_after(std::chrono::milliseconds(5));
    snapshot_timer_.async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled) continue_snapshot();
    });
    return;
  }
  if (!coordinator_.state().tree().step_snapshot(kNodesPerStep)) {
    boost::asio::post(io_, [this] { continue_snapshot(); });
    return;
  }
  snapshot_thread_->append(std::move(snapshot_piece_));
  snapshot_piece_ = base::Bytes();
  snapshot_thread_->finish(snapshot_zxid_, snapshot_digest_);
}

void Server::Impl::on_snapshot_done(const std::string& failure) {
  snapshot_thread_.reset();
  if (!failure.empty()) {
    ++coordinator_.stats().metrics.snapshot_error_count;
    coordinator_.state().tree().abandon_snapshot();
    const bool asked = snapshot_is_asked_;
    finish_asked_snapshots(failure);
    // The log alone holds everything, but it would grow without end: ZooKeeper stops here, too.
    if (!asked) return fail("a snapshot cannot be written: " + failure, ExitCode::snapshot_failed);
    base::log_error(kLogger, "The snapshot that was asked for cannot be written: {}", failure);
    return maybe_restore();
  }
  ServerStats& stats = coordinator_.stats();
  ++stats.snapshots;
  stats.metrics.snapshottime.add(clock_.monotonic_ms() - snapshot_started_ms_);
  stats.last_snapshot_zxid = snapshot_zxid_;
  stats.last_snapshot_wall_ms = clock_.wall_ms();
  base::log_info(kLogger, "Wrote snapshot.{:x}", static_cast<std::uint64_t>(snapshot_zxid_));
  finish_asked_snapshots("");
  maybe_restore();
}

// On a thread of its own: to take away files of gigabytes may take a disk's time, and nobody waits for it.
void Server::Impl::purge_when_due() {
  if (config_.purge_every_hours <= 0 || clock_.monotonic_ms() < next_purge_ms_ || purge_thread_.joinable()) return;
  next_purge_ms_ = clock_.monotonic_ms() + config_.purge_every_hours * kHourMs;
  const auto purge = [this] {
    try {
      data_dir_.purge(config_.snapshots_kept);
    } catch (const std::exception& error) {
      base::log_warn(kLogger, "Old snapshots and logs cannot be removed: {}", error.what());
    }
    boost::asio::post(io_, [this] { purge_thread_.join(); });
  };
  try {
    purge_thread_ = std::thread(purge);
  } catch (const std::system_error& error) {
    base::log_warn(kLogger, "Old snapshots and logs are removed a minute later: {}", error.what());
    next_purge_ms_ = clock_.monotonic_ms() + kMinuteMs;
  }
}

}  // namespace zk::server
