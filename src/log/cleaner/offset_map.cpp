#include "log/cleaner/offset_map.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace storage {

void OffsetMap::Free::operator()(Slot* slots) const { std::free(slots); }

OffsetMap::OffsetMap(std::size_t memory_bytes_max, double load_factor)
    : slot_count_max_(std::max<std::size_t>(2, memory_bytes_max / kSlotBytes)), load_factor_(load_factor) {
  set_slot_count(slot_count_max_);
  size_max_ = size_before_growth_;
  set_slot_count(std::min(slot_count_max_, kFirstSlots));
  slots_.reset(static_cast<Slot*>(std::calloc(slot_count_, sizeof(Slot))));
  if (!slots_) throw std::bad_alloc();
}

namespace {

std::size_t home_count_of(std::size_t slots) { return slots - std::max<std::size_t>(1, slots / 64); }

}  // namespace

std::size_t OffsetMap::size_before_growth_of(std::size_t count) const {
  const auto loaded = static_cast<std::size_t>(static_cast<double>(count) * load_factor_);
  return std::clamp<std::size_t>(loaded, 1, home_count_of(count));
}

std::size_t OffsetMap::next_slot_count(std::size_t count) const {
  return count > slot_count_max_ / 2 ? slot_count_max_ : count * 2;
}

void OffsetMap::set_slot_count(std::size_t count) {
  slot_count_ = count;
  home_count_ = home_count_of(count);
  size_before_growth_ = size_before_growth_of(count);
}

std::size_t OffsetMap::memory_bytes_with(std::size_t keys) const {
  std::size_t count = slot_count_;
  // put() grows a table that is full before it looks for the key.
  while (count < slot_count_max_ && size_ + keys >= size_before_growth_of(count)) count = next_slot_count(count);
  return count * kSlotBytes;
}

bool OffsetMap::put(const KeyHash& key, std::int64_t offset, std::int64_t& replaced) {
  return put(key, offset, replaced, true);
}

bool OffsetMap::put_if_absent(const KeyHash& key, std::int64_t offset, bool& was_absent) {
  std::int64_t there = -1;
  const bool done = put(key, offset, there, false);
  was_absent = there < 0;
  return done;
}

bool OffsetMap::put(const KeyHash& key, std::int64_t offset, std::int64_t& there, bool replace) {
  there = -1;
  if (size_ >= size_max_) return false;
  if (size_ >= size_before_growth_ && !grow()) return false;
  while (!put_here(key, offset, there, replace)) {
    if (!grow()) return false;
  }
  return true;
}

// Homes grow with the hashes, so all of the table is in the order of the hashes, with gaps.
bool OffsetMap::put_here(const KeyHash& key, std::int64_t offset, std::int64_t& there, bool replace) {
  std::size_t at = home(key);
  while (at < slot_count_ && slots_[at].offset_and_one != 0 && slots_[at].key < key) ++at;
  if (at == slot_count_) return false;
  if (slots_[at].offset_and_one != 0) {
    if (slots_[at].key == key) {
      there = slots_[at].offset_and_one - 1;
      if (replace) slots_[at].offset_and_one = offset + 1;
      return true;
    }
    std::size_t empty = at + 1;
    while (empty < slot_count_ && slots_[empty].offset_and_one != 0) ++empty;
    if (empty == slot_count_) return false;
    std::copy_backward(&slots_[at], &slots_[empty], &slots_[empty + 1]);
  }
  slots_[at] = {key, offset + 1};
  ++size_;
  return true;
}

// In place, by one pass, as the order stays: all entries are moved to the end, and from there each to its new home or
// behind the one before. No place lies behind where its entry comes from: in the smaller table there was room for all
// that follow, and here there is no less.
bool OffsetMap::grow() {
  if (slot_count_ == slot_count_max_) return false;
  const std::size_t count = next_slot_count(slot_count_);
  Slot* const old = slots_.release();
  auto* const slots = static_cast<Slot*>(std::realloc(static_cast<void*>(old), count * sizeof(Slot)));
  slots_.reset(slots != nullptr ? slots : old);
  if (slots == nullptr) return false;
  Slot* const packed =
      std::remove_if(slots, slots + slot_count_, [](const Slot& slot) { return slot.offset_and_one == 0; });
  set_slot_count(count);
  Slot* const end = slots + count;
  std::size_t next = 0;
  for (Slot* from = std::copy_backward(slots, packed, end); from != end; ++from) {
    const Slot slot = *from;
    const std::size_t at = std::max(home(slot.key), next);
    std::fill(slots + next, slots + at, Slot{});
    slots[at] = slot;
    next = at + 1;
  }
  std::fill(slots + next, end, Slot{});
  return true;
}

std::int64_t OffsetMap::get(const KeyHash& key) const {
  for (std::size_t at = home(key); at < slot_count_ && slots_[at].offset_and_one != 0; ++at) {
    if (slots_[at].key >= key) return slots_[at].key == key ? slots_[at].offset_and_one - 1 : -1;
  }
  return -1;
}

}  // namespace storage
