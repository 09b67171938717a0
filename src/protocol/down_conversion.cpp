#include "protocol/down_conversion.h"

#include <algorithm>
#include <optional>

#include "base/crc.h"
#include "protocol/record.h"

namespace protocol {
namespace {

constexpr std::size_t kCrcAt = 12, kCrcEnd = 16;
// An lz4 frame of format 0 has the checksum of its descriptor computed over the magic number too, as its readers
// expect.
constexpr std::size_t kLz4FlagsAt = 4, kLz4BlockSizeAt = 5, kLz4ChecksumAt = 6;
constexpr std::uint8_t kLz4Flags = 0x60, kLz4BlockSize = 0x40, kLz4OldChecksum = 0x1a;

void append_nullable(base::Bytes& to, const std::optional<base::ByteView>& bytes) {
  base::append_big_endian(to, bytes ? static_cast<std::int32_t>(bytes->size()) : std::int32_t{-1});
  if (bytes) to.insert(to.end(), bytes->begin(), bytes->end());
}

// One entry: offset, size, crc, magic, attributes, timestamp from magic 1 on, key, value.
void append_entry(base::Bytes& to, std::int8_t magic, std::int64_t offset, std::int8_t attributes,
                  std::int64_t timestamp, const std::optional<base::ByteView>& key,
                  const std::optional<base::ByteView>& value) {
  const std::size_t start = to.size();
  base::append_big_endian(to, offset);
  base::append_big_endian(to, std::int32_t{0});
  base::append_big_endian(to, std::uint32_t{0});
  to.push_back(static_cast<std::uint8_t>(magic));
  to.push_back(static_cast<std::uint8_t>(attributes));
  if (magic >= 1) base::append_big_endian(to, timestamp);
  append_nullable(to, key);
  append_nullable(to, value);
  std::uint8_t* entry = to.data() + start;
  const std::size_t size = to.size() - start;
  base::store_big_endian(entry + 8, static_cast<std::int32_t>(size - kBatchOverhead));
  base::store_big_endian(entry + kCrcAt, base::crc32({entry + kCrcEnd, size - kCrcEnd}));
}

void mend_lz4_of_format_0(base::Bytes& frame) {
  if (frame.size() > kLz4ChecksumAt && frame[kLz4FlagsAt] == kLz4Flags && frame[kLz4BlockSizeAt] == kLz4BlockSize) {
    frame[kLz4ChecksumAt] = kLz4OldChecksum;
  }
}

class Converter {
 public:
  Converter(std::int8_t to_magic, std::int64_t first_offset, std::size_t unpacked_bytes_max)
      : magic_(to_magic), first_offset_(first_offset), unpacked_bytes_max_(unpacked_bytes_max) {}

  ErrorCode add(base::ByteView batch, const BatchHeader& header) {
    if (header.is_control()) return ErrorCode::none;
    if (header.magic <= magic_) {
      result_.insert(result_.end(), batch.begin(), batch.end());
      return ErrorCode::none;
    }
    const auto codec = header.codec();
    if (!codec || *codec == base::Codec::zstd) return ErrorCode::unsupported_compression_type;
    const bool log_append_time = header.timestamp_type() == TimestampType::log_append_time;
    const std::int8_t type_bit = magic_ >= 1 && log_append_time ? kAttributeLogAppendTime : std::int8_t{0};
    base::Bytes inner;
    base::Bytes& to = *codec == base::Codec::none ? result_ : inner;
    RecordReader reader(batch, unpacked_bytes_max_);
    Record record;
    std::int64_t last_offset = -1;
    std::int64_t max_timestamp = -1;
    while (reader.next(record)) {
      if (*codec == base::Codec::none && record.offset < first_offset_) continue;
      // Inside of a wrapper, format 1 counts from the batch's own base offset.
      const std::int64_t offset =
          *codec != base::Codec::none && magic_ == 1 ? record.offset - header.base_offset : record.offset;
      append_entry(to, magic_, offset, type_bit, log_append_time ? header.max_timestamp : record.timestamp, record.key,
                   record.value);
      last_offset = record.offset;
      max_timestamp = std::max(max_timestamp, log_append_time ? header.max_timestamp : record.timestamp);
    }
    if (*codec != base::Codec::none && last_offset >= 0) wrap(*codec, inner, last_offset, type_bit, max_timestamp);
    return ErrorCode::none;
  }

  base::Bytes take() { return std::move(result_); }

 private:
  void wrap(base::Codec codec, const base::Bytes& inner, std::int64_t last_offset, std::int8_t type_bit,
            std::int64_t max_timestamp) {
    base::Bytes packed = base::compress(codec, inner);
    if (codec == base::Codec::lz4 && magic_ == 0) mend_lz4_of_format_0(packed);
    const auto attributes = static_cast<std::int8_t>(type_bit | static_cast<std::int8_t>(codec));
    append_entry(result_, magic_, last_offset, attributes, max_timestamp, std::nullopt, base::ByteView(packed));
  }

  const std::int8_t magic_;
  const std::int64_t first_offset_;
  const std::size_t unpacked_bytes_max_;
  base::Bytes result_;
};

}  // namespace

Result<base::Bytes> down_convert(base::ByteView batches, std::int8_t to_magic, std::int64_t first_offset,
                                 std::size_t unpacked_bytes_max) {
  Converter converter(to_magic, first_offset, unpacked_bytes_max);
  try {
    while (!batches.empty()) {
      const NextBatch next = next_batch(batches);
      if (next.frame == BatchFrame::partial) break;
      if (next.frame != BatchFrame::whole) return ErrorCode::corrupt_message;
      const base::ByteView batch = batches.first(next.size_in_bytes);
      const auto header = read_batch_header(batch);
      if (!header) return ErrorCode::corrupt_message;
      const ErrorCode error = converter.add(batch, *header);
      if (error != ErrorCode::none) return error;
      batches = batches.subspan(batch.size());
    }
  } catch (const InvalidRecord&) {
    return ErrorCode::corrupt_message;
  } catch (const base::CompressionError&) {
    return ErrorCode::corrupt_message;
  }
  return converter.take();
}

}  // namespace protocol
