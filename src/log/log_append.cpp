// Appending. The order of effects: checks (the long ones before the lock is taken), producer and sequence, roll, bytes to the .log, indexes, log end, producer state. A flush that flush.messages wants is up to the caller.
#include <algorithm>

#include "base/logging.h"
#include "log/log_io.h"
#include "log/transaction_index.h"

namespace storage {
namespace {

using protocol::BatchHeader;
using protocol::ErrorCode;

protocol::AppendRules rules_of(const LogConfig& config) {
  protocol::AppendRules rules;
  rules.compression = config.compression;
  if (config.compression == base::Codec::gzip) rules.compression_level = config.compression_gzip_level;
  if (config.compression == base::Codec::lz4) rules.compression_level = config.compression_lz4_level;
  if (config.compression == base::Codec::zstd) rules.compression_level = config.compression_zstd_level;
  rules.timestamp_type = config.timestamp_type;
  rules.timestamp_before_max_ms = config.timestamp_before_max_ms;
  rules.timestamp_after_max_ms = config.timestamp_after_max_ms;
  rules.max_message_bytes = static_cast<std::int32_t>(
      std::min<std::int64_t>(config.max_message_bytes, std::numeric_limits<std::int32_t>::max()));
  rules.compacted = config.cleanup_compact;
  return rules;
}

[[gnu::cold]] AppendResult failure(ErrorCode error) {
  AppendResult result;
  result.error = error;
  return result;
}

[[gnu::cold]] AppendResult failure(ErrorCode error, std::string message) {
  AppendResult result = failure(error);
  result.refusal.make().message = std::move(message);
  return result;
}

const std::system_error kNoMemory(std::make_error_code(std::errc::not_enough_memory), "append");  // made while there is some

// For what follows the write of bytes that the log's state doesn't tell of yet. Whatever ends it leaves both apart, and what
// is appended next would get the same offsets: it counts as a failure of the directory, as that of a file call does.
template <class Work>
void once_written(Work work) {
  try {
    work();
  } catch (const std::system_error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw kNoMemory;
  } catch (const std::exception& error) {
    throw std::system_error(std::make_error_code(std::errc::io_error), error.what());
  }
}

}  // namespace

AppendResult Log::append_as_leader(base::MutableByteView batch, const AppendContext& context) {
  std::shared_ptr<const LogConfig> config;
  {
    std::lock_guard lock(mutex_);
    if (!usable()) return failure(ErrorCode::kafka_storage_error);
    config = config_;
  }
  protocol::AppendRequest request;
  request.produce_version = context.produce_version;
  request.origin = context.origin;
  request.built_here = context.built_here;
  request.now_ms = context.now_ms;
  request.topic = topic_partition_.topic;
  request.partition = topic_partition_.partition;
  protocol::ValidatedRecords records = protocol::validate_for_append(batch, rules_of(*config), request);
  if (!records.ok() || records.nothing_to_append()) return not_appended(records);
  try {
    return watching_for_failure([&] {
      std::lock_guard lock(mutex_);
      if (!usable()) return failure(ErrorCode::kafka_storage_error);
      AppendResult result = append_validated(records, context);
      result.log_start_offset = log_start_offset_;
      result.log_end_offset = log_end_offset_;
      if (result.ok()) hold_back_for_flush(result);
      return result;
    });
  } catch (const std::system_error&) {
    return failure(ErrorCode::kafka_storage_error);
  }
}

AppendResult Log::not_appended(protocol::ValidatedRecords& records) const {
  AppendResult result = failure(records.error);
  result.refusal = std::move(records.refusal);
  result.log_append_time = records.log_append_time;
  const LogOffsets now = offsets();
  result.log_start_offset = now.log_start_offset;
  result.log_end_offset = now.log_end_offset;
  return result;
}

ErrorCode Log::check_producer(const protocol::ValidatedRecords& records, const AppendContext& context,
                              std::optional<ControlMarker>& marker) const {
  if (!records.header.has_producer_id()) return ErrorCode::none;
  if (!records.header.is_control()) {
    return producers_.check_data(records.header, context.origin, context.verification_guard);
  }
  marker = read_control_marker(records.batch);
  return marker ? producers_.check_marker(records.header, *marker, context.marker_transaction_version) : ErrorCode::none;
}

AppendResult Log::too_large(std::size_t bytes) const {
  return failure(ErrorCode::record_list_too_large,
                 "Message batch size is " + std::to_string(bytes) + " bytes, which exceeds the maximum configured segment size of " +
                     std::to_string(config_->segment_bytes) + ".");
}

void Log::as_before(const ProducerBatch& before, AppendResult& result) const {
  result.duplicate = true;
  result.first_offset = before.first_offset;
  result.last_offset = before.last_offset;
  result.max_timestamp = before.timestamp;
  result.log_append_time = before.timestamp;  // whoever stamped it
}

AppendResult Log::append_validated(protocol::ValidatedRecords& records, const AppendContext& context) {
  AppendResult result;
  result.max_timestamp = records.max_timestamp;
  result.log_append_time = records.log_append_time;
  if (static_cast<std::int64_t>(records.batch.size()) > config_->segment_bytes) return too_large(records.batch.size());
  if (context.origin == AppendOrigin::client) {
    if (const ProducerBatch* before = producers_.find_duplicate(records.header)) {
      as_before(*before, result);
      return result;
    }
  }
  std::optional<ControlMarker> marker;
  ErrorCode error = check_producer(records, context, marker);
  if (error != ErrorCode::none) return failure(error);

  result.first_offset = log_end_offset_;
  result.last_offset = protocol::assign_offsets(records, log_end_offset_, context.leader_epoch);
  SegmentAppend append;
  append.bytes = records.batch;
  append.first_offset = result.first_offset;
  append.last_offset = result.last_offset;
  append.max_timestamp = records.max_timestamp;
  epochs_.assign(context.leader_epoch, result.first_offset);
  append_to_segment(append, context.now_ms);

  if (!records.header.has_producer_id()) return result;
  once_written([&] {
    if (marker) {
      if (auto completed = producers_.apply_marker(records.header, *marker)) complete(*completed);
    } else if (!records.header.is_control()) {
      producers_.apply_data(records.header);
    }
  });
  return result;
}

// A new segment begins at the append: from the log's end it could be too far for the indexes. Old formats tell the last offset
// of an entry alone; then, like Kafka, as far before it as they reach.
void Log::append_to_segment(const SegmentAppend& append, std::int64_t now_ms) {
  if (active().must_roll(append, *config_, now_ms)) {
    const std::int64_t from = append.first_is_exact ? append.first_offset : append.last_offset - kRelativeOffsetMax;
    roll_locked(std::max(from, log_end_offset_), now_ms);
  }
  modified_ = true;
  epochs_.flush_what_is_new();
  active().prepare_append();
  once_written([&] {
    active().append(append, *config_);
    log_end_offset_ = append.last_offset + 1;
  });
}

// From the first that needs a flush on nothing is acknowledged, as offsets are committed in their order.
void Log::hold_back_for_flush(AppendResult& result) {
  if (!held_back_from_ && !result.duplicate && log_end_offset_ - recovery_point_ >= config_->flush_messages) {
    held_back_from_ = result.first_offset;
  }
  const auto is_held = [&](const std::optional<std::int64_t>& from) { return from && result.last_offset >= *from; };
  result.flush_due = is_held(held_back_from_) || is_held(acknowledgements_held_from_);
}

// The transaction's end goes to the index of the segment that holds its marker, the active one.
void Log::complete(const CompletedTransaction& completed) {
  if (!completed.aborted) return;
  TransactionIndexEntry entry;
  entry.producer_id = completed.producer_id;
  entry.first_offset = completed.first_offset;
  entry.last_offset = completed.last_offset;
  entry.last_stable_offset = producers_.last_stable_offset_after(completed);
  std::shared_ptr<Segment> segment = segment_of(completed.last_offset);
  append_transaction_index(where_, segment->base_offset(), entry);
  segment->made_transaction_index();
}

AppendResult Log::append_as_follower(base::ByteView batches) {
  std::vector<std::pair<BatchHeader, base::ByteView>> parsed;
  SegmentAppend append;
  append.bytes = batches;
  for (base::ByteView rest = batches; !rest.empty();) {
    protocol::NextBatch next = protocol::next_batch(rest);
    if (next.frame != protocol::BatchFrame::whole) return failure(ErrorCode::corrupt_message);
    base::ByteView bytes = rest.first(next.size_in_bytes);
    auto header = protocol::read_batch_header(bytes);
    if (!header || !protocol::crc_is_valid(bytes)) return failure(ErrorCode::corrupt_message);
    append.max_timestamp = std::max(append.max_timestamp, header->max_timestamp);
    if (!parsed.empty() && header->base_offset <= parsed.back().first.last_offset()) {
      return failure(ErrorCode::corrupt_message, "offsets go back within the appended batches");
    }
    parsed.emplace_back(*header, bytes);
    rest = rest.subspan(next.size_in_bytes);
  }
  if (parsed.empty()) return {};
  append.first_offset = parsed.front().first.base_offset;
  append.last_offset = parsed.back().first.last_offset();
  append.first_is_exact = parsed.front().first.magic >= 2;
  if (offset_overflows(append.first_offset, append.last_offset)) {
    return failure(ErrorCode::corrupt_message, "offsets too far apart for one segment");
  }
  std::uint64_t position = 0;
  for (const auto& [header, bytes] : parsed) {
    append.batches.push_back({header.base_offset, header.last_offset(), position, bytes.size(), header.max_timestamp});
    position += bytes.size();
  }
  try {
    return watching_for_failure([&] {
      std::lock_guard lock(mutex_);
      if (!usable()) return failure(ErrorCode::kafka_storage_error);
      if (append.first_offset < log_end_offset_) {
        return failure(ErrorCode::offset_out_of_range, "the log already ends at " + std::to_string(log_end_offset_));
      }
      for (const auto& [header, bytes] : parsed) {
        auto latest = epochs_.latest_epoch();
        if (header.magic >= 2 && (!latest || header.partition_leader_epoch > *latest)) {
          epochs_.assign(header.partition_leader_epoch, header.base_offset);
        }
      }
      append_to_segment(append, clock_.wall_ms());
      once_written([&] {
        for (const auto& [header, bytes] : parsed) {
          if (auto completed = producers_.apply(header, bytes)) complete(*completed);
        }
      });
      AppendResult result;
      result.first_offset = append.first_offset;
      result.last_offset = append.last_offset;
      result.max_timestamp = append.max_timestamp;
      result.log_start_offset = log_start_offset_;
      result.log_end_offset = log_end_offset_;
      return result;
    });
  } catch (const std::system_error&) {
    return failure(ErrorCode::kafka_storage_error);
  }
}

}  // namespace storage
