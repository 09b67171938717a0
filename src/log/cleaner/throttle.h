// Keeps a stream of bytes to a rate (log.cleaner.io.max.bytes.per.second), shared by all cleaner threads. Tells how
// long to wait and leaves the waiting to the caller. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <mutex>

namespace storage {

class Throttle {
 public:
  static constexpr double kUnlimited = std::numeric_limits<double>::max();

  explicit Throttle(double bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  bool limits() const { return bytes_per_second_ < kUnlimited; }

  // Counts bytes that were moved just now; the milliseconds until the next may be.
  std::int64_t account(std::uint64_t bytes, std::int64_t now_ms) {
    std::lock_guard lock(mutex_);
    free_at_ms_ =
        std::max(free_at_ms_, static_cast<double>(now_ms)) + static_cast<double>(bytes) * 1000 / bytes_per_second_;
    return static_cast<std::int64_t>(std::min(free_at_ms_ - static_cast<double>(now_ms), kWaitMsMax));
  }

 private:
  static constexpr double kWaitMsMax = 3'600'000;

  const double bytes_per_second_;
  std::mutex mutex_;
  double free_at_ms_ = 0;
};

}  // namespace storage
