#include "log/offset_index.h"

#include <algorithm>
#include <array>
#include <limits>

namespace storage {
namespace {

constexpr std::size_t kEntrySize = 8;

}  // namespace

OffsetIndex::OffsetIndex(const PartitionFiles& where, std::int64_t base_offset)
    : base_offset_(base_offset), file_(where, base_offset, kIndexSuffix, kEntrySize) {}

OffsetPosition OffsetIndex::decode(base::ByteView entry) const {
  return {base_offset_ + base::load_big_endian<std::int32_t>(entry.data()),
          base::load_big_endian<std::uint32_t>(entry.data() + 4)};
}

OffsetPosition OffsetIndex::entry(std::size_t index) const { return decode(file_.entry(index)); }

OffsetPosition OffsetIndex::last() const {
  return file_.empty() ? OffsetPosition{base_offset_, 0} : entry(file_.count() - 1);
}

void OffsetIndex::append(std::int64_t offset, std::uint64_t position) {
  if (!file_.empty() && last().offset >= offset) return;
  std::array<std::uint8_t, kEntrySize> bytes;
  base::store_big_endian<std::int32_t>(bytes.data(), static_cast<std::int32_t>(offset - base_offset_));
  base::store_big_endian<std::uint32_t>(bytes.data() + 4, static_cast<std::uint32_t>(position));
  file_.append(bytes);
}

OffsetPosition OffsetIndex::lookup(std::int64_t offset) const {
  if (offset < base_offset_) return {base_offset_, 0};
  std::int64_t relative = std::min<std::int64_t>(offset - base_offset_, std::numeric_limits<std::int32_t>::max());
  const auto found = file_.last_not_above(relative);
  return found ? decode(found->entry) : OffsetPosition{base_offset_, 0};
}

std::optional<OffsetPosition> OffsetIndex::first_from(std::uint64_t position) const {
  const auto before = file_.last_not_above(static_cast<std::int64_t>(position) - 1, IndexFile::Field::value);
  const std::size_t index = before ? before->index + 1 : 0;
  if (index >= file_.count()) return std::nullopt;
  const OffsetPosition found = entry(index);
  if (found.position < position) return std::nullopt;  // the file was shortened from outside
  return found;
}

void OffsetIndex::truncate_to(std::int64_t offset) {
  const auto found = file_.last_not_above(offset - 1 - base_offset_);
  file_.truncate(found ? found->index + 1 : 0);
}

bool OffsetIndex::is_full(std::int64_t index_bytes_max) const {
  return static_cast<std::int64_t>(file_.count()) >= index_bytes_max / static_cast<std::int64_t>(kEntrySize);
}

}  // namespace storage
