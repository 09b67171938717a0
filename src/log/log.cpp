// The log as a whole: its offsets, configuration, flush, roll and close. Appending, reading, retention and loading are
// in log_append.cpp, log_read.cpp, log_retention.cpp and log_loader.cpp.
#include "log/log.h"

#include <algorithm>
#include <chrono>

#include "base/logging.h"
#include "log/flush_times.h"
#include "log/log_io.h"
#include "log/partition_metadata.h"

namespace storage {

using protocol::ErrorCode;

Log::Log(base::FileSystem& files, const base::Clock& clock, LogOptions options)
    : files_(files),
      clock_(clock),
      topic_partition_(options.topic_partition),
      log_directory_(options.log_directory),
      options_(std::move(options)),
      where_{files, options_.directory},
      config_(std::make_shared<const LogConfig>(options_.config)),
      epochs_(files, options_.directory, !options_.clean_shutdown),
      snapshots_(where_),
      last_flush_ms_(clock.monotonic_ms()) {}

Log::~Log() = default;

std::shared_ptr<Log> Log::open(base::FileSystem& files, const base::Clock& clock, LogOptions options) {
  files.create_directories(options.directory);
  std::shared_ptr<Log> log(new Log(files, clock, std::move(options)));
  std::lock_guard lock(log->mutex_);
  log->load();
  return log;
}

void Log::require_usable() const {
  if (usable()) return;
  throw LogClosed("log " + where_.directory + " is offline or closed");
}

const TopicPartition& Log::topic_partition() const { return topic_partition_; }
const std::string& Log::parent_directory() const { return log_directory_->path(); }

std::string Log::directory() const {
  std::lock_guard lock(mutex_);
  return where_.directory;
}

LogOffsets Log::offsets_locked() const {
  return {log_start_offset_, high_watermark_, last_stable_offset_locked(), log_end_offset_};
}

LogOffsets Log::offsets() const {
  std::lock_guard lock(mutex_);
  return offsets_locked();
}

std::int64_t Log::log_start_offset() const {
  std::lock_guard lock(mutex_);
  return log_start_offset_;
}

std::int64_t Log::log_end_offset() const {
  std::lock_guard lock(mutex_);
  return log_end_offset_;
}

std::int64_t Log::high_watermark() const {
  std::lock_guard lock(mutex_);
  return high_watermark_;
}

std::int64_t Log::last_stable_offset() const {
  std::lock_guard lock(mutex_);
  return last_stable_offset_locked();
}

std::int64_t Log::recovery_point() const {
  std::lock_guard lock(mutex_);
  return recovery_point_;
}

std::int64_t Log::recovery_point_to_checkpoint() const {
  std::lock_guard lock(mutex_);
  if (closed_ || segments_.empty()) return recovery_point_;
  const std::int64_t active_base = active().base_offset();
  return std::min({recovery_point_, active_base, unsynced_since_roll_.value_or(active_base)});
}

std::uint64_t Log::size_bytes() const {
  std::lock_guard lock(mutex_);
  std::uint64_t size = 0;
  for (const auto& [base, segment] : segments_) size += segment->size();
  return size;
}

std::size_t Log::segment_count() const {
  std::lock_guard lock(mutex_);
  return segments_.size();
}

std::optional<std::int64_t> Log::next_segment_base(std::int64_t offset) const {
  std::lock_guard lock(mutex_);
  const auto next = segments_.upper_bound(offset);
  if (next == segments_.end()) return std::nullopt;
  return next->first;
}

LogConfig Log::config() const {
  std::lock_guard lock(mutex_);
  return *config_;
}

void Log::set_config(const LogConfig& config) {
  auto fresh = std::make_shared<const LogConfig>(config);
  std::lock_guard lock(mutex_);
  config_ = std::move(fresh);
}

std::optional<base::Uuid> Log::topic_id() const {
  std::lock_guard lock(mutex_);
  return topic_id_;
}

ErrorCode Log::set_topic_id(const base::Uuid& topic_id) {
  try {
    return watching_for_failure([&] {
      std::lock_guard lock(mutex_);
      if (!usable()) return ErrorCode::kafka_storage_error;
      if (topic_id_) return *topic_id_ == topic_id ? ErrorCode::none : ErrorCode::inconsistent_topic_id;
      modified_ = true;
      names_synced_ = false;
      ++names_changes_;
      if (options_.keep_partition_metadata) write_partition_metadata(files_, where_.directory, topic_id);
      topic_id_ = topic_id;
      return ErrorCode::none;
    });
  } catch (const std::system_error&) {
    return ErrorCode::kafka_storage_error;
  }
}

std::shared_ptr<Segment> Log::segment_of(std::int64_t offset) const {
  auto above = segments_.upper_bound(offset);
  return above == segments_.begin() ? nullptr : std::prev(above)->second;
}

std::int64_t Log::last_stable_offset_locked() const {
  auto unstable = producers_.first_unstable_offset();
  return unstable ? std::min(std::max(*unstable, log_start_offset_), high_watermark_) : high_watermark_;
}

void Log::update_high_watermark_locked(std::int64_t offset) {
  high_watermark_ = std::clamp(offset, log_start_offset_, std::max(log_end_offset_, log_start_offset_));
  producers_.on_high_watermark(high_watermark_);
}

std::int64_t Log::update_high_watermark(std::int64_t offset) {
  std::lock_guard lock(mutex_);
  update_high_watermark_locked(offset);
  return high_watermark_;
}

Log::Acknowledged Log::commit_acknowledgeable() {
  std::lock_guard lock(mutex_);
  const std::int64_t end = acknowledgeable_end_locked();
  update_high_watermark_locked(end);
  return {end, high_watermark_};
}

ErrorCode Log::start_leader_epoch(std::int32_t leader_epoch) {
  try {
    return watching_for_failure([&] {
      std::lock_guard lock(mutex_);
      if (!usable()) return ErrorCode::kafka_storage_error;
      epochs_.assign(leader_epoch, log_end_offset_);
      if (!epochs_.file_exists()) {
        modified_ = true;
        epochs_.flush(false);
      }
      return ErrorCode::none;
    });
  } catch (const std::system_error&) {
    return ErrorCode::kafka_storage_error;
  }
}

std::optional<std::int32_t> Log::latest_epoch() const {
  std::lock_guard lock(mutex_);
  return epochs_.latest_epoch();
}

EpochEndOffset Log::epoch_end_offset(std::int32_t leader_epoch) const {
  std::lock_guard lock(mutex_);
  return epochs_.end_offset(leader_epoch, log_end_offset_);
}

void Log::expire_producers(std::int64_t now_ms) {
  std::lock_guard lock(mutex_);
  producers_.expire(now_ms, producer_id_expiration_ms_);
}

void Log::set_producer_id_expiration(std::int64_t expiration_ms) {
  std::lock_guard lock(mutex_);
  producer_id_expiration_ms_ = expiration_ms;
}

std::uint64_t Log::start_verification(std::int64_t producer_id, std::int16_t producer_epoch,
                                      std::optional<std::int32_t> base_sequence) {
  std::lock_guard lock(mutex_);
  return producers_.start_verification(producer_id, producer_epoch, base_sequence, clock_.wall_ms());
}

void Log::cancel_verification(std::int64_t producer_id, std::uint64_t guard) {
  std::lock_guard lock(mutex_);
  producers_.cancel_verification(producer_id, guard);
}

void Log::postpone_verification(std::int64_t producer_id, std::uint64_t guard) {
  std::lock_guard lock(mutex_);
  producers_.postpone_verification(producer_id, guard);
}

std::vector<ActiveProducer> Log::active_producers() const {
  std::lock_guard lock(mutex_);
  return producers_.active();
}

// Order: last index entries and trim of the old segment, snapshot of what lies below the new one, the new files. The
// old segment is fsynced later (flush_closed_segments); until then the recovery point on disk stays below it.
void Log::roll_locked(std::int64_t new_base, std::int64_t now_ms) {
  modified_ = true;
  if (segments_.contains(new_base)) return;  // an empty active segment can't be followed by itself
  if (!unsynced_since_roll_) unsynced_since_roll_ = active().base_offset();
  active().finish();
  snapshots_.write(new_base, producers_.snapshot());
  segments_[new_base] = Segment::create(where_, new_base, *config_, now_ms);
}

void Log::roll() {
  watching_for_failure([&] {
    std::lock_guard lock(mutex_);
    require_usable();
    roll_locked(log_end_offset_, clock_.wall_ms());
  });
}

// In flush_mutex_, so that no other one is at it and the directory keeps its name.
void Log::write_epochs() {
  LeaderEpochCache::NextFile next;
  std::string path;
  {
    std::lock_guard lock(mutex_);
    if (!usable() || !epochs_.has_unwritten(log_end_offset_)) return;
    next = epochs_.next_file();
    path = where_.path(std::string(kNextLeaderEpochFile));
  }
  const std::string text = encode_epoch_checkpoint(next.entries);
  const std::unique_ptr<base::File> file = files_.open(path, base::OpenMode::create);
  file->truncate(0);
  file->write_at(0, base::as_bytes(text));
  file->sync();
  std::lock_guard lock(mutex_);
  epochs_.replace_file_by(next);
}

// In flush_mutex_. An epoch is in the file before the recovery point passes where it began.
Log::PlannedFlush Log::plan_flush(bool with_active, PlanFiles files) {
  std::unique_lock lock(mutex_);
  while (usable() && epochs_.has_unwritten(log_end_offset_)) {
    lock.unlock();
    write_epochs();
    lock.lock();
  }
  require_usable();
  PlannedFlush plan;
  plan.active_base = active().base_offset();
  plan.offset = with_active ? log_end_offset_ : plan.active_base;
  plan.truncations = truncations_;
  plan.names_changes = names_changes_;
  plan.directory = where_.directory;
  plan.new_directory = !names_synced_;
  plan.epochs_written = epochs_.unsynced();
  if (files == PlanFiles::none) return plan;
  auto add = [&](const std::string& name) {
    std::string path = where_.path(name);
    if (files_.exists(path)) plan.files.push_back(files_.open(path, base::OpenMode::read_write));
  };
  auto first = segments_.upper_bound(std::min(recovery_point_, unsynced_since_roll_.value_or(recovery_point_)));
  if (first != segments_.begin()) --first;
  for (auto at = first; at != segments_.end(); ++at) {
    if (at != first && snapshots_.offsets().contains(at->first)) {
      add(file_name(at->first, kSnapshotSuffix));
      plan.new_names = true;
    }
    if (at->first >= plan.offset) break;
    const bool is_active = at->second.get() == &active();
    for (auto& file : at->second->files_to_sync(!is_active)) plan.files.push_back(std::move(file));
    // A transaction index may be younger than its segment's other names, which an earlier flush has synced.
    plan.new_names = plan.new_names || at->first >= recovery_point_ || (!is_active && at->second->has_transaction_index());
  }
  if (plan.new_directory) add(kPartitionMetadataFile);
  if (plan.new_directory || plan.epochs_written) add(kLeaderEpochFile);
  return plan;
}

void Log::finish_flush(const PlannedFlush& plan) {
  std::lock_guard lock(mutex_);
  if (plan.new_directory && plan.names_changes == names_changes_) names_synced_ = true;
  if (plan.epochs_written) epochs_.on_synced(*plan.epochs_written);
  last_flush_ms_ = clock_.monotonic_ms();
  // After a truncation in between, the bytes that were synced may not be those that are there now.
  if (plan.truncations == truncations_) {
    recovery_point_ = std::max(recovery_point_, plan.offset);
    if (unsynced_since_roll_ < plan.active_base) unsynced_since_roll_.reset();
    if (active().base_offset() > plan.active_base) unsynced_since_roll_ = plan.active_base;  // rolled meanwhile
  }
  if (!held_back_from_ || recovery_point_ <= *held_back_from_) return;
  // What was appended meanwhile may be few enough to need no flush of its own.
  held_back_from_.reset();
  if (log_end_offset_ - recovery_point_ >= config_->flush_messages) held_back_from_ = recovery_point_;
}

void Log::flush_segments(bool with_active) {
  std::lock_guard one_at_a_time(flush_mutex_);
  const auto began = std::chrono::steady_clock::now();
  PlannedFlush plan = plan_flush(with_active, PlanFiles::listed);
  for (const auto& file : plan.files) file->sync();
  if (plan.new_names || plan.new_directory || plan.epochs_written) files_.sync_directory(plan.directory);
  if (plan.new_directory) files_.sync_directory(log_directory_->path());
  finish_flush(plan);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began);
  flush_times().add(static_cast<std::uint64_t>(took.count()));
}

void Log::flush() {
  watching_for_failure([&] { flush_segments(true); });
}

std::int64_t Log::acknowledgeable_end_locked() const {
  const std::int64_t flushed = held_back_from_.value_or(log_end_offset_);
  return std::min(flushed, acknowledgements_held_from_.value_or(flushed));
}

std::int64_t Log::acknowledgeable_end() const {
  std::lock_guard lock(mutex_);
  return acknowledgeable_end_locked();
}

void Log::hold_acknowledgements(std::int64_t offset) {
  std::lock_guard lock(mutex_);
  acknowledgements_held_from_ = offset;
}

void Log::release_acknowledgements() {
  std::lock_guard lock(mutex_);
  acknowledgements_held_from_.reset();
}

bool Log::flush_is_due() const {
  std::lock_guard lock(mutex_);
  return held_back_from_.has_value();
}

bool Log::has_closed_segments_to_flush() const {
  std::lock_guard lock(mutex_);
  return usable() && (!names_synced_ || recovery_point_ < active().base_offset() || unsynced_since_roll_.has_value() ||
                      epochs_.has_unwritten(log_end_offset_));
}

void Log::flush_closed_segments() {
  if (has_closed_segments_to_flush()) watching_for_failure([&] { flush_segments(false); });
}

Log::PlannedFlush Log::plan_flush_of_closed_segments() {
  return watching_for_failure([&] {
    std::lock_guard one_at_a_time(flush_mutex_);
    return plan_flush(false, PlanFiles::none);
  });
}

bool Log::needs_flush(std::int64_t now_ms) const {
  std::lock_guard lock(mutex_);
  return usable() && recovery_point_ < log_end_offset_ && now_ms - last_flush_ms_ >= config_->flush_ms;
}

// The last entries and the snapshot; false if there is nothing to close.
bool Log::finish_for_close() {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  require_usable();
  closed_ = !modified_;
  if (closed_) return false;
  active().finish();
  snapshots_.write(log_end_offset_, producers_.snapshot());
  epochs_.flush_with_start();
  return true;
}

void Log::close() {
  watching_for_failure([&] {
    WithoutCleaning no_cleaning(*this);
    if (!finish_for_close()) return;
    flush_segments(true);
    std::lock_guard lock(mutex_);
    for (const auto& file : active().files_to_sync(true)) file->sync();
    const std::string snapshot = where_.path(log_end_offset_, kSnapshotSuffix);
    if (files_.exists(snapshot)) files_.open(snapshot, base::OpenMode::read_write)->sync();
    files_.sync_directory(where_.directory);
    closed_ = true;
  });
}

bool Log::has_something_to_close() const {
  std::lock_guard lock(mutex_);
  return usable() && modified_;
}

std::optional<Log::PlannedFlush> Log::plan_close() {
  return watching_for_failure([&]() -> std::optional<PlannedFlush> {
    if (!finish_for_close()) return std::nullopt;
    std::lock_guard one_at_a_time(flush_mutex_);
    return plan_flush(true, PlanFiles::none);
  });
}

void Log::finish_close(const PlannedFlush& plan) {
  finish_flush(plan);
  std::lock_guard lock(mutex_);
  closed_ = true;
}

// Not while a flush syncs it by its old name.
void Log::rename_directory(const std::string& directory, AfterRename after) {
  watching_for_failure([&] {
    WithoutCleaning no_cleaning(*this);
    std::lock_guard flushing(flush_mutex_);
    {
      std::lock_guard lock(mutex_);
      require_usable();
      files_.rename(where_.directory, directory);
      where_.directory = directory;
      epochs_.set_directory(directory);
      if (after == AfterRename::ends) {
        closed_ = true;
        pending_deletes_.clear();  // they go with the directory
      }
    }
    files_.sync_directory(log_directory_->path());
  });
}

}  // namespace storage
