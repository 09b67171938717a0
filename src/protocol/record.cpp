#include "protocol/record.h"

#include <algorithm>

#include "protocol/legacy_records.h"
#include "protocol/record_varint.h"

namespace protocol {
namespace {

// A run of bytes that is taken apart from its front. Running out of it means that the record isn't one.
class Cursor {
 public:
  explicit Cursor(base::ByteView bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  base::ByteView rest() const { return {at_, remaining()}; }
  std::int32_t varint() {
    std::int32_t value = 0;
    if (!read_varint(at_, end_, value)) throw InvalidRecord("Found invalid record structure");
    return value;
  }
  std::int64_t varlong() {
    std::int64_t value = 0;
    if (!read_varlong(at_, end_, value)) throw InvalidRecord("Found invalid record structure");
    return value;
  }
  base::ByteView take(std::size_t count) {
    if (count > remaining()) throw InvalidRecord("Found invalid record structure");
    const base::ByteView bytes{at_, count};
    at_ += count;
    return bytes;
  }
  std::optional<base::ByteView> nullable() {
    const std::int32_t length = varint();
    if (length < 0) return std::nullopt;
    return take(static_cast<std::size_t>(length));
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

RecordHeader read_one_header(Cursor& cursor) {
  const std::int32_t length = cursor.varint();
  if (length < 0) throw InvalidRecord("Invalid negative header key size " + std::to_string(length));
  RecordHeader header;
  header.name = base::as_text(cursor.take(static_cast<std::size_t>(length)));
  header.value = cursor.nullable();
  return header;
}

std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

// Reads the record in front of `rest` and moves it on.
void read_record(base::ByteView& rest, const BatchHeader& batch, Record& record) {
  Cursor outer(rest);
  const std::int32_t length = outer.varint();
  if (length < 0 || static_cast<std::size_t>(length) > outer.remaining()) {
    throw InvalidRecord("Invalid record size: expected " + std::to_string(length) +
                        " bytes in record payload, but instead the buffer has only " +
                        std::to_string(outer.remaining()) + " remaining bytes.");
  }
  Cursor cursor(outer.take(static_cast<std::size_t>(length)));
  record.encoded = rest.first(rest.size() - outer.remaining());
  rest = outer.rest();
  record.attributes = static_cast<std::int8_t>(cursor.take(1)[0]);
  record.timestamp_delta = cursor.varlong();
  record.behind_timestamp = cursor.rest();
  record.timestamp = wrapping_add(batch.base_timestamp, record.timestamp_delta);
  if (batch.timestamp_type() == TimestampType::log_append_time) record.timestamp = batch.max_timestamp;
  const std::int32_t offset_delta = cursor.varint();
  record.offset = wrapping_add(batch.base_offset, offset_delta);
  record.sequence =
      batch.base_sequence < 0 || offset_delta < 0 ? -1 : add_to_sequence(batch.base_sequence, offset_delta);
  record.key = cursor.nullable();
  record.value = cursor.nullable();
  record.header_count = cursor.varint();
  if (record.header_count < 0) {
    throw InvalidRecord("Found invalid number of record headers " + std::to_string(record.header_count));
  }
  record.headers = cursor.rest();
  for (std::int32_t i = 0; i < record.header_count; ++i) read_one_header(cursor);
  if (cursor.remaining() != 0) {
    throw InvalidRecord("Invalid record size: expected to read " + std::to_string(length) +
                        " bytes in record payload, but instead read " +
                        std::to_string(static_cast<std::size_t>(length) - cursor.remaining()));
  }
}

}  // namespace

std::vector<RecordHeader> read_headers(const Record& record) {
  std::vector<RecordHeader> headers;
  headers.reserve(std::min<std::size_t>(static_cast<std::size_t>(record.header_count), record.headers.size()));
  Cursor cursor(record.headers);
  for (std::int32_t i = 0; i < record.header_count; ++i) headers.push_back(read_one_header(cursor));
  return headers;
}

std::optional<ControlType> control_type(const Record& record) {
  constexpr std::size_t kTypeAt = 2;
  if (!record.key || record.key->size() < kTypeAt + 2) return std::nullopt;
  const auto type = base::load_big_endian<std::int16_t>(record.key->data() + kTypeAt);
  if (base::load_big_endian<std::int16_t>(record.key->data()) < 0 || type < 0 || type > 4) return std::nullopt;
  return static_cast<ControlType>(type);
}

std::int32_t control_coordinator_epoch(const Record& record) {
  constexpr std::size_t kEpochAt = 2;
  if (!record.value || record.value->size() < kEpochAt + 4)
    throw InvalidRecord("The control record has no coordinator epoch");
  return base::load_big_endian<std::int32_t>(record.value->data() + kEpochAt);
}

RecordReader::RecordReader(base::ByteView batch, std::size_t unpacked_bytes_max) {
  open(batch, unpacked_, unpacked_bytes_max);
}

RecordReader::RecordReader(base::ByteView batch, base::Bytes& unpacked_into, std::size_t unpacked_bytes_max) {
  constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;  // what one large batch took isn't kept for small ones
  if (unpacked_into.size() > kKeptBytesMax) unpacked_into = base::Bytes();
  open(batch, unpacked_into, unpacked_bytes_max);
}

void RecordReader::open(base::ByteView batch, base::Bytes& unpacked_into, std::size_t unpacked_bytes_max) {
  const auto header = read_batch_header(batch);
  if (!header || header->size_in_bytes() != static_cast<std::int64_t>(batch.size())) {
    throw InvalidRecord("The bytes aren't one whole batch");
  }
  header_ = *header;
  if (header_.magic < 2) {
    open_legacy(batch, unpacked_bytes_max);
    return;
  }
  remaining_ = header_.record_count;
  if (remaining_ < 0) {
    throw InvalidRecord("Found invalid record count " + std::to_string(remaining_) + " in magic v2 batch");
  }
  rest_ = batch.subspan(kBatchHeaderSize);
  if (remaining_ == 0 || !header_.is_compressed()) return;
  if (!header_.codec())
    throw base::CompressionError("Unknown compression type id: " + std::to_string(header_.codec_number()));
  const std::size_t size = base::decompress_into(unpacked_into, *header_.codec(), rest_, unpacked_bytes_max);
  rest_ = base::ByteView(unpacked_into).first(size);
}

bool RecordReader::next(Record& record) {
  if (header_.magic < 2) return next_legacy(record);
  if (remaining_ == 0) return false;
  read_record(rest_, header_, record);
  if (--remaining_ == 0 && !rest_.empty()) {
    throw InvalidRecord("Incorrect declared batch size, records still remaining in file");
  }
  return true;
}

bool RecordReader::next_from(std::int64_t offset, Record& record) {
  if (header_.magic < 2) {
    while (next_legacy(record)) {
      if (record.offset >= offset) return true;
    }
    return false;
  }
  for (; remaining_ > 0; --remaining_) {
    Cursor cursor(rest_);
    const std::int32_t length = cursor.varint();
    if (length < 0) throw InvalidRecord("Found invalid record structure");
    Cursor inside(cursor.take(static_cast<std::size_t>(length)));
    inside.take(1);
    inside.varlong();
    if (wrapping_add(header_.base_offset, inside.varint()) >= offset) return next(record);
    rest_ = cursor.rest();
  }
  return false;
}

// Wrapped entries of magic 0 have absolute offsets. Those of magic 1 count from 0, and the wrapper's offset is the last
// one's, so the last one must be known before the first can be told.
void RecordReader::open_legacy(base::ByteView batch, std::size_t unpacked_bytes_max) {
  rest_ = batch;
  if (!header_.is_compressed()) return;
  legacy_compressed_ = true;
  unpacked_ = unpack_legacy_wrapper(batch, header_, unpacked_bytes_max);
  rest_ = unpacked_;
  std::int64_t last_inner = -1;
  for (base::ByteView rest = rest_; !rest.empty();) {
    const NextBatch inner = next_batch(rest);
    if (inner.frame != BatchFrame::whole) throw InvalidRecord("Invalid record in a compressed message set");
    last_inner = base::load_big_endian<std::int64_t>(rest.data());
    rest = rest.subspan(inner.size_in_bytes);
  }
  if (rest_.empty()) throw InvalidRecord("Found compressed message set with no inner messages");
  if (header_.magic == 1) legacy_offset_shift_ = header_.base_offset - last_inner;
}

bool RecordReader::next_legacy(Record& record) {
  if (rest_.empty()) return false;
  const NextBatch entry = next_batch(rest_);
  if (entry.frame != BatchFrame::whole) throw InvalidRecord("Invalid record in a compressed message set");
  read_legacy_entry(rest_.first(entry.size_in_bytes), record);
  rest_ = rest_.subspan(entry.size_in_bytes);
  if (!legacy_compressed_) return true;
  if ((record.attributes & kAttributeCodecMask) != 0) {
    throw InvalidRecord("Compressed outer record should not have an inner record with a compression attribute set");
  }
  record.offset = wrapping_add(record.offset, legacy_offset_shift_);
  if (header_.timestamp_type() == TimestampType::log_append_time) record.timestamp = header_.max_timestamp;
  return true;
}

}  // namespace protocol
