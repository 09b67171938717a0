#include "log/cleaner/newest_offsets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace storage {
namespace {

constexpr std::size_t kEnough = 1 << 20;

TEST(NewestOffsets, KnowsWhatWasAddedAndNotDropped) {
  NewestOffsets newest(100, kEnough);
  newest.add(99);  // below the first
  newest.add(100);
  newest.add(163);
  newest.add(164);
  newest.drop(-1);
  newest.drop(50);
  newest.drop(163);
  newest.drop(10'000'000);
  EXPECT_TRUE(newest.covers(100, 100'000));
  EXPECT_FALSE(newest.covers(99, 100));
  EXPECT_EQ(newest.next(100, 1000), 100);
  EXPECT_EQ(newest.next(101, 1000), 164);
  EXPECT_EQ(newest.next(101, 163), std::nullopt);
  EXPECT_EQ(newest.next(101, 164), 164);
  EXPECT_EQ(newest.next(165, 1000), std::nullopt);
  EXPECT_EQ(newest.next(1001, 1000), std::nullopt);
}

TEST(NewestOffsets, CoversNothingOnceOffsetsDontAscend) {
  NewestOffsets newest(0, kEnough);
  newest.add(5);
  newest.add(6);
  EXPECT_TRUE(newest.covers(0, 6));
  newest.add(6);
  EXPECT_FALSE(newest.covers(0, 6));
  EXPECT_FALSE(newest.covers(7, 8));
}

TEST(NewestOffsets, EndsWhereItsMemoryDoes) {
  NewestOffsets newest(1000, 16);  // 128 offsets
  for (std::int64_t offset = 1000; offset < 2000; ++offset) newest.add(offset);
  EXPECT_TRUE(newest.covers(1000, 1127));
  EXPECT_FALSE(newest.covers(1000, 1128));
  EXPECT_EQ(newest.next(1127, 1127), 1127);
  EXPECT_FALSE(NewestOffsets(0, 7).covers(0, 0));
}

TEST(NewestOffsets, RangesAreAsTheirOffsets) {
  std::mt19937 random(3);
  auto below = [&](std::int64_t bound) { return static_cast<std::int64_t>(random()) % bound; };
  for (int round = 0; round < 200; ++round) {
    NewestOffsets newest(10, 100);
    std::set<std::int64_t> model;
    std::int64_t at = 0;
    while (at < 900) {
      const std::int64_t first = at + below(70);
      const std::int64_t last = first + below(150);
      newest.add_all(first, last);
      for (std::int64_t offset = std::max<std::int64_t>(first, 10); offset <= last; ++offset) model.insert(offset);
      at = last + 1;
    }
    for (int i = 0; i < 100; ++i) {
      const std::int64_t offset = below(900);
      newest.drop(offset);
      model.erase(offset);
    }
    constexpr std::int64_t kEnd = 10 + 96 * 8;  // whole words
    EXPECT_TRUE(newest.covers(10, kEnd - 1));
    EXPECT_FALSE(newest.covers(10, kEnd));
    for (std::int64_t from = 10; from < kEnd; ++from) {
      const std::int64_t last = from + below(kEnd - from);
      const auto expected = model.lower_bound(from);
      const auto found = newest.next(from, last);
      ASSERT_EQ(found.has_value(), expected != model.end() && *expected <= last);
      if (found) {
        ASSERT_EQ(*found, *expected);
      }
    }
  }
}

TEST(NewestOffsets, OlderOnesAreAddedToo) {
  NewestOffsets newest(10, 1024);
  for (const std::int64_t offset : {500, 138, 75, 74, 73, 10}) newest.add_older(offset);
  std::vector<std::int64_t> found;
  for (auto at = newest.next(10, 600); at; at = newest.next(*at + 1, 600)) found.push_back(*at);
  EXPECT_EQ(found, (std::vector<std::int64_t>{10, 73, 74, 75, 138, 500}));
}

}  // namespace
}  // namespace storage
