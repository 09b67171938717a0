#include "log/cleaner/offset_map.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace storage {

void OffsetMap::Free::operator()(Slot* slots) const { std::free(slots); }

OffsetMap::OffsetMap(std::size_t memory_bytes, double load_factor)
    : slot_count_(std::max<std::size_t>(2, memory_bytes / kSlotBytes)),
      home_count_(slot_count_ - std::max<std::size_t>(1, slot_count_ / 64)),
      size_max_(std::clamp<std::size_t>(static_cast<std::size_t>(static_cast<double>(slot_count_) * load_factor), 1,
                                        home_count_)),
      // calloc, since zeroed pages of the system cost nothing until they are used.
      slots_(static_cast<Slot*>(std::calloc(slot_count_, sizeof(Slot)))) {
  if (!slots_) throw std::bad_alloc();
}

// Homes grow with the hashes, so all of the table is in the order of the hashes, with gaps.
bool OffsetMap::put(const KeyHash& key, std::int64_t offset) {
  if (size_ >= size_max_) return false;
  std::size_t at = home(key);
  while (at < slot_count_ && slots_[at].offset_and_one != 0 && slots_[at].key < key) ++at;
  if (at == slot_count_) return false;
  if (slots_[at].offset_and_one != 0) {
    if (slots_[at].key == key) {
      slots_[at].offset_and_one = offset + 1;
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

std::int64_t OffsetMap::get(const KeyHash& key) const {
  for (std::size_t at = home(key); at < slot_count_ && slots_[at].offset_and_one != 0; ++at) {
    if (slots_[at].key >= key) return slots_[at].key == key ? slots_[at].offset_and_one - 1 : -1;
  }
  return -1;
}

}  // namespace storage
