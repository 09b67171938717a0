// How often which value came, in buckets of at most 1/8 of their value: enough for quantiles, and bounded.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace base {

// What was counted, to compute with. A plain value.
class HistogramCounts {
 public:
  // Below 16 a bucket is a value; above, each doubling has 8. The last one takes what is 2^36 or more.
  static constexpr std::size_t kBuckets = 16 + 32 * 8;

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    constexpr std::uint64_t kMost = (std::uint64_t{1} << 36) - 1;
    const std::uint64_t bounded = value < kMost ? value : kMost;
    if (bounded < 16) return static_cast<std::size_t>(bounded);
    const auto shift = static_cast<std::size_t>(std::bit_width(bounded)) - 4;
    return 16 + (shift - 1) * 8 + (static_cast<std::size_t>(bounded >> shift) - 8);
  }
  // The middle of a bucket.
  static double value_of(std::size_t bucket);

  std::uint64_t& operator[](std::size_t bucket) { return counts_[bucket]; }
  std::uint64_t operator[](std::size_t bucket) const { return counts_[bucket]; }
  std::uint64_t total() const;
  // The value below which this part of all lies; NaN if there are none.
  double quantile(double part) const;
  // What came since `earlier`, of the same histogram.
  HistogramCounts since(const HistogramCounts& earlier) const;

 private:
  std::array<std::uint64_t, kBuckets> counts_{};
};

// Counts; thread-safe, relaxed.
class Histogram {
 public:
  void add(std::uint64_t value) {
    counts_[HistogramCounts::bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
  }
  void add_to(HistogramCounts& counts) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts[i] += counts_[i].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, HistogramCounts::kBuckets> counts_{};
};

}  // namespace base
