#include "log/cleaner/cleanable.h"

#include <gtest/gtest.h>

namespace storage {
namespace {

constexpr std::int64_t kNow = 1'000'000;

// Segments 0, 10, 20, … of 100 bytes, with times 1000, 2000, …; the last is active.
CleaningFacts facts_of(int segments) {
  CleaningFacts facts;
  for (int i = 0; i < segments; ++i) facts.segments.push_back({i * 10, 100, (i + 1) * 1000, (i + 1) * 1000});
  facts.offsets.log_end_offset = segments * 10;
  facts.offsets.high_watermark = facts.offsets.last_stable_offset = facts.offsets.log_end_offset;
  return facts;
}

TEST(Cleanable, NeverTheActiveSegment) {
  Cleanable one = find_cleanable(facts_of(1), kNow);
  EXPECT_FALSE(one.worth_cleaning);
  EXPECT_EQ(one.first_uncleanable_offset, 0);
  Cleanable three = find_cleanable(facts_of(3), kNow);
  EXPECT_TRUE(three.worth_cleaning);
  EXPECT_EQ(three.first_dirty_offset, 0);
  EXPECT_EQ(three.first_uncleanable_offset, 20);
  EXPECT_EQ(three.cleanable_bytes, 200u);
  EXPECT_EQ(three.ratio, 1.0);
}

TEST(Cleanable, NotBeyondTheLastStableOffsetInWholeSegments) {
  CleaningFacts facts = facts_of(5);
  facts.offsets.last_stable_offset = 25;
  EXPECT_EQ(find_cleanable(facts, kNow).first_uncleanable_offset, 20);
  facts.offsets.last_stable_offset = 30;
  EXPECT_EQ(find_cleanable(facts, kNow).first_uncleanable_offset, 30);
  facts.offsets.last_stable_offset = 3;
  EXPECT_EQ(find_cleanable(facts, kNow).first_uncleanable_offset, 0);
  EXPECT_FALSE(find_cleanable(facts, kNow).worth_cleaning);
}

TEST(Cleanable, DirtyRatioMustBeExceeded) {
  CleaningFacts facts = facts_of(5);
  facts.checkpoint = 20;
  Cleanable half = find_cleanable(facts, kNow);
  EXPECT_EQ(half.clean_bytes, 200u);
  EXPECT_EQ(half.cleanable_bytes, 200u);
  EXPECT_EQ(half.ratio, 0.5);
  EXPECT_FALSE(half.worth_cleaning);
  facts.min_cleanable_dirty_ratio = 0.49;
  EXPECT_TRUE(find_cleanable(facts, kNow).worth_cleaning);
  // Where the map was full within a segment, it counts on both sides.
  facts.checkpoint = 15;
  EXPECT_EQ(find_cleanable(facts, kNow).clean_bytes, 200u);
  EXPECT_EQ(find_cleanable(facts, kNow).cleanable_bytes, 300u);
  facts.checkpoint = 50;
  EXPECT_EQ(find_cleanable(facts, kNow).cleanable_bytes, 0u);
  EXPECT_FALSE(find_cleanable(facts, kNow).worth_cleaning);
}

TEST(Cleanable, NothingYoungerThanMinCompactionLag) {
  CleaningFacts facts = facts_of(5);
  facts.min_compaction_lag_ms = 500;
  EXPECT_EQ(find_cleanable(facts, 3500).first_uncleanable_offset, 30);
  EXPECT_EQ(find_cleanable(facts, 3499).first_uncleanable_offset, 20);
  EXPECT_EQ(find_cleanable(facts, 0).first_uncleanable_offset, 0);
}

TEST(Cleanable, MaxCompactionLagForcesIt) {
  CleaningFacts facts = facts_of(5);
  facts.checkpoint = 30;  // one segment of four is dirty
  facts.max_compaction_lag_ms = 500;
  Cleanable late = find_cleanable(facts, 4501);
  EXPECT_EQ(late.compaction_delay_ms, 1);
  EXPECT_TRUE(late.worth_cleaning);
  EXPECT_EQ(find_cleanable(facts, 4500).compaction_delay_ms, 0);
  EXPECT_FALSE(find_cleanable(facts, 4500).worth_cleaning);
  for (SegmentFacts& segment : facts.segments) segment.first_batch_timestamp = -1;
  EXPECT_FALSE(find_cleanable(facts, kNow).worth_cleaning);
}

TEST(Cleanable, ACheckpointOutsideOfTheLogBeginsAnew) {
  CleaningFacts facts = facts_of(5);
  facts.offsets.log_start_offset = 12;
  EXPECT_EQ(find_cleanable(facts, kNow).first_dirty_offset, 12);
  EXPECT_FALSE(find_cleanable(facts, kNow).checkpoint_invalid);
  for (std::int64_t checkpoint : {0, 11, 51, 1000}) {
    facts.checkpoint = checkpoint;
    EXPECT_EQ(find_cleanable(facts, kNow).first_dirty_offset, 12);
    EXPECT_TRUE(find_cleanable(facts, kNow).checkpoint_invalid);
  }
  facts.checkpoint = 50;
  EXPECT_FALSE(find_cleanable(facts, kNow).checkpoint_invalid);
}

std::vector<std::size_t> counts(const std::vector<CleaningSource>& sources, std::int64_t bytes, std::int64_t index,
                                std::int64_t uncleanable) {
  std::vector<std::size_t> result;
  std::size_t next = 0;
  for (const SourceGroup& group : group_sources(sources, bytes, index, uncleanable)) {
    EXPECT_EQ(group.first, next);
    next += group.count;
    result.push_back(group.count);
  }
  EXPECT_EQ(next, sources.size());
  return result;
}

TEST(GroupSources, ByBytesIndexesAndSpan) {
  using Counts = std::vector<std::size_t>;
  std::vector<CleaningSource> sources;
  for (int i = 0; i < 5; ++i) sources.push_back({i * 10, 100, 0, 16, 24});
  EXPECT_EQ(counts(sources, 1000, 1000, 50), (Counts{5}));
  EXPECT_EQ(counts(sources, 200, 1000, 50), (Counts{2, 2, 1}));
  EXPECT_EQ(counts(sources, 199, 1000, 50), (Counts{1, 1, 1, 1, 1}));
  EXPECT_EQ(counts(sources, 10, 1000, 50), (Counts{1, 1, 1, 1, 1}));
  EXPECT_EQ(counts(sources, 1000, 72, 50), (Counts{3, 2}));
  constexpr std::int64_t kSpan = std::int64_t{1} << 31;
  // The last one's end is that of the first uncleanable segment.
  EXPECT_EQ(counts(sources, 1000, 1000, kSpan), (Counts{5}));
  EXPECT_EQ(counts(sources, 1000, 1000, kSpan + 1), (Counts{4, 1}));
  sources[4].size = 0;
  EXPECT_EQ(counts(sources, 1000, 1000, kSpan + 1), (Counts{5}));
  sources[3].base_offset = kSpan + 5;
  sources[4].base_offset = kSpan + 9;
  EXPECT_EQ(counts(sources, 1000, 1000, kSpan + 20), (Counts{2, 3}));
  EXPECT_EQ(counts({}, 1000, 1000, 50), Counts{});
}

}  // namespace
}  // namespace storage
