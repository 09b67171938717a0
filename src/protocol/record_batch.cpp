#include "protocol/record_batch.h"

#include "base/crc.h"

namespace protocol {
namespace {

constexpr std::size_t kLengthAt = 8, kEpochAt = 12, kMagicAt = 16, kCrcAt = 17, kAttributesAt = 21;
constexpr std::size_t kLastOffsetDeltaAt = 23, kBaseTimestampAt = 27, kMaxTimestampAt = 35, kProducerIdAt = 43;
constexpr std::size_t kProducerEpochAt = 51, kBaseSequenceAt = 53, kRecordCountAt = 57;
constexpr std::size_t kLegacyCrcAt = 12, kLegacyAttributesAt = 17, kLegacyTimestampAt = 18;
constexpr std::int32_t kLegacySizeMinV1 = kLegacyEntrySizeMin + 8;

template <class T>
T load(base::ByteView bytes, std::size_t at) {
  return base::load_big_endian<T>(bytes.data() + at);
}
template <class T>
void store(base::MutableByteView bytes, std::size_t at, T value) {
  base::store_big_endian<T>(bytes.data() + at, value);
}

std::optional<BatchHeader> read_legacy_header(base::ByteView bytes, BatchHeader header) {
  const std::int32_t length_min = header.magic == 0 ? kLegacyEntrySizeMin : kLegacySizeMinV1;
  if (bytes.size() < (header.magic == 0 ? 18U : 26U) || header.length < length_min) return std::nullopt;
  header.crc = load<std::uint32_t>(bytes, kLegacyCrcAt);
  header.attributes = load<std::int8_t>(bytes, kLegacyAttributesAt);
  if (header.magic == 1) header.max_timestamp = load<std::int64_t>(bytes, kLegacyTimestampAt);
  return header;
}

}  // namespace

std::optional<base::Codec> BatchHeader::codec() const {
  const int number = codec_number();
  if (number > 4) return std::nullopt;
  return static_cast<base::Codec>(number);
}

TimestampType BatchHeader::timestamp_type() const {
  if (magic == 0) return TimestampType::none;
  return (attributes & kAttributeLogAppendTime) != 0 ? TimestampType::log_append_time : TimestampType::create_time;
}

std::int32_t BatchHeader::last_sequence() const {
  return base_sequence < 0 ? -1 : add_to_sequence(base_sequence, last_offset_delta);
}

NextBatch next_batch(base::ByteView rest) {
  NextBatch next;
  if (rest.size() < kBatchOverhead) return next;
  const auto length = load<std::int32_t>(rest, kLengthAt);
  if (length < kLegacyEntrySizeMin) {
    next.frame = BatchFrame::corrupt;
    return next;
  }
  if (rest.size() < kBatchUpToMagic) return next;
  const auto magic = load<std::int8_t>(rest, kMagicAt);
  if (magic < 0 || magic > 2) {
    next.frame = BatchFrame::corrupt;
    return next;
  }
  next.size_in_bytes = static_cast<std::size_t>(length) + kBatchOverhead;
  if (next.size_in_bytes > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    next.frame = BatchFrame::overlong;
  } else if (rest.size() >= next.size_in_bytes) {
    next.frame = BatchFrame::whole;
  }
  return next;
}

std::optional<BatchHeader> read_batch_header(base::ByteView bytes) {
  if (bytes.size() < kBatchUpToMagic) return std::nullopt;
  BatchHeader header;
  header.base_offset = load<std::int64_t>(bytes, 0);
  header.length = load<std::int32_t>(bytes, kLengthAt);
  header.magic = load<std::int8_t>(bytes, kMagicAt);
  if (header.magic == 0 || header.magic == 1) return read_legacy_header(bytes, header);
  if (header.magic != 2 || bytes.size() < kBatchHeaderSize) return std::nullopt;
  if (header.length < static_cast<std::int32_t>(kBatchHeaderSize - kBatchOverhead)) return std::nullopt;
  header.partition_leader_epoch = load<std::int32_t>(bytes, kEpochAt);
  header.crc = load<std::uint32_t>(bytes, kCrcAt);
  header.attributes = load<std::int16_t>(bytes, kAttributesAt);
  header.last_offset_delta = load<std::int32_t>(bytes, kLastOffsetDeltaAt);
  header.base_timestamp = load<std::int64_t>(bytes, kBaseTimestampAt);
  header.max_timestamp = load<std::int64_t>(bytes, kMaxTimestampAt);
  header.producer_id = load<std::int64_t>(bytes, kProducerIdAt);
  header.producer_epoch = load<std::int16_t>(bytes, kProducerEpochAt);
  header.base_sequence = load<std::int32_t>(bytes, kBaseSequenceAt);
  header.record_count = load<std::int32_t>(bytes, kRecordCountAt);
  return header;
}

bool crc_is_valid(base::ByteView batch) {
  const auto header = read_batch_header(batch);
  return header && header->size_in_bytes() == static_cast<std::int64_t>(batch.size()) && crc_is_valid(batch, *header);
}

bool crc_is_valid(base::ByteView batch, const BatchHeader& header) {
  if (header.magic == 2) return base::crc32c(batch.subspan(kAttributesAt)) == header.crc;
  return base::crc32(batch.subspan(kMagicAt)) == header.crc;
}

void set_base_offset(base::MutableByteView batch, std::int64_t base_offset) { store(batch, 0, base_offset); }

void set_partition_leader_epoch(base::MutableByteView batch, std::int32_t epoch) { store(batch, kEpochAt, epoch); }

bool set_max_timestamp(base::MutableByteView batch, TimestampType type, std::int64_t max_timestamp) {
  const auto attributes = load<std::int16_t>(batch, kAttributesAt);
  const bool log_append_time = type == TimestampType::log_append_time;
  if (((attributes & kAttributeLogAppendTime) != 0) == log_append_time &&
      load<std::int64_t>(batch, kMaxTimestampAt) == max_timestamp) {
    return false;
  }
  // Kafka writes the attributes anew here, which clears the bits that have no meaning yet.
  int changed =
      attributes & (kAttributeCodecMask | kAttributeTransactional | kAttributeControl | kAttributeDeleteHorizon);
  if (log_append_time) changed |= kAttributeLogAppendTime;
  store(batch, kAttributesAt, static_cast<std::int16_t>(changed));
  store(batch, kMaxTimestampAt, max_timestamp);
  renew_crc(batch);
  return true;
}

void renew_crc(base::MutableByteView batch) { store(batch, kCrcAt, base::crc32c(batch.subspan(kAttributesAt))); }

void write_batch_header(base::MutableByteView into, const BatchHeader& header) {
  store(into, 0, header.base_offset);
  store(into, kLengthAt, header.length);
  store(into, kEpochAt, header.partition_leader_epoch);
  store(into, kMagicAt, header.magic);
  store(into, kCrcAt, header.crc);
  store(into, kAttributesAt, header.attributes);
  store(into, kLastOffsetDeltaAt, header.last_offset_delta);
  store(into, kBaseTimestampAt, header.base_timestamp);
  store(into, kMaxTimestampAt, header.max_timestamp);
  store(into, kProducerIdAt, header.producer_id);
  store(into, kProducerEpochAt, header.producer_epoch);
  store(into, kBaseSequenceAt, header.base_sequence);
  store(into, kRecordCountAt, header.record_count);
}

}  // namespace protocol
