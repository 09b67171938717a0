#include "zk/server/convert.h"

namespace zk::server {

tree::AclList to_tree(const proto::Nullable<std::vector<proto::ACL>>& acl) {
  tree::AclList list;
  list.reserve(acl.size());
  for (const proto::ACL& entry : acl) {
    tree::AclEntry& made = list.emplace_back();
    made.permissions = entry.perms;
    made.identity.scheme = entry.id.scheme;
    made.identity.id = entry.id.id;
  }
  return list;
}

proto::Nullable<std::vector<proto::ACL>> to_proto(const tree::AclList& acl) {
  proto::Nullable<std::vector<proto::ACL>> list;
  for (const tree::AclEntry& entry : acl) {
    proto::ACL& made = list.emplace_back();
    made.perms = entry.permissions;
    made.id.scheme = entry.identity.scheme;
    made.id.id = entry.identity.id;
  }
  return list;
}

std::vector<std::string> to_tree(proto::Nullable<std::vector<proto::Nullable<std::string>>>& texts) {
  std::vector<std::string> list;
  list.reserve(texts.size());
  for (auto& text : texts) list.push_back(std::move(text));
  return list;
}

}  // namespace zk::server
