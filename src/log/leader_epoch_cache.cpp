#include "log/leader_epoch_cache.h"

#include <algorithm>

#include "log/partition_files.h"

namespace storage {

LeaderEpochCache::LeaderEpochCache(base::FileSystem& files, const std::string& directory, bool after_crash)
    : files_(files), directory_(directory) {
  std::string path = directory_ + "/" + kLeaderEpochFile;
  file_exists_ = files_.exists(path);
  if (!file_exists_) return;
  try {
    base::Bytes bytes = base::read_file(files_, path);
    if (after_crash && !is_blank(bytes) && is_beginning_of_epoch_checkpoint(bytes)) {
      files_.remove(path);
      files_.sync_directory(directory_);  // a start after a clean stop must not find it again
      file_exists_ = false;
      return;
    }
    if (!is_blank(bytes)) entries_ = decode_epoch_checkpoint(bytes);
  } catch (const CorruptFile& error) {
    throw CorruptFile(path + ": " + error.what());
  }
  auto disordered = [](const EpochEntry& one, const EpochEntry& next) {
    return next.epoch <= one.epoch || next.start_offset <= one.start_offset;
  };
  if (std::adjacent_find(entries_.begin(), entries_.end(), disordered) != entries_.end()) {
    throw CorruptFile(path + ": entries are out of order");
  }
  written_ = entries_;
}

void LeaderEpochCache::assign(std::int32_t epoch, std::int64_t start_offset) {
  if (epoch < 0) return;
  if (!entries_.empty() && entries_.back().epoch == epoch && start_offset >= entries_.back().start_offset) return;
  begin(epoch, start_offset);
}

void LeaderEpochCache::begin(std::int32_t epoch, std::int64_t start_offset) {
  std::erase_if(entries_,
                [&](const EpochEntry& entry) { return entry.epoch >= epoch || entry.start_offset >= start_offset; });
  entries_.push_back({epoch, start_offset});
  note_change();
}

void LeaderEpochCache::truncate_from_end(std::int64_t end_offset) {
  if (end_offset < 0) return;
  std::erase_if(entries_, [&](const EpochEntry& entry) { return entry.start_offset >= end_offset; });
  note_change();
}

void LeaderEpochCache::truncate_from_start(std::int64_t start_offset) {
  auto above = std::find_if(entries_.begin(), entries_.end(),
                            [&](const EpochEntry& entry) { return entry.start_offset > start_offset; });
  if (above == entries_.begin()) return;
  auto holder = above - 1;
  if (holder == entries_.begin() && holder->start_offset == start_offset) return;
  holder->start_offset = start_offset;
  entries_.erase(entries_.begin(), holder);
  note_change();
}

void LeaderEpochCache::clear() {
  entries_.clear();
  note_change();
}

std::optional<std::uint64_t> LeaderEpochCache::unsynced() const {
  if (synced_ == writes_) return std::nullopt;
  return writes_;
}

void LeaderEpochCache::on_synced(std::uint64_t write) { synced_ = std::max(synced_, write); }

void LeaderEpochCache::note_change() {
  changed_ = entries_ != written_;
  only_start_moved_ = false;
  if (!changed_ || entries_.empty() || entries_.size() > written_.size()) return;
  const auto first = written_.end() - static_cast<std::ptrdiff_t>(entries_.size());
  only_start_moved_ = entries_.front().epoch == first->epoch && entries_.front().start_offset >= first->start_offset &&
                      std::equal(entries_.begin() + 1, entries_.end(), first + 1);
}

void LeaderEpochCache::flush(bool sync) {
  if (changed_ && !only_start_moved_) write(sync);
}

void LeaderEpochCache::flush_what_is_new() {
  if (written_.empty()) flush(false);
}

bool LeaderEpochCache::has_unwritten(std::int64_t log_end_offset) const {
  if (!changed_ || only_start_moved_) return false;
  const auto last = std::find_if(entries_.rbegin(), entries_.rend(),
                                 [&](const EpochEntry& entry) { return entry.start_offset < log_end_offset; });
  if (last == entries_.rend()) return false;
  // Only truncate_from_start() makes an epoch start later, which the file need not say.
  return std::ranges::none_of(written_, [&](const EpochEntry& entry) {
    return entry.epoch == last->epoch && entry.start_offset <= last->start_offset;
  });
}

void LeaderEpochCache::flush_with_start() {
  if (changed_) write(false);
}

void LeaderEpochCache::write(bool sync) {
  std::string text = encode_epoch_checkpoint(entries_);
  std::string path = directory_ + "/" + kLeaderEpochFile;
  if (sync) {
    base::write_file_atomically(files_, path, base::as_bytes(text));
  } else {
    replace_file(files_, path, base::as_bytes(text), written_.empty() ? NewBytes::unsynced : NewBytes::synced);
  }
  on_written();
  if (sync) synced_ = writes_;
}

void LeaderEpochCache::on_written() {
  written_ = entries_;
  changed_ = false;
  only_start_moved_ = false;
  file_exists_ = true;
  ++writes_;
}

void LeaderEpochCache::replace_file_by(const NextFile& next) {
  const std::string path = directory_ + "/" + std::string(kNextLeaderEpochFile);
  if (next.writes != writes_ || next.entries != entries_) {
    files_.remove(path);
    return;
  }
  files_.rename(path, directory_ + "/" + kLeaderEpochFile);
  on_written();
}

std::optional<std::int32_t> LeaderEpochCache::latest_epoch() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.back().epoch;
}

std::optional<EpochEntry> LeaderEpochCache::earliest() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.front();
}

std::optional<std::int32_t> LeaderEpochCache::epoch_of(std::int64_t offset) const {
  auto above = std::find_if(entries_.begin(), entries_.end(),
                            [&](const EpochEntry& entry) { return entry.start_offset > offset; });
  if (above == entries_.begin()) return std::nullopt;
  return (above - 1)->epoch;
}

EpochEndOffset LeaderEpochCache::end_offset(std::int32_t epoch, std::int64_t log_end_offset) const {
  if (epoch == -1 || entries_.empty()) return {};  // below it is an old one, whose records are gone
  if (entries_.back().epoch == epoch) return {epoch, log_end_offset};
  auto higher = std::find_if(entries_.begin(), entries_.end(), [&](const EpochEntry& e) { return e.epoch > epoch; });
  if (higher == entries_.end()) return {};
  if (higher == entries_.begin()) return {epoch, higher->start_offset};
  return {(higher - 1)->epoch, higher->start_offset};
}

}  // namespace storage
