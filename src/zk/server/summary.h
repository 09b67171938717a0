// The distribution of a measure: how often, least, most, sum, and quantiles of the last minutes. Owned by Metrics, one
// thread. Values are counted in buckets of 1/32 of their size, so that a summary has a bound.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

namespace zk::server {

class Summary {
 public:
  void add(std::int64_t value);
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
  static std::size_t bucket_of(std::int64_t value);
  static std::int64_t least_of(std::size_t bucket);

  std::uint64_t count_ = 0;
  std::int64_t sum_ = 0, least_ = 0, most_ = 0;
  std::unique_ptr<Window> now_, before_;  // made when first needed: most measures of most servers stay empty
};

}  // namespace zk::server
