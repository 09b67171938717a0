#include "zk/admin/admin_commands.h"

#include <fmt/format.h>

#include <charconv>

#include "zk/server/four_letter.h"
#include "zk/server/monitor.h"
#include "zk/tree/digest.h"

namespace zk::admin {

namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using server::Coordinator;
using server::Peer;

value to_json(const server::MonitorValue& item) {
  return std::visit([](const auto& plain) { return value(plain); }, item);
}

object connection_info(const Peer& peer, bool brief) {
  object info;
  info["remote_socket_address"] = peer.socket_address();
  info["interest_ops"] = peer.phase == server::PeerPhase::open ? 1 : 0;
  info["outstanding_requests"] = peer.waiting.size();
  info["packets_received"] = peer.received;
  info["packets_sent"] = peer.sent;
  if (brief) return info;
  info["session_id"] = peer.session_id;
  info["last_operation"] = server::short_name(peer.last_op);
  info["established"] = peer.connected_wall_ms;
  info["session_timeout"] = peer.timeout_ms;
  info["last_cxid"] = peer.last_cxid;
  info["last_zxid"] = peer.last_zxid;
  info["last_response_time"] = peer.last_response_ms;
  info["last_latency"] = peer.latency_last_ms;
  info["min_latency"] = peer.latency_min_ms;
  info["avg_latency"] = peer.responses == 0 ? 0 : peer.latency_sum_ms / static_cast<std::int64_t>(peer.responses);
  info["max_latency"] = peer.latency_max_ms;
  return info;
}

void add_connections(object& answer, const Coordinator& coordinator, bool brief) {
  array plain, secure;
  for (const auto& [id, peer] : coordinator.peers()) {
    (peer->is_secure ? secure : plain).push_back(connection_info(*peer, brief));
  }
  answer["connections"] = std::move(plain);
  answer["secure_connections"] = std::move(secure);
}

object response_sizes(const server::ServerStats& stats) {
  object sizes;
  sizes["last_buffer_size"] = stats.response_bytes_last;
  sizes["min_buffer_size"] = stats.response_bytes_min;
  sizes["max_buffer_size"] = stats.response_bytes_max;
  return sizes;
}

std::string snapshot_dir(const Coordinator& coordinator) { return coordinator.config().data_dir + "/version-2"; }
std::string log_dir(const Coordinator& coordinator) { return coordinator.config().data_log_dir + "/version-2"; }

void connection_stat_reset(object&, const Arguments&, Coordinator& coordinator) {
  coordinator.reset_connection_stats();
}

void configuration(object& answer, const Arguments&, Coordinator& coordinator) {
  const server::ZooKeeperServerConfig& config = coordinator.config();
  answer["client_port"] = config.serves_client_port ? config.client_port : -1;
  if (config.tls.port) answer["secure_client_port"] = *config.tls.port;
  answer["data_dir"] = snapshot_dir(coordinator);
  answer["data_log_dir"] = log_dir(coordinator);
  answer["tick_time"] = config.tick_ms;
  answer["max_client_cnxns"] = config.connections_per_address_max;
  answer["min_session_timeout"] = config.session_timeout_min_ms;
  answer["max_session_timeout"] = config.session_timeout_max_ms;
  answer["server_id"] = 0;
  answer["client_port_listen_backlog"] = config.listen_backlog;
}

void connections(object& answer, const Arguments&, Coordinator& coordinator) {
  add_connections(answer, coordinator, false);
}

void dirs(object& answer, const Arguments&, Coordinator& coordinator) {
  answer["datadir_size"] = server::directory_bytes(snapshot_dir(coordinator));
  answer["logdir_size"] = server::directory_bytes(log_dir(coordinator));
}

void dump(object& answer, const Arguments&, Coordinator& coordinator) {
  object due, ephemerals;
  for (const auto& [at_ms, sessions] : coordinator.session_tracker().by_due_time()) {
    due[std::to_string(at_ms)] = array(sessions.begin(), sessions.end());
  }
  for (const auto& [session, paths] : coordinator.state().tree().ephemerals()) {
    ephemerals[std::to_string(session)] = array(paths.begin(), paths.end());
  }
  answer["expiry_time_to_session_ids"] = std::move(due);
  answer["session_id_to_ephemeral_paths"] = std::move(ephemerals);
}

void environment(object& answer, const Arguments&, Coordinator&) {
  for (const auto& [key, text] : server::environment_rows()) answer[key] = text;
}

void hash(object& answer, const Arguments&, Coordinator& coordinator) {
  array digests;
  for (const server::DigestEntry& entry : coordinator.digest_log()) {
    object item;
    item["zxid"] = entry.zxid;
    item["digest"] = static_cast<std::int64_t>(entry.digest);
    item["digest_version"] = tree::kDigestVersion;
    digests.push_back(std::move(item));
  }
  answer["digests"] = std::move(digests);
}

void get_trace_mask(object& answer, const Arguments&, Coordinator& coordinator) {
  answer["tracemask"] = coordinator.trace_mask();
}

void set_trace_mask(object& answer, const Arguments& arguments, Coordinator& coordinator) {
  auto argument = arguments.find("traceMask");
  if (argument == arguments.end()) {
    answer["error"] = "setTraceMask requires long traceMask argument";
    return;
  }
  const std::string& text = argument->second;
  std::int64_t mask = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mask);
  if (error != std::errc() || end != text.data() + text.size()) {
    answer["error"] = "setTraceMask requires long traceMask argument, got " + text;
    return;
  }
  coordinator.set_trace_mask(mask);
  answer["tracemask"] = mask;
}

void initial_configuration(object& answer, const Arguments&, Coordinator& coordinator) {
  answer["initial_configuration"] = coordinator.config().text;
}

void is_read_only(object& answer, const Arguments&, Coordinator&) { answer["read_only"] = false; }

void last_snapshot(object& answer, const Arguments&, Coordinator& coordinator) {
  const server::ServerStats& stats = coordinator.stats();
  answer["zxid"] = fmt::format("{:x}", static_cast<std::uint64_t>(stats.last_snapshot_zxid));
  answer["timestamp"] = stats.last_snapshot_wall_ms / 1000;
}

void leader(object& answer, const Arguments&, Coordinator&) { answer["error"] = "server is not initialized"; }

void monitor(object& answer, const Arguments&, Coordinator& coordinator) {
  for (const server::MonitorRow& row : server::monitor_rows(coordinator)) answer[row.name] = to_json(row.value);
}

void observers(object& answer, const Arguments&, Coordinator&) {
  answer["synced_observers"] = 0;
  answer["observers"] = array();
}

void nothing(object&, const Arguments&, Coordinator&) {}

void server_stats(object& answer, const Arguments&, Coordinator& coordinator) {
  const server::ServerStats& stats = coordinator.stats();
  answer["version"] = server::version_text();
  answer["read_only"] = false;
  object inner;
  inner["packets_sent"] = stats.sent;
  inner["packets_received"] = stats.received;
  inner["fsync_threshold_exceed_count"] = stats.slow_syncs;
  inner["client_response_stats"] = response_sizes(stats);
  inner["data_dir_size"] = server::directory_bytes(snapshot_dir(coordinator));
  inner["log_dir_size"] = server::directory_bytes(log_dir(coordinator));
  inner["provider_null"] = false;
  inner["last_processed_zxid"] = coordinator.state().last_zxid();
  inner["outstanding_requests"] = coordinator.outstanding();
  inner["server_state"] = "standalone";
  inner["avg_latency"] = stats.latency_average_ms();
  inner["max_latency"] = stats.latency_max_ms;
  inner["min_latency"] = stats.latency_min_ms;
  inner["num_alive_client_connections"] = coordinator.peers().size();
  inner["uptime"] = coordinator.clock().monotonic_ms() - stats.started_ms;
  inner["auth_failed_count"] = stats.auth_failed;
  inner["non_mtlsremote_conn_count"] = stats.without_tls[1];
  inner["non_mtlslocal_conn_count"] = stats.without_tls[0];
  answer["server_stats"] = std::move(inner);
  answer["client_response"] = response_sizes(stats);
  answer["node_count"] = coordinator.state().tree().node_count() + 1;
}

void stats(object& answer, const Arguments& arguments, Coordinator& coordinator) {
  server_stats(answer, arguments, coordinator);
  add_connections(answer, coordinator, true);
}

void stat_reset(object&, const Arguments&, Coordinator& coordinator) { coordinator.reset_stats(); }

void system_properties(object& answer, const Arguments&, Coordinator& coordinator) {
  for (const auto& [key, text] : coordinator.config().system_properties) answer[key] = text;
}

void voting_view(object& answer, const Arguments&, Coordinator&) { answer["current_config"] = object(); }

void watches(object& answer, const Arguments&, Coordinator& coordinator) {
  object by_session;
  for (const auto& [watcher, paths] : coordinator.state().data_watches().by_watcher()) {
    by_session[std::to_string(server::session_of(coordinator, watcher))] = array(paths.begin(), paths.end());
  }
  answer["session_id_to_watched_paths"] = std::move(by_session);
}

void watches_by_path(object& answer, const Arguments&, Coordinator& coordinator) {
  object by_path;
  for (const auto& [path, watchers] : coordinator.state().data_watches().by_path()) {
    array sessions;
    for (tree::WatcherId watcher : watchers) sessions.push_back(server::session_of(coordinator, watcher));
    by_path[path] = std::move(sessions);
  }
  answer["path_to_session_ids"] = std::move(by_path);
}

void watch_summary(object& answer, const Arguments&, Coordinator& coordinator) {
  const tree::WatchTable& table = coordinator.state().data_watches();
  answer["num_connections"] = table.watcher_count();
  answer["num_paths"] = table.path_count();
  answer["num_total_watches"] = table.watch_count();
}

void zabstate(object& answer, const Arguments&, Coordinator&) {
  answer["voting"] = false;
  answer["zabstate"] = "";
}

using Run = void (*)(object& answer, const Arguments& arguments, Coordinator& coordinator);
struct Command {
  const char* name;
  const char* aliases[2];
  Run run;
};

constexpr Command kCommands[] = {
    {"configuration", {"conf", "config"}, configuration},
    {"connection_stat_reset", {"crst"}, connection_stat_reset},
    {"connections", {"cons"}, connections},
    {"dirs", {}, dirs},
    {"dump", {}, dump},
    {"environment", {"env", "envi"}, environment},
    {"get_trace_mask", {"gtmk"}, get_trace_mask},
    {"hash", {}, hash},
    {"initial_configuration", {"icfg"}, initial_configuration},
    {"is_read_only", {"isro"}, is_read_only},
    {"last_snapshot", {"lsnp"}, last_snapshot},
    {"leader", {"lead"}, leader},
    {"monitor", {"mntr"}, monitor},
    {"observer_connection_stat_reset", {"orst"}, nothing},
    {"observers", {"obsr"}, observers},
    {"restore", {"rest"}, nothing},
    {"ruok", {}, nothing},
    {"server_stats", {"srvr"}, server_stats},
    {"set_trace_mask", {"stmk"}, set_trace_mask},
    {"snapshot", {"snap"}, nothing},
    {"stat_reset", {"srst"}, stat_reset},
    {"stats", {"stat"}, stats},
    {"system_properties", {"sysp"}, system_properties},
    {"voting_view", {}, voting_view},
    {"watch_summary", {"wchs"}, watch_summary},
    {"watches", {"wchc"}, watches},
    {"watches_by_path", {"wchp"}, watches_by_path},
    {"zabstate", {}, zabstate},
};

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands) {
    if (name == command.name) return &command;
    for (const char* alias : command.aliases) {
      if (alias != nullptr && name == alias) return &command;
    }
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> admin_command_names() {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  return names;
}

bool is_admin_command(std::string_view name) { return find_command(name) != nullptr; }

object run_admin_command(std::string_view name, const Arguments& arguments, Coordinator& coordinator) {
  object answer;
  const Command* command = find_command(name);
  if (command == nullptr) {
    answer["command"] = name;
    answer["error"] = "Unknown command: " + std::string(name);
    return answer;
  }
  command->run(answer, arguments, coordinator);
  answer["command"] = command->name;
  if (!answer.contains("error")) answer["error"] = nullptr;
  return answer;
}

}  // namespace zk::admin
