// Which part of a log may be cleaned, whether that is worth it now, and how its segments are put together: Kafka's
// rules, without IO, clock or locks.
//   0 … clean … first dirty … cleanable … first uncleanable … log end
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "log/log_compaction.h"

namespace storage {

struct Cleanable {
  std::int64_t first_dirty_offset = 0;
  std::int64_t first_uncleanable_offset = 0;  // the base of a segment, which isn't touched
  std::uint64_t clean_bytes = 0;              // of the segments that begin below the first dirty offset
  std::uint64_t cleanable_bytes = 0;          // of those from there on; one that holds it counts in both
  double ratio = 0;                           // of what is dirty
  std::int64_t compaction_delay_ms = 0;       // how long ago max.compaction.lag.ms asked for a cleaning; 0: it doesn't
  bool worth_cleaning = false;
  // The checkpoint lies outside of the log (or below its start): cleaning begins anew.
  bool checkpoint_invalid = false;
};

Cleanable find_cleanable(const CleaningFacts& facts, std::int64_t now_ms);

// Neighbours that become one segment: as many as stay within segment.bytes, segment.index.bytes for either index, and
// an index's span of 2^31-1 offsets. Each group is a range of `sources`: first and count.
struct SourceGroup {
  std::size_t first = 0;
  std::size_t count = 0;
};
std::vector<SourceGroup> group_sources(const std::vector<CleaningSource>& sources, std::int64_t segment_bytes,
                                       std::int64_t segment_index_bytes, std::int64_t first_uncleanable_offset);

}  // namespace storage
