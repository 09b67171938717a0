// What cleaning makes of one batch: nothing, its bytes as they are, a new batch of the records that stay, or its header
// alone. Offsets, timestamps, producer, sequence, epoch and codec never change. Pure; belongs to one thread.
// Errors: protocol::InvalidRecord and base::CompressionError, for a batch that can't be read.
//
// Rules as Kafka 3.9's cleaner has them; the delete horizon is KIP-534's: the first pass that finds a tombstone, or a
// marker of a transaction that is gone, writes now + delete.retention.ms into the batch (attribute bit 6, in the field
// of the base timestamp, so that all timestamp deltas change); a pass after that time drops it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "log/cleaner/key_hash.h"
#include "log/cleaner/newest_offsets.h"
#include "log/cleaner/offset_map.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"

namespace storage {

struct FilterRules {
  std::int64_t now_ms = 0;
  std::int64_t delete_retention_ms = 0;
  bool keep_legacy_tombstones = true;  // of formats 0 and 1, which have no horizon of their own
  std::int64_t mapped_to = -1;         // the last offset that the map covers; records behind it stay
};

// What is known of the batch from outside of it.
struct BatchFate {
  bool aborted = false;              // data of an aborted transaction: no record stays
  bool transaction_is_gone = false;  // of a marker
  bool header_stays = false;         // even without records
};

struct FilteredBatch {
  std::uint64_t size = 0;  // appended to the output; 0: nothing is left
  std::int64_t max_timestamp = -1;
  std::int32_t records_read = 0;
  std::int32_t records_kept = 0;
  std::int32_t keyless = 0;  // dropped, since they can't be compacted: from before the topic was
};

// A record as it is mapped.
struct MappedRecord {
  std::int64_t offset = 0;
  bool has_key = false;
  bool may_stay = false;  // found by who maps the newest first: no newer one has its key
  KeyHash hash;
};

// A batch of magic 2 with all its records, in order: a reader that has unpacked them and read none, and what is known of each.
struct DecidedRecords {
  protocol::RecordReader& reader;
  std::span<const MappedRecord> records;
};

class BatchFilter {
 public:
  // `newest` only saves looking at what can't stay: one that knows nothing is right, too.
  BatchFilter(const OffsetMap& map, const KeyHasher& hasher, const NewestOffsets& newest)
      : map_(map), hasher_(hasher), newest_(newest) {}

  // Appends what is left of the batch (a whole one, of any magic) to `out`.
  FilteredBatch filter(base::ByteView batch, const protocol::BatchHeader& header, const BatchFate& fate,
                       const FilterRules& rules, base::Bytes& out);
  // The same for a batch of data whose records were unpacked and decided on before, but for its header: if no record is kept
  // nothing is appended. Looks at neither the map nor the newest offsets.
  FilteredBatch filter_decided(base::ByteView batch, const protocol::BatchHeader& header, const DecidedRecords& decided,
                               const FilterRules& rules, base::Bytes& out);
  // What a batch that keeps no record is, if its header stays: for magic 2.
  static void append_empty_batch(const protocol::BatchHeader& header, base::Bytes& out);

 private:
  bool is_mapped(const protocol::BatchHeader& header, const FilterRules& rules) const;
  void read_records(base::ByteView batch, const protocol::BatchHeader& header, const FilterRules& rules,
                    FilteredBatch& result);
  bool stays(const protocol::Record& record, std::size_t index, const protocol::BatchHeader& header,
             const FilterRules& rules, FilteredBatch& result) const;
  void write(base::ByteView batch, const protocol::BatchHeader& header, const BatchFate& fate, const FilterRules& rules,
             FilteredBatch& result, base::Bytes& out);
  void rebuild(const protocol::BatchHeader& header, std::int64_t delete_horizon_ms, FilteredBatch& result,
               base::Bytes& out);
  void append_records(std::int64_t base_timestamp, base::Bytes& to) const;
  void rebuild_legacy(const protocol::BatchHeader& header, FilteredBatch& result, base::Bytes& out) const;

  const OffsetMap& map_;
  const KeyHasher& hasher_;
  const NewestOffsets& newest_;
  base::Bytes unpacked_;  // what the records of a compressed batch point into
  std::optional<protocol::RecordReader> reader_;
  std::vector<protocol::Record> records_;
  std::vector<KeyHash> hashes_;
  base::Bytes uncompressed_;
};

}  // namespace storage
