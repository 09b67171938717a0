// What compaction needs of a Log: facts to decide by, and a session, which is the right to replace segments. Log keeps
// the order of effects; src/log/cleaner decides and copies.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "log/log.h"
#include "log/transaction_index.h"

namespace storage {

struct SegmentFacts {
  std::int64_t base_offset = 0;
  std::uint64_t size = 0;
  std::int64_t largest_timestamp = -1;      // read only if min.compaction.lag.ms asks for it
  std::int64_t first_batch_timestamp = -1;  // read only if max.compaction.lag.ms does
};

struct CleaningFacts {
  LogOffsets offsets;
  std::optional<std::int64_t> checkpoint;  // the first dirty offset as of the last cleaning
  std::vector<SegmentFacts> segments;      // the last is the active one
  double min_cleanable_dirty_ratio = 0.5;
  std::int64_t min_compaction_lag_ms = 0;
  std::int64_t max_compaction_lag_ms = LogConfig::kUnlimited;
};

// A segment that may be cleaned.
struct CleaningSource {
  std::int64_t base_offset = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
  std::uint64_t offset_index_bytes = 0;
  std::uint64_t time_index_bytes = 0;
};

// A producer whose last batch must survive, so that its sequence does.
struct LastOfProducer {
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int64_t last_data_offset = -1;  // -1: only a marker is known
};

// While it lives, nobody else cleans the log, deletes its old segments, truncates, renames or closes it; who wants to
// waits for its end, and unwanted() then asks to end soon. Appends, reads, flushes and DeleteRecords go on. Belongs to
// one thread. File failures throw; the caller ends the session, then calls Log::report_failure().
class CleaningSession {
 public:
  // Nothing if the log is in use, closed or offline.
  static std::unique_ptr<CleaningSession> try_begin(std::shared_ptr<Log> log);

  Log& log() const { return *log_; }
  const std::shared_ptr<Log>& shared_log() const { return log_; }
  bool unwanted() const;

  base::FileSystem& file_system() const { return log_->files_; }
  std::string directory() const;
  std::vector<CleaningSource> sources(std::int64_t below) const;  // segments that begin below, never the active one
  // Those that end at or behind `from` and begin below `upper`, by their first offsets.
  std::vector<TransactionIndexEntry> aborted_transactions(std::int64_t from, std::int64_t upper) const;
  std::vector<LastOfProducer> last_of_producers() const;

  // The files <base>.*.cleaned take the place of these segments, which are neighbours and begin with that base. They
  // must be complete and synced. Order: all become .swap, the .log last; that is synced; then, with the log locked, the
  // sources become .deleted and the .swap files get their names, the .log first; that is synced. A crash before the
  // last .swap undoes it all, one after it is finished by the loader.
  //   before  [0 | 10 | 20 | 30 …)   replace({0, 10, 20})   after  [0 | 30 …)
  void replace(const std::vector<std::int64_t>& sources);
  void set_first_dirty_offset(std::int64_t offset);

 private:
  CleaningSession(std::shared_ptr<Log> log, std::unique_lock<std::mutex> lock)
      : log_(std::move(log)), lock_(std::move(lock)) {}

  std::shared_ptr<Log> log_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace storage
