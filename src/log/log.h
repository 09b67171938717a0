// One partition's log on disk, in Kafka's format: segments with their indexes, leader epochs, producer state, and the
// three offsets that matter: log start, high watermark, log end. The high watermark lives here; the partition decides
// when it moves (update_high_watermark).
//
// Owned by shared_ptr (LogManager, the partition, reads in flight). Thread-safe: a short mutex of its own guards all
// state; fsync and file removal happen outside of it. Reads hand out slices of files, which stay readable without the
// lock, and after a delete.
//
// Errors: what a peer may see is a Result or AppendResult. A failed file call takes the log's directory offline
// (LogDirectory), is logged there, and answers KAFKA_STORAGE_ERROR here; so does everything on an offline directory.
// The functions that answer nothing throw std::system_error in that case.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/uuid.h"
#include "log/log_config.h"
#include "log/log_types.h"
#include "log/topic_partition.h"
#include "protocol/error.h"

namespace storage {

class Log {
 public:
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  const TopicPartition& topic_partition() const;
  std::string directory() const;                // of the partition; changes when the log is deleted
  const std::string& parent_directory() const;  // the entry of log.dirs
  LogOffsets offsets() const;
  std::int64_t log_start_offset() const;
  std::int64_t log_end_offset() const;
  std::int64_t high_watermark() const;
  std::int64_t last_stable_offset() const;
  std::int64_t recovery_point() const;  // everything below is known to be on disk
  std::uint64_t size_bytes() const;     // of all .log files
  std::size_t segment_count() const;

  LogConfig config() const;
  void set_config(const LogConfig& config);
  // From partition.metadata; nothing if the log has none yet.
  std::optional<base::Uuid> topic_id() const;
  // Writes partition.metadata if there is none; INCONSISTENT_TOPIC_ID if there is another.
  protocol::ErrorCode set_topic_id(const base::Uuid& topic_id);

  // Appends exactly one batch. The bytes are rewritten in place: base offset, leader epoch, and timestamp fields and
  // crc where they change; they may be reused once this returns. Nothing is fsynced unless flush.messages says so.
  //   before  [start … end)            after  [start … end | end … end+n)
  AppendResult append_as_leader(base::MutableByteView batch, const AppendContext& context);
  // Appends whole batches as the leader wrote them. Offsets must not go back.
  AppendResult append_as_follower(base::ByteView batches);

  // Bytes from the batch that holds `offset`, at most max_bytes; with min_one_message at least that one batch.
  // OFFSET_OUT_OF_RANGE outside [log start, log end].
  protocol::Result<ReadResult> read(std::int64_t offset, std::uint64_t max_bytes, ReadIsolation isolation,
                                    bool min_one_message);

  // Clamped to [log start, log end]; may go back (truncation). Returns the value now in force.
  std::int64_t update_high_watermark(std::int64_t offset);

  // What a leader does before its first append: (epoch, log end offset) becomes the latest epoch. Written at once.
  protocol::ErrorCode start_leader_epoch(std::int32_t leader_epoch);
  std::optional<std::int32_t> latest_epoch() const;
  EpochEndOffset epoch_end_offset(std::int32_t leader_epoch) const;

  // -1, -1, -1 if there is no such record. The result is not limited to what `isolation` lets one see except for
  // kLatestTimestamp and times: those never answer an offset at or beyond it.
  protocol::Result<OffsetAndTimestamp> list_offset(std::int64_t timestamp, ReadIsolation isolation);

  // DeleteRecords: moves the log start to `offset` (-1: the high watermark) and answers it. Files go at the next
  // delete_old_segments. POLICY_VIOLATION without cleanup.policy delete, OFFSET_OUT_OF_RANGE beyond the high watermark.
  //   before  start [0 | 10 | 20 … end)   delete_records(15)   after  [0 | 10 .. start 15 .. | 20 … end)
  protocol::Result<std::int64_t> delete_records(std::int64_t offset);
  // A follower takes over the leader's log start. Beyond the high watermark it does nothing.
  void advance_log_start(std::int64_t offset);
  // Retention by log start, size and time; oldest first, never beyond the high watermark. Returns the segments dropped.
  //   before  [0 | 10 | 20 … end)   after  start 20 [20 … end)
  std::size_t delete_old_segments(std::int64_t now_ms);
  // Drops everything from `offset` on, in whole batches: the batch that holds it goes too; log end becomes `offset`.
  void truncate_to(std::int64_t offset);
  // Drops everything; the log starts and ends at `offset`.
  void truncate_fully_and_start_at(std::int64_t offset);

  // fsyncs what was appended; the recovery point becomes the log end of the time of the call.
  void flush();
  // Closes the active segment and starts the next, even if it is far from full. No-op on an empty segment.
  void roll();
  void expire_producers(std::int64_t now_ms);
  std::vector<ActiveProducer> active_producers() const;
};

}  // namespace storage
