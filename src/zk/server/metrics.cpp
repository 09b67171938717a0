#include "zk/server/metrics.h"

#include "base/utf8.h"

namespace zk::server {

namespace {

constexpr std::size_t kNamespacesMax = 100;
constexpr std::size_t kStatBytes = 6 * 8 + 5 * 4;  // ZooKeeper counts a Stat with each read

constexpr CounterName kCounters[] = {
    {"watch_bytes", &Metrics::watch_bytes},
    {"stale_requests_dropped", &Metrics::stale_requests_dropped},
    {"throttled_ops", &Metrics::throttled_ops},
    {"insecure_admin_count", &Metrics::insecure_admin_count},
    {"connection_rejected", &Metrics::connection_rejected},
    {"sessionless_connections_expired", &Metrics::sessionless_connections_expired},
    {"dead_watchers_queued", nullptr},
    {"stale_requests", &Metrics::stale_requests},
    {"connection_drop_count", &Metrics::connection_drop_count},
    {"response_packet_cache_hits", nullptr},
    {"bytes_received_count", &Metrics::bytes_received_count},
    {"add_dead_watcher_stall_time", nullptr},
    {"request_throttle_wait_count", &Metrics::request_throttle_wait_count},
    {"requests_not_forwarded_to_commit_processor", nullptr},
    {"response_packet_cache_misses", nullptr},
    {"prep_processor_request_queued", &Metrics::prep_processor_request_queued},
    {"stale_replies", &Metrics::stale_replies},
    {"response_bytes", &Metrics::response_bytes},
    {"ensemble_auth_fail", nullptr},
    {"diff_count", nullptr},
    {"connection_revalidate_count", &Metrics::connection_revalidate_count},
    {"quit_leading_due_to_disloyal_voter", nullptr},
    {"unrecoverable_error_count", &Metrics::unrecoverable_error_count},
    {"unsuccessful_handshake", &Metrics::unsuccessful_handshake},
    {"commit_count", nullptr},
    {"outstanding_changes_queued", &Metrics::outstanding_changes_queued},
    {"request_commit_queued", nullptr},
    {"ensemble_auth_skip", nullptr},
    {"skip_learner_request_to_next_processor_count", nullptr},
    {"proposal_count", nullptr},
    {"large_requests_rejected", &Metrics::large_requests_rejected},
    {"outstanding_changes_removed", &Metrics::outstanding_changes_removed},
    {"restore_error_count", &Metrics::restore_error_count},
    {"cnxn_closed_without_zk_server_running", nullptr},
    {"looking_count", nullptr},
    {"snapshot_rate_limited_count", &Metrics::snapshot_rate_limited_count},
    {"learner_proposal_received_count", nullptr},
    {"digest_mismatches_count", &Metrics::digest_mismatches_count},
    {"dead_watchers_cleared", nullptr},
    {"ensemble_auth_success", nullptr},
    {"learner_commit_received_count", nullptr},
    {"snapshot_error_count", &Metrics::snapshot_error_count},
    {"connection_request_count", &Metrics::connection_request_count},
    {"response_packet_get_children_cache_misses", nullptr},
    {"snap_count", nullptr},
    {"stale_sessions_expired", &Metrics::stale_sessions_expired},
    {"restore_rate_limited_count", &Metrics::restore_rate_limited_count},
    {"response_packet_get_children_cache_hits", nullptr},
    {"sync_processor_request_queued", &Metrics::sync_processor_request_queued},
    {"tls_handshake_exceeded", &Metrics::tls_handshake_exceeded},
    {"revalidate_count", nullptr},
};

constexpr SummaryName kSummaries[] = {
    {"socket_closing_time", nullptr, false},
    {"proposal_process_time", nullptr, false},
    {"leader_unavailable_time", nullptr, false},
    {"node_created_watch_count", &Metrics::node_created_watch_count, false},
    {"session_queues_drained", nullptr, false},
    {"write_commit_proc_req_queued", nullptr, false},
    {"connection_token_deficit", &Metrics::connection_token_deficit, false},
    {"read_commit_proc_req_queued", nullptr, false},
    {"node_deleted_watch_count", &Metrics::node_deleted_watch_count, false},
    {"startup_txns_load_time", &Metrics::startup_txns_load_time, false},
    {"sync_processor_queue_size", &Metrics::sync_processor_queue_size, false},
    {"follower_sync_time", nullptr, false},
    {"prep_processor_queue_size", nullptr, false},
    {"fsynctime", &Metrics::fsynctime, false},
    {"inflight_snap_count", nullptr, false},
    {"reads_issued_from_session_queue", nullptr, false},
    {"restore_time", &Metrics::restore_time, false},
    {"learner_request_processor_queue_size", nullptr, false},
    {"snapshottime", &Metrics::snapshottime, false},
    {"unavailable_time", nullptr, false},
    {"startup_txns_loaded", &Metrics::startup_txns_loaded, false},
    {"reads_after_write_in_session_queue", nullptr, false},
    {"requests_in_session_queue", nullptr, false},
    {"write_commit_proc_issued", nullptr, false},
    {"prep_process_time", &Metrics::prep_process_time, false},
    {"pending_session_queue_size", nullptr, false},
    {"time_waiting_empty_pool_in_commit_processor_read_ms", nullptr, false},
    {"commit_process_time", nullptr, false},
    {"dbinittime", &Metrics::dbinittime, false},
    {"inflight_diff_count", nullptr, false},
    {"netty_queued_buffer_capacity", nullptr, false},
    {"election_time", nullptr, false},
    {"commit_commit_proc_req_queued", nullptr, false},
    {"sync_processor_batch_size", &Metrics::sync_processor_batch_size, false},
    {"node_children_watch_count", &Metrics::node_children_watch_count, false},
    {"write_batch_time_in_commit_processor", nullptr, false},
    {"read_commit_proc_issued", nullptr, false},
    {"concurrent_request_processing_in_commit_processor", nullptr, false},
    {"observer_sync_time", nullptr, false},
    {"node_changed_watch_count", &Metrics::node_changed_watch_count, false},
    {"sync_process_time", &Metrics::sync_process_time, false},
    {"startup_snap_load_time", &Metrics::startup_snap_load_time, false},
    {"prep_processor_queue_time_ms", nullptr, true},
    {"close_session_prep_time", &Metrics::close_session_prep_time, true},
    {"read_commitproc_time_ms", nullptr, true},
    {"updatelatency", &Metrics::updatelatency, true},
    {"local_write_committed_time_ms", nullptr, true},
    {"request_throttle_queue_time_ms", &Metrics::request_throttle_queue_time_ms, true},
    {"readlatency", &Metrics::readlatency, true},
    {"quorum_ack_latency", nullptr, true},
    {"om_commit_process_time_ms", nullptr, true},
    {"read_final_proc_time_ms", nullptr, true},
    {"commit_propagation_latency", nullptr, true},
    {"dead_watchers_cleaner_latency", nullptr, true},
    {"write_final_proc_time_ms", nullptr, true},
    {"proposal_ack_creation_latency", nullptr, true},
    {"proposal_latency", nullptr, true},
    {"om_proposal_process_time_ms", nullptr, true},
    {"sync_processor_queue_and_flush_time_ms", &Metrics::sync_processor_queue_and_flush_time_ms, true},
    {"propagation_latency", &Metrics::propagation_latency, true},
    {"server_write_committed_time_ms", nullptr, true},
    {"sync_processor_queue_time_ms", &Metrics::sync_processor_queue_time_ms, true},
    {"sync_processor_queue_flush_time_ms", &Metrics::sync_processor_queue_flush_time_ms, true},
    {"write_commitproc_time_ms", nullptr, true},
};

template <class Map>
typename Map::mapped_type* entry_of(Map& map, std::string_view path) {
  std::string_view name = top_namespace(path);
  if (name.empty()) return nullptr;
  std::string cut;
  if (name.size() > kNamespaceBytesMax) name = cut = base::shortened(name, kNamespaceBytesMax);
  auto entry = map.find(name);
  if (entry != map.end()) return &entry->second;
  if (map.size() >= kNamespacesMax) return nullptr;
  return &map[std::string(name)];
}

}  // namespace

std::string_view top_namespace(std::string_view path) {
  if (path.size() < 2) return {};
  return path.substr(1, path.find('/', 1) - 1);
}

void Metrics::count_write(std::string_view path, std::size_t data_bytes) {
  Summary* summary = entry_of(write_per_namespace, path);
  if (summary != nullptr) summary->add(static_cast<std::int64_t>(path.size() + data_bytes));
}

void Metrics::count_read(std::string_view path, std::size_t data_bytes) {
  Summary* summary = entry_of(read_per_namespace, path);
  if (summary != nullptr) summary->add(static_cast<std::int64_t>(path.size() + data_bytes + kStatBytes));
}

void Metrics::count_quota_exceeded(std::string_view path) {
  std::uint64_t* count = entry_of(quota_exceeded_error_per_namespace, path);
  if (count != nullptr) ++*count;
}

void Metrics::turn_windows() {
  for (const SummaryName& name : kSummaries) {
    if (name.member != nullptr) (this->*name.member).turn_window();
  }
  for (auto* map : {&write_per_namespace, &read_per_namespace}) {
    for (auto& [key, summary] : *map) summary.turn_window();
  }
}

std::span<const CounterName> counter_names() { return kCounters; }
std::span<const SummaryName> summary_names() { return kSummaries; }

}  // namespace zk::server
