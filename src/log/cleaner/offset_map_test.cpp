#include "log/cleaner/offset_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace storage {
namespace {

TEST(OffsetMap, KeepsTheNewestOffset) {
  OffsetMap map(OffsetMap::kSlotBytes * 100, 0.9);
  EXPECT_EQ(map.get({1, 2}), -1);
  EXPECT_TRUE(map.put({1, 2}, 0));
  EXPECT_EQ(map.get({1, 2}), 0);
  EXPECT_TRUE(map.put({1, 2}, 7));
  EXPECT_TRUE(map.put({1, 3}, 8));
  EXPECT_EQ(map.get({1, 2}), 7);
  EXPECT_EQ(map.get({1, 3}), 8);
  EXPECT_EQ(map.get({0, 0}), -1);
  EXPECT_EQ(map.size(), 2u);
}

TEST(OffsetMap, TakesOneKeyAtLeastAndNotMoreThanItMay) {
  OffsetMap tiny(0, 0.1);
  EXPECT_TRUE(tiny.put({5, 5}, 1));
  EXPECT_FALSE(tiny.put({6, 6}, 2));
  EXPECT_FALSE(tiny.put({5, 5}, 3));
  EXPECT_EQ(tiny.get({5, 5}), 1);
  OffsetMap half(OffsetMap::kSlotBytes * 100, 0.5);
  std::mt19937_64 random(1);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(half.put({random(), random()}, i));
  EXPECT_FALSE(half.put({random(), random()}, 50));
  EXPECT_EQ(half.utilization(), 0.5);
}

// Keys of one home, as many as an attacker could never find: they still are all there, or refused.
TEST(OffsetMap, RunsAtTheEndOfTheTable) {
  for (std::size_t slots : {128U, 5000U, 100'000U}) {
    OffsetMap map(OffsetMap::kSlotBytes * slots, 0.9);
    std::int64_t taken = 0;
    while (map.put({~std::uint64_t{0}, static_cast<std::uint64_t>(taken)}, taken)) ++taken;
    EXPECT_GT(taken, static_cast<std::int64_t>(slots / 64));
    for (std::int64_t i = 0; i < taken; ++i) EXPECT_EQ(map.get({~std::uint64_t{0}, static_cast<std::uint64_t>(i)}), i);
    EXPECT_EQ(map.get({~std::uint64_t{0}, ~std::uint64_t{0}}), -1);
  }
}

TEST(OffsetMap, GrowsUpToItsBoundAndNoFurther) {
  constexpr std::size_t kSlots = 11 * OffsetMap::kFirstSlots;
  OffsetMap map(OffsetMap::kSlotBytes * kSlots, 0.75);
  std::mt19937_64 random(3);
  std::vector<KeyHash> keys;
  while (true) {
    const KeyHash key{random(), random()};
    if (!map.put(key, static_cast<std::int64_t>(keys.size()))) break;
    keys.push_back(key);
  }
  EXPECT_EQ(keys.size(), kSlots * 3 / 4);
  EXPECT_EQ(map.size_max(), kSlots * 3 / 4);
  EXPECT_EQ(map.utilization(), 0.75);
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(map.get(keys[i]), static_cast<std::int64_t>(i));
}

TEST(OffsetMap, KeepsWhatIsThereIfAsked) {
  OffsetMap map(OffsetMap::kSlotBytes * 100, 0.9);
  bool was_absent = false;
  ASSERT_TRUE(map.put_if_absent({1, 1}, 7, was_absent));
  EXPECT_TRUE(was_absent);
  ASSERT_TRUE(map.put_if_absent({1, 1}, 5, was_absent));
  EXPECT_FALSE(was_absent);
  EXPECT_EQ(map.get({1, 1}), 7);
  EXPECT_EQ(map.size(), 1u);
}

TEST(OffsetMap, TellsWhatSoManyKeysTake) {
  OffsetMap map(OffsetMap::kSlotBytes * 100'000, 0.9);
  EXPECT_EQ(map.memory_bytes(), OffsetMap::kSlotBytes * OffsetMap::kFirstSlots);
  EXPECT_EQ(map.memory_bytes_with(0), map.memory_bytes());
  EXPECT_EQ(map.memory_bytes_with(100'000), OffsetMap::kSlotBytes * 100'000);
  std::mt19937_64 random(1);
  const std::size_t told = map.memory_bytes_with(20'000);
  EXPECT_EQ(told, OffsetMap::kSlotBytes * 32 * 1024);
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(map.put({random(), random()}, i));
  EXPECT_EQ(map.memory_bytes(), told);
  EXPECT_EQ(map.memory_bytes_with(0), told);
  EXPECT_EQ(map.memory_bytes_with(10'000), OffsetMap::kSlotBytes * 64 * 1024);
}

TEST(OffsetMap, AgreesWithAMap) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    OffsetMap map(OffsetMap::kSlotBytes * (10 + random() % 5000), 0.9);
    std::map<std::uint64_t, std::int64_t> model;
    const std::uint64_t spread = seed % 2 == 0 ? ~std::uint64_t{0} : 64;  // the latter makes long runs
    for (std::int64_t offset = 0; offset < 20'000; ++offset) {
      const std::uint64_t high = random() % spread * (~std::uint64_t{0} / spread);
      const std::uint64_t key = high ^ (random() % 4);
      if (!map.put({key, ~key}, offset)) break;
      model[key] = offset;
    }
    EXPECT_EQ(map.size(), model.size());
    for (const auto& [key, offset] : model) {
      EXPECT_EQ(map.get({key, ~key}), offset);
      EXPECT_EQ(map.get({key, ~key ^ 1}), -1);
    }
  }
}

}  // namespace
}  // namespace storage
