// The directories of a coordinator: <dataDir>/version-2 with snapshots, <dataLogDir>/version-2 with the log. load()
// fills a state from the newest valid snapshot and the log behind it; it reads only. One thread; purge() may run on
// another beside it, since what it takes away is never read again. I/O failures throw std::system_error, contents that
// don't check DataDirError.
#pragma once

#include <functional>

#include "base/file_system.h"
#include "zk/server/data_dir_error.h"
#include "zk/tree/state.h"

namespace zk::server {

class DigestCheck;

// A log whose writer was killed in a record.
struct TornLog {
  std::string path;
  std::uint64_t offset = 0;  // of that record; 0: the file has no header yet
  bool empty = false;        // nothing but zeros, if the header isn't there
};

struct LoadResult {
  bool fresh = false;              // nothing was there
  std::int64_t snapshot_zxid = 0;  // of the file's name
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t replayed = 0;                   // transactions
  std::uint64_t log_bytes = 0;                  // that they took
  std::int64_t snapshot_ms = 0, replay_ms = 0;  // how long that took
  std::int64_t snapshot_wall_ms = 0;            // when it was written
  std::uint64_t digest_mismatches = 0;          // put down to the snapshot's fuzziness: see DigestCheck
  std::vector<TornLog> torn;
  std::vector<std::string> replayed_logs;  // paths of the files that they came from
};

struct LoadOptions {
  bool check_digests = true;
  bool trust_empty_snapshot = false;  // a log without any snapshot is replayed over the initial tree
};

class DataDir {
 public:
  DataDir(base::FileSystem& files, const std::string& data_dir, const std::string& data_log_dir);

  // Makes the directories if missing, or, unless it may, throws DataDirError. So it does, before it makes any, if the two are
  // apart and one has files that belong into the other, as ZooKeeper does: what is in them would not be seen.
  void prepare(bool may_create = true);
  // For each transaction replayed, after it has been applied.
  using Observer = std::function<void(const std::string& file, const tree::Txn& txn, const tree::State& state)>;
  LoadResult load(tree::State& state, const LoadOptions& options, const Observer& observer = nullptr);
  // Cuts off what is left of the torn records, for good: ZooKeeper 3.9.4 doesn't start on one that lacks a page but has its end
  // ("CRC check failed"), nor on a file without its header ("invalid magic number 0"), though newer files hold all there is. Such a
  // file is removed if it is all zeros; else it is kept as torn.<name>, which neither server reads.
  // For who has taken the server's ports: no other one writes to these files.
  void cut_torn(const std::vector<TornLog>& torn_logs);
  // What was replayed is on disk after it. A server that was killed may have written it without a sync: were it lost with the next
  // power cut, what is written behind it would follow a gap, and what was shown of it would be gone.
  void sync_logs(const std::vector<std::string>& paths);
  // Keeps this many of the newest whole snapshots, at least 3, and the logs that the oldest of them needs. What is older goes, unfinished
  // snapshots of a killed ZooKeeper among it. Nothing goes as long as there are no more whole ones than are kept.
  void purge(std::size_t keep);

  const std::string& snapshot_dir() const { return snapshot_dir_; }
  const std::string& log_dir() const { return log_dir_; }
  std::uint64_t snapshot_dir_bytes();
  std::uint64_t log_dir_bytes();

 private:
  void make(const std::string& directory);
  void refuse_misplaced_files();
  struct NamedFile {
    std::int64_t zxid;
    std::string path;
  };
  std::vector<NamedFile> list(const std::string& directory, std::string_view prefix);  // sorted by zxid
  LoadResult load_from(const NamedFile& snapshot, tree::State& state, const LoadOptions& options,
                       const Observer& observer);
  void replay(tree::State& state, std::int64_t snapshot_zxid, DigestCheck& check, const LoadOptions& options,
              const Observer& observer, LoadResult& result);

  base::FileSystem& files_;
  std::string snapshot_dir_;
  std::string log_dir_;
};

}  // namespace zk::server
