#include "log/cleaner/newest_piece.h"

#include <algorithm>

#include "log/corrupt_file.h"

namespace storage {
namespace {

// What a piece's records may be unpacked: so many times its size, so that what lies in the file's bytes ahead bounds that too, and
// no more than that.
constexpr std::size_t kUnpackedTimesMax = 8;
constexpr std::size_t kUnpackedBytesMax = std::size_t{2} << 20;
// What one very large batch took isn't kept for small ones.
constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20;

template <class Buffer>
std::size_t memory_of(const Buffer& buffer) {
  return buffer.capacity() * sizeof(buffer[0]);
}

template <class Buffer>
void keep_small(Buffer& buffer) {
  if (memory_of(buffer) > kKeptBytesMax) buffer = Buffer();
}

}  // namespace

void NewestPiece::read(const base::File& file, const DirtyPiece& from) {
  place = from;
  stage = Stage::keys;
  keepable = true;
  unpacked_bytes_ = 0;
  weight = 0;
  batches.clear();
  records.clear();
  output.clear();
  keep_small(batches);
  keep_small(records);
  keep_small(output);
  keep_small(bytes_);
  if (unpacked_memory_bytes() > kUnpackedBytesMax) unpacked_.clear();
  BatchScanner scanner(file, from.position, from.position + from.size, BatchScanner::What::whole);
  scanner.exchange_buffer(bytes_);  // so that it has one
  std::int64_t last_offset = from.first_offset - 1;
  std::uint64_t record_count = 0;
  do {
    const auto scanned = scanner.next();
    // A file may change, and base offsets are under no checksum: who maps relies on their order.
    if (!scanned || scanned->header.base_offset <= last_offset || scanned->header.record_count < 0) {
      throw CorruptFile("a segment has other batches than it had");
    }
    last_offset = scanned->header.last_offset();
    record_count += static_cast<std::uint64_t>(scanned->header.record_count);
    batches.emplace_back().ready.scanned = *scanned;
  } while (scanner.next_is_buffered());
  if (scanner.position() != from.position + from.size || last_offset != from.last_offset || record_count != from.records ||
      batches.front().ready.scanned.header.base_offset != from.first_offset) {
    throw CorruptFile("a segment has other batches than it had");
  }
  scanner.exchange_buffer(bytes_);
  if (unpacked_.size() < batches.size()) unpacked_.resize(batches.size());
  weight = from.size + record_count * sizeof(MappedRecord) + batches.size() * sizeof(Batch);
}

void NewestPiece::run(std::size_t worker, const std::atomic<bool>& abandoned) {
  const std::uint64_t unpacked_bytes_max = std::min<std::uint64_t>(kUnpackedBytesMax, place.size * kUnpackedTimesMax);
  for (std::size_t i = 0; i < batches.size() && !abandoned; ++i) {
    if (stage == Stage::filter) {
      filter(batches[i], shared_.filters[worker]);
      continue;
    }
    read_keys(batches[i], keepable ? unpacked_[i] : shared_.unpacked[worker]);
    if (keepable && unpacked_bytes_ > unpacked_bytes_max) {
      keepable = false;
      for (Batch& batch : batches) batch.reader.reset();
      unpacked_.clear();
    }
  }
}

void NewestPiece::read_keys(Batch& batch, base::Bytes& unpacked) {
  const ScannedBatch& scanned = batch.ready.scanned;
  if (!protocol::crc_is_valid(scanned.bytes)) throw CorruptFile("a batch with a wrong checksum");
  protocol::RecordReader reader(scanned.bytes, unpacked);
  if (keepable) batch.reader = reader;
  batch.first_record = records.size();
  std::int64_t last_offset = scanned.header.base_offset - 1;
  protocol::Record record;
  while (reader.next(record)) {
    if (record.offset <= last_offset || record.offset > scanned.header.last_offset()) {
      throw CorruptFile("offsets of a batch don't ascend");
    }
    last_offset = record.offset;
    unpacked_bytes_ += record.encoded.size();
    records.push_back({record.offset, record.key.has_value(), false,
                       record.key ? shared_.hasher(*record.key) : KeyHash{}});
  }
  batch.end_record = records.size();
}

void NewestPiece::filter(Batch& batch, BatchFilter& filter) {
  ReadyBatch& ready = batch.ready;
  const auto decided =
      std::span<const MappedRecord>(records).subspan(batch.first_record, batch.end_record - batch.first_record);
  ready.begin = output.size();
  ready.filtered = filter.filter_decided(ready.scanned.bytes, ready.scanned.header, {*batch.reader, decided},
                                         shared_.rules, output);
  ready.end = output.size();
}

void NewestPiece::free_memory() {
  batches = {};
  records = {};
  output = {};
  bytes_ = {};
  unpacked_ = {};
}

std::size_t NewestPiece::memory_bytes() const {
  return memory_of(batches) + memory_of(records) + memory_of(output) + memory_of(bytes_) + unpacked_memory_bytes();
}

std::size_t NewestPiece::unpacked_memory_bytes() const {
  std::size_t bytes = 0;
  for (const base::Bytes& one : unpacked_) bytes += one.capacity();
  return bytes;
}

}  // namespace storage
