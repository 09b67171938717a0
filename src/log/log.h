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

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "log/leader_epoch_cache.h"
#include "log/log_config.h"
#include "log/log_directory.h"
#include "log/log_types.h"
#include "log/partition_files.h"
#include "log/producer_snapshots.h"
#include "log/producer_state.h"
#include "log/recovery_progress.h"
#include "log/segment.h"
#include "log/topic_partition.h"
#include "protocol/error.h"

namespace storage {

// The log was deleted, or closed, or its directory is offline: no fault of a disk that would take one offline.
class LogClosed : public std::system_error {
 public:
  explicit LogClosed(const std::string& what) : std::system_error(EIO, std::generic_category(), what) {}
};

struct CleaningFacts;  // log_compaction.h

struct LogOptions {
  TopicPartition topic_partition;
  std::string directory;  // of the partition, made if missing
  std::shared_ptr<LogDirectory> log_directory;
  LogConfig config;
  bool clean_shutdown = false;
  std::int64_t recovery_point = 0;    // from its checkpoint
  std::int64_t log_start_offset = 0;  // likewise
  std::int64_t producer_id_expiration_ms = 86'400'000;
  bool keep_partition_metadata = true;
  std::shared_ptr<RecoveryProgress> progress;  // told of segments that are recovered while it is opened; may be null
};

class Log {
 public:
  // Opens what is in the directory, recovering it if need be; an empty directory becomes an empty log. Throws
  // std::system_error and CorruptFile.
  static std::shared_ptr<Log> open(base::FileSystem& files, const base::Clock& clock, LogOptions options);
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
  std::int64_t recovery_point() const;  // every record below is known to be on disk
  std::uint64_t size_bytes() const;     // of all .log files
  std::size_t segment_count() const;
  std::optional<std::int64_t> next_segment_base(std::int64_t offset) const;  // the first beyond `offset`

  LogConfig config() const;
  void set_config(const LogConfig& config);
  // From partition.metadata; nothing if the log has none yet.
  std::optional<base::Uuid> topic_id() const;
  // Writes partition.metadata if there is none; INCONSISTENT_TOPIC_ID if there is another.
  protocol::ErrorCode set_topic_id(const base::Uuid& topic_id);

  // Appends exactly one batch. The bytes are rewritten in place: base offset, leader epoch, and timestamp fields and
  // crc where they change; they may be reused once this returns. Nothing is fsynced; `flush_due` asks for it.
  //   before  [start … end)            after  [start … end | end … end+n)
  AppendResult append_as_leader(base::MutableByteView batch, const AppendContext& context);
  // Before the first batch of a producer's transaction: what to put into AppendContext once its coordinator has said
  // that the transaction knows this partition; 0 if there is nothing to ask. If it says no, the verification is
  // cancelled; if the client is to try again with the same batch, postponed (see ProducerState). The sequence is that of a
  // client's batch.
  std::uint64_t start_verification(std::int64_t producer_id, std::int16_t producer_epoch,
                                   std::optional<std::int32_t> base_sequence = std::nullopt);
  void cancel_verification(std::int64_t producer_id, std::uint64_t guard);
  void postpone_verification(std::int64_t producer_id, std::uint64_t guard);
  // Appends whole batches as the leader wrote them. Offsets must not go back.
  AppendResult append_as_follower(base::ByteView batches);

  // Bytes from the batch that holds `offset`, at most max_bytes but for what `first` says. OFFSET_OUT_OF_RANGE outside
  // [log start, log end].
  protocol::Result<ReadResult> read(std::int64_t offset, std::uint64_t max_bytes, ReadIsolation isolation,
                                    FirstBatch first);

  // Clamped to [log start, log end]; may go back (truncation). Returns the value now in force.
  std::int64_t update_high_watermark(std::int64_t offset);

  // What a leader does before its first append: (epoch, log end offset) becomes the latest epoch. A new log gets its
  // file at once, as in Kafka; else it is written behind the epoch's first record, at the next flush_closed_segments().
  protocol::ErrorCode start_leader_epoch(std::int32_t leader_epoch);
  std::optional<std::int32_t> latest_epoch() const;
  EpochEndOffset epoch_end_offset(std::int32_t leader_epoch) const;

  // -1, -1, -1 if there is no such record, or it lies at or beyond what `isolation` lets one see.
  protocol::Result<OffsetAndTimestamp> list_offset(std::int64_t timestamp, ReadIsolation isolation);

  // ListOffsets v0, from before messages had times: where the segments start that were last written at `timestamp` or
  // before, newest first, the log end counting as one more that is written now. kLatestTimestamp: all;
  // kEarliestTimestamp: the first. Other negative times match none. UNKNOWN_SERVER_ERROR for a negative count, as Kafka
  // answers it.
  protocol::Result<std::vector<std::int64_t>> offsets_before(std::int64_t timestamp, std::int32_t max_count);

  // DeleteRecords: moves the log start to `offset` (-1: the high watermark) and answers it. Files go at the next
  // delete_old_segments. POLICY_VIOLATION without cleanup.policy delete, OFFSET_OUT_OF_RANGE beyond the high watermark.
  //   before  start [0 | 10 | 20 … end)   delete_records(15)   after  [0 | 10 .. start 15 .. | 20 … end)
  protocol::Result<std::int64_t> delete_records(std::int64_t offset);
  // A follower takes over the leader's log start. Beyond the high watermark it does nothing.
  void advance_log_start(std::int64_t offset);
  // Retention by log start, size and time; oldest first, never beyond the high watermark. Returns the segments dropped.
  // Nothing is dropped while the log is being cleaned. Whoever uses the log waits neither for what is read to decide nor for the
  // renames.
  //   before  [0 | 10 | 20 … end)   after  start 20 [20 … end)
  std::size_t delete_old_segments(std::int64_t now_ms);
  // Drops everything from `offset` on, in whole batches: the batch that holds it goes too; log end becomes `offset`.
  void truncate_to(std::int64_t offset);
  // Drops everything; the log starts and ends at `offset`.
  void truncate_fully_and_start_at(std::int64_t offset);

  // fsyncs what was appended; the recovery point becomes the log end of the time of the call. Appends go on meanwhile.
  void flush();
  // The log end; or, while flush.messages asks for a flush that isn't done, where what waits for it begins.
  std::int64_t acknowledgeable_end() const;
  // The high watermark goes there, as far as update_high_watermark() lets it; both are told.
  struct Acknowledged {
    std::int64_t end = 0;
    std::int64_t high_watermark = 0;
  };
  Acknowledged commit_acknowledgeable();
  bool flush_is_due() const;
  // Nothing from `offset` on is acknowledged until it is released: for a log whose place isn't safe yet. Appends say
  // `flush_due` meanwhile.
  void hold_acknowledgements(std::int64_t offset);
  void release_acknowledgements();
  // Closes the active segment and starts the next, even if it is far from full. No-op on an empty segment.
  void roll();
  void expire_producers(std::int64_t now_ms);
  void set_producer_id_expiration(std::int64_t expiration_ms);
  std::vector<ActiveProducer> active_producers() const;

  // For the cleaner; see log_compaction.h, whose sessions replace segments.
  std::optional<CleaningFacts> cleaning_facts();     // nothing if the log is closed or offline
  void end_cleaning();                               // asks a cleaning that runs to stop, and waits for it
  void report_failure(const std::exception& error);  // of a file call on its behalf: takes the directory offline
  // Below it each key is there once, as of the last cleaning; nothing if there was none. For the checkpoint.
  std::optional<std::int64_t> first_dirty_offset() const;
  void set_first_dirty_offset(std::optional<std::int64_t> offset);

  // For LogManager.
  // A flush in three steps, for many logs at once: plan, sync all of the file system, finish. Without files in the plan
  // it is for whoever syncs the whole file system.
  struct PlannedFlush {
    std::int64_t offset = 0;
    std::int64_t active_base = 0;
    std::uint64_t truncations = 0;
    std::uint64_t names_changes = 0;
    bool new_names = false;
    bool new_directory = false;
    std::optional<std::uint64_t> epochs_written;
    std::string directory;
    std::vector<std::shared_ptr<base::File>> files;
  };
  bool has_closed_segments_to_flush() const;  // or a leader epoch that isn't in its file yet
  PlannedFlush plan_flush_of_closed_segments();
  void finish_flush(const PlannedFlush& plan);
  // Likewise for close(): nothing if there is nothing to sync, and the log is closed then.
  bool has_something_to_close() const;
  std::optional<PlannedFlush> plan_close();
  void finish_close(const PlannedFlush& plan);
  bool needs_flush(std::int64_t now_ms) const;  // flush.ms has passed since the last flush, with something to flush
  void flush_closed_segments();
  // Where a recovery has to begin. A flush doesn't sync the indexes of the active segment, and once a segment is rolled they
  // are synced at the next one; a segment that begins here or later is recovered, and they are made anew.
  std::int64_t recovery_point_to_checkpoint() const;
  // Where the log start is worth a checkpoint: beyond the first segment's base.
  std::optional<std::int64_t> log_start_to_checkpoint() const;
  void run_deletes(std::int64_t now_ms);  // removes the .deleted files that are due
  void close();                           // flushes, and leaves files as after a clean shutdown; no use afterwards
  // Within its log directory. A log that `ends` answers KAFKA_STORAGE_ERROR from then on; one that goes on can be appended
  // to while this waits for the disk, but for the rename itself: whoever uses the log waits for that one call, since segments,
  // indexes, snapshots and epochs are opened by a path that changes in it.
  enum class AfterRename { ends, goes_on };
  void rename_directory(const std::string& directory, AfterRename after = AfterRename::ends);

 private:
  friend class CleaningSession;
  class WithoutCleaning;
  using Segments = std::map<std::int64_t, std::shared_ptr<Segment>>;
  struct FilesFound;
  struct PendingDelete {
    std::string name;
    std::int64_t due_ms = 0;
  };

  Log(base::FileSystem& files, const base::Clock& clock, LogOptions options);

  // log_loader.cpp
  void load();
  FilesFound sort_files();
  void finish_swaps(FilesFound& found);
  bool keep_what_can_be_read(FilesFound& found, std::int64_t begin, const std::set<std::int64_t>& damaged);
  void remove_orphaned_indexes(const FilesFound& found);
  // All answer the base of a segment that must be split first.
  std::optional<std::int64_t> load_segments(const FilesFound& found);
  std::optional<std::int64_t> recover_unflushed();
  std::optional<std::int64_t> find_log_end();
  std::optional<std::int64_t> recover_damaged(Segment& segment);
  Segment::Recovered recover_segment(Segment& segment);
  void settle_offsets();
  void rebuild_producers(std::int64_t end_offset, bool trust_missing_snapshots);
  void replay_producers(std::int64_t from, std::int64_t to);

  [[gnu::cold]] AppendResult not_appended(protocol::ValidatedRecords& records) const;
  // All that follows is called with mutex_ held.
  bool usable() const { return !closed_ && !log_directory_->offline(); }
  void require_usable() const;
  Segment& active() const { return *segments_.rbegin()->second; }
  std::shared_ptr<Segment> segment_of(std::int64_t offset) const;  // the one with the largest base <= offset, or null
  LogOffsets offsets_locked() const;
  std::int64_t last_stable_offset_locked() const;
  std::int64_t acknowledgeable_end_locked() const;
  void update_high_watermark_locked(std::int64_t offset);
  // What an append seldom comes to is kept out of the way of all others.
  [[gnu::cold]] AppendResult too_large(std::size_t bytes) const;
  [[gnu::cold]] void as_before(const ProducerBatch& before, AppendResult& result) const;
  AppendResult append_validated(protocol::ValidatedRecords& records, const AppendContext& context);
  protocol::ErrorCode check_producer(const protocol::ValidatedRecords& records, const AppendContext& context,
                                     std::optional<ControlMarker>& marker) const;
  void append_to_segment(const SegmentAppend& append, std::int64_t now_ms);
  void hold_back_for_flush(AppendResult& result);
  void complete(const CompletedTransaction& completed);
  void roll_locked(std::int64_t new_base, std::int64_t now_ms);
  LogOffsetMetadata place_of(std::int64_t offset);
  std::int64_t bound_of(ReadIsolation isolation) const;
  protocol::Result<ReadResult> read_locked(std::int64_t offset, std::uint64_t max_bytes, ReadIsolation isolation,
                                           FirstBatch first);
  std::vector<AbortedTransaction> aborted_between(std::int64_t from, std::int64_t segment_base,
                                                  std::uint64_t position_end);
  struct TimeSearch;
  bool plan_time_search(std::int64_t timestamp, TimeSearch& search);
  void move_log_start(std::int64_t offset);
  using SegmentList = std::vector<std::shared_ptr<Segment>>;
  struct Retention;
  Retention plan_retention(std::int64_t now_ms);
  // Out of the log; the names of their files, which are to become .deleted and then pending deletes.
  std::vector<std::string> take_out(const SegmentList& doomed);
  void drop_segments(const SegmentList& doomed);
  void drop_all_segments_and_start_at(std::int64_t offset);
  void lower_first_dirty_offset(std::int64_t offset);
  std::int64_t delete_due_ms(std::int64_t delay_ms) const;
  void schedule_delete(std::int64_t offset, std::string_view suffix);
  bool rename_to_deleted(const std::string& name);  // false if there is no such file; without the lock too, if no rename can come

  // Calls it without the lock.
  void flush_segments(bool with_active);
  enum class PlanFiles { none, listed };
  void write_epochs();
  PlannedFlush plan_flush(bool with_active, PlanFiles files);
  bool finish_for_close();
  template <class Work>
  auto watching_for_failure(Work work);

  base::FileSystem& files_;
  const base::Clock& clock_;
  const TopicPartition topic_partition_;
  const std::shared_ptr<LogDirectory> log_directory_;
  const LogOptions options_;  // as opened; `config` and `directory` in it go stale

  mutable std::mutex mutex_;
  std::mutex flush_mutex_;                  // one flush at a time; taken before mutex_
  std::mutex cleaning_mutex_;               // held by a cleaning from its begin to its end; taken before flush_mutex_
  std::atomic<int> cleaning_unwanted_ = 0;  // those who wait for it
  PartitionFiles where_;
  std::shared_ptr<const LogConfig> config_;
  std::optional<base::Uuid> topic_id_;
  Segments segments_;  // by base offset; never empty once loaded
  LeaderEpochCache epochs_;
  ProducerState producers_;
  std::int64_t producer_id_expiration_ms_ = options_.producer_id_expiration_ms;
  ProducerSnapshots snapshots_;
  std::int64_t log_start_offset_ = 0;
  std::int64_t log_end_offset_ = 0;
  std::int64_t high_watermark_ = 0;
  std::int64_t recovery_point_ = 0;
  std::optional<std::int64_t> unsynced_since_roll_;  // the first rolled segment whose indexes and size may not be on disk
  std::int64_t last_flush_ms_ = 0;
  std::optional<std::int64_t> held_back_from_;  // what flush.messages wants flushed first begins here
  std::optional<std::int64_t> acknowledgements_held_from_;
  std::uint64_t truncations_ = 0;
  std::optional<std::int64_t> first_dirty_offset_;
  std::vector<PendingDelete> pending_deletes_;
  bool names_synced_ = false;  // files made at creation may be lost with the whole log until its first flush
  std::uint64_t names_changes_ = 0;
  bool modified_ = false;      // since a clean start; if not, there is nothing to close
  bool closed_ = false;
};

}  // namespace storage
