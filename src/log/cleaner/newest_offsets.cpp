#include "log/cleaner/newest_offsets.h"

#include <algorithm>
#include <bit>

namespace storage {
namespace {

constexpr std::uint64_t kWordBits = 64;

}  // namespace

NewestOffsets::NewestOffsets(std::int64_t first_offset, std::size_t memory_bytes_max)
    : first_offset_(first_offset), bits_max_(memory_bytes_max / sizeof(std::uint64_t) * kWordBits) {}

void NewestOffsets::add(std::int64_t offset) { add_all(offset, offset); }

void NewestOffsets::add_all(std::int64_t first, std::int64_t last) {
  first = std::max(first, first_offset_);
  if (first > last) return;
  if (first <= last_added_) give_up();
  last_added_ = last;
  const auto begin = static_cast<std::uint64_t>(first - first_offset_);
  if (begin >= bits_max_) return;
  const std::uint64_t end = std::min(bits_max_, static_cast<std::uint64_t>(last - first_offset_) + 1);
  if (end > words_.size() * kWordBits) words_.resize((end + kWordBits - 1) / kWordBits);
  for (std::uint64_t bit = begin; bit < end;) {
    const std::uint64_t within = bit % kWordBits;
    const std::uint64_t count = std::min(kWordBits - within, end - bit);
    words_[bit / kWordBits] |= (~std::uint64_t{0} >> (kWordBits - count)) << within;
    bit += count;
  }
}

void NewestOffsets::add_older(std::int64_t offset) {
  const auto bit = static_cast<std::uint64_t>(offset - first_offset_);
  if (bit / kWordBits >= words_.size()) words_.resize(bit / kWordBits + 1);
  words_[bit / kWordBits] |= std::uint64_t{1} << (bit % kWordBits);
}

void NewestOffsets::drop(std::int64_t offset) {
  if (offset < first_offset_) return;
  const auto bit = static_cast<std::uint64_t>(offset - first_offset_);
  if (bit / kWordBits < words_.size()) words_[bit / kWordBits] &= ~(std::uint64_t{1} << (bit % kWordBits));
}

bool NewestOffsets::covers(std::int64_t first, std::int64_t last) const {
  return first >= first_offset_ && last >= first && static_cast<std::uint64_t>(last - first_offset_) < bits_max_;
}

std::optional<std::int64_t> NewestOffsets::next(std::int64_t from, std::int64_t last) const {
  if (from > last) return std::nullopt;
  const auto begin = static_cast<std::uint64_t>(from - first_offset_);
  const auto end = static_cast<std::uint64_t>(last - first_offset_) + 1;
  std::uint64_t mask = ~std::uint64_t{0} << (begin % kWordBits);
  for (std::uint64_t word = begin / kWordBits; word * kWordBits < end && word < words_.size(); ++word) {
    const std::uint64_t bits = words_[word] & mask;
    mask = ~std::uint64_t{0};
    if (bits == 0) continue;
    const std::uint64_t bit = word * kWordBits + static_cast<std::uint64_t>(std::countr_zero(bits));
    if (bit >= end) return std::nullopt;
    return first_offset_ + static_cast<std::int64_t>(bit);
  }
  return std::nullopt;
}

}  // namespace storage
