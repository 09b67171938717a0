#include "zk/server/summary.h"

#include <cmath>

namespace zk::server {

std::int64_t Summary::least_of(std::size_t bucket) {
  if (bucket < 64) return static_cast<std::int64_t>(bucket);
  std::size_t shift = (bucket - 64) / 32 + 1;
  return static_cast<std::int64_t>((32 + (bucket - 64) % 32) << shift);
}

void Summary::begin_window() { now_ = std::make_unique<Window>(); }

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
