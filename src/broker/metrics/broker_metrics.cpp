#include "broker/metrics/broker_metrics.h"

#include <vector>

#include "broker/metrics/broker_samples.h"
#include "broker/metrics/cluster_view.h"
#include "broker/metrics/group_samples.h"
#include "log/flush_times.h"

namespace broker::metrics {

std::string BrokerMetrics::text() {
  // Groups first: an offset that is committed while this runs is never beyond the high watermark that comes after it.
  std::vector<group::GroupProgress> groups;
  sources_.groups.visit_progress([&groups](const group::GroupProgress& each) { groups.push_back(each); });
  const ClusterView view(sources_.metadata, sources_.partitions);

  base::http::PrometheusText text;
  text.single("kafka_server_kafkaserver_brokerstate", "gauge", "1 starting, 3 running, 7 shutting down",
              static_cast<int>(sources_.state()));
  text.single("kafka_server_socket_server_metrics_connection_count", "gauge", "Open connections of clients",
              sources_.connections());
  text.single("kafka_log_logmanager_offlinelogdirectorycount", "gauge", "Log directories that failed",
              sources_.offline_log_directories());
  text.family("kafka_log_logcleanermanager_uncleanable_partitions_count", "gauge", "Partitions whose cleaning failed");
  for (const auto& [directory, count] : sources_.uncleanable_partitions()) text.sample({{"logDirectory", directory}}, count);
  add_idle(text, idle_share_.look(sources_.loop_times(), sources_.clock.monotonic_ms()));
  add_session(text, sources_.session_events());
  request_samples_.add(text, sources_.requests, sources_.clock.monotonic_ms());
  add_traffic(text, view, sources_.partitions.traffic());
  add_replicas(text, view, sources_.partitions, sources_.broker_id);
  add_controller(text, view, sources_.broker_id);
  add_coordinator(text, groups);
  base::HistogramCounts flushes;
  storage::flush_times().add_to(flushes);
  add_times(text, "kafka_log_logflushstats_logflushrateandtimems", "Milliseconds that flushes of logs took", flushes, recent_flushes_,
            sources_.clock.monotonic_ms());
  add_logs(text, view);
  add_cluster(text, view);
  add_groups(text, view, groups, lag_times_, sources_.clock.wall_ms());
  text.add_process_metrics();
  return text.take();
}

}  // namespace broker::metrics
