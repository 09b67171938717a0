// Sums of times that others name, in requests or in files: at the ends of the number line they stay there.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace base {

constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

constexpr std::int64_t saturating_sub(std::int64_t a, std::int64_t b) {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return b > 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

// What a condition variable can wait for: it counts nanoseconds from now on, of which 292 years are all. A century is for
// ever here.
constexpr std::chrono::milliseconds saturating_wait(std::int64_t ms) {
  constexpr std::chrono::milliseconds kCentury = std::chrono::hours(24 * 365 * 100);
  return std::min(std::chrono::milliseconds(std::max<std::int64_t>(ms, 0)), kCentury);
}

}  // namespace base
