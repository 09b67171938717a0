// What a server counts and measures, under ZooKeeper's names (of its ServerMetrics) in the order in which ZooKeeper 3.9
// lists them. Names of an ensemble's work are listed as well: on a standalone server ZooKeeper has them at zero, too.
// Names of the JVM are not. Owned by ServerStats, one thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "zk/server/summary.h"

namespace zk::server {

struct Metrics {
  std::uint64_t watch_bytes = 0;
  std::uint64_t connection_rejected = 0;
  std::uint64_t sessionless_connections_expired = 0;
  std::uint64_t connection_drop_count = 0;
  std::uint64_t bytes_received_count = 0;
  std::uint64_t prep_processor_request_queued = 0;
  std::uint64_t response_bytes = 0;
  std::uint64_t connection_revalidate_count = 0;
  std::uint64_t unrecoverable_error_count = 0;
  std::uint64_t unsuccessful_handshake = 0;
  std::uint64_t tls_handshake_exceeded = 0;
  std::uint64_t outstanding_changes_queued = 0;
  std::uint64_t outstanding_changes_removed = 0;
  std::uint64_t large_requests_rejected = 0;
  std::uint64_t digest_mismatches_count = 0;
  std::uint64_t snapshot_error_count = 0;
  std::uint64_t snapshot_rate_limited_count = 0;
  std::uint64_t restore_error_count = 0;
  std::uint64_t restore_rate_limited_count = 0;
  std::uint64_t insecure_admin_count = 0;
  std::uint64_t request_throttle_wait_count = 0;
  std::uint64_t throttled_ops = 0;
  std::uint64_t stale_requests = 0;
  std::uint64_t stale_requests_dropped = 0;
  std::uint64_t stale_replies = 0;
  std::uint64_t connection_request_count = 0;
  std::uint64_t stale_sessions_expired = 0;
  std::uint64_t sync_processor_request_queued = 0;
  Summary node_created_watch_count;
  Summary node_deleted_watch_count;
  Summary node_children_watch_count;
  Summary node_changed_watch_count;
  Summary startup_txns_load_time;
  Summary startup_txns_loaded;
  Summary startup_snap_load_time;
  Summary dbinittime;
  Summary fsynctime;
  Summary snapshottime;
  Summary restore_time;
  Summary request_throttle_queue_time_ms;
  Summary sync_processor_queue_size;
  Summary sync_processor_batch_size;
  Summary sync_process_time;
  Summary prep_process_time;        // of writes: to decide them
  Summary close_session_prep_time;  // the same of ends of sessions
  Summary connection_token_deficit;
  Summary updatelatency;
  Summary readlatency;
  Summary sync_processor_queue_time_ms;
  Summary sync_processor_queue_and_flush_time_ms;
  Summary sync_processor_queue_flush_time_ms;
  Summary propagation_latency;
  // By the first element of a path; a bounded number of them, and cut to kNamespaceBytesMax.
  std::map<std::string, Summary, std::less<>> write_per_namespace, read_per_namespace;
  std::map<std::string, std::uint64_t, std::less<>> quota_exceeded_error_per_namespace;

  void count_write(std::string_view path, std::size_t data_bytes);
  void count_read(std::string_view path, std::size_t data_bytes);
  void count_quota_exceeded(std::string_view path);
  void turn_windows();
};

// A name may have a megabyte, and stands in several rows of each answer: more bytes of it are cut (base::shortened()).
inline constexpr std::size_t kNamespaceBytesMax = 255;

// The first element of a path; empty for the root.
std::string_view top_namespace(std::string_view path);

struct CounterName {
  const char* name;
  std::uint64_t Metrics::*member;  // null: always zero here
};
struct SummaryName {
  const char* name;
  Summary Metrics::*member;  // null: always empty here
  bool detailed;             // with high quantiles
};

std::span<const CounterName> counter_names();
std::span<const SummaryName> summary_names();

}  // namespace zk::server
