// Topics and consumer groups under the names and by the rules of kafka_exporter.
#pragma once

#include <cstdint>
#include <vector>

#include "base/http/prometheus_text.h"
#include "broker/group/group_coordinator.h"
#include "broker/metrics/cluster_view.h"
#include "broker/metrics/lag_times.h"

namespace broker::metrics {

// Brokers, topics and partitions of the cluster; offsets of what is led here.
void add_cluster(base::http::PrometheusText& text, const ClusterView& view);
// Groups that are coordinated here; lag in what is led here.
void add_groups(base::http::PrometheusText& text, const ClusterView& view,
                const std::vector<group::GroupProgress>& groups, LagTimes& times, std::int64_t now_ms);

}  // namespace broker::metrics
