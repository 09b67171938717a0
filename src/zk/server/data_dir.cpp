#include "zk/server/data_dir.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/logging.h"
#include "zk/server/digest_check.h"
#include "zk/server/snapshot.h"
#include "zk/server/txns_ahead.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.DataDir";
constexpr std::string_view kSnapshotPrefix = "snapshot.";
constexpr std::string_view kLogPrefix = "log.";
constexpr std::size_t kSnapshotsTriedMax = 100;
constexpr std::size_t kSnapshotsKeptMin = 3;

std::uint64_t bytes_in(base::FileSystem& files, const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const std::string& name : files.list(directory)) bytes += files.info(directory + "/" + name).size;
  return bytes;
}

std::int64_t ms_since(std::chrono::steady_clock::time_point started) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
}

bool same_epoch(std::int64_t a, std::int64_t b) { return (a >> 32) == (b >> 32); }

}  // namespace

DataDir::DataDir(base::FileSystem& files, const std::string& data_dir, const std::string& data_log_dir)
    : files_(files), snapshot_dir_(data_dir + "/version-2"), log_dir_(data_log_dir + "/version-2") {}

void DataDir::prepare(bool may_create) {
  refuse_misplaced_files();
  for (const std::string* directory : {&snapshot_dir_, &log_dir_}) {
    if (!may_create && !files_.exists(*directory)) {
      throw DataDirError(*directory + " is missing, and datadir.autocreate=false forbids to make it");
    }
  }
  make(snapshot_dir_);
  if (log_dir_ != snapshot_dir_) make(log_dir_);
}

// By the start of their names alone, as ZooKeeper 3.9 does.
void DataDir::refuse_misplaced_files() {
  if (snapshot_dir_ == log_dir_) return;
  auto refuse = [this](const std::string& directory, std::string_view prefix, const char* what, const std::string& where) {
    if (!files_.exists(directory)) return;
    for (const std::string& name : files_.list(directory)) {
      if (!name.starts_with(prefix)) continue;
      throw DataDirError(fmt::format("{} has {} ({}), which are looked for in {} alone. Nothing was changed. Check dataDir and "
                                     "dataLogDir; if they are right, move all files {}* from the first to the second",
                                     directory, what, name, where, prefix));
    }
  };
  refuse(log_dir_, kSnapshotPrefix, "snapshots", snapshot_dir_);
  refuse(snapshot_dir_, kLogPrefix, "transaction logs", log_dir_);
}

// What is answered later must not vanish with a directory whose name never reached the disk.
void DataDir::make(const std::string& directory) {
  std::vector<std::string> changed{base::parent_directory(directory)};
  while (!files_.exists(changed.back()) && base::parent_directory(changed.back()) != changed.back()) {
    changed.push_back(base::parent_directory(changed.back()));
  }
  files_.create_directories(directory);
  for (const std::string& parent : changed) files_.sync_directory(parent);
}

std::vector<DataDir::NamedFile> DataDir::list(const std::string& directory, std::string_view prefix) {
  std::vector<NamedFile> found;
  if (!files_.exists(directory)) return found;
  for (const std::string& name : files_.list(directory)) {
    auto zxid = prefix == kSnapshotPrefix ? zxid_of_snapshot(name) : zxid_of_name(name, prefix);
    if (zxid) {
      found.push_back(NamedFile{*zxid, directory + "/" + name});
    }
  }
  std::sort(found.begin(), found.end(), [](const NamedFile& a, const NamedFile& b) { return a.zxid < b.zxid; });
  return found;
}

LoadResult DataDir::load(tree::State& state, const LoadOptions& options, const Observer& observer) {
  std::vector<NamedFile> snapshots = list(snapshot_dir_, kSnapshotPrefix);
  bool any_log = !list(log_dir_, kLogPrefix).empty();
  std::string last_failure;
  std::size_t tried = 0;
  for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend() && tried < kSnapshotsTriedMax; ++snapshot) {
    if (!has_snapshot_tail(files_, snapshot->path)) {
      last_failure = snapshot->path + " is not whole";
      base::log_warn(kLogger, "Skipping {}: it was not written to its end", snapshot->path);
      continue;
    }
    ++tried;
    try {
      return load_from(*snapshot, state, options, observer);
    } catch (const DataDirError& error) {
      if (!std::string_view(error.what()).starts_with(snapshot->path)) throw;
      last_failure = error.what();
      base::log_warn(kLogger, "Skipping a snapshot. {}", error.what());
    }
  }
  if (!snapshots.empty()) {
    throw DataDirError("No snapshot in " + snapshot_dir_ + " is valid; the last one tried: " + last_failure +
                       ". Nothing was changed. Restore the directory from a backup");
  }
  if (any_log && !options.trust_empty_snapshot) {
    throw DataDirError(
        log_dir_ + " has transaction logs, but " + snapshot_dir_ +
        " has no snapshot. Nothing was changed. Check dataDir and dataLogDir, or, if the logs reach back to "
        "the first transaction, set snapshot.trust.empty=true");
  }
  LoadResult result;
  result.fresh = !any_log;
  if (any_log) {
    SnapshotInfo none;
    none.last_zxid = 0;  // nothing is fuzzy
    DigestCheck check(0, none, state.tree().digest());
    replay(state, 0, check, options, observer, result);
  }
  return result;
}

LoadResult DataDir::load_from(const NamedFile& snapshot, tree::State& state, const LoadOptions& options,
                              const Observer& observer) {
  LoadResult result;
  auto started = std::chrono::steady_clock::now();
  const SnapshotInfo info = read_snapshot(files_, snapshot.path, state);
  result.snapshot_zxid = snapshot.zxid;
  result.snapshot_bytes = files_.info(snapshot.path).size;
  result.snapshot_ms = ms_since(started);
  result.snapshot_wall_ms = files_.info(snapshot.path).modified_ms;
  state.set_last_zxid(snapshot.zxid);
  started = std::chrono::steady_clock::now();
  DigestCheck check(snapshot.zxid, info, state.tree().digest());
  replay(state, snapshot.zxid, check, options, observer, result);
  if (auto refusal = check.snapshot_refusal(); refusal && options.check_digests) {
    throw DataDirError(snapshot.path, info.digest_offset, *refusal,
                       "An older snapshot is tried if there is one; to go on with the tree as it is, set "
                       "digest.enabled=false for one start");
  }
  require_acls(snapshot.path, state);
  if (options.check_digests && check.mismatches() > 0) {
    result.digest_mismatches = check.mismatches();
    base::log_warn(kLogger, "{}: {} digests of a tree that was changing when it was written didn't fit", snapshot.path,
                   check.mismatches());
  }
  result.replay_ms = ms_since(started);
  state.set_last_zxid(std::max({state.last_zxid(), snapshot.zxid, info.digest_zxid, info.last_zxid}));
  return result;
}

void DataDir::replay(tree::State& state, std::int64_t snapshot_zxid, DigestCheck& check, const LoadOptions& options,
                     const Observer& observer, LoadResult& result) {
  constexpr const char* kDigestAdvice =
      "Nothing was changed. Restore the directory from a backup, or, to go on with the tree as it is, "
      "set digest.enabled=false for one start";
  std::vector<NamedFile> logs = list(log_dir_, kLogPrefix);
  // The file before the first one that starts behind the snapshot may hold what follows it.
  auto first = std::upper_bound(logs.begin(), logs.end(), snapshot_zxid,
                                [](std::int64_t zxid, const NamedFile& log) { return zxid < log.zxid; });
  if (first != logs.begin()) --first;
  std::int64_t previous = snapshot_zxid;
  std::string last_path;
  std::uint64_t last_offset = 0;
  std::vector<std::string> paths;
  for (auto log = first; log != logs.end(); ++log) paths.push_back(log->path);
  TxnsAhead ahead(files_, paths);
  while (const TxnBatch* batch = ahead.next()) {
    const std::string& path = paths[batch->file];
    for (const auto& [txn, offset, bytes] : batch->records()) {
      if (txn.zxid <= previous) continue;
      if (same_epoch(txn.zxid, previous) && txn.zxid != previous + 1) {
        throw DataDirError(
            path, offset,
            fmt::format("transaction 0x{:x} follows 0x{:x}: those between are missing", txn.zxid, previous),
            "Nothing was changed. Bring back the missing log file, or a newer snapshot");
      }
      previous = txn.zxid;
      state.apply(txn);
      ++result.replayed;
      if (last_path != path) result.replayed_logs.push_back(path);
      auto refusal = check.after(txn, state.tree().digest());
      if (refusal && options.check_digests) throw DataDirError(path, offset, *refusal, kDigestAdvice);
      last_path = path;
      last_offset = offset;
      if (observer) observer(path, txn, state);
    }
    if (batch->failure) std::rethrow_exception(batch->failure);
    if (!batch->end) continue;
    result.log_bytes += batch->end->offset;
    if (auto torn = batch->end->torn_at) result.torn.push_back(TornLog{path, *torn, batch->end->is_empty});
  }
  auto refusal = check.log_refusal();
  if (refusal && options.check_digests) throw DataDirError(last_path, last_offset, *refusal, kDigestAdvice);
}

void DataDir::cut_torn(const std::vector<TornLog>& torn_logs) {
  for (const TornLog& torn : torn_logs) {
    if (torn.offset == 0 && !torn.empty) {
      const std::string kept = log_dir_ + "/torn." + torn.path.substr(torn.path.rfind('/') + 1);
      base::log_warn(kLogger, "{} has no header, so that nothing in it was answered; it is kept as {}", torn.path, kept);
      files_.rename(torn.path, kept);
      files_.sync_directory(log_dir_);
      continue;
    }
    if (torn.offset == 0) {
      base::log_warn(kLogger, "Removing {}: it was never written", torn.path);
      files_.remove(torn.path);
      files_.sync_directory(log_dir_);
      continue;
    }
    base::log_warn(kLogger, "Cutting {} off at offset {}: the record there was not written to its end, so that nobody was answered",
                   torn.path, torn.offset);
    auto file = files_.open(torn.path, base::OpenMode::read_write);
    file->truncate(torn.offset);
    file->sync();
  }
}

void DataDir::sync_logs(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) files_.open(path, base::OpenMode::read)->sync();
  if (!paths.empty()) files_.sync_directory(log_dir_);
}

void DataDir::purge(std::size_t keep) {
  keep = std::max(keep, kSnapshotsKeptMin);
  const std::vector<NamedFile> snapshots = list(snapshot_dir_, kSnapshotPrefix);
  std::vector<NamedFile> whole = snapshots;
  std::erase_if(whole, [&](const NamedFile& file) { return !has_snapshot_tail(files_, file.path); });
  if (whole.size() <= keep) return;
  const std::int64_t oldest_kept = whole[whole.size() - keep].zxid;
  std::vector<NamedFile> logs = list(log_dir_, kLogPrefix);
  auto needed = std::upper_bound(logs.begin(), logs.end(), oldest_kept,
                                 [](std::int64_t zxid, const NamedFile& log) { return zxid < log.zxid; });
  if (needed != logs.begin()) --needed;
  for (auto log = logs.begin(); log != needed; ++log) files_.remove(log->path);
  for (const NamedFile& snapshot : snapshots) {
    if (snapshot.zxid < oldest_kept) files_.remove(snapshot.path);
  }
}

std::uint64_t DataDir::snapshot_dir_bytes() { return bytes_in(files_, snapshot_dir_); }
std::uint64_t DataDir::log_dir_bytes() { return bytes_in(files_, log_dir_); }

}  // namespace zk::server
