#include "zk/server/commit_delay.h"

#include <gtest/gtest.h>

namespace zk::server {
namespace {

using namespace std::chrono_literals;

TEST(CommitDelay, OneClientNeverWaits) {
  CommitDelay delay;
  EXPECT_FALSE(delay.should_wait(1, 0us));
  delay.on_answered(1, 0, 150us, 160us);
  EXPECT_FALSE(delay.should_wait(1, 165us));
}

TEST(CommitDelay, WaitsForThoseThatHadAnAnswerAndGoesWhenAllAreThere) {
  CommitDelay delay;
  delay.on_answered(6, 10, 150us, 1000us);
  EXPECT_TRUE(delay.should_wait(10, 1001us));
  EXPECT_TRUE(delay.should_wait(15, 1050us));
  EXPECT_FALSE(delay.should_wait(16, 1051us));
  delay.on_answered(16, 0, 150us, 1300us);
  EXPECT_TRUE(delay.should_wait(3, 1310us));
}

TEST(CommitDelay, WaitsForAPartOfASyncButNeverLong) {
  CommitDelay delay;
  delay.on_answered(8, 0, 100us, 1000us);
  EXPECT_TRUE(delay.should_wait(1, 1074us));
  EXPECT_FALSE(delay.should_wait(1, 1075us));
  CommitDelay slow_disk;
  slow_disk.on_answered(8, 0, 20ms, 1000us);
  EXPECT_TRUE(slow_disk.should_wait(1, 1149us));
  EXPECT_FALSE(slow_disk.should_wait(1, 1150us));
}

TEST(CommitDelay, WhereItDoesNotHelpItIsTriedEverMoreSeldom) {
  CommitDelay delay;
  auto waits = [&] {
    delay.on_answered(8, 0, 100us, 0us);
    if (!delay.should_wait(1, 1us)) return false;
    EXPECT_FALSE(delay.should_wait(1, 80us));
    return true;
  };
  std::string tries;
  for (int group = 0; group < 16; ++group) tries += waits() ? 'w' : '.';
  EXPECT_EQ(tries, "w.w...w.......w.");
  // Once all came back, it waits each time.
  for (int group = 0; group < 63 && !waits(); ++group) {
  }
  delay.on_answered(8, 0, 100us, 0us);
  for (int group = 0; group < 63 && !delay.should_wait(1, 1us); ++group) {
  }
  EXPECT_FALSE(delay.should_wait(8, 10us));
  EXPECT_TRUE(waits());
}

// One that is late each time doesn't keep the others from sharing a sync.
TEST(CommitDelay, ItHasHelpedIfHalfOfTheMissingOnesCame) {
  CommitDelay delay;
  for (int group = 0; group < 3; ++group) {
    delay.on_answered(8, 0, 100us, 0us);
    EXPECT_TRUE(delay.should_wait(2, 1us));
    EXPECT_TRUE(delay.should_wait(4, 2us));
    EXPECT_FALSE(delay.should_wait(5, 80us));
  }
  delay.on_answered(8, 0, 100us, 0us);
  EXPECT_TRUE(delay.should_wait(2, 1us));
  EXPECT_FALSE(delay.should_wait(4, 80us));
  delay.on_answered(8, 0, 100us, 0us);
  EXPECT_FALSE(delay.should_wait(2, 1us));
}

}  // namespace
}  // namespace zk::server
