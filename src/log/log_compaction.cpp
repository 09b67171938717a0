// The log's side of compaction.
#include "log/log_compaction.h"

#include <algorithm>
#include <array>

#include "base/without_waiting.h"
#include "log/log_io.h"

namespace storage {
namespace {

// The .log decides for the loader whether a swap is there, so it becomes .swap last, and is the first to lose that.
constexpr std::array kSegmentSuffixes = {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix};

}  // namespace

std::optional<CleaningFacts> Log::cleaning_facts() {
  const auto gather = [&]() -> std::optional<CleaningFacts> {
    std::lock_guard lock(mutex_);
    if (!usable()) return std::nullopt;
    CleaningFacts facts;
    facts.offsets = offsets_locked();
    facts.checkpoint = first_dirty_offset_;
    facts.min_cleanable_dirty_ratio = config_->min_cleanable_dirty_ratio;
    facts.min_compaction_lag_ms = config_->min_compaction_lag_ms;
    facts.max_compaction_lag_ms = config_->max_compaction_lag_ms;
    facts.segments.reserve(segments_.size());
    for (const auto& [base, segment] : segments_) {
      SegmentFacts& one = facts.segments.emplace_back();
      one.base_offset = base;
      one.size = segment->size();
      if (segment.get() == &active()) break;
      if (facts.min_compaction_lag_ms > 0) one.largest_timestamp = segment->retention_timestamp();
      if (facts.max_compaction_lag_ms < LogConfig::kUnlimited) {
        one.first_batch_timestamp = segment->first_batch_max_timestamp();
      }
    }
    return facts;
  };
  return watching_for_failure([&] { return base::reading_aside(gather); });
}

void Log::report_failure(const std::exception& error) { log_directory_->fail(error); }

void Log::end_cleaning() { WithoutCleaning no_cleaning(*this); }

std::optional<std::int64_t> Log::first_dirty_offset() const {
  std::lock_guard lock(mutex_);
  return first_dirty_offset_;
}

void Log::set_first_dirty_offset(std::optional<std::int64_t> offset) {
  std::lock_guard lock(mutex_);
  first_dirty_offset_ = offset;
}

std::unique_ptr<CleaningSession> CleaningSession::try_begin(std::shared_ptr<Log> log) {
  std::unique_lock lock(log->cleaning_mutex_, std::try_to_lock);
  if (!lock.owns_lock() || log->cleaning_unwanted_ > 0) return nullptr;
  {
    std::lock_guard state(log->mutex_);
    if (!log->usable()) return nullptr;
  }
  return std::unique_ptr<CleaningSession>(new CleaningSession(std::move(log), std::move(lock)));
}

bool CleaningSession::unwanted() const { return log_->cleaning_unwanted_ > 0 || log_->log_directory_->offline(); }

std::string CleaningSession::directory() const { return log_->directory(); }

std::vector<CleaningSource> CleaningSession::sources(std::int64_t below) const {
  std::lock_guard lock(log_->mutex_);
  std::vector<CleaningSource> found;
  for (const auto& [base, segment] : log_->segments_) {
    if (base >= below || segment.get() == &log_->active()) break;
    found.push_back({base, segment->size(), segment->modified_ms(), segment->offset_index().count() * 8,
                     segment->time_index().count() * 12});
  }
  return found;
}

std::vector<TransactionIndexEntry> CleaningSession::aborted_transactions(std::int64_t from, std::int64_t upper) const {
  std::vector<TransactionIndexEntry> found = base::reading_aside([&] {
    std::lock_guard lock(log_->mutex_);
    std::vector<TransactionIndexEntry> overlapping;
    auto at = log_->segments_.upper_bound(from);
    if (at != log_->segments_.begin()) --at;
    for (bool further = true; further && at != log_->segments_.end(); ++at) {
      if (!at->second->has_transaction_index()) continue;
      for (const TransactionIndexEntry& entry : read_transaction_index(log_->where_, at->first)) {
        if (entry.last_offset >= from && entry.first_offset < upper) overlapping.push_back(entry);
        if (entry.last_stable_offset >= upper) further = false;
      }
    }
    return overlapping;
  });
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& one, const auto& other) { return one.first_offset < other.first_offset; });
  return found;
}

std::vector<LastOfProducer> CleaningSession::last_of_producers() const {
  std::vector<ProducerSnapshotEntry> entries;
  {
    std::lock_guard lock(log_->mutex_);
    entries = log_->producers_.snapshot();
  }
  std::vector<LastOfProducer> found;
  found.reserve(entries.size());
  for (const ProducerSnapshotEntry& entry : entries) {
    found.push_back({entry.producer_id, entry.producer_epoch, entry.last_offset});
  }
  return found;
}

// The names change with the log locked, since readers open transaction indexes by name: between the files and the picture of them, one of
// read_committed would miss what was aborted in a source whose index has gone, or find that of the new segment for an old one. They are few,
// and none waits for the disk: both syncs of the directory are outside.
void CleaningSession::replace(const std::vector<std::int64_t>& sources) {
  Log& log = *log_;
  const std::int64_t base = sources.front();
  const std::string directory = log.directory();
  PartitionFiles plain{log.files_, directory};
  PartitionFiles cleaned{log.files_, directory, std::string(kCleanedSuffix)};
  PartitionFiles swap{log.files_, directory, std::string(kSwapSuffix)};
  std::vector<std::string_view> suffixes;
  for (std::string_view suffix : kSegmentSuffixes) {
    if (log.files_.exists(cleaned.path(base, suffix))) suffixes.push_back(suffix);
  }
  for (auto suffix = suffixes.rbegin(); suffix != suffixes.rend(); ++suffix) {
    log.files_.rename(cleaned.path(base, *suffix), swap.path(base, *suffix));
  }
  log.files_.sync_directory(directory);
  {
    std::lock_guard lock(log.mutex_);
    log.require_usable();
    for (std::int64_t source : sources) {
      log.segments_.erase(source);
      for (std::string_view suffix : kSegmentSuffixes) log.schedule_delete(source, suffix);
      if (source != base && log.snapshots_.forget(source)) log.schedule_delete(source, kSnapshotSuffix);
    }
    for (std::string_view suffix : suffixes) log.files_.rename(swap.path(base, suffix), plain.path(base, suffix));
    log.segments_[base] = Segment::open(log.where_, base, log.clock_.wall_ms());
  }
  log.files_.sync_directory(directory);
}

void CleaningSession::set_first_dirty_offset(std::int64_t offset) { log_->set_first_dirty_offset(offset); }

}  // namespace storage
