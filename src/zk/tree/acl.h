// Access control: the schemes world, auth, digest, ip (sasl and x509 ids are recognised when their providers are on),
// the checks, and the cache that turns a list into the small number that znodes and snapshots hold. Owned by the tree,
// one thread.
#pragma once

#include <map>
#include <span>
#include <unordered_map>

#include "zk/tree/types.h"

namespace zk::tree {

// Which schemes beyond world, auth and ip this server can check: those whose provider it has.
struct AclSchemes {
  bool digest = true;
  std::string digest_algorithm = "SHA1";
  bool sasl = false;
  std::string any_sasl_user;  // letAnySaslUserDoX: an entry for this user fits every user of SASL
  bool x509 = false;
  bool skip_checks = false;  // skipACL=yes
};

// user:base64(sha1("user:password")), from "user:password". Nothing if OpenSSL has no such algorithm.
std::optional<std::string> digest_identity(std::string_view user_and_password, const std::string& algorithm = "SHA1");
bool is_valid_ip_pattern(std::string_view pattern);
bool ip_matches(std::string_view address, std::string_view pattern);

// What a create or setACL stores: duplicates removed, "auth" replaced by the caller's authenticated ids. Nothing if a
// part is malformed or the list is empty.
std::optional<AclList> normalise_acl(AclList acl, std::span<const Identity> caller, const AclSchemes& schemes);

bool is_allowed(const AclList& acl, std::int32_t permissions, std::span<const Identity> caller,
                const AclSchemes& schemes);

// The list as shown to one who is not its admin: digest ids as "user:x".
AclList masked(AclList acl);

class AclCache {
 public:
  static constexpr std::int64_t kOpenId = -1;     // world:anyone, all; never in a snapshot's list
  static constexpr std::int64_t kMissingId = -2;  // of a znode whose list is still to come: see Tree::load()

  AclCache();
  std::int64_t acquire(const AclList& acl);  // one more user
  bool retain(std::int64_t id);              // one more user of an id; whether it is known
  void release(std::int64_t id);             // the last user's release forgets the list
  // Null for an id that is not there. Until the list is forgotten.
  const SharedAcl& find(std::int64_t id) const;
  // From a snapshot: no users yet; drop_unused() afterwards forgets those that no znode named.
  void load(std::int64_t id, AclList acl);
  void drop_unused();
  std::map<std::int64_t, SharedAcl> lists() const;  // without the open one

 private:
  struct Entry {
    SharedAcl acl;
    std::int64_t users = 0;
  };
  static std::string key_of(const AclList& acl);

  SharedAcl open_;
  std::map<std::int64_t, Entry> by_id_;
  std::unordered_map<std::string, std::int64_t> ids_;
  std::int64_t last_id_ = 0;
};

}  // namespace zk::tree
