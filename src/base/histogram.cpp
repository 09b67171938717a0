#include "base/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace base {

double HistogramCounts::value_of(std::size_t bucket) {
  if (bucket < 16) return static_cast<double>(bucket);
  const std::size_t shift = (bucket - 16) / 8 + 1;
  const double width = std::ldexp(1.0, static_cast<int>(shift));
  return (8.5 + static_cast<double>((bucket - 16) % 8)) * width;
}

std::uint64_t HistogramCounts::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

double HistogramCounts::quantile(double part) const {
  const std::uint64_t all = total();
  if (all == 0) return std::numeric_limits<double>::quiet_NaN();
  auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(all))));
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (counts_[bucket] >= wanted) return value_of(bucket);
    wanted -= counts_[bucket];
  }
  return value_of(kBuckets - 1);
}

HistogramCounts HistogramCounts::since(const HistogramCounts& earlier) const {
  HistogramCounts difference;
  for (std::size_t i = 0; i < kBuckets; ++i) difference.counts_[i] = counts_[i] - earlier.counts_[i];
  return difference;
}

}  // namespace base
