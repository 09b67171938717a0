#include "log/cleaner/cleanable.h"

#include <algorithm>

namespace storage {
namespace {

// Segments from the one that holds `offset` on.
std::size_t index_of(const std::vector<SegmentFacts>& segments, std::int64_t offset) {
  auto above = std::upper_bound(segments.begin(), segments.end(), offset,
                                [](std::int64_t value, const SegmentFacts& one) { return value < one.base_offset; });
  return above == segments.begin() ? 0 : static_cast<std::size_t>(above - segments.begin()) - 1;
}

// The time of the oldest dirty record against max.compaction.lag.ms, where only the first batch of a segment is looked
// at.
std::int64_t compaction_delay(const CleaningFacts& facts, std::size_t first_dirty, std::int64_t now_ms) {
  std::int64_t earliest = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = first_dirty; i + 1 < facts.segments.size(); ++i) {
    if (facts.segments[i].first_batch_timestamp > 0) {
      earliest = std::min(earliest, facts.segments[i].first_batch_timestamp);
    }
  }
  const std::int64_t clean_until = now_ms - std::max<std::int64_t>(facts.max_compaction_lag_ms, 0);
  return earliest < clean_until ? clean_until - earliest : 0;
}

}  // namespace

Cleanable find_cleanable(const CleaningFacts& facts, std::int64_t now_ms) {
  Cleanable result;
  const auto& segments = facts.segments;
  const std::int64_t log_start = facts.offsets.log_start_offset;
  result.first_dirty_offset = facts.checkpoint.value_or(log_start);
  if (result.first_dirty_offset < log_start || result.first_dirty_offset > facts.offsets.log_end_offset) {
    result.first_dirty_offset = log_start;
    result.checkpoint_invalid = true;
  }
  const std::size_t first_dirty = index_of(segments, result.first_dirty_offset);

  std::int64_t bound = std::min(facts.offsets.last_stable_offset, segments.back().base_offset);
  if (facts.min_compaction_lag_ms > 0) {
    for (std::size_t i = first_dirty; i + 1 < segments.size(); ++i) {
      if (segments[i].largest_timestamp <= now_ms - facts.min_compaction_lag_ms) continue;
      bound = std::min(bound, segments[i].base_offset);
      break;
    }
  }
  bound = std::max(bound, result.first_dirty_offset);
  const std::size_t first_uncleanable = index_of(segments, bound);
  result.first_uncleanable_offset = segments[first_uncleanable].base_offset;

  for (const SegmentFacts& segment : segments) {
    if (segment.base_offset < result.first_dirty_offset) result.clean_bytes += segment.size;
  }
  for (std::size_t i = first_dirty; i < first_uncleanable; ++i) result.cleanable_bytes += segments[i].size;
  const std::uint64_t total = result.clean_bytes + result.cleanable_bytes;
  if (total == 0) return result;
  result.ratio = static_cast<double>(result.cleanable_bytes) / static_cast<double>(total);
  result.compaction_delay_ms = compaction_delay(facts, first_dirty, now_ms);
  result.worth_cleaning =
      (result.compaction_delay_ms > 0 && result.cleanable_bytes > 0) || result.ratio > facts.min_cleanable_dirty_ratio;
  return result;
}

std::vector<SourceGroup> group_sources(const std::vector<CleaningSource>& sources, std::int64_t segment_bytes,
                                       std::int64_t segment_index_bytes, std::int64_t first_uncleanable_offset) {
  constexpr std::int64_t kSpanMax = std::numeric_limits<std::int32_t>::max();
  const auto bytes_max = static_cast<std::uint64_t>(std::max<std::int64_t>(segment_bytes, 0));
  const auto index_max = static_cast<std::uint64_t>(std::max<std::int64_t>(segment_index_bytes, 0));
  std::vector<SourceGroup> groups;
  for (std::size_t at = 0; at < sources.size();) {
    SourceGroup group{at, 1};
    std::uint64_t bytes = sources[at].size;
    std::uint64_t index = sources[at].offset_index_bytes;
    std::uint64_t time_index = sources[at].time_index_bytes;
    for (std::size_t next = at + 1; next < sources.size(); ++next) {
      const CleaningSource& source = sources[next];
      // The last offset that it can have, since finding the one it has needs a read.
      const std::int64_t last_offset =
          (next + 1 < sources.size() ? sources[next + 1].base_offset : first_uncleanable_offset) - 1;
      const bool span_fits = source.size == 0 || last_offset - sources[at].base_offset <= kSpanMax;
      if (!span_fits || bytes + source.size > bytes_max || index + source.offset_index_bytes > index_max ||
          time_index + source.time_index_bytes > index_max) {
        break;
      }
      bytes += source.size;
      index += source.offset_index_bytes;
      time_index += source.time_index_bytes;
      ++group.count;
    }
    groups.push_back(group);
    at += group.count;
  }
  return groups;
}

}  // namespace storage
