#include "base/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "base/counters.h"

namespace base {
namespace {

TEST(Histogram, BucketsFollowEachOtherWithoutGaps) {
  std::size_t last = 0;
  for (std::uint64_t value = 0; value < 100'000; ++value) {
    const std::size_t bucket = HistogramCounts::bucket_of(value);
    ASSERT_TRUE(bucket == last || bucket == last + 1) << value;
    ASSERT_NEAR(HistogramCounts::value_of(bucket), static_cast<double>(value), static_cast<double>(value) / 8);
    last = bucket;
  }
  EXPECT_EQ(HistogramCounts::bucket_of((std::uint64_t{1} << 36) - 1), HistogramCounts::kBuckets - 1);
  EXPECT_EQ(HistogramCounts::bucket_of(~std::uint64_t{0}), HistogramCounts::kBuckets - 1);
}

TEST(Histogram, Quantiles) {
  Histogram histogram;
  HistogramCounts counts;
  EXPECT_TRUE(std::isnan(counts.quantile(0.5)));
  for (std::uint64_t value = 1; value <= 1000; ++value) histogram.add(value);
  histogram.add_to(counts);
  EXPECT_EQ(counts.total(), 1000u);
  EXPECT_NEAR(counts.quantile(0.5), 500, 500.0 / 8);
  EXPECT_NEAR(counts.quantile(0.99), 990, 990.0 / 8);
  EXPECT_EQ(counts.quantile(0.001), 1);
}

TEST(Histogram, OfAWindow) {
  Histogram histogram;
  HistogramCounts before, after;
  for (int i = 0; i < 1000; ++i) histogram.add(10);
  histogram.add_to(before);
  histogram.add(1000);
  histogram.add_to(after);
  EXPECT_EQ(after.quantile(0.5), 10);
  EXPECT_EQ(after.since(before).total(), 1u);
  EXPECT_NEAR(after.since(before).quantile(0.5), 1000, 125);
}

TEST(StripedCounters, CountEveryThread) {
  StripedCounters<2> counters;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2 * kCounterStripes; ++i) {
    threads.emplace_back([&counters] {
      for (int n = 0; n < 1000; ++n) counters.add(1, 2);
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(counters.sum(0), 0u);
  EXPECT_EQ(counters.sum(1), 2 * kCounterStripes * 2000);
}

}  // namespace
}  // namespace base
