// Counters of a server for its commands and metrics. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "zk/server/metrics.h"

namespace zk::server {

struct ServerStats {
  std::int64_t started_ms = 0;  // on the monotonic clock
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t requests = 0;
  std::int64_t latency_min_ms = 0;
  std::int64_t latency_max_ms = 0;
  std::int64_t latency_sum_ms = 0;
  std::int64_t response_bytes_last = -1, response_bytes_min = -1, response_bytes_max = -1;  // -1: none yet
  std::uint64_t slow_syncs = 0;
  std::uint64_t auth_failed = 0;                   // handshakes of TLS
  std::array<std::uint64_t, 2> without_tls{0, 0};  // connections beside TLS: of this machine, of others
  std::uint64_t tls_handshakes = 0;  // under way
  std::uint64_t syncs = 0;
  std::uint64_t snapshots = 0;
  std::int64_t last_snapshot_zxid = -1, last_snapshot_wall_ms = 0;
  Metrics metrics;

  void add_latency(std::int64_t ms) {
    latency_min_ms = requests == 0 ? ms : std::min(latency_min_ms, ms);
    latency_max_ms = std::max(latency_max_ms, ms);
    latency_sum_ms += ms;
    ++requests;
  }
  double latency_average_ms() const {
    return requests == 0 ? 0 : static_cast<double>(latency_sum_ms) / static_cast<double>(requests);
  }
  void add_response(std::int64_t bytes) {
    response_bytes_last = bytes;
    response_bytes_min = response_bytes_min < 0 ? bytes : std::min(response_bytes_min, bytes);
    response_bytes_max = std::max(response_bytes_max, bytes);
  }
  // As the word srst does it.
  void reset() {
    received = sent = requests = 0;
    latency_min_ms = latency_max_ms = latency_sum_ms = 0;
    response_bytes_last = response_bytes_min = response_bytes_max = -1;
    metrics = Metrics();
  }
};

}  // namespace zk::server
