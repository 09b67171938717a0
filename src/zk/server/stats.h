// Counters for srvr and mntr. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace zk::server {

struct ServerStats {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t requests = 0;
  std::int64_t latency_min_ms = 0;
  std::int64_t latency_max_ms = 0;
  std::int64_t latency_sum_ms = 0;
  std::uint64_t connections_rejected = 0;
  std::uint64_t sessions_expired = 0;
  std::uint64_t syncs = 0;
  std::uint64_t snapshots = 0;

  void add_latency(std::int64_t ms) {
    latency_min_ms = requests == 0 ? ms : std::min(latency_min_ms, ms);
    latency_max_ms = std::max(latency_max_ms, ms);
    latency_sum_ms += ms;
    ++requests;
  }
  double latency_average_ms() const {
    return requests == 0 ? 0 : static_cast<double>(latency_sum_ms) / static_cast<double>(requests);
  }
};

}  // namespace zk::server
