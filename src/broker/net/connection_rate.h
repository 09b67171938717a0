// How many connections come in a second, and how long the next ones must wait so that they come no faster than is
// allowed: Kafka's Rate over a window of several samples, which lets a burst through as long as the mean of the whole
// window holds. Pure state without clock or lock.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>

namespace broker::net {

struct ConnectionRateOptions {
  std::int32_t per_second_max = std::numeric_limits<std::int32_t>::max();
  int samples = 11;               // quota.window.num
  std::int64_t sample_ms = 1000;  // quota.window.size.seconds
};

class ConnectionRate {
 public:
  // Counts one connection. Returns how many milliseconds it must wait: as long as it takes until the mean is what is
  // allowed, but no longer than one sample.
  std::int64_t add(std::int64_t now_ms, const ConnectionRateOptions& options);

 private:
  struct Sample {
    std::int64_t start_ms = 0;
    std::int64_t count = 0;
  };
  std::deque<Sample> samples_;  // the oldest first
};

}  // namespace broker::net
