#include "broker/coordinator/load_progress.h"

#include <gtest/gtest.h>

namespace broker::coordinator {
namespace {

TEST(LoadProgress, TellsEveryFewSeconds) {
  base::ManualClock clock;
  LoadProgress progress(clock, "__consumer_offsets-7", 1'000, 1'001'000);
  EXPECT_FALSE(progress.line_due(1'000));
  clock.advance_ms(1'999);
  EXPECT_FALSE(progress.line_due(200'000));
  clock.advance_ms(1);
  EXPECT_EQ(progress.line_due(421'000),
            "Loading __consumer_offsets-7: 42% of 1000000 offsets, 580000 left, 210000 a second");
  EXPECT_FALSE(progress.line_due(421'000)) << "the next comes later";
  clock.advance_ms(2'000);
  EXPECT_EQ(progress.line_due(921'000),
            "Loading __consumer_offsets-7: 92% of 1000000 offsets, 80000 left, 230000 a second");
  clock.advance_ms(60'000);
  EXPECT_FALSE(progress.line_due(1'001'000)) << "the end has a line of its own";
}

}  // namespace
}  // namespace broker::coordinator
