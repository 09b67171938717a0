#include "log/cleaner/throttle.h"

#include <gtest/gtest.h>

#include <limits>

namespace storage {
namespace {

TEST(Throttle, KeepsTheRate) {
  Throttle throttle(1000);
  EXPECT_EQ(throttle.account(500, 0), 500);
  EXPECT_EQ(throttle.account(500, 0), 1000);      // another thread adds to it
  EXPECT_EQ(throttle.account(100, 10'000), 100);  // time that passed idle isn't saved up
}

TEST(Throttle, UnlimitedNeverWaits) {
  Throttle throttle(std::numeric_limits<double>::max());
  EXPECT_EQ(throttle.account(std::uint64_t{1} << 40, 5), 0);
}

}  // namespace
}  // namespace storage
