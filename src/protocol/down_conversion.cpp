#include "protocol/down_conversion.h"

#include <algorithm>
#include <optional>

#include "protocol/legacy_records.h"

namespace protocol {
namespace {

// Kafka writes filler in pieces of this size, each with a header of its own.
constexpr std::size_t kFillerPieceBytes = 128u << 10;

class Converter {
 public:
  Converter(std::int8_t to_magic, std::int64_t first_offset, std::size_t unpacked_bytes_max)
      : magic_(to_magic), first_offset_(first_offset), unpacked_bytes_max_(unpacked_bytes_max) {}

  // Appends what the batch becomes: nothing, or all of it.
  ErrorCode add(base::ByteView batch) {
    const std::size_t before = result_.size();
    ErrorCode error = ErrorCode::corrupt_message;
    try {
      if (const auto header = read_batch_header(batch)) error = convert(batch, *header);
    } catch (const InvalidRecord&) {
    } catch (const base::CompressionError&) {
    }
    if (error != ErrorCode::none) result_.resize(before);
    return error;
  }

  std::size_t size() const { return result_.size(); }
  base::Bytes take() { return std::move(result_); }

 private:
  ErrorCode convert(base::ByteView batch, const BatchHeader& header) {
    if (header.is_control()) return ErrorCode::none;
    if (header.magic <= magic_) {
      result_.insert(result_.end(), batch.begin(), batch.end());
      return ErrorCode::none;
    }
    const auto codec = header.codec();
    if (!codec || *codec == base::Codec::zstd) return ErrorCode::unsupported_compression_type;
    const bool compressed = *codec != base::Codec::none;
    const bool log_append_time = header.timestamp_type() == TimestampType::log_append_time;
    const std::int8_t type_bit = magic_ >= 1 && log_append_time ? kAttributeLogAppendTime : std::int8_t{0};
    base::Bytes inner;
    base::Bytes& to = compressed ? inner : result_;
    RecordReader reader(batch, unpacked_bytes_max_);
    Record record;
    std::optional<std::int64_t> wrapped_from;
    std::int64_t last_offset = -1;
    std::int64_t max_timestamp = -1;
    while (reader.next(record)) {
      if (!compressed && record.offset < first_offset_) continue;
      // Inside of a wrapper, format 1 counts from the first record that is there.
      if (compressed && magic_ == 1 && !wrapped_from) wrapped_from = record.offset;
      append_legacy_entry(to, magic_, record.offset - wrapped_from.value_or(0), type_bit,
                          log_append_time ? header.max_timestamp : record.timestamp, record.key, record.value);
      last_offset = record.offset;
      max_timestamp = std::max(max_timestamp, log_append_time ? header.max_timestamp : record.timestamp);
    }
    if (compressed && last_offset >= 0) {
      append_legacy_wrapper(result_, magic_, *codec, inner, last_offset, type_bit, max_timestamp);
    }
    return ErrorCode::none;
  }

  const std::int8_t magic_;
  const std::int64_t first_offset_;
  const std::size_t unpacked_bytes_max_;
  base::Bytes result_;
};

void fill_up(base::Bytes& bytes, std::size_t size) {
  while (bytes.size() < size) {
    const std::size_t missing = size - bytes.size();
    base::Bytes piece;
    base::append_big_endian(piece, std::int64_t{-1});
    base::append_big_endian(piece, static_cast<std::int32_t>(std::max(missing + 1, kBatchHeaderSize)));
    piece.resize(std::min(missing, kFillerPieceBytes));
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  }
}

}  // namespace

Result<base::Bytes> down_convert(base::ByteView batches, std::int8_t to_magic, std::int64_t first_offset,
                                 std::size_t unpacked_bytes_max) {
  Converter converter(to_magic, first_offset, unpacked_bytes_max);
  std::size_t size = 0;  // of the answer
  for (base::ByteView rest = batches; !rest.empty();) {
    const NextBatch next = next_batch(rest);
    if (next.frame == BatchFrame::partial) break;
    const ErrorCode error = next.frame == BatchFrame::whole ? converter.add(rest.first(next.size_in_bytes))
                                                            : ErrorCode::corrupt_message;
    if (error != ErrorCode::none) {
      if (converter.size() == 0) return error;
      break;
    }
    if (converter.size() == 0) {
      size = kBatchOverhead;
    } else if (size <= kBatchOverhead) {
      size = std::max(batches.size(), converter.size());
    }
    if (converter.size() >= size) break;
    rest = rest.subspan(next.size_in_bytes);
  }
  base::Bytes answer = converter.take();
  if (answer.size() > size) answer.resize(size);
  fill_up(answer, size);
  return answer;
}

}  // namespace protocol
