// Everything that the broker tells Prometheus, as text. Called by the endpoint's thread alone; what it looks at is
// thread-safe and outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/clock.h"
#include "broker/api/request_metrics.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/metrics/broker_samples.h"
#include "broker/metrics/idle_share.h"
#include "broker/metrics/lag_times.h"
#include "broker/metrics/request_samples.h"
#include "broker/partition/partition_manager.h"

namespace broker::metrics {

// Kafka's numbers, as far as a broker with ZooKeeper has them.
enum class BrokerState { starting = 1, running = 3, shutting_down = 7 };

struct Sources {
  const base::Clock& clock;
  const metadata::MetadataCache& metadata;
  const partition::PartitionManager& partitions;
  group::GroupCoordinator& groups;
  const api::RequestMetrics& requests;
  std::int32_t broker_id = -1;
  std::function<BrokerState()> state;
  std::function<std::int64_t()> connections;
  std::function<std::int64_t()> offline_log_directories;
  std::function<std::map<std::string, std::int64_t>()> uncleanable_partitions;  // how many, for each log directory
  std::function<IdleShare::CpuTimes()> loop_times;                              // of the event loops
  std::function<SessionEvents()> session_events;                    // of the session with ZooKeeper
};

class BrokerMetrics {
 public:
  explicit BrokerMetrics(Sources sources) : sources_(std::move(sources)) {}
  std::string text();

 private:
  Sources sources_;
  RequestSamples request_samples_;
  LagTimes lag_times_;
  IdleShare idle_share_;
  RecentCounts recent_flushes_;
};

}  // namespace broker::metrics
