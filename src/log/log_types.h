// What goes into and comes out of a Log: plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/rare.h"
#include "protocol/error.h"
#include "protocol/record_batch_validation.h"

namespace storage {

// Clients choose their timestamps freely, so differences may overflow; they wrap as in Java.
inline std::int64_t time_difference(std::int64_t later, std::int64_t earlier) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(later) - static_cast<std::uint64_t>(earlier));
}

using AppendOrigin = protocol::AppendOrigin;

struct AppendContext {
  std::int32_t leader_epoch = 0;
  std::int16_t produce_version = 11;  // of the Produce request; decides whether zstd is allowed
  AppendOrigin origin = AppendOrigin::client;
  bool built_here = false;  // see protocol::AppendRequest
  std::int64_t now_ms = 0;
  // For transactional batches: from Log::start_verification(). Nothing: isn't asked for.
  std::optional<std::uint64_t> verification_guard;
  std::int16_t marker_transaction_version = 0;  // transaction.version of the transaction that a marker ends
};

struct AppendResult {
  protocol::ErrorCode error = protocol::ErrorCode::none;
  base::Rare<protocol::Refusal> refusal;  // what Produce v8+ answers beside the error

  std::int64_t first_offset = -1;
  std::int64_t last_offset = -1;  // -1, -1: nothing was there to append
  std::int64_t max_timestamp = -1;
  std::int64_t log_append_time = -1;   // -1 unless the topic says LogAppendTime, or it is a duplicate
  std::int64_t log_start_offset = -1;  // set on errors too
  std::int64_t log_end_offset = -1;    // after the append
  std::int64_t high_watermark = -1;    // after the append, of a partition that leads; -1: not known
  bool duplicate = false;              // an idempotent producer sent it before; the offsets are the old ones
  // flush.messages: the caller sees to it that the log is flushed, and acknowledges this, and shows it to consumers, when
  // Log::acknowledgeable_end() lies behind it.
  bool flush_due = false;

  bool ok() const { return error == protocol::ErrorCode::none; }
};

// Bytes in a file. Holding it keeps them readable, also after the segment was deleted.
struct FileSlice {
  std::shared_ptr<const base::File> file;
  std::uint64_t position = 0;
  std::uint64_t size = 0;
};

// An offset with its place, to count bytes between two offsets of one segment without reading.
struct LogOffsetMetadata {
  std::int64_t offset = -1;
  std::int64_t segment_base_offset = -1;  // -1: the place is unknown
  std::uint64_t position = 0;

  bool same_segment(const LogOffsetMetadata& other) const {
    return segment_base_offset >= 0 && segment_base_offset == other.segment_base_offset;
  }
};

// How far a reader may see: a replica all of it, a consumer to the high watermark, or to the last stable offset.
enum class ReadIsolation { log_end, high_watermark, transactions_committed };

// What a read answers if the first batch alone is larger than its limit: all of that batch, nothing, or the part of it
// that fits.
enum class FirstBatch { whole, if_it_fits, cut };

struct AbortedTransaction {
  std::int64_t producer_id = -1;
  std::int64_t first_offset = -1;
};

struct ReadResult {
  // Whole batches from the one that holds the offset on; the last may be cut where max_bytes fell. Size 0: nothing
  // there yet (or, unless asked for whole, the first batch doesn't fit).
  FileSlice records;
  LogOffsetMetadata start;        // of the offset asked for; its place is that of the first batch returned
  LogOffsetMetadata upper_bound;  // where the isolation ends
  std::int64_t log_start_offset = -1;
  std::int64_t log_end_offset = -1;
  std::int64_t high_watermark = -1;
  std::int64_t last_stable_offset = -1;
  // With transactions_committed only, and then maybe empty.
  std::optional<std::vector<AbortedTransaction>> aborted_transactions;
};

// ListOffsets' special times.
inline constexpr std::int64_t kLatestTimestamp = -1;
inline constexpr std::int64_t kEarliestTimestamp = -2;
inline constexpr std::int64_t kMaxTimestamp = -3;
inline constexpr std::int64_t kEarliestLocalTimestamp = -4;
inline constexpr std::int64_t kLatestTieredTimestamp = -5;

struct OffsetAndTimestamp {
  std::int64_t offset = -1;
  std::int64_t timestamp = -1;
  std::int32_t leader_epoch = -1;
};

struct EpochEndOffset {
  std::int32_t leader_epoch = -1;  // -1, -1: unknown
  std::int64_t end_offset = -1;
};

struct LogOffsets {
  std::int64_t log_start_offset = 0;
  std::int64_t high_watermark = 0;
  std::int64_t last_stable_offset = 0;
  std::int64_t log_end_offset = 0;
};

// For DescribeProducers.
struct ActiveProducer {
  std::int64_t producer_id = -1;
  std::int32_t producer_epoch = -1;
  std::int32_t last_sequence = -1;
  std::int64_t last_timestamp = -1;
  std::int32_t coordinator_epoch = -1;
  std::int64_t current_transaction_first_offset = -1;
};

}  // namespace storage
