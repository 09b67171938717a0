#include "log/producer_snapshot.h"

#include "base/crc.h"

namespace storage {
namespace {

constexpr std::int16_t kVersion = 1;
constexpr std::size_t kCrcPosition = 2;
constexpr std::size_t kCrcBegin = 6;
constexpr std::size_t kHeaderSize = 10;
constexpr std::size_t kEntrySize = 46;

}  // namespace

base::Bytes encode_producer_snapshot(const std::vector<ProducerSnapshotEntry>& entries) {
  base::Bytes bytes;
  bytes.reserve(kHeaderSize + entries.size() * kEntrySize);
  base::append_big_endian(bytes, kVersion);
  base::append_big_endian(bytes, std::uint32_t{0});
  base::append_big_endian(bytes, static_cast<std::int32_t>(entries.size()));
  for (const ProducerSnapshotEntry& entry : entries) {
    base::append_big_endian(bytes, entry.producer_id);
    base::append_big_endian(bytes, entry.producer_epoch);
    base::append_big_endian(bytes, entry.last_sequence);
    base::append_big_endian(bytes, entry.last_offset);
    base::append_big_endian(bytes, entry.offset_delta);
    base::append_big_endian(bytes, entry.timestamp);
    base::append_big_endian(bytes, entry.coordinator_epoch);
    base::append_big_endian(bytes, entry.current_transaction_first_offset);
  }
  base::store_big_endian(bytes.data() + kCrcPosition, base::crc32c(base::ByteView(bytes).subspan(kCrcBegin)));
  return bytes;
}

std::vector<ProducerSnapshotEntry> decode_producer_snapshot(base::ByteView bytes) {
  if (bytes.size() < kHeaderSize) throw CorruptFile("snapshot of " + std::to_string(bytes.size()) + " bytes");
  auto version = base::load_big_endian<std::int16_t>(bytes.data());
  if (version != kVersion) throw CorruptFile("snapshot version " + std::to_string(version));
  if (base::load_big_endian<std::uint32_t>(bytes.data() + kCrcPosition) != base::crc32c(bytes.subspan(kCrcBegin))) {
    throw CorruptFile("snapshot crc is wrong");
  }
  auto count = base::load_big_endian<std::int32_t>(bytes.data() + kCrcBegin);
  if (count < 0 || static_cast<std::size_t>(count) * kEntrySize != bytes.size() - kHeaderSize) {
    throw CorruptFile("snapshot count " + std::to_string(count) + " in " + std::to_string(bytes.size()) + " bytes");
  }
  std::vector<ProducerSnapshotEntry> entries(static_cast<std::size_t>(count));
  const std::uint8_t* at = bytes.data() + kHeaderSize;
  for (ProducerSnapshotEntry& entry : entries) {
    entry.producer_id = base::load_big_endian<std::int64_t>(at);
    entry.producer_epoch = base::load_big_endian<std::int16_t>(at + 8);
    entry.last_sequence = base::load_big_endian<std::int32_t>(at + 10);
    entry.last_offset = base::load_big_endian<std::int64_t>(at + 14);
    entry.offset_delta = base::load_big_endian<std::int32_t>(at + 22);
    entry.timestamp = base::load_big_endian<std::int64_t>(at + 26);
    entry.coordinator_epoch = base::load_big_endian<std::int32_t>(at + 34);
    entry.current_transaction_first_offset = base::load_big_endian<std::int64_t>(at + 38);
    at += kEntrySize;
  }
  return entries;
}

}  // namespace storage
