#include "protocol/record_batch_builder.h"

#include <algorithm>

#include "protocol/record_varint.h"

namespace protocol {
namespace {

std::uint8_t* write_bytes(std::uint8_t* at, base::ByteView bytes) { return std::copy(bytes.begin(), bytes.end(), at); }

std::uint8_t* write_nullable(std::uint8_t* at, const std::optional<base::ByteView>& bytes) {
  if (!bytes) return write_varlong(at, -1);
  return write_bytes(write_varlong(at, static_cast<std::int64_t>(bytes->size())), *bytes);
}

std::size_t size_of_nullable(const std::optional<base::ByteView>& bytes) {
  return bytes ? size_of_varlong(static_cast<std::int64_t>(bytes->size())) + bytes->size() : 1;
}

}  // namespace

void RecordBatchBuilder::append_at(std::int32_t offset_delta, const NewRecord& record) {
  std::size_t size = 0;
  for (const RecordHeader& one : record.headers) size += size_of_nullable(base::as_bytes(one.name)) + size_of_nullable(one.value);
  base::Bytes headers(size);
  std::uint8_t* at = headers.data();
  for (const RecordHeader& one : record.headers) {
    at = write_nullable(at, base::as_bytes(one.name));
    at = write_nullable(at, one.value);
  }
  append_raw(offset_delta, record.timestamp, record.key, record.value, static_cast<std::int32_t>(record.headers.size()),
             headers);
}

void RecordBatchBuilder::append_at(std::int32_t offset_delta, const Record& record) {
  append_raw(offset_delta, record.timestamp, record.key, record.value, record.header_count, record.headers);
}

void RecordBatchBuilder::append_raw(std::int32_t offset_delta, std::int64_t timestamp,
                                    const std::optional<base::ByteView>& key,
                                    const std::optional<base::ByteView>& value, std::int32_t header_count,
                                    base::ByteView headers) {
  if (record_count_ == 0 && !header.has_delete_horizon()) header.base_timestamp = timestamp;
  // Clients choose timestamps freely; the difference wraps, and so does the sum when it is read.
  const auto timestamp_delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp) -
                                                         static_cast<std::uint64_t>(header.base_timestamp));
  const std::size_t length = 1 + size_of_varlong(timestamp_delta) + size_of_varlong(offset_delta) +
                             size_of_nullable(key) + size_of_nullable(value) + size_of_varlong(header_count) +
                             headers.size();
  const std::size_t from = std::max(batch_.size(), kBatchHeaderSize);
  const std::size_t end = from + size_of_varlong(static_cast<std::int64_t>(length)) + length;
  if (record_count_ == 0) batch_.reserve(end);  // else the header's place would be an allocation of its own
  batch_.resize(end);
  std::uint8_t* at = write_varlong(batch_.data() + from, static_cast<std::int64_t>(length));
  *at++ = 0;
  at = write_varlong(at, timestamp_delta);
  at = write_varlong(at, offset_delta);
  at = write_nullable(at, key);
  at = write_nullable(at, value);
  at = write_varlong(at, header_count);
  write_bytes(at, headers);
  if (timestamp > max_timestamp_) {
    max_timestamp_ = timestamp;
    offset_delta_of_max_timestamp_ = offset_delta;
  }
  header.last_offset_delta = offset_delta;
  next_offset_delta_ = offset_delta + 1;
  ++record_count_;
}

base::Bytes RecordBatchBuilder::build(base::Codec codec, std::optional<int> level) {
  batch_.resize(std::max(batch_.size(), kBatchHeaderSize));
  if (codec != base::Codec::none) {
    const base::Bytes records = base::compress(codec, base::ByteView(batch_).subspan(kBatchHeaderSize), level);
    batch_.resize(kBatchHeaderSize + records.size());
    write_bytes(batch_.data() + kBatchHeaderSize, records);
  }
  header.magic = 2;
  header.record_count = record_count_;
  header.length = static_cast<std::int32_t>(batch_.size() - kBatchOverhead);
  header.attributes = static_cast<std::int16_t>((header.attributes & ~kAttributeCodecMask) | static_cast<int>(codec));
  if (header.timestamp_type() != TimestampType::log_append_time) header.max_timestamp = max_timestamp_;
  write_batch_header(batch_, header);
  renew_crc(batch_);
  return std::move(batch_);
}

base::Bytes build_control_batch(std::int64_t producer_id, std::int16_t producer_epoch, ControlType type,
                                std::int32_t coordinator_epoch, std::int64_t timestamp) {
  base::Bytes key, value;
  base::append_big_endian<std::int16_t>(key, 0);
  base::append_big_endian(key, static_cast<std::int16_t>(type));
  base::append_big_endian<std::int16_t>(value, 0);
  base::append_big_endian(value, coordinator_epoch);
  RecordBatchBuilder builder;
  builder.header.attributes = kAttributeTransactional | kAttributeControl;
  builder.header.producer_id = producer_id;
  builder.header.producer_epoch = producer_epoch;
  NewRecord marker;
  marker.key = key;
  marker.value = value;
  marker.timestamp = timestamp;
  builder.append(marker);
  return builder.build();
}

}  // namespace protocol
