#include "broker/controller/znode_rules.h"

namespace broker::controller {
namespace {

constexpr std::int32_t kRead = 1;
constexpr std::int32_t kAll = 31;

zk::client::Acl rule(std::int32_t permissions, const char* scheme, const char* id) {
  zk::client::Acl acl;
  acl.perms = permissions;
  acl.scheme = scheme;
  acl.id = id;
  return acl;
}

// By the beginning of the path, as Kafka compares it.
bool is_sensitive(const std::string& path) {
  for (const char* root : {"/config/users", "/config/brokers", "/delegation_token/tokens"}) {
    if (path.starts_with(root)) return true;
  }
  return false;
}

}  // namespace

std::vector<zk::client::Acl> znode_rules(const std::string& path) {
  std::vector<zk::client::Acl> rules;
  if (path == "/consumers") {
    rules.push_back(rule(kAll, "world", "anyone"));
    return rules;
  }
  rules.push_back(rule(kAll, "auth", ""));
  if (!is_sensitive(path)) rules.push_back(rule(kRead, "world", "anyone"));
  return rules;
}

}  // namespace broker::controller
