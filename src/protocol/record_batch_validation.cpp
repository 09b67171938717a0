#include "protocol/record_batch_validation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/crc.h"
#include "protocol/legacy_records.h"
#include "protocol/record_batch_builder.h"
#include "protocol/record_walker.h"

namespace protocol {
namespace {

constexpr std::int16_t kFirstVersionOfMagic2 = 3;
constexpr std::int16_t kFirstVersionOfZstd = 7;
constexpr std::size_t kRecordErrorsMax = 10'000;  // more would make an answer larger than the request

// What one record's check needs, whichever way it was read.
struct RecordFacts {
  std::int32_t index = 0;
  std::int64_t offset = 0;  // as sent
  std::int64_t timestamp = -1;
  std::int32_t key_length = -1;
  std::int32_t value_length = -1;
};

class Validation {
 public:
  Validation(base::MutableByteView records, const AppendRules& rules, const AppendRequest& request)
      : records_(records), rules_(rules), request_(request) {}

  ValidatedRecords run();

 private:
  ErrorCode find_batches();
  ErrorCode check_for_version(base::ByteView first, base::ByteView rest) const;
  ErrorCode check_bytes(base::ByteView batch, const BatchHeader& header) const;
  ErrorCode check_header() const;
  bool is_to_be_believed() const;
  ErrorCode check_records_in_place();
  [[gnu::noinline]] ErrorCode rewrite();
  std::uint64_t unpacked_bytes_max(base::ByteView packed) const;
  std::size_t rewritten_bytes_max(base::ByteView batch) const;
  ErrorCode append_all(base::ByteView batch, RecordBatchBuilder& builder);
  ErrorCode check_inner_crcs(const BatchHeader& header, base::ByteView batch) const;
  bool keeps_codec() const {
    return !rules_.compression || *rules_.compression == source_codec_ ||
           (source_codec_ == base::Codec::none && header_.is_control());
  }
  void check_record(const RecordFacts& record, TimestampType batch_timestamp_type);
  [[gnu::cold]] void refuse_for_key(const RecordFacts& record);
  [[gnu::cold]] void refuse_for_time(const RecordFacts& record, std::uint64_t now);
  [[gnu::cold]] void refuse_for_timestamp_type(const RecordFacts& record);
  void add_error(std::int32_t index, ErrorCode error, std::string message);
  ErrorCode reject_for_record_errors() { return refused_count_ == 0 ? ErrorCode::none : error_of_refused_records(); }
  [[gnu::cold]] ErrorCode error_of_refused_records();

  base::MutableByteView records_;
  const AppendRules& rules_;
  const AppendRequest& request_;
  base::MutableByteView first_;                      // empty: there is no batch
  std::vector<base::MutableByteView> more_;          // behind the first one; only old formats may have them
  BatchHeader header_;                               // of the first one
  base::Codec source_codec_ = base::Codec::none;
  bool timestamp_refused_ = false;
  bool bytes_changed_ = false;  // of the header, since it was read
  std::size_t refused_count_ = 0;
  ValidatedRecords out_;
};

ErrorCode error_of(BatchFrame frame) {
  // Kafka overflows on the length and answers with whatever isn't caught.
  return frame == BatchFrame::overlong ? ErrorCode::unknown_server_error : ErrorCode::corrupt_message;
}

bool is_whole(const NextBatch& next) { return next.frame == BatchFrame::whole; }
bool is_bad(const NextBatch& next) { return next.frame == BatchFrame::corrupt || next.frame == BatchFrame::overlong; }

// What a Produce request may carry at all, by its version.
ErrorCode Validation::check_for_version(base::ByteView first, base::ByteView rest) const {
  if (request_.produce_version < kFirstVersionOfMagic2) return ErrorCode::none;
  if (first.empty() || first[kBatchUpToMagic - 1] != 2) return ErrorCode::invalid_record;
  if (request_.produce_version < kFirstVersionOfZstd) {
    const auto header = read_batch_header(first);
    if (header && header->codec() == base::Codec::zstd) return ErrorCode::unsupported_compression_type;
  }
  const NextBatch second = next_batch(rest);
  if (is_bad(second)) return error_of(second.frame);
  return is_whole(second) ? ErrorCode::invalid_record : ErrorCode::none;
}

ErrorCode Validation::find_batches() {
  const NextBatch first = next_batch(records_);
  if (is_bad(first)) return error_of(first.frame);
  const std::size_t first_size = is_whole(first) ? first.size_in_bytes : 0;
  const ErrorCode error = check_for_version(records_.first(first_size), records_.subspan(first_size));
  if (error != ErrorCode::none) return error;
  base::MutableByteView rest = records_;
  while (true) {
    const NextBatch next = next_batch(rest);
    if (is_bad(next)) return error_of(next.frame);
    if (!is_whole(next)) return ErrorCode::none;  // an unfinished tail is cut off
    const base::MutableByteView batch = rest.first(next.size_in_bytes);
    const auto header = read_batch_header(batch);
    if (!header) return ErrorCode::corrupt_message;
    const ErrorCode bytes_error = check_bytes(batch, *header);
    if (bytes_error != ErrorCode::none) return bytes_error;
    if (header->is_compressed()) source_codec_ = *header->codec();
    if (first_.empty()) {
      header_ = *header;
      first_ = batch;
    } else {
      more_.push_back(batch);
    }
    rest = rest.subspan(next.size_in_bytes);
  }
}

ErrorCode Validation::check_bytes(base::ByteView batch, const BatchHeader& header) const {
  if (header.magic == 2 && request_.origin == AppendOrigin::client && header.base_offset != 0) {
    return ErrorCode::invalid_record;
  }
  if (header.size_in_bytes() > rules_.max_message_bytes) return ErrorCode::message_too_large;
  if (!request_.built_here && !crc_is_valid(batch, header)) return ErrorCode::corrupt_message;
  if (!header.codec()) return ErrorCode::unknown_server_error;
  return ErrorCode::none;
}

ErrorCode Validation::check_header() const {
  if (!more_.empty() && (header_.magic == 2 || source_codec_ != base::Codec::none)) return ErrorCode::invalid_record;
  for (const base::ByteView batch : more_) {
    if (read_batch_header(batch)->magic != header_.magic) return ErrorCode::invalid_record;
  }
  if (header_.magic < 2 || request_.origin != AppendOrigin::client) return ErrorCode::none;
  const std::int64_t count_from_offsets = std::int64_t{header_.last_offset_delta} + 1;
  if (count_from_offsets <= 0 || header_.record_count <= 0 || count_from_offsets != header_.record_count) {
    return ErrorCode::invalid_record;
  }
  if (header_.is_control()) return ErrorCode::invalid_record;
  if (header_.has_producer_id() && header_.base_sequence < 0) return ErrorCode::invalid_record;
  return ErrorCode::none;
}

void Validation::add_error(std::int32_t index, ErrorCode error, std::string message) {
  timestamp_refused_ = timestamp_refused_ || error == ErrorCode::invalid_timestamp;
  ++refused_count_;
  std::vector<RecordError>& errors = out_.refusal.make().record_errors;
  if (errors.size() < kRecordErrorsMax) errors.push_back({index, std::move(message)});
}

void Validation::check_record(const RecordFacts& record, TimestampType batch_timestamp_type) {
  if (rules_.compacted && record.key_length < 0) return refuse_for_key(record);
  if (rules_.timestamp_type == TimestampType::create_time && record.timestamp != -1) {
    const auto now = static_cast<std::uint64_t>(request_.now_ms);  // unsigned: wraps as Java does
    const auto difference = static_cast<std::int64_t>(now - static_cast<std::uint64_t>(record.timestamp));
    const auto opposite = static_cast<std::int64_t>(std::uint64_t{0} - static_cast<std::uint64_t>(difference));
    if (difference > rules_.timestamp_before_max_ms || opposite > rules_.timestamp_after_max_ms) refuse_for_time(record, now);
  } else if (batch_timestamp_type == TimestampType::log_append_time) {
    refuse_for_timestamp_type(record);
  }
}

void Validation::refuse_for_key(const RecordFacts& record) {
  add_error(record.index, ErrorCode::invalid_record,
            fmt::format("Compacted topic cannot accept message without key in topic partition {}-{}", request_.topic, request_.partition));
}

void Validation::refuse_for_time(const RecordFacts& record, std::uint64_t now) {
  add_error(record.index, ErrorCode::invalid_timestamp,
            fmt::format("Timestamp {} of message with offset {} is out of range. The timestamp should be within [{}, {}]",
                        record.timestamp, record.offset,
                        static_cast<std::int64_t>(now - static_cast<std::uint64_t>(rules_.timestamp_before_max_ms)),
                        static_cast<std::int64_t>(now + static_cast<std::uint64_t>(rules_.timestamp_after_max_ms))));
}

void Validation::refuse_for_timestamp_type(const RecordFacts& record) {
  add_error(
      record.index, ErrorCode::invalid_timestamp,
      fmt::format("Invalid timestamp type in message DefaultRecord(offset={}, timestamp={}, key={} bytes, "
                  "value={} bytes). Producer should not set timestamp type to LogAppendTime.",
                  record.offset, record.timestamp, std::max(record.key_length, 0), std::max(record.value_length, 0)));
}

ErrorCode Validation::error_of_refused_records() {
  Refusal& refusal = out_.refusal.make();
  if (timestamp_refused_) {
    refusal.message = "One or more records have been rejected due to invalid timestamp";
    return ErrorCode::invalid_timestamp;
  }
  constexpr std::size_t kShown = 3;
  std::string shown;
  for (std::size_t i = 0; i < std::min(kShown, refusal.record_errors.size()); ++i) {
    const RecordError& error = refusal.record_errors[i];
    shown +=
        fmt::format("{}RecordError(batchIndex={}, message='{}')", i == 0 ? "" : ", ", error.batch_index, error.message);
  }
  refusal.message = fmt::format(
      "One or more records have been rejected due to {} record errors in total, and only showing the first three "
      "errors at most: [{}]",
      refused_count_, shown);
  return ErrorCode::invalid_record;
}

std::uint64_t Validation::unpacked_bytes_max(base::ByteView packed) const {
  return std::min(rules_.unpacked_bytes_max,
                  std::max(rules_.unpacked_at_any_ratio_max, packed.size() * rules_.unpacked_ratio_max));
}

std::size_t Validation::rewritten_bytes_max(base::ByteView batch) const {
  const base::ByteView packed = batch.subspan(std::min(batch.size(), kBatchHeaderSize));
  return static_cast<std::size_t>(std::min<std::uint64_t>(rules_.rewritten_bytes_max, unpacked_bytes_max(packed)));
}

bool Validation::is_to_be_believed() const {
  constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::max();
  return request_.built_here && header_.magic == 2 && source_codec_ == base::Codec::none && keeps_codec() &&
         rules_.timestamp_type == TimestampType::create_time && header_.timestamp_type() == TimestampType::create_time &&
         rules_.timestamp_before_max_ms == kAnyTime && rules_.timestamp_after_max_ms == kAnyTime;
}

// The usual way: nothing is copied. The batch's timestamp is made true, and the rest stays as the producer wrote it.
ErrorCode Validation::check_records_in_place() {
  const base::MutableByteView batch = first_;
  if (is_to_be_believed()) {
    out_.batch = batch;
    out_.max_timestamp = header_.max_timestamp;
    return ErrorCode::none;
  }
  const base::ByteView packed = batch.subspan(kBatchHeaderSize);
  const bool compressed = source_codec_ != base::Codec::none;
  const bool stamped = header_.timestamp_type() == TimestampType::log_append_time;
  RecordWalker walker =
      compressed ? RecordWalker(source_codec_, packed, unpacked_bytes_max(packed)) : RecordWalker(packed);
  RecordOutline outline;
  RecordFacts facts;
  std::int64_t max_timestamp = -1;
  bool offsets_follow = true;
  const auto base_timestamp = static_cast<std::uint64_t>(header_.base_timestamp);
  for (std::int32_t i = 0; i < header_.record_count; ++i) {
    walker.next(outline);
    facts.index = i;
    facts.offset = header_.base_offset + outline.offset_delta;
    facts.timestamp =
        stamped ? header_.max_timestamp
                : static_cast<std::int64_t>(base_timestamp + static_cast<std::uint64_t>(outline.timestamp_delta));
    facts.key_length = outline.key_length;
    facts.value_length = outline.value_length;
    check_record(facts, header_.timestamp_type());
    max_timestamp = std::max(max_timestamp, facts.timestamp);
    offsets_follow = offsets_follow && outline.offset_delta == i;
  }
  if (!walker.at_end() && header_.record_count > 0) return ErrorCode::invalid_record;
  const ErrorCode error = reject_for_record_errors();
  if (error != ErrorCode::none) return error;
  // Kafka lets wrong deltas pass if the batch isn't compressed, and fails over them in its own way if it is.
  if (compressed && !offsets_follow) return ErrorCode::unknown_server_error;
  if (rules_.timestamp_type == TimestampType::log_append_time) max_timestamp = request_.now_ms;
  bytes_changed_ = set_max_timestamp(batch, rules_.timestamp_type, max_timestamp);
  out_.batch = batch;
  out_.max_timestamp = max_timestamp;
  return ErrorCode::none;
}

// Entries inside of a compressed entry have checksums of their own.
ErrorCode Validation::check_inner_crcs(const BatchHeader& header, base::ByteView batch) const {
  if (header.magic == 2 || !header.is_compressed()) return ErrorCode::none;
  const base::Bytes inner = unpack_legacy_wrapper(batch, header, rewritten_bytes_max(batch));
  for (base::ByteView rest = inner; !rest.empty();) {
    const NextBatch next = next_batch(rest);
    if (!is_whole(next)) return ErrorCode::corrupt_message;
    if (rest[kBatchUpToMagic - 1] != header.magic) return ErrorCode::invalid_record;
    if (!crc_is_valid(rest.first(next.size_in_bytes))) return ErrorCode::corrupt_message;
    rest = rest.subspan(next.size_in_bytes);
  }
  return ErrorCode::none;
}

ErrorCode Validation::append_all(base::ByteView batch, RecordBatchBuilder& builder) {
  const auto header = read_batch_header(batch);
  const ErrorCode crc_error = check_inner_crcs(*header, batch);
  if (crc_error != ErrorCode::none) return crc_error;
  RecordReader reader(batch, rewritten_bytes_max(batch));
  Record record;
  RecordFacts facts;
  for (; reader.next(record); ++facts.index) {
    facts.offset = record.offset;
    facts.timestamp = record.timestamp;
    facts.key_length = record.key ? static_cast<std::int32_t>(record.key->size()) : -1;
    facts.value_length = record.value ? static_cast<std::int32_t>(record.value->size()) : -1;
    check_record(facts, header->timestamp_type());
    if (refused_count_ == 0) builder.append(record);
  }
  return reject_for_record_errors();
}

// Another codec, or an old format: all records into one new batch.
ErrorCode Validation::rewrite() {
  RecordBatchBuilder builder;
  if (header_.magic == 2) {
    builder.header.producer_id = header_.producer_id;
    builder.header.producer_epoch = header_.producer_epoch;
    builder.header.base_sequence = header_.base_sequence;
    builder.header.attributes = header_.attributes & kAttributeTransactional;
  }
  if (rules_.timestamp_type == TimestampType::log_append_time) {
    builder.header.attributes |= kAttributeLogAppendTime;
    builder.header.max_timestamp = request_.now_ms;
  }
  ErrorCode error = append_all(first_, builder);
  for (std::size_t i = 0; i < more_.size() && error == ErrorCode::none; ++i) error = append_all(more_[i], builder);
  if (error != ErrorCode::none) return error;
  if (builder.record_count() == 0) return ErrorCode::invalid_record;
  bytes_changed_ = true;
  out_.rewritten.make() = builder.build(rules_.compression.value_or(source_codec_), rules_.compression_level);
  out_.batch = *out_.rewritten;
  out_.max_timestamp = builder.header.max_timestamp;
  if (std::cmp_greater(out_.batch.size(), rules_.max_message_bytes)) return ErrorCode::message_too_large;
  return ErrorCode::none;
}

ValidatedRecords Validation::run() {
  out_.error = find_batches();
  if (!out_.ok() || first_.empty()) return std::move(out_);
  out_.error = check_header();
  if (!out_.ok()) return std::move(out_);
  try {
    out_.error = header_.magic == 2 && keeps_codec() ? check_records_in_place() : rewrite();
  } catch (const InvalidRecord&) {
    out_.error = ErrorCode::invalid_record;
  } catch (const base::OutputTooLarge&) {
    out_.error = ErrorCode::message_too_large;
    out_.refusal.make().message = "The records of the batch are too large in total once they are unpacked.";
  } catch (const base::CompressionError&) {
    out_.error = ErrorCode::unknown_server_error;  // what Kafka answers to bytes that don't unpack
  }
  if (!out_.ok()) {
    out_.batch = {};
    out_.rewritten = {};
    return std::move(out_);
  }
  out_.header = bytes_changed_ ? *read_batch_header(out_.batch) : header_;
  out_.record_count = out_.header.record_count;
  out_.offset_delta_of_max_timestamp = out_.header.last_offset_delta;
  if (rules_.timestamp_type == TimestampType::log_append_time) out_.log_append_time = request_.now_ms;
  return std::move(out_);
}

}  // namespace

ValidatedRecords validate_for_append(base::MutableByteView records, const AppendRules& rules,
                                     const AppendRequest& request) {
  return Validation(records, rules, request).run();
}

std::int64_t assign_offsets(ValidatedRecords& records, std::int64_t first_offset, std::int32_t leader_epoch) {
  set_base_offset(records.batch, first_offset);
  set_partition_leader_epoch(records.batch, leader_epoch);
  records.header.base_offset = first_offset;
  records.header.partition_leader_epoch = leader_epoch;
  return records.header.last_offset();
}

Result<bool> is_transactional(base::ByteView records) {
  const NextBatch first = next_batch(records);
  if (is_bad(first)) return error_of(first.frame);
  if (!is_whole(first)) return false;
  const auto header = read_batch_header(records.first(first.size_in_bytes));
  return header && header->is_transactional();
}

}  // namespace protocol
