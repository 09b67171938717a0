// The coordinator's vocabulary: error and operation codes with their wire numbers, Stat, ACL entries. Plain values, no
// thread rules. Source: ZooKeeper 3.9's client protocol.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zk::tree {

enum class Error : std::int32_t {
  ok = 0,
  system_error = -1,
  runtime_inconsistency = -2,
  marshalling_error = -5,
  unimplemented = -6,
  bad_arguments = -8,
  unknown_session = -12,
  no_node = -101,
  no_auth = -102,
  bad_version = -103,
  no_children_for_ephemerals = -108,
  node_exists = -110,
  not_empty = -111,
  session_expired = -112,
  invalid_acl = -114,
  auth_failed = -115,
  session_moved = -118,
  no_watcher = -121,
  reconfig_disabled = -123,
  quota_exceeded = -125,
};

enum class OpCode : std::int32_t {
  create = 1,
  remove = 2,
  exists = 3,
  get_data = 4,
  set_data = 5,
  get_acl = 6,
  set_acl = 7,
  get_children = 8,
  sync = 9,
  ping = 11,
  get_children2 = 12,
  check = 13,
  multi = 14,
  create2 = 15,
  reconfig = 16,
  check_watches = 17,
  remove_watches = 18,
  create_container = 19,
  delete_container = 20,
  create_ttl = 21,
  multi_read = 22,
  auth = 100,
  set_watches = 101,
  sasl = 102,
  get_ephemerals = 103,
  get_all_children_number = 104,
  set_watches2 = 105,
  add_watch = 106,
  who_am_i = 107,
  create_session = -10,
  close_session = -11,
  error = -1,
};

enum Permission : std::int32_t {
  kRead = 1,
  kWrite = 2,
  kCreate = 4,
  kDelete = 8,
  kAdmin = 16,
  kAll = 31,
};

// Who a connection has proved to be, one for each scheme it used; every connection has its "ip".
struct Identity {
  std::string scheme;
  std::string id;
  bool operator==(const Identity&) const = default;
};

struct AclEntry {
  std::int32_t permissions = 0;
  Identity identity;
  bool operator==(const AclEntry&) const = default;
};
using AclList = std::vector<AclEntry>;
using SharedAcl = std::shared_ptr<const AclList>;

// What a znode keeps; the field order is that of the snapshot file. `cversion` counts created children only.
struct StatPersisted {
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t ctime = 0;
  std::int64_t mtime = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t ephemeral_owner = 0;
  std::int64_t pzxid = 0;
  bool operator==(const StatPersisted&) const = default;
};

// What a client sees. `cversion` counts created and deleted children; `ephemeral_owner` is 0 for containers and TTL
// nodes.
struct Stat {
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t ctime = 0;
  std::int64_t mtime = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t ephemeral_owner = 0;
  std::int32_t data_length = 0;
  std::int32_t num_children = 0;
  std::int64_t pzxid = 0;
  bool operator==(const Stat&) const = default;
};

// A znode's owner field tells four kinds apart.
enum class NodeKind { persistent, ephemeral, container, ttl };
inline constexpr std::int64_t kContainerOwner = INT64_MIN;
inline constexpr std::int64_t kTtlOwnerMask = static_cast<std::int64_t>(0xff00000000000000ULL);
inline constexpr std::int64_t kTtlMaxMs = (std::int64_t{1} << 40) - 1;

inline NodeKind kind_of_owner(std::int64_t owner) {
  if (owner == 0) return NodeKind::persistent;
  if (owner == kContainerOwner) return NodeKind::container;
  // 0xff, 16 zero bits, 40 bits of milliseconds. A session id of server 255 has its start time where the zeros are.
  if ((static_cast<std::uint64_t>(owner) >> 40) == 0xff0000) return NodeKind::ttl;
  return NodeKind::ephemeral;
}

}  // namespace zk::tree
