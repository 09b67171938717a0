// One segment of a log: <base>.log with its two indexes. Owned by a Log (shared with reads in flight) and guarded by
// its mutex, but for what says otherwise. The .log file is opened when first needed. File failures throw.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "log/batch_scanner.h"
#include "log/log_config.h"
#include "log/log_split.h"
#include "log/offset_index.h"
#include "log/partition_files.h"
#include "log/time_index.h"

namespace storage {

inline constexpr std::int64_t kRelativeOffsetMax = INT32_MAX;  // from a segment's base, as its indexes count

struct BatchPlace {
  std::int64_t base_offset = 0;
  std::int64_t last_offset = 0;
  std::uint64_t position = 0;
  std::uint64_t size = 0;
  std::int64_t max_timestamp = -1;
};

// What one append adds: whole batches, back to back, written at once.
struct SegmentAppend {
  base::ByteView bytes;
  std::int64_t first_offset = 0;
  bool first_is_exact = true;  // false: records may begin before it, as an old format doesn't tell
  std::int64_t last_offset = 0;
  std::int64_t max_timestamp = -1;
  std::vector<BatchPlace> batches;  // with positions within `bytes`; empty: it is one batch
};

class Segment {
 public:
  // A new, empty one; a .log file left there is emptied.
  static std::shared_ptr<Segment> create(const PartitionFiles& where, std::int64_t base_offset, const LogConfig& config,
                                         std::int64_t now_ms);
  // One that is there.
  static std::shared_ptr<Segment> open(const PartitionFiles& where, std::int64_t base_offset, std::int64_t now_ms);

  std::int64_t base_offset() const { return base_offset_; }
  std::uint64_t size() const { return size_; }
  std::shared_ptr<base::File> file();
  void release_file() { file_.reset(); }  // it is opened again when needed

  // Whether the log must roll before this append goes in.
  bool must_roll(const SegmentAppend& append, const LogConfig& config, std::int64_t now_ms);
  // What may fail for want of memory before anything is written; append() does it too.
  void prepare_append();
  void append(const SegmentAppend& append, const LogConfig& config);

  // The first batch whose last offset is >= `offset`. What lies behind bytes that are no batch isn't found; on demand
  // CorruptFile tells that from an end.
  enum class OnDamage { finds_nothing, throws };
  std::optional<BatchPlace> find(std::int64_t offset, OnDamage on_damage = OnDamage::finds_nothing);
  // The offset behind the last batch, from the last index entry on. Nothing if there is something behind it that is no batch.
  std::optional<std::int64_t> read_next_offset();
  // Where a search for the first record of at least this time may start: an offset, a position.
  OffsetPosition place_of_time(std::int64_t timestamp);
  // Of all records: the largest timestamp and the last offset of its batch. -1 if none has one.
  TimestampOffset max_timestamp();
  // The same, or else the time of the file: what retention and searches by time go by.
  std::int64_t retention_timestamp();
  std::int64_t modified_ms() const;          // of the .log file
  std::int64_t first_batch_max_timestamp();  // -1 if there is no batch, or none with a time

  struct Recovered {
    std::uint64_t bytes_cut = 0;
    bool overflowed = false;  // good batches are there that the indexes can't hold; nothing was cut: split_segment()
  };
  // Empties the indexes and rebuilds them, checking every batch; `on_batch` sees each good one. The file is cut behind
  // the last good batch.
  template <class OnBatch>
  Recovered recover(const LogConfig& config, OnBatch on_batch);
  // Everything from the batch that holds `offset` on goes. Returns the bytes cut off.
  std::uint64_t truncate_to(std::int64_t offset);

  // No more appends: adds the last time index entry, writes the indexes out, cuts preallocated space off.
  void finish();
  // What to fsync, without the lock, so that everything appended so far is safe. With `with_indexes` they are included
  // (finish() before).
  std::vector<std::shared_ptr<base::File>> files_to_sync(bool with_indexes);

  // Whether there is a .txnindex. Looked for once, as every read_committed fetch asks; told when one is made, and when it was cut
  // and may be gone.
  bool has_transaction_index();
  void made_transaction_index() { has_transaction_index_ = true; }
  void cut_transaction_index() { has_transaction_index_.reset(); }

  OffsetIndex& offset_index() { return offset_index_; }
  TimeIndex& time_index() { return time_index_; }

 private:
  Segment(const PartitionFiles& where, std::int64_t base_offset, std::int64_t now_ms);
  void note_batch(const BatchPlace& batch, const LogConfig& config);
  void note_timestamp(std::int64_t timestamp, std::int64_t offset);
  [[gnu::cold]] void open_file();
  [[gnu::cold]] void read_first_batch_max_timestamp();
  void index_append(std::int64_t last_offset, std::uint64_t position, std::uint64_t bytes, const LogConfig& config);
  void reset_for_recovery();
  void cut(std::uint64_t size);
  void load_max_timestamp();
  std::optional<BatchPlace> scan_for(std::int64_t offset, std::uint64_t position, OnDamage on_damage);

  const PartitionFiles& where_;
  std::int64_t base_offset_;
  std::int64_t created_ms_;
  std::uint64_t size_ = 0;
  std::shared_ptr<base::File> file_;
  OffsetIndex offset_index_;
  TimeIndex time_index_;
  std::uint64_t bytes_since_index_entry_ = 0;
  bool max_timestamp_known_ = false;
  TimestampOffset max_timestamp_;
  std::optional<std::int64_t> first_batch_max_timestamp_;
  std::optional<bool> has_transaction_index_;
  std::int64_t roll_jitter_ms_ = -1;  // drawn at the first append

  // The last appends, so that readers at the end of the log need no index. Newest overwrites oldest.
  static constexpr std::size_t kRecentMax = 8;
  std::vector<BatchPlace> recent_;
  std::size_t recent_next_ = 0;
};

template <class OnBatch>
Segment::Recovered Segment::recover(const LogConfig& config, OnBatch on_batch) {
  reset_for_recovery();
  BatchScanner scanner(*file(), 0, size_, BatchScanner::What::whole);
  std::uint64_t good = 0;
  while (auto batch = scanner.next()) {
    const protocol::BatchHeader& header = batch->header;
    if (header.last_offset() < base_offset_ || !protocol::crc_is_valid(batch->bytes)) break;
    if (offset_overflows(base_offset_, header.last_offset())) return {.bytes_cut = 0, .overflowed = true};
    note_timestamp(header.max_timestamp, header.last_offset());
    index_append(header.last_offset(), batch->position, batch->size, config);
    on_batch(*batch);
    good = scanner.position();
  }
  Recovered result;
  result.bytes_cut = size_ - good;
  if (result.bytes_cut > 0) cut(good);
  time_index_.append(max_timestamp_.timestamp, max_timestamp_.offset);
  offset_index_.file().write_pending();
  time_index_.file().write_pending();
  return result;
}

}  // namespace storage
