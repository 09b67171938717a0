// Which records of the dirty part may stay, a bit for each offset: while the part is mapped each record is added, and
// dropped once a newer one has its key. The copy behind it then needn't unpack a batch of which nothing stays, nor hash
// the keys that go. It may know less than there is to know, never wrong things: it gives up where offsets don't ascend, and
// ends where its memory does. Belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace storage {

class NewestOffsets {
 public:
  NewestOffsets(std::int64_t first_offset, std::size_t memory_bytes_max);

  // Each offset is larger than those before, else one bit would stand for two records. Smaller ones than the first are
  // none of its business.
  void add(std::int64_t offset);
  void add_all(std::int64_t first, std::int64_t last);
  void drop(std::int64_t offset);  // one that isn't there is ignored
  // For who comes from the newest to the oldest and adds only what may stay: each offset is covered and smaller than those
  // before, and takes the place of add().
  void add_older(std::int64_t offset);
  void give_up() { bits_max_ = 0; }

  // Whether all is known of these offsets, provided that all records up to there were added.
  bool covers(std::int64_t first, std::int64_t last) const;
  // The first of them, from `from` to `last`, that may stay. Only for what is covered.
  std::optional<std::int64_t> next(std::int64_t from, std::int64_t last) const;

 private:
  const std::int64_t first_offset_;
  std::uint64_t bits_max_;
  std::int64_t last_added_ = -1;
  std::vector<std::uint64_t> words_;
};

}  // namespace storage
