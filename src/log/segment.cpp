#include "log/segment.h"

#include <algorithm>
#include <limits>
#include <random>

#include "log/corrupt_file.h"
#include "log/log_types.h"

namespace storage {
namespace {

// Segments of many logs that began together shouldn't all roll at once.
std::int64_t draw_jitter(const LogConfig& config) {
  std::int64_t bound = std::min(config.segment_jitter_ms, config.segment_ms);
  if (bound <= 0) return 0;
  static thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_int_distribution<std::int64_t>(0, bound - 1)(random);
}

}  // namespace

Segment::Segment(const PartitionFiles& where, std::int64_t base_offset, std::int64_t now_ms)
    : where_(where),
      base_offset_(base_offset),
      created_ms_(now_ms),
      offset_index_(where, base_offset),
      time_index_(where, base_offset) {}

std::shared_ptr<Segment> Segment::create(const PartitionFiles& where, std::int64_t base_offset, const LogConfig& config,
                                         std::int64_t now_ms) {
  std::shared_ptr<Segment> segment(new Segment(where, base_offset, now_ms));
  std::shared_ptr<base::File> file = where.files.open(where.path(base_offset, kLogSuffix), base::OpenMode::create);
  if (file->size() != 0) file->truncate(0);
  // As Kafka's setLength(): space is taken as it is needed. Space for whole segments of many partitions would fill the disk.
  if (config.preallocate) file->truncate(static_cast<std::uint64_t>(config.segment_bytes));
  segment->file_ = std::move(file);
  // Kafka takes a segment without .index for damaged.
  segment->offset_index_.clear();
  segment->time_index_.clear();
  segment->offset_index_.file().write_pending();
  segment->time_index_.file().write_pending();
  segment->max_timestamp_known_ = true;
  return segment;
}

std::shared_ptr<Segment> Segment::open(const PartitionFiles& where, std::int64_t base_offset, std::int64_t now_ms) {
  std::shared_ptr<Segment> segment(new Segment(where, base_offset, now_ms));
  segment->size_ = where.files.info(where.path(base_offset, kLogSuffix)).size;
  return segment;
}

void Segment::open_file() {
  file_ = where_.files.open(where_.path(base_offset_, kLogSuffix), base::OpenMode::read_write);
}

std::shared_ptr<base::File> Segment::file() {
  if (!file_) open_file();
  return file_;
}

void Segment::read_first_batch_max_timestamp() {
  const auto first = BatchScanner(*file(), 0, size_, BatchScanner::What::headers).next();
  first_batch_max_timestamp_ = first ? first->header.max_timestamp : -1;
}

std::int64_t Segment::first_batch_max_timestamp() {
  if (!first_batch_max_timestamp_ && size_ > 0) read_first_batch_max_timestamp();
  return first_batch_max_timestamp_.value_or(-1);
}

bool Segment::must_roll(const SegmentAppend& append, const LogConfig& config, std::int64_t now_ms) {
  std::int64_t bytes = static_cast<std::int64_t>(append.bytes.size());
  if (append.last_offset - base_offset_ > kRelativeOffsetMax || append.last_offset < base_offset_) return true;
  if (size_ == 0) return false;
  if (static_cast<std::int64_t>(size_) > config.segment_bytes - bytes) return true;
  if (roll_jitter_ms_ < 0) roll_jitter_ms_ = draw_jitter(config);
  std::int64_t segment_ms = config.segment_ms;
  if (config.cleanup_compact) segment_ms = std::min(segment_ms, config.max_compaction_lag_ms);
  std::int64_t first = first_batch_max_timestamp();
  std::int64_t waited = first >= 0 ? time_difference(append.max_timestamp, first) : now_ms - created_ms_;
  if (waited > segment_ms - roll_jitter_ms_) return true;
  return offset_index_.is_full(config.segment_index_bytes) || time_index_.is_full(config.segment_index_bytes);
}

void Segment::prepare_append() {
  if (!file_) open_file();
  load_max_timestamp();
  recent_.reserve(kRecentMax);
}

void Segment::append(const SegmentAppend& append, const LogConfig& config) {
  prepare_append();
  const std::uint64_t position = size_;
  file_->write_at(position, append.bytes);
  size_ += append.bytes.size();
  if (append.batches.empty()) {
    note_batch({append.first_offset, append.last_offset, position, append.bytes.size(), append.max_timestamp}, config);
  }
  for (BatchPlace batch : append.batches) {
    batch.position += position;
    note_batch(batch, config);
  }
}

void Segment::note_batch(const BatchPlace& batch, const LogConfig& config) {
  if (batch.position == 0) first_batch_max_timestamp_ = batch.max_timestamp;
  note_timestamp(batch.max_timestamp, batch.last_offset);
  index_append(batch.last_offset, batch.position, batch.size, config);
  if (recent_.size() < kRecentMax) {
    recent_.push_back(batch);
  } else {
    recent_[recent_next_] = batch;
    recent_next_ = (recent_next_ + 1) % kRecentMax;
  }
}

void Segment::note_timestamp(std::int64_t timestamp, std::int64_t offset) {
  load_max_timestamp();
  if (timestamp > max_timestamp_.timestamp) max_timestamp_ = {timestamp, offset};
}

void Segment::index_append(std::int64_t last_offset, std::uint64_t position, std::uint64_t bytes,
                           const LogConfig& config) {
  if (bytes_since_index_entry_ > static_cast<std::uint64_t>(config.index_interval_bytes)) {
    offset_index_.append(last_offset, position);
    time_index_.append(max_timestamp_.timestamp, max_timestamp_.offset);
    bytes_since_index_entry_ = 0;
  }
  bytes_since_index_entry_ += bytes;
}

void Segment::load_max_timestamp() {
  if (max_timestamp_known_) return;
  max_timestamp_ = time_index_.last();
  max_timestamp_known_ = true;
}

TimestampOffset Segment::max_timestamp() {
  load_max_timestamp();
  return max_timestamp_;
}

std::int64_t Segment::retention_timestamp() {
  load_max_timestamp();
  if (max_timestamp_.timestamp >= 0) return max_timestamp_.timestamp;
  return modified_ms();
}

bool Segment::has_transaction_index() {
  if (!has_transaction_index_) {
    has_transaction_index_ = where_.files.exists(where_.path(base_offset_, kTransactionIndexSuffix));
  }
  return *has_transaction_index_;
}

std::int64_t Segment::modified_ms() const {
  return where_.files.info(where_.path(base_offset_, kLogSuffix)).modified_ms;
}

std::optional<BatchPlace> Segment::scan_for(std::int64_t offset, std::uint64_t position, OnDamage on_damage) {
  BatchScanner scanner(*file(), position, size_, BatchScanner::What::headers);
  bool first = position != 0;
  while (auto batch = scanner.next()) {
    // An index that lies must not hide records: what it points at has to come before the target.
    if (first && batch->header.base_offset > offset) return scan_for(offset, 0, on_damage);
    first = false;
    if (batch->header.last_offset() >= offset) {
      return BatchPlace{batch->header.base_offset, batch->header.last_offset(), batch->position, batch->size,
                        batch->header.max_timestamp};
    }
  }
  if (scanner.ended() == ScanEnd::end) return std::nullopt;
  if (first) return scan_for(offset, 0, on_damage);
  if (on_damage == OnDamage::throws) {
    throw CorruptFile(where_.path(base_offset_, kLogSuffix) + " has no batch at position " + std::to_string(scanner.position()));
  }
  return std::nullopt;
}

std::optional<BatchPlace> Segment::find(std::int64_t offset, OnDamage on_damage) {
  for (const BatchPlace& place : recent_) {
    if (offset >= place.base_offset && offset <= place.last_offset) return place;
  }
  std::uint64_t position = offset_index_.lookup(offset).position;
  return scan_for(offset, position < size_ ? position : 0, on_damage);
}

std::optional<std::int64_t> Segment::read_next_offset() {
  auto scan = [&](std::uint64_t position, std::int64_t first_offset_max) -> std::optional<std::int64_t> {
    std::optional<std::int64_t> next;
    BatchScanner scanner(*file(), position, size_, BatchScanner::What::headers);
    while (auto batch = scanner.next()) {
      if (!next && (batch->header.last_offset() < base_offset_ || batch->header.base_offset > first_offset_max)) {
        return std::nullopt;
      }
      next = batch->header.next_offset();
    }
    // Begun within a batch by an index that lies, a scan hardly meets the end of the file by chance.
    return scanner.ended() == ScanEnd::end ? next : std::nullopt;
  };
  if (size_ == 0) return base_offset_;
  OffsetPosition last = offset_index_.last();
  if (last.position > 0 && last.position < size_) {
    if (auto next = scan(last.position, last.offset)) return next;
  }
  return scan(0, std::numeric_limits<std::int64_t>::max());
}

OffsetPosition Segment::place_of_time(std::int64_t timestamp) {
  std::int64_t offset = time_index_.lookup(timestamp).offset;
  std::uint64_t position = offset_index_.lookup(std::max(offset, base_offset_)).position;
  return {offset, position < size_ ? position : 0};
}

void Segment::reset_for_recovery() {
  size_ = file()->size();
  offset_index_.clear();
  time_index_.clear();
  bytes_since_index_entry_ = 0;
  max_timestamp_ = {-1, base_offset_};
  max_timestamp_known_ = true;
  first_batch_max_timestamp_.reset();
  recent_.clear();
  recent_next_ = 0;
}

void Segment::cut(std::uint64_t size) {
  file()->truncate(size);
  size_ = size;
}

std::uint64_t Segment::truncate_to(std::int64_t offset) {
  auto place = find(offset);
  if (!place) return 0;
  std::uint64_t cut_off = size_ - place->position;
  offset_index_.truncate_to(offset);
  time_index_.truncate_to(offset);
  recent_.clear();
  recent_next_ = 0;
  cut(place->position);
  if (size_ == 0) {
    first_batch_max_timestamp_.reset();
    roll_jitter_ms_ = -1;
  }
  bytes_since_index_entry_ = 0;
  max_timestamp_ = time_index_.last();
  return cut_off;
}

void Segment::finish() {
  load_max_timestamp();
  time_index_.append(max_timestamp_.timestamp, max_timestamp_.offset);
  offset_index_.file().write_pending();
  time_index_.file().write_pending();
  if (where_.files.info(where_.path(base_offset_, kLogSuffix)).size != size_) file()->truncate(size_);
}

std::vector<std::shared_ptr<base::File>> Segment::files_to_sync(bool with_indexes) {
  std::vector<std::shared_ptr<base::File>> files{file()};
  if (with_indexes) {
    files.push_back(offset_index_.file().open_for_sync());
    files.push_back(time_index_.file().open_for_sync());
    if (has_transaction_index()) {
      files.push_back(where_.files.open(where_.path(base_offset_, kTransactionIndexSuffix), base::OpenMode::read_write));
    }
  }
  return files;
}

}  // namespace storage
