// The leader's rules for records that a client appends, as Kafka's LogValidator and UnifiedLog apply them. Two steps,
// so that the long one needs no lock: validate_for_append() checks everything and changes at most timestamp and crc of
// the batch in place; assign_offsets(), in the log's lock, sets the fields that depend on the log.
// The outcome is always one batch of magic 2 (or none). Its bytes are the caller's own unless the topic wants another
// codec or the client sent an old format; only then is anything copied.
// Refusals are error codes, never exceptions. Memory is bounded: compressed batches are walked as a stream; rewriting
// takes at most twice rewritten_bytes_max. Thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/compression.h"
#include "base/rare.h"
#include "protocol/error.h"
#include "protocol/record_batch.h"

namespace protocol {

enum class AppendOrigin { client, coordinator };  // a coordinator may write control batches and any sequence

struct AppendRules {                       // a topic's configuration
  std::optional<base::Codec> compression;  // compression.type; nothing = "producer": kept as it came
  std::optional<int> compression_level;    // compression.<codec>.level
  TimestampType timestamp_type = TimestampType::create_time;
  std::int64_t timestamp_before_max_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t timestamp_after_max_ms = std::numeric_limits<std::int64_t>::max();
  std::int32_t max_message_bytes = 1048588;
  bool compacted = false;                                     // records need keys
  // What a batch may unpack to. Kafka has no such bound. A batch of zstd can be 32,000 times as large as it was sent, and
  // honest ones are where all records are alike, so the ratio alone refuses nothing: it holds for what is larger than
  // unpacked_at_any_ratio_max. Neither gzip (1,032), lz4 (255) nor snappy (22) can reach it. Beyond it MESSAGE_TOO_LARGE,
  // upon which Java's producer sends the records again in smaller batches.
  std::uint64_t unpacked_bytes_max = std::uint64_t{1} << 31;  // walked as a stream, so it costs time only
  std::size_t rewritten_bytes_max = std::size_t{256} << 20;   // unpacked in memory, where the codec or format changes
  std::uint64_t unpacked_at_any_ratio_max = std::uint64_t{256} << 20;
  std::uint64_t unpacked_ratio_max = 1100;
};

struct AppendRequest {
  std::int16_t produce_version = 12;  // below 3: also formats 0 and 1, and any number of entries; below 7: no zstd
  AppendOrigin origin = AppendOrigin::client;
  // The batch was made by this process a moment ago, with keys: neither its crc nor its records are looked at again, where the rules
  // ask nothing of these that is up to a topic.
  bool built_here = false;
  std::int64_t now_ms = 0;
  std::string_view topic;  // for messages, with the next
  std::int32_t partition = 0;
};

struct RecordError {
  std::int32_t batch_index = 0;  // which record
  std::string message;
};

// What is told of a refusal beside its error.
struct Refusal {
  std::string message;  // empty where Kafka sends none
  std::vector<RecordError> record_errors;
};

struct ValidatedRecords {
  ValidatedRecords() = default;
  ValidatedRecords(ValidatedRecords&&) = default;
  ValidatedRecords& operator=(ValidatedRecords&&) = default;  // no copies: `batch` may point into `rewritten`

  ErrorCode error = ErrorCode::none;
  base::Rare<Refusal> refusal;

  base::MutableByteView batch;  // empty: nothing to append, which old versions answer with success and offset -1
  base::Rare<base::Bytes> rewritten;  // holds `batch` if it couldn't stay where it was
  BatchHeader header;                 // of `batch`
  std::int32_t record_count = 0;
  std::int64_t max_timestamp = -1;
  std::int32_t offset_delta_of_max_timestamp = -1;  // the batch's last one, as Kafka reports it
  std::int64_t log_append_time = -1;                // now, if the topic stamps records itself

  bool ok() const { return error == ErrorCode::none; }
  bool nothing_to_append() const { return batch.empty(); }
};

ValidatedRecords validate_for_append(base::MutableByteView records, const AppendRules& rules,
                                     const AppendRequest& request);

// Returns the last offset. Keeps `header` in step with the bytes.
std::int64_t assign_offsets(ValidatedRecords& records, std::int64_t first_offset, std::int32_t leader_epoch);

// Whether the first batch is transactional, which a Produce handler must know before anything else.
Result<bool> is_transactional(base::ByteView records);

}  // namespace protocol
