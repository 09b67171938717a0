// The broker's own metrics. Pure functions over what they are given.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/http/prometheus_text.h"
#include "broker/group/group_coordinator.h"
#include "broker/metrics/cluster_view.h"
#include "broker/partition/partition_manager.h"

namespace broker::metrics {

// What befell the session with ZooKeeper since the start.
struct SessionEvents {
  std::uint64_t connects = 0;
  std::uint64_t disconnects = 0;
  std::uint64_t expires = 0;
  std::uint64_t auth_failures = 0;
};

// SocketServer and KafkaRequestHandlerPool: the loops are both here.
void add_idle(base::http::PrometheusText& text, std::optional<double> share);
// SessionExpireListener: of the session with ZooKeeper.
void add_session(base::http::PrometheusText& text, const SessionEvents& events);
// BrokerTopicMetrics: of all topics, and of each that has a partition here.
void add_traffic(base::http::PrometheusText& text, const ClusterView& view, const partition::TopicTraffic& all);
// ReplicaManager.
void add_replicas(base::http::PrometheusText& text, const ClusterView& view,
                  const partition::PartitionManager& partitions, std::int32_t broker_id);
// KafkaController; all zero where another broker is the controller.
void add_controller(base::http::PrometheusText& text, const ClusterView& view, std::int32_t broker_id);
// GroupMetadataManager.
void add_coordinator(base::http::PrometheusText& text, const std::vector<group::GroupProgress>& groups);
// Log and Partition, of those led here.
void add_logs(base::http::PrometheusText& text, const ClusterView& view);

}  // namespace broker::metrics
