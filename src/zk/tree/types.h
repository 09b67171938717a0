// The coordinator's vocabulary: codes, Stat, ACL entries, kinds of znodes. Plain values, no thread rules.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zk/proto/codes.h"
#include "zk/proto/records.h"

namespace zk::tree {

using proto::Error;
using proto::OpCode;

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

  // A jute record like proto::Id, so that lists can be written as they are.
  static constexpr const char* kName = "Id";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("scheme", self.scheme);
    visit("id", self.id);
  }
};

struct AclEntry {
  std::int32_t permissions = 0;
  Identity identity;
  bool operator==(const AclEntry&) const = default;

  static constexpr const char* kName = "ACL";
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("perms", self.permissions);
    visit("id", self.identity);
  }
};
using AclList = std::vector<AclEntry>;
using SharedAcl = std::shared_ptr<const AclList>;

// The list of a request or a transaction: the open one, as most are, costs nothing, and copies of others share one list.
class AclHandle {
 public:
  AclHandle() = default;       // world:anyone, all
  AclHandle(AclList list);     // NOLINT(google-explicit-constructor): it stands for the list
  AclHandle(SharedAcl list) : list_(std::move(list)) {}  // NOLINT(google-explicit-constructor): null for the open one

  bool is_open() const { return list_ == nullptr; }
  const AclList& operator*() const { return list_ != nullptr ? *list_ : *open(); }
  static const SharedAcl& open();

 private:
  SharedAcl list_;
};

// What a znode keeps; `cversion` counts created children only.
using proto::StatPersisted;
// What a client sees. `cversion` counts created and deleted children; `ephemeral_owner` is 0 for containers and TTL
// nodes.
using proto::Stat;

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
