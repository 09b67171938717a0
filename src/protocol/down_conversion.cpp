#include "protocol/down_conversion.h"

#include <algorithm>
#include <optional>

#include "protocol/legacy_records.h"

namespace protocol {
namespace {

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
      append_legacy_entry(to, magic_, offset, type_bit, log_append_time ? header.max_timestamp : record.timestamp,
                          record.key, record.value);
      last_offset = record.offset;
      max_timestamp = std::max(max_timestamp, log_append_time ? header.max_timestamp : record.timestamp);
    }
    if (*codec != base::Codec::none && last_offset >= 0) {
      append_legacy_wrapper(result_, magic_, *codec, inner, last_offset, type_bit, max_timestamp);
    }
    return ErrorCode::none;
  }

  base::Bytes take() { return std::move(result_); }

 private:
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
