// Topics and consumer groups under the names and by the rules of kafka_exporter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/http/prometheus_text.h"
#include "broker/group/group_coordinator.h"
#include "broker/metrics/cluster_view.h"
#include "broker/metrics/lag_times.h"

namespace broker::metrics {

// Brokers, topics and partitions of the cluster; offsets of what is led here.
void add_cluster(base::http::PrometheusText& text, const ClusterView& view);
// About how much text there is of groups at most: as clients make groups without bound, those that would go beyond it are
// left out, and counted in milena_consumergroups_left_out.
inline constexpr std::size_t kGroupBytesMax = 64u << 20;

// Groups that are coordinated here; lag in what is led here.
void add_groups(base::http::PrometheusText& text, const ClusterView& view,
                const std::vector<group::GroupProgress>& groups, LagTimes& times, std::int64_t now_ms,
                std::size_t bytes_max = kGroupBytesMax);

}  // namespace broker::metrics
