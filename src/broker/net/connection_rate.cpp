#include "broker/net/connection_rate.h"

#include <algorithm>
#include <cmath>

namespace broker::net {

std::int64_t ConnectionRate::add(std::int64_t now_ms, const ConnectionRateOptions& options) {
  while (!samples_.empty() && now_ms - samples_.front().start_ms >= options.samples * options.sample_ms) {
    samples_.pop_front();
  }
  if (samples_.empty() || now_ms - samples_.back().start_ms >= options.sample_ms) samples_.push_back({now_ms, 0});
  ++samples_.back().count;
  std::int64_t count = 0;
  for (const Sample& sample : samples_) count += sample.count;
  // A window that isn't full yet counts as if nothing had come before it.
  std::int64_t window_ms = now_ms - samples_.front().start_ms;
  const std::int64_t missing = options.samples - 1 - window_ms / options.sample_ms;
  window_ms = std::max<std::int64_t>(window_ms + std::max<std::int64_t>(missing, 0) * options.sample_ms, 1);
  const double window_s = static_cast<double>(window_ms) / 1000;
  const double rate = static_cast<double>(count) / window_s;
  const double allowed = options.per_second_max;
  if (rate <= allowed) return 0;
  const double wait_ms = std::round((rate - allowed) / allowed * static_cast<double>(window_ms));
  return static_cast<std::int64_t>(std::min(wait_ms, static_cast<double>(options.sample_ms)));
}

}  // namespace broker::net
