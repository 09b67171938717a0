#include "zk/server/convert.h"

namespace zk::server {

tree::AclList to_tree(const proto::Nullable<std::vector<proto::ACL>>& acl) {
  tree::AclList list;
  list.reserve(acl.size());
  for (const proto::ACL& entry : acl) {
    list.push_back(tree::AclEntry{entry.perms, tree::Identity{entry.id.scheme, entry.id.id}});
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

proto::Stat to_proto(const tree::Stat& from) {
  proto::Stat stat;
  stat.czxid = from.czxid;
  stat.mzxid = from.mzxid;
  stat.ctime = from.ctime;
  stat.mtime = from.mtime;
  stat.version = from.version;
  stat.cversion = from.cversion;
  stat.aversion = from.aversion;
  stat.ephemeral_owner = from.ephemeral_owner;
  stat.data_length = from.data_length;
  stat.num_children = from.num_children;
  stat.pzxid = from.pzxid;
  return stat;
}

proto::StatPersisted to_proto(const tree::StatPersisted& from) {
  proto::StatPersisted stat;
  stat.czxid = from.czxid;
  stat.mzxid = from.mzxid;
  stat.ctime = from.ctime;
  stat.mtime = from.mtime;
  stat.version = from.version;
  stat.cversion = from.cversion;
  stat.aversion = from.aversion;
  stat.ephemeral_owner = from.ephemeral_owner;
  stat.pzxid = from.pzxid;
  return stat;
}

tree::StatPersisted to_tree(const proto::StatPersisted& from) {
  tree::StatPersisted stat;
  stat.czxid = from.czxid;
  stat.mzxid = from.mzxid;
  stat.ctime = from.ctime;
  stat.mtime = from.mtime;
  stat.version = from.version;
  stat.cversion = from.cversion;
  stat.aversion = from.aversion;
  stat.ephemeral_owner = from.ephemeral_owner;
  stat.pzxid = from.pzxid;
  return stat;
}

std::vector<std::string> to_tree(proto::Nullable<std::vector<proto::Nullable<std::string>>>& texts) {
  std::vector<std::string> list;
  list.reserve(texts.size());
  for (auto& text : texts) list.push_back(std::move(text));
  return list;
}

}  // namespace zk::server
