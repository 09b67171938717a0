// Reading: fetches, and ListOffsets. Places are looked up under the lock; bytes are read without it.
#include <algorithm>

#include "base/logging.h"
#include "log/log_io.h"
#include "log/transaction_index.h"
#include "protocol/record.h"

namespace storage {

using protocol::ErrorCode;
using protocol::Result;

namespace {

// What the process lacks for a read isn't the fault of the disk: connections may have the descriptors, and will give them back.
// So the request fails, and the directory stays. Only for what changes nothing.
template <class Work>
auto lack_is_no_failure(const TopicPartition& topic_partition, Work work) {
  return [&topic_partition, work]() -> decltype(work()) {
    try {
      return work();
    } catch (const std::system_error& error) {
      const std::error_code& code = error.code();
      if (code != std::errc::too_many_files_open && code != std::errc::too_many_files_open_in_system &&
          code != std::errc::not_enough_memory) {
        throw;
      }
      base::log_warn("kafka.server.ReplicaManager", "Error processing a read of partition {}: {}", topic_partition.to_string(),
                     error.what());
      return ErrorCode::kafka_storage_error;
    }
  };
}

}  // namespace

std::int64_t Log::bound_of(ReadIsolation isolation) const {
  switch (isolation) {
    case ReadIsolation::log_end:
      return log_end_offset_;
    case ReadIsolation::high_watermark:
      return high_watermark_;
    case ReadIsolation::transactions_committed:
      return last_stable_offset_locked();
  }
  return high_watermark_;
}

// Where the batch begins that holds the offset, or that comes next.
LogOffsetMetadata Log::place_of(std::int64_t offset) {
  if (offset >= log_end_offset_) return {offset, active().base_offset(), active().size()};
  std::shared_ptr<Segment> segment = segment_of(offset);
  if (!segment) return {offset, -1, 0};
  auto place = segment->find(offset);
  return {offset, segment->base_offset(), place ? place->position : segment->size()};
}

Result<ReadResult> Log::read(std::int64_t offset, std::uint64_t max_bytes, ReadIsolation isolation, FirstBatch first) {
  try {
    return watching_for_failure(lack_is_no_failure(topic_partition_, [&]() -> Result<ReadResult> {
      std::lock_guard lock(mutex_);
      if (!usable()) return ErrorCode::kafka_storage_error;
      return read_locked(offset, max_bytes, isolation, first);
    }));
  } catch (const std::system_error&) {
    return ErrorCode::kafka_storage_error;
  } catch (const CorruptFile& error) {
    base::log_error("kafka.server.ReplicaManager", "Error processing fetch from offset {} on partition {}: {}", offset,
                    topic_partition_.to_string(), error.what());
    return ErrorCode::corrupt_message;
  }
}

Result<ReadResult> Log::read_locked(std::int64_t offset, std::uint64_t max_bytes, ReadIsolation isolation,
                                    FirstBatch first) {
  if (offset < log_start_offset_ || offset > log_end_offset_) return ErrorCode::offset_out_of_range;
  ReadResult result;
  result.log_start_offset = log_start_offset_;
  result.log_end_offset = log_end_offset_;
  result.high_watermark = high_watermark_;
  result.last_stable_offset = last_stable_offset_locked();
  result.start.offset = offset;
  if (isolation == ReadIsolation::transactions_committed) result.aborted_transactions.emplace();
  result.upper_bound = place_of(bound_of(isolation));
  if (offset >= result.upper_bound.offset) {
    result.start = place_of(offset);
    return result;
  }
  auto at = segments_.upper_bound(offset);
  if (at != segments_.begin()) --at;
  for (; at != segments_.end(); ++at) {
    Segment& segment = *at->second;
    auto place = segment.find(offset, Segment::OnDamage::throws);
    if (!place) continue;  // a gap at the segment's end, as compaction leaves it
    bool bounded = segment.base_offset() == result.upper_bound.segment_base_offset;
    std::uint64_t end = bounded ? result.upper_bound.position : segment.size();
    if (!bounded && segment.base_offset() > result.upper_bound.segment_base_offset) break;
    result.start.segment_base_offset = segment.base_offset();
    result.start.position = place->position;
    std::uint64_t size = end > place->position ? end - place->position : 0;
    std::uint64_t limit = first == FirstBatch::whole ? std::max(max_bytes, place->size) : max_bytes;
    if (limit < place->size && first != FirstBatch::cut) limit = 0;
    result.records = {segment.file(), place->position, std::min(size, limit)};
    if (result.aborted_transactions && result.records.size > 0) {
      result.aborted_transactions =
          aborted_between(offset, segment.base_offset(), place->position + result.records.size);
    }
    return result;
  }
  result.start = result.upper_bound;
  result.start.offset = offset;
  return result;
}

// What a reader of the bytes up to `position_end` of one segment must know. It may name more than it needs. Those bytes mostly
// end within a batch, so that the bound comes from the index: at that position a producer's bytes would be read as a header.
std::vector<AbortedTransaction> Log::aborted_between(std::int64_t from, std::int64_t segment_base,
                                                     std::uint64_t position_end) {
  std::vector<AbortedTransaction> aborted;
  auto at = segments_.find(segment_base);
  const bool none = std::none_of(at, segments_.end(), [](const auto& each) { return each.second->has_transaction_index(); });
  if (none) return aborted;
  std::int64_t upper = log_end_offset_;
  if (std::next(at) != segments_.end()) upper = std::next(at)->first;
  if (position_end < at->second->size()) {
    if (const auto behind = at->second->offset_index().first_from(position_end)) upper = behind->offset;
  }
  for (; at != segments_.end(); ++at) {
    if (!at->second->has_transaction_index()) continue;
    const TransactionIndexPart part = read_transaction_index_between(where_, at->first, from, upper);
    for (const TransactionIndexEntry& entry : part.entries) {
      if (entry.first_offset < upper) aborted.push_back({entry.producer_id, entry.first_offset});
    }
    if (!part.goes_on) break;
  }
  return aborted;
}

// What a search by time looks through once the lock is released: one segment after the other, as the first that has such times
// mostly has the record, and a log may have more segments than a process can have files open.
struct Log::TimeSearch {
  std::shared_ptr<base::File> file;
  std::uint64_t position = 0;
  std::uint64_t end = 0;
  std::optional<std::int64_t> next = 0;  // where what comes behind it begins; before the first: any offset
  std::int64_t timestamp = -1;
  std::int64_t log_start_offset = 0;
  std::int64_t bound = 0;
  bool exact = false;  // the record with this very time: the largest one

  std::optional<OffsetAndTimestamp> in_batch(const ScannedBatch& batch) const {
    base::Bytes bytes(batch.size);
    bytes.resize(file->read_at(batch.position, bytes));
    protocol::RecordReader reader(bytes);
    protocol::Record record;
    while (reader.next(record)) {
      bool fits = exact ? record.timestamp == timestamp : record.timestamp >= timestamp;
      if (fits && record.offset >= log_start_offset) {
        return OffsetAndTimestamp{record.offset, record.timestamp, batch.header.partition_leader_epoch};
      }
    }
    return std::nullopt;
  }

  std::optional<OffsetAndTimestamp> run() const {
    BatchScanner scanner(*file, position, end, BatchScanner::What::headers);
    while (auto batch = scanner.next()) {
      bool fits = exact ? batch->header.max_timestamp == timestamp : batch->header.max_timestamp >= timestamp;
      if (!fits || batch->header.last_offset() < log_start_offset) continue;
      if (auto found = in_batch(*batch)) return found->offset >= bound ? OffsetAndTimestamp{} : *found;
    }
    // Not if it is shorter: it may have been cut meanwhile.
    if (scanner.ended() == ScanEnd::corrupt) {
      throw CorruptFile("no batch at position " + std::to_string(scanner.position()));
    }
    return std::nullopt;
  }
};

// The next segment to look through; false if there is none. Compaction may have put segments together meanwhile, so it is the
// one that holds `next`.
bool Log::plan_time_search(std::int64_t timestamp, TimeSearch& search) {
  if (!search.next) return false;
  search.timestamp = timestamp;
  search.log_start_offset = log_start_offset_;
  if (timestamp == kMaxTimestamp) {
    search.next.reset();
    search.exact = true;
    search.log_start_offset = 0;  // Kafka answers a deleted record too, while its segment is still there
    std::shared_ptr<Segment> holder;
    for (const auto& [base, segment] : segments_) {
      if (!holder || segment->max_timestamp().timestamp > holder->max_timestamp().timestamp) holder = segment;
    }
    TimestampOffset max = holder->max_timestamp();
    if (holder->size() == 0 || max.timestamp < 0) return false;
    search.timestamp = max.timestamp;
    // The index names the last offset of the batch, or of a follower's whole append; the first with that time may
    // come earlier, so the place is where smaller times end.
    search.position = holder->place_of_time(max.timestamp - 1).position;
    search.file = holder->file();
    search.end = holder->size();
    return true;
  }
  auto at = segments_.upper_bound(*search.next);
  if (at != segments_.begin()) --at;
  while (at != segments_.end() && (at->second->size() == 0 || at->second->retention_timestamp() < timestamp)) ++at;
  if (at == segments_.end()) return false;
  Segment& segment = *at->second;
  search.position = segment.place_of_time(timestamp - 1).position;
  search.file = segment.file();
  search.end = segment.size();
  search.next.reset();
  if (++at != segments_.end()) search.next = at->first;
  return true;
}

Result<OffsetAndTimestamp> Log::list_offset(std::int64_t timestamp, ReadIsolation isolation) {
  try {
    return watching_for_failure(lack_is_no_failure(topic_partition_, [&]() -> Result<OffsetAndTimestamp> {
      TimeSearch search;
      {
        std::lock_guard lock(mutex_);
        if (!usable()) return ErrorCode::kafka_storage_error;
        search.bound = bound_of(isolation);
        if (timestamp == kLatestTimestamp) {
          return OffsetAndTimestamp{search.bound, -1, epochs_.latest_epoch().value_or(-1)};
        }
        if (timestamp == kEarliestTimestamp || timestamp == kEarliestLocalTimestamp) {
          auto earliest = epochs_.earliest();
          bool known = earliest && earliest->start_offset <= log_start_offset_;
          return OffsetAndTimestamp{log_start_offset_, -1, known ? earliest->epoch : -1};
        }
        if (timestamp != kMaxTimestamp && timestamp < 0) return OffsetAndTimestamp{};
      }
      while (true) {
        {
          std::lock_guard lock(mutex_);
          if (!usable()) return ErrorCode::kafka_storage_error;
          if (!plan_time_search(timestamp, search)) return OffsetAndTimestamp{};
        }
        if (auto found = search.run()) return *found;
      }
    }));
  } catch (const std::system_error&) {
    return ErrorCode::kafka_storage_error;
  } catch (const CorruptFile& error) {
    base::log_error("kafka.server.ReplicaManager", "Error while searching partition {} by time: {}",
                    topic_partition_.to_string(), error.what());
    return ErrorCode::corrupt_message;
  } catch (const protocol::InvalidRecord&) {
    return ErrorCode::corrupt_message;
  } catch (const base::CompressionError&) {
    return ErrorCode::corrupt_message;
  }
}

Result<std::vector<std::int64_t>> Log::offsets_before(std::int64_t timestamp, std::int32_t max_count) {
  if (max_count < 0) return ErrorCode::unknown_server_error;
  try {
    return watching_for_failure(lack_is_no_failure(topic_partition_, [&]() -> Result<std::vector<std::int64_t>> {
      std::lock_guard lock(mutex_);
      if (!usable()) return ErrorCode::kafka_storage_error;
      std::vector<std::int64_t> offsets;
      for (const auto& [base, segment] : segments_) {
        if (timestamp >= 0 && segment->modified_ms() > timestamp) break;
        offsets.push_back(std::max(base, log_start_offset_));
      }
      const bool complete = offsets.size() == segments_.size();
      if (complete && active().size() > 0 && (timestamp < 0 || clock_.wall_ms() <= timestamp)) {
        offsets.push_back(log_end_offset_);
      }
      if (timestamp == kEarliestTimestamp) {
        offsets.resize(1);
      } else if (timestamp < kEarliestTimestamp) {
        offsets.clear();
      }
      std::ranges::reverse(offsets);
      if (std::cmp_greater(offsets.size(), max_count)) offsets.resize(static_cast<std::size_t>(max_count));
      return offsets;
    }));
  } catch (const std::system_error&) {
    return ErrorCode::kafka_storage_error;
  }
}

}  // namespace storage
