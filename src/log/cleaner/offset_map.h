// From hashes of keys to the newest offset of each, in memory that is bounded from the start and grows with the keys, since
// memory that is touched for the first time costs more than a search: an open-addressing table of 24 bytes a slot, sorted
// by hash within its runs, so that a key which isn't there is found missing soon, however full the table is. Belongs to
// one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "log/cleaner/key_hash.h"

namespace storage {

class OffsetMap {
 public:
  static constexpr std::size_t kSlotBytes = 24;
  static constexpr std::size_t kFirstSlots = 1024;

  // `load_factor` of the slots may be used (log.cleaner.io.buffer.load.factor). At least one always may.
  OffsetMap(std::size_t memory_bytes_max, double load_factor);

  // The key's offset becomes this one; `replaced` is the one before, -1 if there was none. False if the map is full, which
  // it is for keys that it has too; nothing changes then.
  bool put(const KeyHash& key, std::int64_t offset, std::int64_t& replaced);
  bool put(const KeyHash& key, std::int64_t offset) {
    std::int64_t replaced = -1;
    return put(key, offset, replaced);
  }
  // For who comes from the newest to the oldest: a key that is there keeps its offset. False as put() says it.
  bool put_if_absent(const KeyHash& key, std::int64_t offset, bool& was_absent);
  std::int64_t get(const KeyHash& key) const;  // -1: not there
  void prefetch(const KeyHash& key) const { __builtin_prefetch(&slots_[home(key)]); }

  std::size_t size() const { return size_; }
  std::size_t size_max() const { return size_max_; }
  std::size_t memory_bytes() const { return slot_count_ * kSlotBytes; }
  // With so many keys more, which needn't be there. Small tables, and odd hashes, may grow a little sooner.
  std::size_t memory_bytes_with(std::size_t keys) const;
  // Of the slots that there may be.
  double utilization() const { return static_cast<double>(size_) / static_cast<double>(slot_count_max_); }

 private:
  struct Slot {
    KeyHash key;
    std::int64_t offset_and_one;  // 0: empty
  };
  static_assert(sizeof(Slot) == kSlotBytes);
  struct Free {
    void operator()(Slot* slots) const;
  };

  std::size_t home(const KeyHash& key) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::size_t>((static_cast<Wide>(key.high) * home_count_) >> 64);
  }

  std::size_t size_before_growth_of(std::size_t count) const;
  std::size_t next_slot_count(std::size_t count) const;
  void set_slot_count(std::size_t count);
  // Twice the slots, or as many as there may be. False if there are, or the system has no more memory.
  bool grow();
  // `there` is the offset that the key has already, -1 if none.
  bool put(const KeyHash& key, std::int64_t offset, std::int64_t& there, bool replace);
  // False, and unchanged, if the slots end.
  bool put_here(const KeyHash& key, std::int64_t offset, std::int64_t& there, bool replace);

  const std::size_t slot_count_max_;
  const double load_factor_;
  std::size_t size_max_ = 0;
  std::size_t slot_count_ = 0;
  std::size_t home_count_ = 0;       // the slots behind them take what the last runs push beyond the end
  std::size_t size_before_growth_ = 0;
  std::size_t size_ = 0;
  std::unique_ptr<Slot[], Free> slots_;
};

}  // namespace storage
