#include "zk/server/four_letter.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "zk/server/monitor.h"

namespace zk::server {

namespace {

std::string hex(std::int64_t number) { return fmt::format("{:x}", static_cast<std::uint64_t>(number)); }

// As Java's Date prints itself.
std::string date_text(std::int64_t wall_ms) {
  auto seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%a %b %d %H:%M:%S %Z %Y", &local));
}

std::string connection_text(const Peer& peer, bool details) {
  bool open = peer.phase == PeerPhase::open;
  std::string text = fmt::format(" /{}[{}](queued={},recved={},sent={}", peer.socket_address(), open ? 1 : 0,
                                 peer.waiting.size(), peer.received, peer.sent);
  if (details && peer.session_id != 0) {
    text += fmt::format(",sid=0x{},lop={},est={},to={}", hex(peer.session_id), short_name(peer.last_op),
                        peer.connected_wall_ms, peer.timeout_ms);
    if (peer.last_cxid >= 0) text += ",lcxid=0x" + hex(peer.last_cxid);
    std::int64_t average = peer.responses == 0 ? 0 : peer.latency_sum_ms / static_cast<std::int64_t>(peer.responses);
    text += fmt::format(",lzxid=0x{},lresp={},llat={},minlat={},avglat={},maxlat={}", hex(peer.last_zxid),
                        peer.last_response_ms, peer.latency_last_ms, peer.latency_min_ms, average, peer.latency_max_ms);
  }
  return text + ")\n";
}

std::string connections_text(const Coordinator& coordinator, bool details) {
  std::string text;
  for (const auto& [id, peer] : coordinator.peers()) text += connection_text(*peer, details);
  return text + "\n";
}

std::string server_text(const Coordinator& coordinator) {
  const ServerStats& stats = coordinator.stats();
  return fmt::format(
      "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: 0x{}\n"
      "Mode: standalone\nNode count: {}\n",
      stats.latency_min_ms, java_number(stats.latency_average_ms()), stats.latency_max_ms, stats.received, stats.sent,
      coordinator.peers().size(), coordinator.outstanding(), hex(coordinator.state().last_zxid()),
      coordinator.state().tree().node_count() + 1);
}

std::string srvr(Coordinator& coordinator) {
  return "Zookeeper version: " + version_text() + "\n" + server_text(coordinator);
}

std::string stat(Coordinator& coordinator) {
  return "Zookeeper version: " + version_text() + "\nClients:\n" + connections_text(coordinator, false) +
         server_text(coordinator);
}

std::string mntr(Coordinator& coordinator) {
  std::string text;
  for (const MonitorRow& row : monitor_rows(coordinator)) {
    text += fmt::format("zk_{}\t{}\n", row.name, text_of(row.value));
  }
  return text;
}

std::string conf(Coordinator& coordinator) {
  const ZooKeeperServerConfig& config = coordinator.config();
  return fmt::format(
      "clientPort={}\nsecureClientPort={}\ndataDir={}/version-2\ndataDirSize={}\ndataLogDir={}/version-2\n"
      "dataLogSize={}\ntickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\nmaxSessionTimeout={}\n"
      "clientPortListenBacklog={}\nserverId=0\n",
      config.serves_client_port ? config.client_port : -1, config.tls.port ? *config.tls.port : -1, config.data_dir,
      directory_bytes(config.data_dir + "/version-2"), config.data_log_dir,
      directory_bytes(config.data_log_dir + "/version-2"), config.tick_ms, config.connections_per_address_max,
      config.session_timeout_min_ms, config.session_timeout_max_ms, config.listen_backlog);
}

std::string sessions_text(const Coordinator& coordinator, std::int64_t wall_minus_clock_ms) {
  auto due = coordinator.session_tracker().by_due_time();
  std::string text =
      fmt::format("SessionTracker dump:\nSession Sets ({})/({}):\n", due.size(), coordinator.session_tracker().size());
  for (const auto& [at_ms, sessions] : due) {
    text += fmt::format("{} expire at {}:\n", sessions.size(), date_text(at_ms + wall_minus_clock_ms));
    for (std::int64_t id : sessions) text += "\t0x" + hex(id) + "\n";
  }
  return text;
}

std::string connections_due_text(const Coordinator& coordinator, std::int64_t wall_minus_clock_ms) {
  std::unordered_map<std::int64_t, std::int64_t> session_due;
  for (const auto& [at_ms, sessions] : coordinator.session_tracker().by_due_time()) {
    for (std::int64_t id : sessions) session_due[id] = at_ms;
  }
  std::map<std::int64_t, std::vector<const Peer*>> due;
  for (const auto& [id, peer] : coordinator.peers()) {
    auto session = session_due.find(peer->session_id);
    bool known = session != session_due.end();
    due[known ? session->second : peer->connected_ms + coordinator.config().handshake_timeout_ms].push_back(peer);
  }
  std::string text =
      fmt::format("Connections dump:\nConnections Sets ({})/({}):\n", due.size(), coordinator.peers().size());
  for (const auto& [at_ms, peers] : due) {
    text += fmt::format("{} expire at {}:\n", peers.size(), date_text(at_ms + wall_minus_clock_ms));
    for (const Peer* peer : peers) {
      text += fmt::format("\tip: /{} sessionId: 0x{}\n", peer->socket_address(), hex(peer->session_id));
    }
  }
  return text;
}

std::string dump(Coordinator& coordinator) {
  std::int64_t wall_minus_clock_ms = coordinator.clock().wall_ms() - coordinator.clock().monotonic_ms();
  std::string text = sessions_text(coordinator, wall_minus_clock_ms);
  auto ephemerals = coordinator.state().tree().ephemerals();
  text += fmt::format("ephemeral nodes dump:\nSessions with Ephemerals ({}):\n", ephemerals.size());
  for (const auto& [id, paths] : ephemerals) {
    text += "0x" + hex(id) + ":\n";
    for (const std::string& path : paths) text += "\t" + path + "\n";
  }
  return text + connections_due_text(coordinator, wall_minus_clock_ms);
}

std::string wchs(Coordinator& coordinator) {
  const tree::WatchTable& watches = coordinator.state().data_watches();
  return fmt::format("{} connections watching {} paths\nTotal watches:{}\n", watches.watcher_count(),
                     watches.path_count(), watches.watch_count());
}

std::string wchc(Coordinator& coordinator) {
  std::string text;
  for (const auto& [watcher, paths] : coordinator.state().data_watches().by_watcher()) {
    text += "0x" + hex(session_of(coordinator, watcher)) + "\n";
    for (std::string_view path : paths) text += fmt::format("\t{}\n", path);
  }
  return text + "\n";
}

std::string wchp(Coordinator& coordinator) {
  std::string text;
  for (const auto& [path, watchers] : coordinator.state().data_watches().by_path()) {
    text += fmt::format("{}\n", path);
    for (tree::WatcherId watcher : watchers) text += "\t0x" + hex(session_of(coordinator, watcher)) + "\n";
  }
  return text + "\n";
}

std::string envi(Coordinator&) {
  std::string text = "Environment:\n";
  for (const auto& [key, value] : environment_rows()) text += key + "=" + value + "\n";
  return text;
}

std::string dirs(Coordinator& coordinator) {
  const ZooKeeperServerConfig& config = coordinator.config();
  return fmt::format("datadir_size: {}\nlogdir_size: {}\n", directory_bytes(config.data_dir + "/version-2"),
                     directory_bytes(config.data_log_dir + "/version-2"));
}

std::string hash(Coordinator& coordinator) {
  std::string text;
  for (const DigestEntry& entry : coordinator.digest_log()) {
    text += fmt::format("{}: {}\n", hex(entry.zxid), static_cast<std::int64_t>(entry.digest));
  }
  return text;
}

std::string crst(Coordinator& coordinator) {
  coordinator.reset_connection_stats();
  return "Connection stats reset.\n";
}

std::string srst(Coordinator& coordinator) {
  coordinator.reset_stats();
  return "Server stats reset.\n";
}

std::string ruok(Coordinator&) { return "imok"; }
std::string isro(Coordinator&) { return "rw"; }
std::string gtmk(Coordinator& coordinator) { return std::to_string(coordinator.trace_mask()); }
std::string cons(Coordinator& coordinator) { return connections_text(coordinator, true); }

using Answer = std::string (*)(Coordinator&);

// stmk alone takes an argument.
const std::map<std::string_view, Answer>& answers() {
  static const std::map<std::string_view, Answer> all = {
      {"ruok", ruok}, {"srvr", srvr}, {"stat", stat}, {"mntr", mntr}, {"conf", conf}, {"isro", isro},
      {"dump", dump}, {"cons", cons}, {"wchs", wchs}, {"crst", crst}, {"dirs", dirs}, {"envi", envi},
      {"gtmk", gtmk}, {"stmk", gtmk}, {"srst", srst}, {"wchc", wchc}, {"wchp", wchp}, {"hash", hash}};
  return all;
}

std::string memory_text(const char* key) {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  std::uint64_t kibibytes = 0;
  while (file >> name >> kibibytes >> unit) {
    if (name == key) return std::to_string(kibibytes / 1024) + "MB";
  }
  return "0MB";
}

}  // namespace

std::uint64_t directory_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::uint64_t size = entry.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

std::int64_t session_of(const Coordinator& coordinator, tree::WatcherId watcher) {
  auto peer = coordinator.peers().find(watcher);
  return peer == coordinator.peers().end() ? 0 : peer->second->session_id;
}

std::vector<std::pair<std::string, std::string>> environment_rows() {
  utsname system{};
  uname(&system);
  const passwd* user = getpwuid(getuid());
  std::error_code ignored;
  std::string machine = system.machine;
  return {{"zookeeper.version", version_text()},
          {"host.name", system.nodename},
          {"os.name", system.sysname},
          {"os.arch", machine == "x86_64" ? "amd64" : machine},  // Java's word
          {"os.version", system.release},
          {"user.name", user == nullptr ? std::to_string(getuid()) : user->pw_name},
          {"user.home", user == nullptr ? "" : user->pw_dir},
          {"user.dir", std::filesystem::current_path(ignored).string()},
          {"os.memory.free", memory_text("MemAvailable:")},
          {"os.memory.max", memory_text("MemTotal:")},
          {"os.memory.total", memory_text("MemTotal:")}};
}

bool is_four_letter_word(std::string_view word) { return answers().contains(word); }

std::string answer_four_letter_word(std::string_view word, base::ByteView argument, Coordinator& coordinator) {
  auto entry = answers().find(word);
  const ZooKeeperServerConfig& config = coordinator.config();
  bool allowed = config.all_commands || config.commands.contains(std::string(word));
  if (entry == answers().end() || !allowed) {
    return std::string(word) + " is not executed because it is not in the whitelist.\n";
  }
  if (word == "stmk") {
    if (argument.size() < 8) return {};
    coordinator.set_trace_mask(base::load_big_endian<std::int64_t>(argument.data()));
  }
  return entry->second(coordinator);
}

}  // namespace zk::server
