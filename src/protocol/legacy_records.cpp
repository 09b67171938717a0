#include "protocol/legacy_records.h"

#include <algorithm>

#include "base/crc.h"

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

void mend_lz4_of_format_0(base::Bytes& frame) {
  if (frame.size() > kLz4ChecksumAt && frame[kLz4FlagsAt] == kLz4Flags && frame[kLz4BlockSizeAt] == kLz4BlockSize) {
    frame[kLz4ChecksumAt] = kLz4OldChecksum;
  }
}

std::optional<base::ByteView> take_nullable(base::ByteView& rest) {
  if (rest.size() < 4) throw InvalidRecord("Record is cut off");
  const auto length = base::load_big_endian<std::int32_t>(rest.data());
  rest = rest.subspan(4);
  if (length < 0) return std::nullopt;
  if (static_cast<std::size_t>(length) > rest.size()) throw InvalidRecord("Record is cut off");
  const base::ByteView bytes = rest.first(static_cast<std::size_t>(length));
  rest = rest.subspan(bytes.size());
  return bytes;
}

// Java clients of magic 0 compute the checksum in an lz4 frame's header over the frame's magic number too, which the
// codec refuses. Such clients write one kind of header only, whose right checksum is known.
base::Bytes unpack_old_lz4(base::ByteView frame, std::size_t unpacked_bytes_max) {
  constexpr std::size_t kFlagsAt = 4, kChecksumAt = 6;
  constexpr std::uint8_t kFlags = 0x60, kBlockSize = 0x40, kChecksum = 0x82;
  base::Bytes mended(frame.begin(), frame.end());
  if (mended.size() > kChecksumAt && mended[kFlagsAt] == kFlags && mended[kFlagsAt + 1] == kBlockSize) {
    mended[kChecksumAt] = kChecksum;
  }
  return base::decompress(base::Codec::lz4, mended, unpacked_bytes_max);
}

}  // namespace

void read_legacy_entry(base::ByteView entry, Record& record) {
  const auto header = read_batch_header(entry);
  if (!header || header->magic > 1 || header->size_in_bytes() != static_cast<std::int64_t>(entry.size())) {
    throw InvalidRecord("Record is cut off");
  }
  constexpr std::size_t kBodyAt = 18, kTimestampSize = 8;
  record.attributes = static_cast<std::int8_t>(header->attributes);
  record.offset = header->base_offset;
  record.timestamp = header->max_timestamp;
  record.sequence = -1;
  base::ByteView rest = entry.subspan(header->magic == 0 ? kBodyAt : kBodyAt + kTimestampSize);
  record.key = take_nullable(rest);
  record.value = take_nullable(rest);
  record.header_count = 0;
  record.headers = {};
}

base::Bytes unpack_legacy_wrapper(base::ByteView entry, const BatchHeader& header, std::size_t unpacked_bytes_max) {
  Record wrapper;
  read_legacy_entry(entry, wrapper);
  if (!wrapper.value) throw InvalidRecord("Found compressed record set with null value");
  const auto codec = header.codec();
  if (!codec) throw base::CompressionError("Unknown compression type id: " + std::to_string(header.codec_number()));
  if (*codec == base::Codec::zstd) throw base::CompressionError("ZStandard is not supported in this format");
  if (*codec == base::Codec::lz4 && header.magic == 0) return unpack_old_lz4(*wrapper.value, unpacked_bytes_max);
  return base::decompress(*codec, *wrapper.value, unpacked_bytes_max);
}

// One entry: offset, size, crc, magic, attributes, timestamp from magic 1 on, key, value.
void append_legacy_entry(base::Bytes& to, std::int8_t magic, std::int64_t offset, std::int8_t attributes,
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

void append_legacy_wrapper(base::Bytes& to, std::int8_t magic, base::Codec codec, base::ByteView inner,
                           std::int64_t last_offset, std::int8_t attributes, std::int64_t max_timestamp) {
  base::Bytes packed = base::compress(codec, inner);
  if (codec == base::Codec::lz4 && magic == 0) mend_lz4_of_format_0(packed);
  const auto with_codec = static_cast<std::int8_t>(attributes | static_cast<std::int8_t>(codec));
  append_legacy_entry(to, magic, last_offset, with_codec, max_timestamp, std::nullopt, base::ByteView(packed));
}

}  // namespace protocol
