#include "protocol/record_batch_builder.h"

#include <algorithm>

#include "protocol/record_varint.h"

namespace protocol {
namespace {

void append_bytes(base::Bytes& to, base::ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

void append_nullable(base::Bytes& to, const std::optional<base::ByteView>& bytes) {
  append_varint(to, bytes ? static_cast<std::int32_t>(bytes->size()) : -1);
  if (bytes) append_bytes(to, *bytes);
}

std::size_t size_of_nullable(const std::optional<base::ByteView>& bytes) {
  return bytes ? size_of_varlong(static_cast<std::int64_t>(bytes->size())) + bytes->size() : 1;
}

}  // namespace

void RecordBatchBuilder::append_at(std::int32_t offset_delta, const NewRecord& record) {
  base::Bytes headers;
  for (const RecordHeader& one : record.headers) {
    append_nullable(headers, base::as_bytes(one.name));
    append_nullable(headers, one.value);
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
  append_varint(records_, static_cast<std::int32_t>(length));
  records_.push_back(0);
  append_varlong(records_, timestamp_delta);
  append_varint(records_, offset_delta);
  append_nullable(records_, key);
  append_nullable(records_, value);
  append_varint(records_, header_count);
  append_bytes(records_, headers);
  if (timestamp > max_timestamp_) {
    max_timestamp_ = timestamp;
    offset_delta_of_max_timestamp_ = offset_delta;
  }
  header.last_offset_delta = offset_delta;
  next_offset_delta_ = offset_delta + 1;
  ++record_count_;
}

base::Bytes RecordBatchBuilder::build(base::Codec codec, std::optional<int> level) {
  if (codec != base::Codec::none) records_ = base::compress(codec, records_, level);
  header.magic = 2;
  header.record_count = record_count_;
  header.length = static_cast<std::int32_t>(kBatchHeaderSize - kBatchOverhead + records_.size());
  header.attributes = static_cast<std::int16_t>((header.attributes & ~kAttributeCodecMask) | static_cast<int>(codec));
  if (header.timestamp_type() != TimestampType::log_append_time) header.max_timestamp = max_timestamp_;
  base::Bytes batch(kBatchHeaderSize);
  batch.reserve(kBatchHeaderSize + records_.size());
  write_batch_header(batch, header);
  append_bytes(batch, records_);
  renew_crc(batch);
  header.crc = read_batch_header(batch)->crc;
  return batch;
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
