// <base>.index: from offsets to places in the .log, 8 bytes an entry: int32 offset - base, int32 position. An entry's
// offset is the last of what was appended, its position the start of that; so a search for an offset begins at the
// position of the largest entry <= it and goes forward. Guarded by the log's mutex.
#pragma once

#include "log/index_file.h"

namespace storage {

struct OffsetPosition {
  std::int64_t offset = 0;
  std::uint64_t position = 0;
};

class OffsetIndex {
 public:
  OffsetIndex(const PartitionFiles& where, std::int64_t base_offset);

  // Ignored if the last entry isn't below it (a retried or foreign append).
  void append(std::int64_t offset, std::uint64_t position);
  OffsetPosition lookup(std::int64_t offset) const;  // {base, 0} if there is no smaller entry
  OffsetPosition last() const;                       // {base, 0} if empty
  // The first entry at or behind the position: nothing before the position reaches its offset.
  std::optional<OffsetPosition> first_from(std::uint64_t position) const;
  void truncate_to(std::int64_t offset);             // entries at or beyond `offset` go
  void clear() { file_.truncate(0); }
  bool is_full(std::int64_t index_bytes_max) const;
  IndexFile& file() { return file_; }
  std::size_t count() const { return file_.count(); }

 private:
  OffsetPosition decode(base::ByteView entry) const;
  OffsetPosition entry(std::size_t index) const;

  std::int64_t base_offset_;
  IndexFile file_;
};

}  // namespace storage
