#include "log/time_index.h"

#include <array>

namespace storage {
namespace {

constexpr std::size_t kEntrySize = 12;

}  // namespace

TimeIndex::TimeIndex(const PartitionFiles& where, std::int64_t base_offset)
    : base_offset_(base_offset), file_(where, base_offset, kTimeIndexSuffix, kEntrySize) {}

TimestampOffset TimeIndex::decode(base::ByteView entry) const {
  return {base::load_big_endian<std::int64_t>(entry.data()),
          base_offset_ + base::load_big_endian<std::int32_t>(entry.data() + 8)};
}

TimestampOffset TimeIndex::entry(std::size_t index) const { return decode(file_.entry(index)); }

TimestampOffset TimeIndex::last() const {
  return file_.empty() ? TimestampOffset{-1, base_offset_} : entry(file_.count() - 1);
}

void TimeIndex::append(std::int64_t timestamp, std::int64_t offset) {
  TimestampOffset before = last();
  if (timestamp <= before.timestamp || (before.timestamp >= 0 && offset < before.offset)) return;
  std::array<std::uint8_t, kEntrySize> bytes;
  base::store_big_endian<std::int64_t>(bytes.data(), timestamp);
  base::store_big_endian<std::int32_t>(bytes.data() + 8, static_cast<std::int32_t>(offset - base_offset_));
  file_.append(bytes);
}

TimestampOffset TimeIndex::lookup(std::int64_t timestamp) const {
  const auto found = file_.last_not_above(timestamp);
  return found ? decode(found->entry) : TimestampOffset{-1, base_offset_};
}

void TimeIndex::truncate_to(std::int64_t offset) {
  std::size_t keep = file_.count();
  while (keep > 0 && entry(keep - 1).offset >= offset) --keep;
  file_.truncate(keep);
}

bool TimeIndex::is_full(std::int64_t index_bytes_max) const {
  return static_cast<std::int64_t>(file_.count()) >= index_bytes_max / static_cast<std::int64_t>(kEntrySize) - 1;
}

}  // namespace storage
