// Snapshots that somebody asks for, and the state that one brings back: what ZooKeeper's AdminServer offers.
#include <boost/asio/post.hpp>
#include <system_error>

#include "base/logging.h"
#include "zk/server/server_impl.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Server";

}  // namespace

void Server::Impl::take_snapshot(std::function<void(const SnapshotResult&)> done) {
  boost::asio::post(io_, [this, done = std::move(done)]() mutable {
    if (stopping_ || failed_) return;
    snapshot_askers_.push_back(std::move(done));
    maybe_take_asked_snapshot();
  });
}

// One that is being written began before it was asked for, so that another follows.
void Server::Impl::maybe_take_asked_snapshot() {
  if (snapshot_thread_ || snapshot_askers_.empty() || restore_ || failed_) return;
  snapshot_waiters_.swap(snapshot_askers_);
  snapshot_is_asked_ = true;
  try {
    start_snapshot();
  } catch (const std::system_error& error) {  // no thread can be had
    finish_asked_snapshots(error.what());
  }
}

void Server::Impl::finish_asked_snapshots(const std::string& failure) {
  if (snapshot_is_asked_) {
    snapshot_is_asked_ = false;
    SnapshotResult result;
    result.failure = failure;
    result.zxid = snapshot_zxid_;
    result.path = snapshot_path_;
    for (const auto& done : std::exchange(snapshot_waiters_, {})) done(result);
  }
  // From the loop, when this call is over.
  boost::asio::post(io_, [this] {
    if (!stopping_) maybe_take_asked_snapshot();
  });
}

void Server::Impl::restore(const std::string& path, std::int64_t zxid,
                           std::function<void(const RestoreResult&)> done) {
  boost::asio::post(io_, [this, path, zxid, done = std::move(done)]() mutable {
    if (stopping_ || failed_) return;
    if (restore_) return done(RestoreResult{"another snapshot is being restored", 0});
    restore_ = Restore{path, zxid, std::move(done)};
    coordinator_.set_held(true);
    maybe_restore();
  });
}

// Once nothing is on its way to the disk any more.
void Server::Impl::maybe_restore() {
  if (!restore_ || failed_ || stopping_ || snapshot_thread_ || coordinator_.outstanding() > 0) return;
  const Restore job = std::move(*restore_);
  const std::int64_t started_ms = clock_.monotonic_ms();
  try {
    const std::int64_t now_at = replace_state(job.path, job.zxid);
    restore_.reset();
    coordinator_.stats().metrics.restore_time.add(clock_.monotonic_ms() - started_ms);
    base::log_warn(kLogger, "Restored a snapshot of zxid 0x{:x}, from now on zxid 0x{:x}: {} znodes, {} sessions",
                   job.zxid, now_at, coordinator_.state().tree().node_count(), coordinator_.state().sessions().size());
  } catch (const std::exception& error) {
    job.done(RestoreResult{error.what(), 0});
    return fail(std::string("a snapshot cannot be restored: ") + error.what(), ExitCode::unexpected_error);
  }
  coordinator_.set_held(false);
  job.done(RestoreResult{"", job.zxid});
  after_work();
  finish_asked_snapshots("");
}

// Returns the zxid that the new state goes on from.
std::int64_t Server::Impl::replace_state(const std::string& path, std::int64_t zxid) {
  coordinator_.close_all_peers();
  tree::State& state = coordinator_.state();
  // Neither trees of two histories nor two files of one name share a zxid.
  const std::int64_t go_on_at = std::max(zxid, state.last_zxid() + 1);
  read_snapshot(files_, path, state);
  require_acls(path, state);
  state.set_last_zxid(go_on_at);
  write_whole_snapshot();
  coordinator_.adopt_state();
  coordinator_.roll_log();
  txns_since_snapshot_ = bytes_since_snapshot_ = 0;
  ServerStats& stats = coordinator_.stats();
  ++stats.snapshots;
  stats.last_snapshot_zxid = go_on_at;
  stats.last_snapshot_wall_ms = clock_.wall_ms();
  return go_on_at;
}

}  // namespace zk::server
