// zoo.cfg: the keys of a standalone ZooKeeper 3.9 server, checked. Plain values. A key set wrongly is a ConfigError
// whose text names key, value and what is allowed; keys that only an ensemble or a JVM needs are checked and ignored,
// and those that name members are refused. ZooKeeper makes the system property zookeeper.KEY of a key that it doesn't
// know, so that its system properties work from the file without that prefix; with it, they have no effect, here either.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/java_options.h"
#include "base/properties.h"
#include "zk/server/security_config.h"
#include "zk/server/tls_config.h"

namespace base {
class FileSystem;
}

namespace zk::server {

class ConfigError : public std::runtime_error {
 public:
  ConfigError(int line, const std::string& what) : std::runtime_error(what), line_(line) {}
  int line() const { return line_; }  // 0 if unknown

 private:
  int line_;
};

enum class SnapshotCompression { none, gzip, snappy };

// The commands over HTTP.
struct AdminServerConfig {
  std::string address = "127.0.0.1";  // ZooKeeper's default is every address
  std::uint16_t port = 8080;
  std::string command_url = "/commands";
  std::int64_t idle_timeout_ms = 30'000;
  bool port_unification = false;  // TLS and plain HTTP on the port; both of these: TLS alone
  bool force_https = false;       // TLS alone
  bool need_client_auth = false;
  bool snapshot_enabled = true, restore_enabled = true;
  std::int64_t rate_limit_interval_ms = 300'000;  // of snapshots and restores
  bool trusts_forwarded_for = false;              // a proxy's header says who asks
};

// The metrics over HTTP, in Prometheus' text format. The keys of TLS are those of ZooKeeper's next version, 3.10.
struct PrometheusConfig {
  std::string address;                // empty: all
  static constexpr std::uint16_t kDefaultPort = 7000;
  std::optional<std::uint16_t> port;  // that one if no port is named
  std::optional<std::uint16_t> secure_port;  // the same as `port`: TLS and plain HTTP on one
  base::tls::Options tls;
  bool needs_client_auth = true, wants_client_auth = true;
};

// Tokens that a new connection takes; 0 tokens: no limit. They come back over time.
struct ConnectionThrottleConfig {
  std::int64_t tokens = 0;
  std::int64_t fill_count = 1;
  std::int64_t fill_interval_ms = 1;
};

// The queue before the pipeline, which lets no more than so many requests in at once, and bounds on large requests.
struct RequestThrottleConfig {
  std::size_t requests_max = 0;  // 0: no queue
  bool drop_stale = true;        // from the queue, with their connection
  // What makes a request stale: its connection has gone, or it has waited for longer than its session's timeout.
  bool gone_is_stale = true;
  bool late_is_stale = false;
  std::int64_t refused_after_ms = 0;  // in the queue, with THROTTLEDOP; 0: never
  std::int64_t large_bytes = -1;      // a request above it is large; -1: none is
  std::int64_t large_bytes_max = 100 * 1024 * 1024;  // of all large requests under way
};

struct ZooKeeperServerConfig {
  std::string data_dir;
  std::string data_log_dir;
  std::string client_address;  // empty: all
  std::uint16_t client_port = 2181;
  bool serves_client_port = true;  // false: TLS alone, or nothing
  int listen_backlog = -1;
  bool audit = false;       // audit.enable: see audit.h
  bool keep_alive = false;  // of TCP, on the clients' connections
  std::int64_t tick_ms = 3000;
  std::int64_t session_timeout_min_ms = 6000;
  std::int64_t session_timeout_max_ms = 60000;
  std::size_t connections_per_address_max = 60;  // 0: no limit
  std::size_t connections_max = 0;               // 0: no limit
  std::size_t outstanding_max = 1000;
  std::size_t frame_bytes_max = 0xfffff;
  std::int64_t handshake_timeout_ms = 10'000;
  ConnectionThrottleConfig connection_throttle;
  RequestThrottleConfig request_throttle;
  std::uint64_t snapshot_every = 100'000;                                      // transactions
  std::uint64_t snapshot_every_bytes = std::uint64_t{4} * 1024 * 1024 * 1024;  // of log
  std::size_t snapshots_kept = 3;
  std::int64_t purge_every_hours = 0;  // 0: never
  std::uint64_t preallocate_bytes = 64 * 1024 * 1024;
  std::uint64_t log_bytes_max = 0;  // of one file of the transaction log; 0: no limit
  bool force_sync = true;
  std::int64_t slow_sync_ms = 1000;  // a sync that takes longer is worth a warning
  SnapshotCompression snapshot_compression = SnapshotCompression::none;
  bool snapshot_last_zxid = true;  // the section that only ZooKeeper 3.9 knows
  bool create_data_dir = true;     // datadir.autocreate
  bool digest = true;
  bool trust_empty_snapshot = false;
  bool extended_types = false;
  bool enforce_quota = false;
  bool reconfig = false;  // which one server answers in another way then, no more
  bool skip_acl = false;
  std::string super_digest;  // user:base64(sha1("user:password"))
  std::set<std::string> commands = {"srvr"};
  bool all_commands = false;
  std::int64_t container_check_ms = 60'000;
  std::int64_t containers_per_minute_max = 10'000;
  std::int64_t container_never_used_ms = 0;  // 0: one that never had a child stays
  std::optional<AdminServerConfig> admin;
  std::optional<PrometheusConfig> prometheus;
  std::string text;                                      // of the file, without secrets
  std::map<std::string, std::string> system_properties;  // that ZooKeeper makes of the file, without secrets
  TlsConfig tls;
  SecurityConfig security;
  std::vector<std::string> warnings;  // one line each, for the log

  // `files` has dataDir/myid, which counts with a line server.N; null: there is none.
  static ZooKeeperServerConfig from(const base::Properties& properties, base::FileSystem* files = nullptr);
};

// The options -Dzookeeper.KEY, -Djute.maxbuffer and the like that the environment has for a JVM. A key in the file
// wins, as in ZooKeeper; options that are no keys of this server are left out, and those that ZooKeeper knows by another name
// or in the file alone, as -DskipACL or -Dzookeeper.tickTime.
void add_java_options(base::Properties& file, const base::JavaOptions& options);

// Reads the stores that the TLS ports need, so that what is wrong with one is told with its key and line. Throws ConfigError.
void check_tls_files(const TlsConfig& config, const base::Properties& properties);
// The file as it is, but for the values of passwords and of the super user's digest, also those of lines that are comments. Lines
// are what they are for base::Properties, of which it throws the PropertiesError.
std::string without_secrets(std::string_view file_text);

}  // namespace zk::server
