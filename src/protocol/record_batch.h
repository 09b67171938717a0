// The header of a record batch: magic 2, and as far as they have the same fields the entries of magic 0 and 1, each of
// which is a batch of its own here (a compressed entry wraps others). Reading never needs more than the first 61 bytes,
// so that a log can be scanned by headers. The setters change a batch of magic 2 where it stands. Plain values, no
// thread rules.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "base/bytes.h"
#include "base/compression.h"

namespace protocol {

inline constexpr std::size_t kBatchOverhead = 12;        // base offset and length, in front of every format
inline constexpr std::size_t kBatchUpToMagic = 17;       // enough to know size and format
inline constexpr std::size_t kBatchHeaderSize = 61;      // magic 2
inline constexpr std::int32_t kLegacyEntrySizeMin = 14;  // crc, magic, attributes, two lengths: magic 0

enum class TimestampType : std::int8_t { none = -1, create_time = 0, log_append_time = 1 };

inline constexpr std::int16_t kAttributeCodecMask = 0x07;
inline constexpr std::int16_t kAttributeLogAppendTime = 0x08;
inline constexpr std::int16_t kAttributeTransactional = 0x10;
inline constexpr std::int16_t kAttributeControl = 0x20;
inline constexpr std::int16_t kAttributeDeleteHorizon = 0x40;

struct BatchHeader {
  std::int64_t base_offset = 0;  // magic 0 and 1: the entry's offset, which is the last one of a compressed entry
  std::int32_t length = 0;       // as written: without the first 12 bytes
  std::int32_t partition_leader_epoch = -1;
  std::int8_t magic = 2;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  std::int64_t base_timestamp = -1;  // with the delete horizon bit: the horizon
  std::int64_t max_timestamp = -1;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t record_count = -1;  // -1: magic 0 and 1 don't say

  std::int64_t size_in_bytes() const { return std::int64_t{length} + static_cast<std::int64_t>(kBatchOverhead); }
  std::int64_t last_offset() const { return base_offset + last_offset_delta; }
  std::int64_t next_offset() const { return last_offset() + 1; }
  int codec_number() const { return attributes & (magic == 2 ? kAttributeCodecMask : 0x07); }
  std::optional<base::Codec> codec() const;  // nothing for 5, 6, 7, which no release knows
  bool is_compressed() const { return codec_number() != 0; }
  TimestampType timestamp_type() const;
  bool is_transactional() const { return magic == 2 && (attributes & kAttributeTransactional) != 0; }
  bool is_control() const { return magic == 2 && (attributes & kAttributeControl) != 0; }
  bool has_delete_horizon() const { return magic == 2 && (attributes & kAttributeDeleteHorizon) != 0; }
  bool has_producer_id() const { return producer_id >= 0; }
  std::int32_t last_sequence() const;  // wraps from 2147483647 to 0; -1 without a producer id
};

// What the bytes in front of a reader are.
enum class BatchFrame {
  whole,     // all of the batch is there
  partial,   // the bytes end within it (or before it can be told)
  corrupt,   // a length or a magic that no batch has: scanning can't go on
  overlong,  // a length that overflows 2^31-1 with its overhead, which Kafka answers differently
};
struct NextBatch {
  BatchFrame frame = BatchFrame::partial;
  std::size_t size_in_bytes = 0;  // known for whole, and for partial once 17 bytes are there
};
NextBatch next_batch(base::ByteView rest);

// Needs the batch's first 61 bytes (magic 2), 18 (magic 0) or 26 (magic 1); nothing if fewer are there, or if the
// batch claims to be shorter than its own header.
std::optional<BatchHeader> read_batch_header(base::ByteView bytes);

// Over the whole batch, of any magic. False for a length too short for the format.
bool crc_is_valid(base::ByteView batch);
bool crc_is_valid(base::ByteView batch, const BatchHeader& header);  // read from it, of as many bytes

// In place, magic 2. Base offset and leader epoch lie outside of the crc; the timestamp doesn't and renews it, which
// costs a pass over the batch: nothing is done if nothing changes.
void set_base_offset(base::MutableByteView batch, std::int64_t base_offset);
void set_partition_leader_epoch(base::MutableByteView batch, std::int32_t epoch);
bool set_max_timestamp(base::MutableByteView batch, TimestampType type, std::int64_t max_timestamp);  // whether anything changed
void renew_crc(base::MutableByteView batch);

// Writes 61 bytes; the crc is left to renew_crc().
void write_batch_header(base::MutableByteView into, const BatchHeader& header);

// Sequence numbers count from 0 to 2147483647 and start again at 0.
inline std::int32_t add_to_sequence(std::int32_t sequence, std::int32_t by) {
  return sequence > std::numeric_limits<std::int32_t>::max() - by
             ? by - (std::numeric_limits<std::int32_t>::max() - sequence) - 1
             : sequence + by;
}

}  // namespace protocol
