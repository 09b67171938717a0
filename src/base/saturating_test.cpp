#include "base/saturating.h"

#include <gtest/gtest.h>

namespace base {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(Saturating, StaysAtTheEnds) {
  EXPECT_EQ(saturating_add(2, 3), 5);
  EXPECT_EQ(saturating_add(kMax, 1), kMax);
  EXPECT_EQ(saturating_add(1, kMax), kMax);
  EXPECT_EQ(saturating_add(kMin, -1), kMin);
  EXPECT_EQ(saturating_add(kMin, kMax), -1);
  EXPECT_EQ(saturating_sub(2, 3), -1);
  EXPECT_EQ(saturating_sub(kMin, 1), kMin);
  EXPECT_EQ(saturating_sub(0, kMin), kMax);
  EXPECT_EQ(saturating_sub(kMax, -1), kMax);
  EXPECT_EQ(saturating_sub(kMin, kMin), 0);
}

TEST(Saturating, EveryWaitEndsAfterNow) {
  EXPECT_EQ(saturating_wait(5).count(), 5);
  EXPECT_EQ(saturating_wait(kMin).count(), 0);
  const auto now = std::chrono::steady_clock::now();
  EXPECT_GT(now + saturating_wait(kMax), now + std::chrono::hours(24));
}

}  // namespace
}  // namespace base
