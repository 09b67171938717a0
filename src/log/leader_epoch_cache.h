// Which leader epoch began at which offset of a log, both strictly increasing, and its file leader-epoch-checkpoint.
// Owned by one Log and guarded by its mutex. File failures throw; the entries in memory have changed by then, which is
// harmless, since the directory goes offline.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "log/checkpoint_file.h"
#include "log/log_types.h"

namespace storage {

inline constexpr std::string_view kNextLeaderEpochFile = "leader-epoch-checkpoint.next.tmp";

class LeaderEpochCache {
 public:
  // Reads the file; throws CorruptFile if it isn't one. After a crash the beginning of one goes: only a log's first file gets its name
  // before it is synced (write()), and all of its epochs are found again in batches that were not flushed either.
  LeaderEpochCache(base::FileSystem& files, const std::string& directory, bool after_crash = false);

  // No-op if `epoch` is the latest and began earlier; else what it contradicts goes first. Not written by itself: an
  // epoch matters once records have it, and a flush before the recovery point passes them. Any load drops an epoch that began at the
  // log's end, Kafka's too; a thousand idle partitions that get their leader back have nothing to write.
  void assign(std::int32_t epoch, std::int64_t start_offset);
  // The entries that start at `end_offset` or later go. With what recovery found, before anybody asks.
  void truncate_from_end(std::int64_t end_offset);
  // What lies wholly below goes; the epoch that holds `start_offset` now starts there.
  void truncate_from_start(std::int64_t start_offset);
  void clear();
  // Writes the file if it says something else, and syncs it unless told not to. Without that a power loss may bring the file
  // of before back, or none if there were no entries: what is missing is found again in the batches, so long as the file is
  // synced (unsynced()) before the log's recovery point moves. Older entries aren't at stake (Kafka 3.9.2 syncs at each).
  // If only truncate_from_start() changed something, nothing is written: the file has epochs too many that lie below the
  // log's start, and who loads it truncates it there. They go with the next epoch, or flush_with_start().
  void flush(bool sync = true);
  void flush_with_start();  // at a clean stop: whatever changed, unsynced as above
  // flush(false), if it syncs nothing because there is nothing in the file yet. Else it is left to replace_file_by(): whoever
  // appends doesn't wait for the disk. After a crash before that a recovery finds the epoch where the first of its batches is.
  void flush_what_is_new();
  bool has_unwritten(std::int64_t log_end_offset) const;  // an epoch that has records and isn't in the file
  // The file is replaced by one that was written and synced with the log's mutex released: what to put into the file of
  // kNextLeaderEpochFile, and then, with the mutex, renames it, unless the entries or the file have changed meanwhile.
  struct NextFile {
    std::vector<EpochEntry> entries;
    std::uint64_t writes = 0;
  };
  NextFile next_file() const { return {entries_, writes_}; }
  void replace_file_by(const NextFile& next);
  bool file_exists() const { return file_exists_; }
  // The number of the last write if it hasn't been synced: sync the file and its directory, then call on_synced with
  // it.
  std::optional<std::uint64_t> unsynced() const;
  void on_synced(std::uint64_t write);
  void set_directory(const std::string& directory) { directory_ = directory; }

  const std::vector<EpochEntry>& entries() const { return entries_; }
  std::optional<std::int32_t> latest_epoch() const;
  std::optional<EpochEntry> earliest() const;
  std::optional<std::int32_t> epoch_of(std::int64_t offset) const;
  EpochEndOffset end_offset(std::int32_t epoch, std::int64_t log_end_offset) const;

 private:
  [[gnu::cold]] void begin(std::int32_t epoch, std::int64_t start_offset);
  void note_change();
  void write(bool sync);
  void on_written();

  base::FileSystem& files_;
  std::string directory_;
  std::vector<EpochEntry> entries_;
  std::vector<EpochEntry> written_;  // what the file says
  bool changed_ = false;             // entries_ are others
  bool only_start_moved_ = false;    // and they are the end of written_, but for where the first one starts
  bool file_exists_ = false;
  std::uint64_t writes_ = 0;
  std::uint64_t synced_ = 0;
};

}  // namespace storage
