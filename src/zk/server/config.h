// zoo.cfg: the keys of a standalone ZooKeeper 3.9 server, checked. Plain values. A key set wrongly is a ConfigError
// whose text names key, value and what is allowed; keys that only an ensemble needs are accepted and ignored, and those
// that name members are refused.
#pragma once

#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/properties.h"

namespace zk::server {

class ConfigError : public std::runtime_error {
 public:
  ConfigError(int line, const std::string& what) : std::runtime_error(what), line_(line) {}
  int line() const { return line_; }  // 0 if unknown

 private:
  int line_;
};

struct ZooKeeperServerConfig {
  std::string data_dir;
  std::string data_log_dir;
  std::string client_address;  // empty: all
  std::uint16_t client_port = 2181;
  int listen_backlog = -1;
  std::int64_t tick_ms = 3000;
  std::int64_t session_timeout_min_ms = 6000;
  std::int64_t session_timeout_max_ms = 60000;
  std::size_t connections_per_address_max = 60;  // 0: no limit
  std::size_t connections_max = 0;               // 0: no limit
  std::size_t outstanding_max = 1000;
  std::size_t frame_bytes_max = 0xfffff;
  std::uint64_t snapshot_every = 100'000;                                      // transactions
  std::uint64_t snapshot_every_bytes = std::uint64_t{4} * 1024 * 1024 * 1024;  // of log
  std::size_t snapshots_kept = 3;
  std::int64_t purge_every_hours = 0;  // 0: never
  std::uint64_t preallocate_bytes = 64 * 1024 * 1024;
  bool force_sync = true;
  bool digest = true;
  bool trust_empty_snapshot = false;
  bool extended_types = false;
  bool skip_acl = false;
  std::string super_digest;  // user:base64(sha1("user:password"))
  std::set<std::string> commands = {"srvr"};
  bool all_commands = false;
  std::int64_t container_check_ms = 60'000;
  std::vector<std::string> warnings;  // one line each, for the log

  static ZooKeeperServerConfig from(const base::Properties& properties);
};

}  // namespace zk::server
