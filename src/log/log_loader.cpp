// Opening a partition's directory: the load order and the recovery of Kafka 3.9, so that either broker can take over
// what the other left, cleanly or not.
#include <algorithm>
#include <limits>
#include <set>

#include "base/logging.h"
#include "log/log_io.h"
#include "log/partition_metadata.h"
#include "log/transaction_index.h"

namespace storage {
namespace {

constexpr std::string_view kLogger = "kafka.log.LogLoader";

bool ends_with(std::string_view text, std::string_view ending) { return text.ends_with(ending); }

std::string without_ending(const std::string& name, std::string_view ending) {
  return name.substr(0, name.size() - ending.size());
}

using SegmentsByBase = std::map<std::int64_t, std::shared_ptr<Segment>>;

bool holds_records_of(const SegmentsByBase& segments, std::int64_t producer_id, std::int64_t from, std::int64_t to) {
  auto at = segments.upper_bound(from);
  if (at != segments.begin()) --at;
  for (; at != segments.end() && at->first < to; ++at) {
    BatchScanner scanner(*at->second->file(), 0, at->second->size(), BatchScanner::What::headers);
    while (auto batch = scanner.next()) {
      const protocol::BatchHeader& header = batch->header;
      if (header.base_offset >= to) return false;
      if (header.base_offset < from || header.producer_id != producer_id || header.is_control()) continue;
      if (header.record_count > 0) return true;
    }
  }
  return false;
}

// What a batch of the log means for its producer. Compaction empties a marker some time after all data of its transaction
// is gone, but keeps the header if that has the producer's epoch. A replay that begins between the two, with a snapshot
// that has the transaction open, finds no other trace of the end. Kafka 3.9.2 passes over it (as measured: its
// ProducerAppendInfo), so that the last stable offset stays there for ever; here the transaction ends. That differs from
// Kafka only where Kafka is wrong: behind a marker its producer has no transaction open, whatever was in it, and where
// none is open nothing is done. Only records that are still there need to be told how it ended: then it stays open.
std::optional<CompletedTransaction> replay(ProducerState& producers, const SegmentsByBase& segments,
                                           const protocol::BatchHeader& header, base::ByteView bytes) {
  if (!header.is_control() || header.record_count != 0) return producers.apply(header, bytes);
  std::optional<std::int64_t> first = producers.open_transaction(header.producer_id);
  if (!first || holds_records_of(segments, header.producer_id, *first, header.base_offset)) return std::nullopt;
  return producers.apply_emptied_marker(header);
}

}  // namespace

struct Log::FilesFound {
  std::set<std::string> swaps;  // names ending in .swap
  std::set<std::int64_t> logs;  // base offsets of .log files
  std::set<std::int64_t> offset_indexes;
  std::set<std::int64_t> transaction_indexes;
  std::vector<std::pair<std::int64_t, std::string>> numbered;  // all plain files with a number
};

// Removes leftovers that mean nothing any more, and lists the rest.
Log::FilesFound Log::sort_files() {
  FilesFound found;
  std::vector<std::string> cleaned;
  for (const std::string& name : files_.list(where_.directory)) {
    auto parsed = parse_file_name(name);
    if (ends_with(name, kDeletedSuffix) || name == kNextLeaderEpochFile || (parsed && ends_with(name, ".tmp"))) {
      files_.remove(where_.path(name));
    } else if (ends_with(name, kCleanedSuffix)) {
      cleaned.push_back(name);
    } else if (ends_with(name, kSwapSuffix)) {
      found.swaps.insert(name);
    } else if (parsed) {
      found.numbered.emplace_back(parsed->offset, name);
    }
  }
  if (cleaned.empty()) return found;
  // An unfinished cleaning or split: its announced part is worthless without the rest.
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  for (const std::string& name : cleaned) {
    if (auto parsed = parse_file_name(name)) smallest = std::min(smallest, parsed->offset);
  }
  for (auto at = found.swaps.begin(); at != found.swaps.end();) {
    auto parsed = parse_file_name(*at);
    if (parsed && parsed->offset >= smallest) {
      files_.remove(where_.path(*at));
      at = found.swaps.erase(at);
    } else {
      ++at;
    }
  }
  for (const std::string& name : cleaned) files_.remove(where_.path(name));
  return found;
}

// An announced cleaning or split is finished: its sources go, its output takes their place. If that can't be read to its end, it
// doesn't tell what it stands for. Then the sources stay if they are all there still, which the first one tells, as it goes first;
// else what can be read of the output takes their place, which loses what Kafka loses that recovers it.
void Log::finish_swaps(FilesFound& found) {
  if (found.swaps.empty()) return;
  std::int64_t begin = std::numeric_limits<std::int64_t>::max();
  std::int64_t end = std::numeric_limits<std::int64_t>::min();
  std::set<std::int64_t> bases;  // an empty one takes the place of its namesake too
  std::set<std::int64_t> damaged;
  std::vector<std::string> in_order;
  for (const std::string& name : found.swaps) {
    if (!ends_with(name, std::string(kLogSuffix) + std::string(kSwapSuffix))) {
      in_order.push_back(name);
      continue;
    }
    // Without its .swap ending the .log no longer asks for anything to be removed: first.
    in_order.insert(in_order.begin(), name);
    auto parsed = parse_file_name(name);
    if (!parsed) continue;
    std::unique_ptr<base::File> file = files_.open(where_.path(name), base::OpenMode::read);
    BatchScanner scanner(*file, 0, file->size(), BatchScanner::What::headers);
    std::int64_t next = parsed->offset;
    while (auto batch = scanner.next()) next = batch->header.next_offset();
    if (scanner.ended() != ScanEnd::end) damaged.insert(parsed->offset);
    begin = std::min(begin, parsed->offset);
    end = std::max(end, next);
    bases.insert(parsed->offset);
  }
  if (!damaged.empty() && !keep_what_can_be_read(found, begin, damaged)) return;
  std::erase_if(in_order, [&](const std::string& name) { return !found.swaps.contains(name); });
  std::erase_if(found.numbered, [&](const auto& numbered) {
    if ((numbered.first < begin || numbered.first >= end) && !bases.contains(numbered.first)) return false;
    files_.remove(where_.path(numbered.second));
    return true;
  });
  for (const std::string& name : in_order) {
    std::string plain = without_ending(name, kSwapSuffix);
    files_.rename(where_.path(name), where_.path(plain));
    if (auto parsed = parse_file_name(plain)) found.numbered.emplace_back(parsed->offset, plain);
  }
  files_.sync_directory(where_.directory);
}

// False if the sources stay, and there is no output any more. A segment that comes without an index is recovered.
bool Log::keep_what_can_be_read(FilesFound& found, std::int64_t begin, const std::set<std::int64_t>& damaged) {
  const bool sources_are_there = std::ranges::any_of(found.numbered, [begin](const auto& numbered) {
    return numbered.first == begin && ends_with(numbered.second, kLogSuffix);
  });
  base::log_error(kLogger, "[LogLoader partition={}, dir={}] The cleaned segment {} can't be read to its end, {}",
                  topic_partition_.to_string(), log_directory_->path(), *damaged.begin(),
                  sources_are_there ? "keeping those that it was made from" : "recovering it");
  std::erase_if(found.swaps, [&](const std::string& name) {
    const auto parsed = parse_file_name(name);
    const bool is_index = name.find(kIndexSuffix) != std::string::npos;
    const bool goes = sources_are_there || (is_index && parsed && damaged.contains(parsed->offset));
    if (goes) files_.remove(where_.path(name));
    return goes;
  });
  return !sources_are_there;
}

std::optional<std::int64_t> Log::load_segments(const FilesFound& found) {
  std::int64_t now_ms = clock_.wall_ms();
  std::set<std::int64_t> damaged;
  for (std::int64_t base : found.logs) {
    segments_[base] = Segment::open(where_, base, now_ms);
    if (!found.offset_indexes.contains(base)) {
      base::log_error(
          kLogger,
          "[LogLoader partition={}, dir={}] Could not find offset index file of segment {}, recovering segment",
          topic_partition_.to_string(), log_directory_->path(), base);
      damaged.insert(base);
      continue;
    }
    if (!found.transaction_indexes.contains(base)) continue;
    try {
      read_transaction_index(where_, base);
    } catch (const CorruptFile& error) {
      base::log_warn(kLogger, "[LogLoader partition={}, dir={}] Found a corrupted index file: {}, recovering segment",
                     topic_partition_.to_string(), log_directory_->path(), error.what());
      damaged.insert(base);
    }
  }
  for (std::int64_t base : damaged) {
    if (const auto overflowed = recover_damaged(*segments_[base])) return overflowed;
  }
  return std::nullopt;
}

std::optional<std::int64_t> Log::recover_damaged(Segment& segment) {
  rebuild_producers(segment.base_offset(), false);
  if (recover_segment(segment).overflowed) return segment.base_offset();
  // It may lie below the recovery point on disk, so that nobody would make it anew after the next crash.
  for (const auto& file : segment.files_to_sync(true)) file->sync();
  files_.sync_directory(where_.directory);
  return std::nullopt;
}

// Where the last segment can't be read to its end, it is recovered even after a clean stop: what is appended behind the damage
// would have offsets that are there already. Kafka refuses to start then.
std::optional<std::int64_t> Log::find_log_end() {
  log_end_offset_ = 0;
  if (segments_.empty()) return std::nullopt;
  std::optional<std::int64_t> end = active().read_next_offset();
  if (!end) {
    base::log_error(kLogger, "[LogLoader partition={}, dir={}] Segment {} is damaged, recovering segment",
                    topic_partition_.to_string(), log_directory_->path(), active().base_offset());
    if (const auto overflowed = recover_damaged(active())) return overflowed;
    end = active().read_next_offset();
  }
  log_end_offset_ = end.value();
  return std::nullopt;
}

Segment::Recovered Log::recover_segment(Segment& segment) {
  modified_ = true;
  files_.remove(where_.path(segment.base_offset(), kTransactionIndexSuffix));
  segment.cut_transaction_index();
  std::int64_t end = segment.base_offset();
  Segment::Recovered recovered = segment.recover(*config_, [&](const ScannedBatch& batch) {
    const protocol::BatchHeader& header = batch.header;
    end = header.next_offset();
    auto latest = epochs_.latest_epoch();
    if (header.magic >= 2 && header.partition_leader_epoch >= 0 &&
        (!latest || header.partition_leader_epoch > *latest)) {
      epochs_.assign(header.partition_leader_epoch, header.base_offset);
    }
    if (auto completed = replay(producers_, segments_, header, batch.bytes)) complete(*completed);
  });
  if (recovered.overflowed) return recovered;
  if (recovered.bytes_cut > 0) {
    base::log_warn(kLogger,
                   "[LogLoader partition={}, dir={}] Corruption found in segment {}, truncating {} bytes to offset {}",
                   topic_partition_.to_string(), log_directory_->path(), segment.base_offset(), recovered.bytes_cut,
                   end);
  }
  snapshots_.write(end, producers_.snapshot());
  if (options_.progress) options_.progress->segment_recovered(segment.size());
  return recovered;
}

std::optional<std::int64_t> Log::recover_unflushed() {
  auto first = segments_.upper_bound(options_.recovery_point);
  if (first != segments_.begin()) --first;
  if (first == segments_.end()) return std::nullopt;
  rebuild_producers(first->first, false);
  for (auto at = first; at != segments_.end(); ++at) {
    base::log_info(kLogger, "[LogLoader partition={}, dir={}] Recovering unflushed segment {}",
                   topic_partition_.to_string(), log_directory_->path(), at->first);
    Segment::Recovered recovered = recover_segment(*at->second);
    if (recovered.overflowed) return at->first;
    if (recovered.bytes_cut == 0) continue;
    std::vector<std::shared_ptr<Segment>> doomed;
    for (auto later = std::next(at); later != segments_.end(); ++later) doomed.push_back(later->second);
    if (!doomed.empty()) {
      base::log_warn(kLogger, "[LogLoader partition={}, dir={}] Dropping the {} segments behind the corruption",
                     topic_partition_.to_string(), log_directory_->path(), doomed.size());
    }
    drop_segments(doomed);
    break;
  }
  return std::nullopt;
}

void Log::remove_orphaned_indexes(const FilesFound& found) {
  for (const auto& [offset, name] : found.numbered) {
    std::string_view suffix = parse_file_name(name)->suffix;
    bool is_index = suffix == kIndexSuffix || suffix == kTimeIndexSuffix || suffix == kTransactionIndexSuffix;
    if (is_index && !found.logs.contains(offset)) {
      base::log_warn(kLogger,
                     "[LogLoader partition={}, dir={}] Found an orphaned index file {}, with no corresponding log file",
                     topic_partition_.to_string(), log_directory_->path(), name);
      files_.remove(where_.path(name));
    }
  }
}

void Log::load() {
  FilesFound found = sort_files();
  finish_swaps(found);
  for (const auto& [offset, name] : found.numbered) {
    std::string_view suffix = parse_file_name(name)->suffix;
    if (suffix == kLogSuffix) found.logs.insert(offset);
    if (suffix == kIndexSuffix) found.offset_indexes.insert(offset);
    if (suffix == kTransactionIndexSuffix) found.transaction_indexes.insert(offset);
    if (suffix == kSnapshotSuffix) snapshots_.found(offset);
  }
  remove_orphaned_indexes(found);
  if (!options_.clean_shutdown) remove_beginning_of_partition_metadata(files_, where_.directory);
  if (options_.keep_partition_metadata) {
    topic_id_ = read_partition_metadata(files_, where_.directory);
  } else {
    files_.remove(where_.path(kPartitionMetadataFile));
  }
  // Producer state of what lies below is rebuilt within these bounds while segments are recovered.
  log_start_offset_ = options_.log_start_offset;
  while (true) {
    std::optional<std::int64_t> overflowed = load_segments(found);
    if (!overflowed && !options_.clean_shutdown) overflowed = recover_unflushed();
    if (!overflowed) overflowed = find_log_end();
    if (!overflowed) break;
    base::log_info(kLogger, "[LogLoader partition={}, dir={}] Splitting overflowed segment {}",
                   topic_partition_.to_string(), log_directory_->path(), *overflowed);
    segments_.clear();
    found.logs.erase(*overflowed);
    found.transaction_indexes.erase(*overflowed);
    for (std::int64_t base : split_segment(where_, *overflowed)) {
      found.logs.insert(base);
      found.offset_indexes.erase(base);
    }
  }
  settle_offsets();
  // Ten thousand idle logs shouldn't hold as many files open.
  for (const auto& [base, segment] : segments_) segment->release_file();
}

// What the offsets are, now that the segments are sound and the log's end is known.
void Log::settle_offsets() {
  if (!segments_.empty() && log_end_offset_ < options_.log_start_offset) {
    base::log_warn(kLogger,
                   "[LogLoader partition={}, dir={}] Deleting all segments because logEndOffset ({}) is smaller than "
                   "logStartOffset {}",
                   topic_partition_.to_string(), log_directory_->path(), log_end_offset_, options_.log_start_offset);
    drop_all_segments_and_start_at(options_.log_start_offset);
  }
  if (segments_.empty()) {
    modified_ = true;
    log_end_offset_ = options_.log_start_offset;
    segments_[log_end_offset_] = Segment::create(where_, log_end_offset_, *config_, clock_.wall_ms());
  }
  if (!options_.clean_shutdown) modified_ = true;
  names_synced_ = options_.clean_shutdown && !modified_;
  recovery_point_ = options_.clean_shutdown ? log_end_offset_ : std::min(options_.recovery_point, log_end_offset_);
  epochs_.truncate_from_end(log_end_offset_);
  log_start_offset_ = std::max(options_.log_start_offset, segments_.begin()->first);
  // Also below the first segment: the file may be older than the last deletion of segments.
  epochs_.truncate_from_start(log_start_offset_);
  // After a clean stop what goes here is the epoch of a leader that appended nothing; it would go again.
  if (modified_) epochs_.flush(!options_.clean_shutdown);
  high_watermark_ = log_start_offset_;
  std::int64_t newest = snapshots_.offsets().empty() ? -1 : *snapshots_.offsets().rbegin();
  std::int64_t last_base = active().base_offset();
  snapshots_.remove_if(
      [&](std::int64_t offset) { return !segments_.contains(offset) && !(offset == newest && newest > last_base); });
  rebuild_producers(log_end_offset_, options_.clean_shutdown && !modified_);
}

// Producer state as of `end_offset`: the newest snapshot, and what the log has behind it.
void Log::rebuild_producers(std::int64_t end_offset, bool trust_missing_snapshots) {
  producers_.clear();
  if (trust_missing_snapshots && snapshots_.offsets().empty()) {
    // Kafka takes a log shut down cleanly without any snapshot for one without producers.
    auto at = segments_.end();
    for (int count = 0; count < 2 && at != segments_.begin(); ++count) snapshots_.write((--at)->first, {});
    snapshots_.write(end_offset, {});
    return;
  }
  snapshots_.remove_if([&](std::int64_t offset) { return offset > end_offset || offset <= log_start_offset_; });
  std::int64_t from = log_start_offset_;
  if (auto loaded = snapshots_.load_newest(log_start_offset_ + 1, end_offset)) {
    producers_.load(loaded->entries, clock_.wall_ms(), producer_id_expiration_ms_);
    from = loaded->offset;
  }
  replay_producers(from, end_offset);
}

void Log::replay_producers(std::int64_t from, std::int64_t to) {
  if (from >= to) return;
  auto at = segments_.upper_bound(from);
  if (at != segments_.begin()) --at;
  for (; at != segments_.end() && at->first < to; ++at) {
    Segment& segment = *at->second;
    if (at->first > from) snapshots_.write(at->first, producers_.snapshot());
    if (segment.size() == 0) continue;
    auto place = segment.find(std::max(from, at->first));
    if (!place) continue;
    BatchScanner scanner(*segment.file(), place->position, segment.size(), BatchScanner::What::headers);
    while (auto batch = scanner.next()) {
      const protocol::BatchHeader& header = batch->header;
      if (header.base_offset >= to) return;
      if (header.base_offset < from || !header.has_producer_id()) continue;
      base::Bytes control;
      if (header.is_control()) {
        control.resize(batch->size);
        control.resize(segment.file()->read_at(batch->position, control));
      }
      replay(producers_, segments_, header, control);
    }
  }
}

}  // namespace storage
