// What makes a log shorter: retention, DeleteRecords, truncation. Files are renamed to .deleted and removed later; readers
// that hold a slice aren't disturbed.
#include <algorithm>

#include "base/logging.h"
#include "base/saturating.h"
#include "base/without_waiting.h"
#include "log/log_io.h"
#include "log/transaction_index.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using protocol::Result;

constexpr std::string_view kLogger = "kafka.log.UnifiedLog";

}  // namespace

bool Log::rename_to_deleted(const std::string& name) {
  const std::string path = where_.path(name);
  if (!files_.exists(path)) return false;
  files_.rename(path, path + std::string(kDeletedSuffix));
  return true;
}

// A delay of Long.MAX is for ever.
std::int64_t Log::delete_due_ms(std::int64_t delay_ms) const {
  return base::saturating_add(clock_.monotonic_ms(), delay_ms);
}

void Log::schedule_delete(std::int64_t offset, std::string_view suffix) {
  const std::string name = file_name(offset, suffix);
  if (!rename_to_deleted(name)) return;
  pending_deletes_.push_back({name + std::string(kDeletedSuffix), delete_due_ms(config_->file_delete_delay_ms)});
}

std::vector<std::string> Log::take_out(const SegmentList& doomed) {
  modified_ = true;
  std::vector<std::string> names;
  for (const auto& segment : doomed) {
    const std::int64_t base = segment->base_offset();
    segments_.erase(base);
    for (std::string_view suffix : {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix}) {
      names.push_back(file_name(base, suffix));
    }
    if (snapshots_.forget(base)) names.push_back(file_name(base, kSnapshotSuffix));
  }
  return names;
}

void Log::drop_segments(const SegmentList& doomed) {
  const std::int64_t due_ms = delete_due_ms(config_->file_delete_delay_ms);
  for (const std::string& name : take_out(doomed)) {
    if (rename_to_deleted(name)) pending_deletes_.push_back({name + std::string(kDeletedSuffix), due_ms});
  }
}

void Log::move_log_start(std::int64_t offset) {
  if (offset <= log_start_offset_) return;
  modified_ = true;
  log_start_offset_ = offset;
  high_watermark_ = std::max(high_watermark_, offset);
  epochs_.truncate_from_start(offset);
  producers_.on_log_start(offset);
}

Result<std::int64_t> Log::delete_records(std::int64_t offset) {
  std::lock_guard lock(mutex_);
  if (!usable()) return ErrorCode::kafka_storage_error;
  if (!config_->cleanup_delete) return ErrorCode::policy_violation;
  if (offset == -1) offset = high_watermark_;
  if (offset < 0 || offset > high_watermark_) return ErrorCode::offset_out_of_range;
  move_log_start(offset);
  return log_start_offset_;
}

void Log::advance_log_start(std::int64_t offset) {
  std::lock_guard lock(mutex_);
  if (usable() && offset <= high_watermark_) move_log_start(offset);
}

// The oldest segments, which go, each with the reason why.
struct Log::Retention {
  SegmentList doomed;
  std::vector<const char*> reasons;
};

Log::Retention Log::plan_retention(std::int64_t now_ms) {
  require_usable();
  std::uint64_t total = 0;
  for (const auto& [base, segment] : segments_) total += segment->size();
  auto beyond_size = [&](std::uint64_t size) {
    return config_->retention_bytes >= 0 && total - size >= static_cast<std::uint64_t>(config_->retention_bytes);
  };
  auto beyond_time = [&](Segment& segment) {
    return config_->retention_ms >= 0 && time_difference(now_ms, segment.retention_timestamp()) > config_->retention_ms;
  };
  Retention plan;
  for (auto at = segments_.begin(); at != segments_.end(); ++at) {
    Segment& segment = *at->second;
    bool is_active = &segment == &active();
    if (is_active && segment.size() == 0) break;
    std::int64_t next_base = is_active ? log_end_offset_ : std::next(at)->first;
    if (next_base > high_watermark_) break;
    const char* reason = nullptr;
    if (!is_active && next_base <= log_start_offset_) reason = "log start offset";
    if (reason == nullptr && config_->cleanup_delete) {
      if (beyond_size(segment.size())) reason = "retention.bytes";
      if (reason == nullptr && beyond_time(segment)) reason = "retention.ms";
    }
    if (reason == nullptr) break;
    total -= segment.size();
    plan.doomed.push_back(at->second);
    plan.reasons.push_back(reason);
  }
  return plan;
}

// The segments leave the log before their files lose their names. In between nobody makes files of these names: whoever
// truncates, renames or cleans the log waits for the cleaning's mutex.
std::size_t Log::delete_old_segments(std::int64_t now_ms) {
  return watching_for_failure([&]() -> std::size_t {
    std::unique_lock cleaning(cleaning_mutex_, std::try_to_lock);
    if (!cleaning.owns_lock()) return 0;
    const bool any = base::reading_aside([&] {
      std::lock_guard lock(mutex_);
      return !plan_retention(now_ms).doomed.empty();
    });
    if (!any) return 0;
    Retention plan;
    std::vector<std::string> names;
    std::int64_t delay_ms = 0;
    {
      std::lock_guard lock(mutex_);
      plan = plan_retention(now_ms);
      if (plan.doomed.empty()) return 0;
      // A log always has a segment: the new one comes first.
      if (plan.doomed.back().get() == &active()) roll_locked(log_end_offset_, now_ms);
      move_log_start(segments_.upper_bound(plan.doomed.back()->base_offset())->first);
      names = take_out(plan.doomed);
      delay_ms = config_->file_delete_delay_ms;
    }
    for (std::size_t i = 0; i < plan.doomed.size(); ++i) {
      base::log_info(kLogger, "[Log partition={}, dir={}] Deleting segment {} of {} bytes due to {}",
                     topic_partition_.to_string(), log_directory_->path(), plan.doomed[i]->base_offset(),
                     plan.doomed[i]->size(), plan.reasons[i]);
    }
    std::erase_if(names, [&](const std::string& name) { return !rename_to_deleted(name); });
    std::lock_guard lock(mutex_);
    for (const std::string& name : names) {
      pending_deletes_.push_back({name + std::string(kDeletedSuffix), delete_due_ms(delay_ms)});
    }
    return plan.doomed.size();
  });
}

std::optional<std::int64_t> Log::log_start_to_checkpoint() const {
  std::lock_guard lock(mutex_);
  if (log_start_offset_ <= segments_.begin()->first) return std::nullopt;
  return log_start_offset_;
}

void Log::drop_all_segments_and_start_at(std::int64_t offset) {
  SegmentList doomed;
  for (const auto& [base, segment] : segments_) doomed.push_back(segment);
  drop_segments(doomed);
  snapshots_.remove_if([](std::int64_t) { return true; });
  producers_.clear();
  segments_[offset] = Segment::create(where_, offset, *config_, clock_.wall_ms());
  log_end_offset_ = offset;
  held_back_from_.reset();
  unsynced_since_roll_.reset();
}

void Log::lower_first_dirty_offset(std::int64_t offset) {
  if (first_dirty_offset_) first_dirty_offset_ = std::min(*first_dirty_offset_, offset);
}

void Log::truncate_fully_and_start_at(std::int64_t offset) {
  watching_for_failure([&] {
    WithoutCleaning no_cleaning(*this);
    std::lock_guard flushing(flush_mutex_);
    std::lock_guard lock(mutex_);
    require_usable();
    ++truncations_;
    modified_ = true;
    drop_all_segments_and_start_at(offset);
    epochs_.clear();
    epochs_.flush();
    log_start_offset_ = offset;
    high_watermark_ = offset;
    recovery_point_ = std::min(recovery_point_, offset);
    lower_first_dirty_offset(offset);
  });
}

void Log::truncate_to(std::int64_t offset) {
  bool below_first = false;
  watching_for_failure([&] {
    WithoutCleaning no_cleaning(*this);
    std::lock_guard flushing(flush_mutex_);
    std::lock_guard lock(mutex_);
    require_usable();
    if (offset < 0 || offset >= log_end_offset_) return;
    if (segments_.begin()->first > offset) {
      below_first = true;
      return;
    }
    ++truncations_;
    modified_ = true;
    SegmentList doomed;
    for (auto at = segments_.upper_bound(offset); at != segments_.end(); ++at) doomed.push_back(at->second);
    drop_segments(doomed);
    // Both before anything follows the cut: what is flushed later syncs no names, and beside it the segments would be there again;
    // so would the end of this one, beneath a segment that begins at the cut.
    if (!doomed.empty()) files_.sync_directory(where_.directory);
    if (unsynced_since_roll_ >= active().base_offset()) unsynced_since_roll_.reset();
    if (active().truncate_to(offset) > 0) active().file()->sync();
    truncate_transaction_index(where_, active().base_offset(), offset);
    active().cut_transaction_index();
    log_end_offset_ = offset;
    log_start_offset_ = std::min(log_start_offset_, offset);
    high_watermark_ = std::min(high_watermark_, offset);
    recovery_point_ = std::min(recovery_point_, offset);
    if (held_back_from_ >= offset) held_back_from_.reset();
    lower_first_dirty_offset(offset);
    epochs_.truncate_from_end(offset);
    epochs_.flush();
    rebuild_producers(offset, false);
  });
  if (below_first) truncate_fully_and_start_at(offset);
}

void Log::run_deletes(std::int64_t now_ms) {
  std::vector<std::string> due;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(pending_deletes_, [&](const PendingDelete& pending) {
      if (pending.due_ms > now_ms) return false;
      due.push_back(where_.path(pending.name));
      return true;
    });
  }
  watching_for_failure([&] {
    for (const std::string& path : due) files_.remove(path);
  });
}

}  // namespace storage
