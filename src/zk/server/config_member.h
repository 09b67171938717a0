// The line server.N of a zoo.cfg that names one server alone, which runs standalone: where its clients come to. ZooKeeper 3.9.4
// takes that from the line if dataDir/myid says N, and so does the official image. ConfigError for what it refuses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "zk/server/config_keys.h"

namespace zk::server {

struct ClientAddress {
  std::string host;  // empty: all addresses
  std::uint16_t port = 0;
};

struct MemberLine {
  std::int64_t id = 0;
  bool is_observer = false;
  std::optional<ClientAddress> client;
};

// host:port:port[:participant|observer][;[host:]port]; with `several_addresses`, more of the first kind behind |.
MemberLine parse_member_line(const std::string& key, const ConfigEntry& entry, bool several_addresses);

// Sets the clients' port and address. `myid` is the first line of dataDir/myid; nothing: there is no such file. Names of hosts
// may be looked up.
void take_member(ZooKeeperServerConfig& config, const std::string& key, const ConfigEntry& entry, const MemberLine& member,
                 const std::optional<std::string>& myid);

}  // namespace zk::server
