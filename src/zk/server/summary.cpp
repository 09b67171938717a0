#include "zk/server/summary.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace zk::server {

namespace {

constexpr std::int64_t kExactBelow = 64;
constexpr std::int64_t kValueMax = (std::int64_t{1} << 31) - 1;

}  // namespace

// Below 64 a bucket is a value; above, each doubling has 32 buckets.
std::size_t Summary::bucket_of(std::int64_t value) {
  auto bounded = static_cast<std::uint64_t>(std::clamp<std::int64_t>(value, 0, kValueMax));
  if (bounded < static_cast<std::uint64_t>(kExactBelow)) return bounded;
  auto shift = static_cast<std::size_t>(std::bit_width(bounded)) - 6;
  return 64 + (shift - 1) * 32 + (static_cast<std::size_t>(bounded >> shift) - 32);
}

std::int64_t Summary::least_of(std::size_t bucket) {
  if (bucket < 64) return static_cast<std::int64_t>(bucket);
  std::size_t shift = (bucket - 64) / 32 + 1;
  return static_cast<std::int64_t>((32 + (bucket - 64) % 32) << shift);
}

void Summary::add(std::int64_t value) {
  least_ = count_ == 0 ? value : std::min(least_, value);
  most_ = count_ == 0 ? value : std::max(most_, value);
  sum_ += value;
  ++count_;
  if (!now_) now_ = std::make_unique<Window>();
  ++now_->count;
  ++now_->buckets[bucket_of(value)];
}

void Summary::turn_window() { before_ = std::move(now_); }

bool Summary::has_quantiles() const { return now_ != nullptr || before_ != nullptr; }

std::int64_t Summary::quantile(double part) const {
  std::uint64_t total = (now_ ? now_->count : 0) + (before_ ? before_->count : 0);
  if (total == 0) return 0;
  auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(total))));
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    std::uint64_t here = (now_ ? now_->buckets[bucket] : 0) + (before_ ? before_->buckets[bucket] : 0);
    if (here >= wanted) return std::clamp(least_of(bucket), least(), most());
    wanted -= here;
  }
  return most();
}

}  // namespace zk::server
