// Between the tree's plain values and the generated jute records. Pure functions.
#pragma once

#include "zk/proto/records.h"
#include "zk/tree/request.h"
#include "zk/tree/types.h"

namespace zk::server {

// The open list (tree::AclHandle) in jute.
inline constexpr std::string_view kOpenAclBytes("\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone", 27);

tree::AclList to_tree(const proto::Nullable<std::vector<proto::ACL>>& acl);
proto::Nullable<std::vector<proto::ACL>> to_proto(const tree::AclList& acl);
std::vector<std::string> to_tree(proto::Nullable<std::vector<proto::Nullable<std::string>>>& texts);

}  // namespace zk::server
