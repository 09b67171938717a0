// <base>.timeindex: from timestamps to offsets, 12 bytes an entry: int64 timestamp, int32 offset - base. An entry says:
// up to this offset no record of the segment is younger than this timestamp. Timestamps strictly increase. Guarded by
// the log's mutex.
#pragma once

#include "log/index_file.h"

namespace storage {

struct TimestampOffset {
  std::int64_t timestamp = -1;
  std::int64_t offset = 0;
};

class TimeIndex {
 public:
  TimeIndex(const PartitionFiles& where, std::int64_t base_offset);

  // Nothing if the timestamp isn't beyond the last one.
  void append(std::int64_t timestamp, std::int64_t offset);
  TimestampOffset lookup(std::int64_t timestamp) const;  // the last entry <= timestamp; {-1, base} if there is none
  TimestampOffset last() const;                          // {-1, base} if empty
  void truncate_to(std::int64_t offset);                 // entries at or beyond `offset` go
  void clear() { file_.truncate(0); }
  bool is_full(std::int64_t index_bytes_max) const;  // one slot is kept for the entry that a roll adds
  IndexFile& file() { return file_; }
  std::size_t count() const { return file_.count(); }

 private:
  TimestampOffset decode(base::ByteView entry) const;
  TimestampOffset entry(std::size_t index) const;

  std::int64_t base_offset_;
  IndexFile file_;
};

}  // namespace storage
