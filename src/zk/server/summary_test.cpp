#include "zk/server/summary.h"

#include <gtest/gtest.h>

#include "zk/server/metrics.h"
#include "zk/server/monitor.h"

namespace zk::server {
namespace {

TEST(Summary, EmptyIsZero) {
  Summary summary;
  EXPECT_EQ(summary.count(), 0u);
  EXPECT_EQ(summary.least(), 0);
  EXPECT_EQ(summary.average(), 0);
  EXPECT_EQ(summary.quantile(0.99), 0);
  EXPECT_FALSE(summary.has_quantiles());
}

TEST(Summary, QuantilesAreExactWhenSmallAndWithinAThirtySecondWhenLarge) {
  Summary summary;
  for (int value = 1; value <= 50; ++value) summary.add(value);
  EXPECT_EQ(summary.quantile(0.5), 25);
  EXPECT_EQ(summary.quantile(1), 50);
  Summary large;
  for (int value = 1; value <= 100'000; ++value) large.add(value);
  EXPECT_NEAR(static_cast<double>(large.quantile(0.5)), 50'000, 50'000.0 / 32);
  EXPECT_NEAR(static_cast<double>(large.quantile(0.999)), 99'900, 99'900.0 / 32);
  EXPECT_EQ(large.sum(), 5'000'050'000);
}

TEST(Summary, ValuesBeyondTheLastBucketStayInIt) {
  Summary summary;
  summary.add(INT64_C(1) << 50);
  summary.add(-5);
  EXPECT_EQ(summary.most(), INT64_C(1) << 50);
  EXPECT_EQ(summary.least(), -5);
  EXPECT_GT(summary.quantile(1), (INT64_C(1) << 31) - (INT64_C(1) << 27));
}

TEST(Summary, OldValuesLeaveTheQuantilesOnly) {
  Summary summary;
  summary.add(1000);
  summary.turn_window();
  summary.add(1);
  EXPECT_GE(summary.quantile(1), 990);
  summary.turn_window();
  EXPECT_EQ(summary.quantile(1), 1);
  summary.turn_window();
  EXPECT_FALSE(summary.has_quantiles());
  EXPECT_EQ(summary.count(), 2u);
}

TEST(Metrics, NamespacesAreTheFirstElementsAndBounded) {
  EXPECT_EQ(top_namespace("/"), "");
  EXPECT_EQ(top_namespace("/a"), "a");
  EXPECT_EQ(top_namespace("/a/b/c"), "a");
  Metrics metrics;
  for (int i = 0; i < 1000; ++i) metrics.count_write("/n" + std::to_string(i), 1);
  EXPECT_EQ(metrics.write_per_namespace.size(), 100u);
}

TEST(Monitor, NumbersAreAsJavaPrintsThem) {
  EXPECT_EQ(java_number(0), "0.0");
  EXPECT_EQ(java_number(12), "12.0");
  EXPECT_EQ(java_number(1.0 / 3), "0.3333");
  EXPECT_EQ(java_number(4.9310), "4.931");
}

}  // namespace
}  // namespace zk::server
