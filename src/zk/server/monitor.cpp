#include "zk/server/monitor.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include "base/process_metrics.h"
#include "base/utf8.h"
#include "zk/tree/quota.h"

namespace zk::server {

namespace {

void add_summary(std::vector<MonitorRow>& rows, const std::string& name, const Summary& summary, bool detailed) {
  rows.push_back({"avg_" + name, summary.average()});
  rows.push_back({"min_" + name, summary.least()});
  rows.push_back({"max_" + name, summary.most()});
  rows.push_back({"cnt_" + name, static_cast<std::int64_t>(summary.count())});
  rows.push_back({"sum_" + name, summary.sum()});
  if (!detailed) return;
  rows.push_back({"p50_" + name, summary.quantile(0.5)});
  rows.push_back({"p95_" + name, summary.quantile(0.95)});
  rows.push_back({"p99_" + name, summary.quantile(0.99)});
  rows.push_back({"p999_" + name, summary.quantile(0.999)});
}

template <class Map>
void add_summaries(std::vector<MonitorRow>& rows, const Map& map, const std::string& name) {
  for (const auto& [key, summary] : map) add_summary(rows, key + "_" + name, summary, false);
}

std::int64_t open_files_max() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::int64_t>(limit.rlim_cur) : -1;
}

}  // namespace

std::string version_text() { return "3.9.4-milena, built on unknown"; }

std::string java_number(double value) {
  std::string text = fmt::format("{:.4f}", value);
  while (text.ends_with('0') && text[text.size() - 2] != '.') text.pop_back();
  return text;
}

std::string text_of(const MonitorValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return java_number(*number);
  return std::get<std::string>(value);
}

std::vector<MonitorRow> monitor_gauges(const Coordinator& coordinator) {
  const ServerStats& stats = coordinator.stats();
  const tree::State& state = coordinator.state();
  auto number = [](auto value) { return static_cast<std::int64_t>(value); };
  return {
      {"version", version_text()},
      {"server_state", "standalone"},
      {"ephemerals_count", number(state.tree().ephemeral_count())},
      {"num_alive_connections", number(coordinator.peers().size())},
      {"avg_latency", stats.latency_average_ms()},
      {"outstanding_requests", number(coordinator.outstanding())},
      {"znode_count", number(state.tree().node_count() + 1)},  // ZooKeeper counts the root twice
      {"global_sessions", number(coordinator.session_tracker().size())},
      {"non_mtls_remote_conn_count", number(stats.without_tls[1])},
      {"last_client_response_size", stats.response_bytes_last},
      {"packets_sent", number(stats.sent)},
      {"packets_received", number(stats.received)},
      {"max_client_response_size", stats.response_bytes_max},
      {"connection_drop_probability", 0.0},
      {"watch_count", number(state.data_watches().watch_count() + state.child_watches().watch_count())},
      {"auth_failed_count", number(stats.auth_failed)},
      {"min_latency", stats.latency_min_ms},
      {"max_file_descriptor_count", open_files_max()},
      {"approximate_data_size", number(state.tree().data_bytes())},
      {"open_file_descriptor_count", number(base::open_files())},
      {"local_sessions", number(0)},
      {"uptime", coordinator.clock().monotonic_ms() - stats.started_ms},
      {"max_latency", stats.latency_max_ms},
      {"outstanding_tls_handshake", number(stats.tls_handshakes)},
      {"min_client_response_size", stats.response_bytes_min},
      {"non_mtls_local_conn_count", number(stats.without_tls[0])},
  };
}

std::vector<MonitorRow> monitor_rows(const Coordinator& coordinator) {
  std::vector<MonitorRow> rows = monitor_gauges(coordinator);
  const Metrics& metrics = coordinator.stats().metrics;
  for (const auto& [name, use] : quota_use(coordinator)) {
    rows.push_back({name + "_quota_bytes_limit_per_namespace", use.bytes_limit});
    rows.push_back({name + "_quota_count_usage_per_namespace", use.count});
    rows.push_back({name + "_quota_count_limit_per_namespace", use.count_limit});
    rows.push_back({name + "_quota_bytes_usage_per_namespace", use.bytes});
  }
  for (const CounterName& counter : counter_names()) {
    std::uint64_t value = counter.member == nullptr ? 0 : metrics.*counter.member;
    rows.push_back({counter.name, static_cast<std::int64_t>(value)});
  }
  for (const auto& [key, count] : metrics.quota_exceeded_error_per_namespace) {
    rows.push_back({key + "_quota_exceeded_error_per_namespace", static_cast<std::int64_t>(count)});
  }
  static const Summary kEmpty;
  for (const SummaryName& summary : summary_names()) {
    add_summary(rows, summary.name, summary.member == nullptr ? kEmpty : metrics.*summary.member, summary.detailed);
  }
  add_summaries(rows, metrics.read_per_namespace, "read_per_namespace");
  add_summaries(rows, metrics.write_per_namespace, "write_per_namespace");
  return rows;
}

std::map<std::string, QuotaUse> quota_use(const Coordinator& coordinator) {
  std::map<std::string, QuotaUse> result;
  const tree::Tree& tree = coordinator.state().tree();
  for (const std::string& path : tree.limited_paths()) {
    QuotaUse& use = result[base::shortened(top_namespace(path), kNamespaceBytesMax)];
    tree::QuotaLimits limits = tree.quota_limits(path).value_or(tree::QuotaLimits{});
    tree::QuotaStats stats = tree.quota_stats(path).value_or(tree::QuotaStats{-1, -1});
    use.count_limit += limits.count_hard > -1 ? limits.count_hard : limits.count;
    use.bytes_limit += limits.bytes_hard > -1 ? limits.bytes_hard : limits.bytes;
    use.count += stats.count;
    use.bytes += stats.bytes;
  }
  return result;
}

const char* short_name(tree::OpCode op) {
  using tree::OpCode;
  switch (op) {
    case OpCode::ping:
      return "PING";
    case OpCode::create_session:
      return "SESS";
    case OpCode::multi:
      return "MULT";
    case OpCode::multi_read:
      return "MLTR";
    case OpCode::create:
    case OpCode::create2:
    case OpCode::create_ttl:
    case OpCode::create_container:
      return "CREA";
    case OpCode::remove:
    case OpCode::delete_container:
      return "DELE";
    case OpCode::set_data:
      return "SETD";
    case OpCode::reconfig:
      return "RECO";
    case OpCode::set_acl:
      return "SETA";
    case OpCode::close_session:
      return "CLOS";
    case OpCode::sync:
      return "SYNC";
    case OpCode::check:
      return "CHEC";
    case OpCode::exists:
      return "EXIS";
    case OpCode::get_data:
      return "GETD";
    case OpCode::set_watches:
      return "SETW";
    case OpCode::set_watches2:
      return "STW2";
    case OpCode::add_watch:
      return "ADDW";
    case OpCode::get_acl:
      return "GETA";
    case OpCode::get_children:
    case OpCode::get_children2:
      return "GETC";
    case OpCode::get_all_children_number:
      return "GETACN";
    case OpCode::check_watches:
      return "CHKW";
    case OpCode::remove_watches:
      return "REMW";
    case OpCode::who_am_i:
      return "HOMI";
    case OpCode::get_ephemerals:
      return "GETE";
    default:
      return "NA";
  }
}

}  // namespace zk::server
