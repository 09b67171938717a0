// The topic settings that one partition's log obeys, with Kafka's defaults. Made by broker/config from properties; a
// plain value, copied. Units are in the names; -1 means "no limit" where Kafka says so.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "base/compression.h"
#include "protocol/record_batch.h"

namespace storage {

struct LogConfig {
  static constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
  static constexpr std::int64_t kDayMs = 24LL * 60 * 60 * 1000;

  std::int64_t segment_bytes = 1LL << 30;         // segment.bytes
  std::int64_t segment_ms = 7 * kDayMs;           // segment.ms
  std::int64_t segment_jitter_ms = 0;             // segment.jitter.ms
  std::int64_t segment_index_bytes = 10LL << 20;  // segment.index.bytes
  std::int64_t index_interval_bytes = 4096;       // index.interval.bytes
  bool preallocate = false;                       // preallocate

  bool cleanup_delete = true;                  // cleanup.policy contains delete
  bool cleanup_compact = false;                // cleanup.policy contains compact
  std::int64_t retention_bytes = -1;           // retention.bytes
  std::int64_t retention_ms = 7 * kDayMs;      // retention.ms
  std::int64_t file_delete_delay_ms = 60'000;  // file.delete.delay.ms

  std::int64_t flush_messages = kUnlimited;  // flush.messages
  std::int64_t flush_ms = kUnlimited;        // flush.ms

  std::int64_t max_message_bytes = 1'048'588;                                     // max.message.bytes
  std::optional<base::Codec> compression;                                         // compression.type; nothing: producer
  int compression_gzip_level = -1;                                                // compression.gzip.level
  int compression_lz4_level = 9;                                                  // compression.lz4.level
  int compression_zstd_level = 3;                                                 // compression.zstd.level
  protocol::TimestampType timestamp_type = protocol::TimestampType::create_time;  // message.timestamp.type
  std::int64_t timestamp_before_max_ms = kUnlimited;                              // message.timestamp.before.max.ms
  std::int64_t timestamp_after_max_ms = kUnlimited;                               // message.timestamp.after.max.ms
  bool down_conversion = true;                                                    // message.downconversion.enable

  double min_cleanable_dirty_ratio = 0.5;           // min.cleanable.dirty.ratio
  std::int64_t min_compaction_lag_ms = 0;           // min.compaction.lag.ms
  std::int64_t max_compaction_lag_ms = kUnlimited;  // max.compaction.lag.ms
  std::int64_t delete_retention_ms = kDayMs;        // delete.retention.ms

  bool operator==(const LogConfig&) const = default;
};

}  // namespace storage
