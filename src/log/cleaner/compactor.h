// Cleans one log at a time: maps the newest offset of each key of its dirty part, then copies what stays of every
// segment up to there into new segments, which take the place of the old ones. A pass reads each byte once, dirty ones
// twice unless newest_first.h has what stays of them ready. Belongs to one thread, which may wait for disks and has a
// helper for what needs none (batch_walk.h); holds no lock of the log while it reads or writes.
//
// Errors: CleaningStopped if the session is unwanted or stop_requested says so; std::system_error for file calls;
// CorruptFile, InvalidRecord and CompressionError for a log that can't be read, which leaves it as it is: a batch with
// a wrong crc isn't copied, since that would bless it with a right one.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>

#include "base/clock.h"
#include "log/cleaner/batch_filter.h"
#include "log/cleaner/batch_walk.h"
#include "log/cleaner/cleanable.h"
#include "log/cleaner/cleaned_transactions.h"
#include "log/cleaner/newest_first.h"
#include "log/cleaner/throttle.h"
#include "log/log_compaction.h"

namespace storage {

class CleaningStopped : public std::runtime_error {
 public:
  CleaningStopped() : std::runtime_error("the cleaning was stopped") {}
};

struct CleanerStats {
  std::int64_t started_ms = 0;
  std::int64_t mapped_ms = 0;
  std::int64_t ended_ms = 0;
  std::uint64_t map_bytes_read = 0;
  std::uint64_t map_records_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t records_read = 0;
  std::uint64_t records_written = 0;
  std::uint64_t keyless_records = 0;
  double map_utilization = 0;
};

enum class MapOrder {
  chosen,  // newest first where batches are large and compressed, so that unpacking them once is worth it
  oldest_first,
  newest_first,  // if the dirty part is such that it can be
};

struct CompactorOptions {
  std::size_t map_bytes_max = std::size_t{128} << 20;  // log.cleaner.dedupe.buffer.size by the number of threads
  double map_load_factor = 0.9;                        // log.cleaner.io.buffer.load.factor
  std::size_t write_bytes = std::size_t{256} << 10;    // half of log.cleaner.io.buffer.size by the number of threads
  MapOrder map_order = MapOrder::chosen;               // changes no byte of what is made
};

class Compactor {
 public:
  Compactor(const base::Clock& clock, std::shared_ptr<Throttle> throttle, const CompactorOptions& options);

  // Waits that long, or until it makes no sense to go on.
  std::function<void(std::int64_t ms)> pause = [](std::int64_t) {};
  std::function<bool()> stop_requested = [] { return false; };

  // The first offset that is still dirty. If the map is too small for all dirty keys, that lies before the first
  // uncleanable one.
  std::int64_t clean(CleaningSession& session, const Cleanable& cleanable, CleanerStats& stats);

 private:
  struct Mapping {
    OffsetMap offsets;
    NewestOffsets newest;
    KeyHasher hasher;
    std::int64_t last_offset = -1;  // up to which the log is mapped
    bool full = false;
    std::vector<std::vector<ReadyPiece>> ready = {};  // of each source, if it was mapped from the newest batch on
  };
  class Output;
  struct Pass;

  Mapping new_mapping(const Cleanable& cleanable) const;
  std::optional<Mapping> map_newest_first(CleaningSession& session, const std::vector<CleaningSource>& sources,
                                          const Cleanable& cleanable, const FilterRules& rules, CleanerStats& stats) const;
  Mapping map_dirty_part(CleaningSession& session, const std::vector<CleaningSource>& sources,
                         const Cleanable& cleanable, CleanerStats& stats);
  void map_segment(CleaningSession& session, const CleaningSource& source, std::int64_t first_dirty,
                   CleanedTransactions& transactions, Mapping& mapping, CleanerStats& stats);
  // On either thread: the keys of a batch. Then, in order: what they change.
  void read_keys(WalkedPiece& piece, WalkedBatch& batch, std::int64_t first_dirty, const KeyHasher& hasher,
                 std::size_t worker);
  bool map_batch(const WalkedPiece& piece, const WalkedBatch& batch, Mapping& mapping);
  void clean_group(Pass& pass, const std::vector<CleaningSource>& sources, const SourceGroup& group);
  void clean_segment(Pass& pass, const CleaningSource& source, std::vector<ReadyPiece> ready, Output& output);
  // Every batch, checked, until a step answers false.
  void walk(CleaningSession& session, const CleaningSource& source, BatchWalk::Range range, BatchWalk::Steps steps);
  void check_wanted(const CleaningSession& session) const;
  void throttle(const CleaningSession& session, std::uint64_t bytes);

  const base::Clock& clock_;
  const std::shared_ptr<Throttle> throttle_;
  const CompactorOptions options_;
  // Of the cleaning that runs: the batches that are being mapped unpack into these.
  std::array<base::Bytes, HelpedQueue::kWorkers> unpacked_;
  std::optional<BatchWalk> batches_;
};

}  // namespace storage
