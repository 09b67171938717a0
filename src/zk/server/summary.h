// The distribution of a measure: how often, least, most, sum, and quantiles of the last minutes. Owned by Metrics, one
// thread. Values are counted in buckets of 1/32 of their size, so that a summary has a bound.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>

namespace zk::server {

class Summary {
 public:
  void add(std::int64_t value) {
    least_ = count_ == 0 ? value : std::min(least_, value);
    most_ = count_ == 0 ? value : std::max(most_, value);
    sum_ += value;
    ++count_;
    if (!now_) begin_window();
    ++now_->count;
    ++now_->buckets[bucket_of(value)];
  }
  // Forgets all, also what is counted since the start.
  void reset() { *this = Summary(); }
  // Quantiles are of the window that runs and of the one before.
  void turn_window();

  std::uint64_t count() const { return count_; }
  std::int64_t sum() const { return sum_; }
  std::int64_t least() const { return count_ == 0 ? 0 : least_; }
  std::int64_t most() const { return count_ == 0 ? 0 : most_; }
  double average() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  bool has_quantiles() const;
  // The value below which this part of all lies; 0 if there are none.
  std::int64_t quantile(double part) const;

 private:
  static constexpr std::size_t kBuckets = 64 + 26 * 32;
  struct Window {
    std::uint64_t count = 0;
    std::array<std::uint32_t, kBuckets> buckets{};
  };
  static constexpr std::int64_t kExactBelow = 64;
  static constexpr std::int64_t kValueMax = (std::int64_t{1} << 31) - 1;

  void begin_window();
  // Below kExactBelow a bucket is a value; above, each doubling has 32 buckets.
  static std::size_t bucket_of(std::int64_t value) {
    const auto bounded = static_cast<std::uint64_t>(std::clamp<std::int64_t>(value, 0, kValueMax));
    if (bounded < static_cast<std::uint64_t>(kExactBelow)) return bounded;
    const auto shift = static_cast<std::size_t>(std::bit_width(bounded)) - 6;
    return 64 + (shift - 1) * 32 + (static_cast<std::size_t>(bounded >> shift) - 32);
  }
  static std::int64_t least_of(std::size_t bucket);

  std::uint64_t count_ = 0;
  std::int64_t sum_ = 0, least_ = 0, most_ = 0;
  std::unique_ptr<Window> now_, before_;  // made when first needed: most measures of most servers stay empty
};

}  // namespace zk::server
