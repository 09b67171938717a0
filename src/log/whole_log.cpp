#include "log/whole_log.h"

#include "protocol/record_batch.h"

namespace storage {
namespace {

struct WholeBatches {
  std::size_t bytes = 0;
  std::int64_t next_offset = 0;
};

WholeBatches whole_batches_in(base::ByteView bytes) {
  WholeBatches result;
  while (true) {
    const base::ByteView rest = bytes.subspan(result.bytes);
    const protocol::NextBatch next = protocol::next_batch(rest);
    if (next.frame != protocol::BatchFrame::whole) return result;
    const auto header = protocol::read_batch_header(rest.first(next.size_in_bytes));
    if (!header) return result;
    result.bytes += next.size_in_bytes;
    result.next_offset = header->next_offset();
  }
}

// Up to `end`, which is the result. After an error `offset` is where it is.
protocol::Result<std::int64_t> read_on(Log& log, std::int64_t& offset, std::int64_t end, const BatchesVisitor& visit,
                                       std::uint64_t bytes_at_once) {
  base::Bytes buffer;
  while (offset < end) {
    auto read = log.read(offset, bytes_at_once, ReadIsolation::log_end, FirstBatch::whole);
    if (!read) return read.error();
    const FileSlice& slice = read->records;
    if (slice.size == 0) break;
    buffer.resize(slice.size);
    if (slice.file->read_at(slice.position, buffer) != slice.size) return protocol::ErrorCode::kafka_storage_error;
    const WholeBatches whole = whole_batches_in(buffer);
    if (whole.bytes == 0 || whole.next_offset <= offset) return protocol::ErrorCode::corrupt_message;
    visit(base::ByteView(buffer).first(whole.bytes), whole.next_offset);
    offset = whole.next_offset;
  }
  return end;
}

}  // namespace

protocol::Result<std::int64_t> read_whole_log(Log& log, const BatchesVisitor& visit, std::uint64_t bytes_at_once) {
  std::int64_t offset = log.log_start_offset();
  return read_on(log, offset, log.log_end_offset(), visit, bytes_at_once);
}

protocol::Result<std::int64_t> read_whole_log_around_damage(Log& log, const BatchesVisitor& visit, const DamageVisitor& damaged,
                                                            std::uint64_t bytes_at_once) {
  std::int64_t offset = log.log_start_offset();
  const std::int64_t end = log.log_end_offset();
  while (true) {
    const auto read = read_on(log, offset, end, visit, bytes_at_once);
    if (read || read.error() != protocol::ErrorCode::corrupt_message) return read;
    auto next = log.next_segment_base(offset);
    if (!next) {
      log.roll();
      next = log.next_segment_base(offset);
    }
    if (!next) return read;
    damaged(offset, *next);
    offset = *next;
  }
}

}  // namespace storage
