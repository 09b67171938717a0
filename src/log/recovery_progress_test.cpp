#include "log/recovery_progress.h"

#include <gtest/gtest.h>

namespace storage {
namespace {

TEST(RecoveryProgress, TellsEveryFewSeconds) {
  base::ManualClock clock;
  RecoveryProgress progress(clock, "/data", 200);
  EXPECT_EQ(progress.line_due(), std::nullopt);
  for (int number = 0; number < 50; ++number) progress.partition_loaded();
  clock.advance_ms(2'000);
  EXPECT_EQ(progress.line_due(), "Loading /data: 25% of 200 partitions, 150 left, 25 a second");
  EXPECT_EQ(progress.line_due(), std::nullopt);
  progress.segment_recovered(600'000'000);
  clock.advance_ms(2'000);
  EXPECT_EQ(progress.line_due(),
            "Loading /data: 25% of 200 partitions, 150 left, 12 a second; 1 segments recovered, 150 MB/s");
  for (int number = 0; number < 150; ++number) progress.partition_loaded();
  clock.advance_ms(2'000);
  EXPECT_EQ(progress.line_due(), std::nullopt);
}

}  // namespace
}  // namespace storage
