#include "zk/server/four_letter.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

namespace zk::server {

namespace {

// Clients and monitors read the numbers before the dash.
constexpr const char* kVersion = "3.9.4-milena";

std::string connections_text(const Coordinator& coordinator, bool details) {
  std::string text;
  for (const auto& [id, peer] : coordinator.peers()) {
    text += fmt::format(" /{}:{}[{}](queued={},recved={},sent={}", peer->address, peer->port,
                        peer->phase == PeerPhase::open ? 1 : 0, peer->waiting.size(), peer->received, peer->sent);
    if (details) {
      text += fmt::format(",sid=0x{:x},to={}", static_cast<std::uint64_t>(peer->session_id), peer->timeout_ms);
    }
    text += ")\n";
  }
  return text;
}

std::string server_text(const Coordinator& coordinator) {
  const ServerStats& stats = coordinator.stats();
  return fmt::format(
      "Latency min/avg/max: {}/{:.4f}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: 0x{:x}\n"
      "Mode: standalone\nNode count: {}\n",
      stats.latency_min_ms, stats.latency_average_ms(), stats.latency_max_ms, stats.received, stats.sent,
      coordinator.peers().size(), coordinator.outstanding(),
      static_cast<std::uint64_t>(coordinator.state().last_zxid()), coordinator.state().tree().node_count() + 1);
}

std::string srvr(const Coordinator& coordinator) {
  return fmt::format("Zookeeper version: {}, built on {}\n", kVersion, "unknown") + server_text(coordinator);
}

std::string stat(const Coordinator& coordinator) {
  return fmt::format("Zookeeper version: {}, built on {}\nClients:\n", kVersion, "unknown") +
         connections_text(coordinator, false) + "\n" + server_text(coordinator);
}

std::size_t open_files() {
  std::error_code ignored;
  std::filesystem::directory_iterator entries("/proc/self/fd", ignored);
  return ignored ? 0 : static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

std::string mntr(const Coordinator& coordinator) {
  const ServerStats& stats = coordinator.stats();
  const tree::State& state = coordinator.state();
  std::string text;
  auto line = [&text](const char* key, const auto& value) { text += fmt::format("zk_{}\t{}\n", key, value); };
  line("version", fmt::format("{}, built on {}", kVersion, "unknown"));
  line("server_state", "standalone");
  line("avg_latency", fmt::format("{:.4f}", stats.latency_average_ms()));
  line("max_latency", stats.latency_max_ms);
  line("min_latency", stats.latency_min_ms);
  line("packets_received", stats.received);
  line("packets_sent", stats.sent);
  line("num_alive_connections", coordinator.peers().size());
  line("outstanding_requests", coordinator.outstanding());
  line("znode_count", state.tree().node_count() + 1);
  line("watch_count", state.data_watches().watch_count() + state.child_watches().watch_count());
  line("ephemerals_count", state.tree().ephemeral_count());
  line("approximate_data_size", state.tree().data_bytes());
  line("open_file_descriptor_count", open_files());
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) line("max_file_descriptor_count", limit.rlim_cur);
  line("global_sessions", coordinator.session_tracker().size());
  line("local_sessions", 0);
  line("connection_rejected", stats.connections_rejected);
  line("stale_sessions_expired", stats.sessions_expired);
  line("snapshot_count", stats.snapshots);
  return text;
}

std::string conf(const Coordinator& coordinator) {
  const ZooKeeperServerConfig& config = coordinator.config();
  return fmt::format(
      "clientPort={}\nsecureClientPort=-1\ndataDir={}/version-2\ndataLogDir={}/version-2\ntickTime={}\n"
      "maxClientCnxns={}\nminSessionTimeout={}\nmaxSessionTimeout={}\nclientPortListenBacklog={}\nserverId=0\n",
      config.client_port, config.data_dir, config.data_log_dir, config.tick_ms, config.connections_per_address_max,
      config.session_timeout_min_ms, config.session_timeout_max_ms, config.listen_backlog);
}

std::string dump(const Coordinator& coordinator) {
  std::string text = "SessionTracker dump:\n";
  auto due = coordinator.session_tracker().by_due_time();
  text += fmt::format("Session Sets ({})/({}):\n", due.size(), coordinator.session_tracker().size());
  for (const auto& [at_ms, sessions] : due) {
    text += fmt::format("{} expire at {}:\n", sessions.size(), at_ms);
    for (std::int64_t id : sessions) text += fmt::format("\t0x{:x}\n", static_cast<std::uint64_t>(id));
  }
  auto ephemerals = coordinator.state().tree().ephemerals();
  text += fmt::format("ephemeral nodes dump:\nSessions with Ephemerals ({}):\n", ephemerals.size());
  for (const auto& [id, paths] : ephemerals) {
    text += fmt::format("0x{:x}:\n", static_cast<std::uint64_t>(id));
    for (const std::string& path : paths) text += "\t" + path + "\n";
  }
  return text;
}

std::string wchs(const Coordinator& coordinator) {
  const tree::WatchTable& data = coordinator.state().data_watches();
  const tree::WatchTable& child = coordinator.state().child_watches();
  return fmt::format("{} connections watching {} paths\nTotal watches:{}\n",
                     std::max(data.watcher_count(), child.watcher_count()), data.path_count() + child.path_count(),
                     data.watch_count() + child.watch_count());
}

std::string ruok(const Coordinator&) { return "imok"; }
std::string isro(const Coordinator&) { return "rw"; }
std::string cons(const Coordinator& coordinator) { return connections_text(coordinator, true) + "\n"; }

using Answer = std::string (*)(const Coordinator&);

// Words of ZooKeeper's that have no answer here yet are null: they are known and never allowed.
const std::map<std::string_view, Answer>& answers() {
  static const std::map<std::string_view, Answer> all = {
      {"ruok", ruok},    {"srvr", srvr},    {"stat", stat},    {"mntr", mntr},    {"conf", conf},    {"isro", isro},
      {"dump", dump},    {"cons", cons},    {"wchs", wchs},    {"crst", nullptr}, {"dirs", nullptr}, {"envi", nullptr},
      {"gtmk", nullptr}, {"stmk", nullptr}, {"srst", nullptr}, {"wchc", nullptr}, {"wchp", nullptr}, {"hash", nullptr}};
  return all;
}

}  // namespace

bool is_four_letter_word(std::string_view word) { return answers().contains(word); }

std::string answer_four_letter_word(std::string_view word, const Coordinator& coordinator) {
  auto entry = answers().find(word);
  const ZooKeeperServerConfig& config = coordinator.config();
  bool allowed = config.all_commands || config.commands.contains(std::string(word));
  if (entry == answers().end() || entry->second == nullptr || !allowed) {
    return std::string(word) + " is not executed because it is not in the whitelist.\n";
  }
  return entry->second(coordinator);
}

}  // namespace zk::server
