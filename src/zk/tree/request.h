// Writes as a client asks for them, before they are checked. Plain values.
#pragma once

#include <variant>

#include "zk/tree/txn.h"

namespace zk::tree {

struct CreateRequest {
  OpCode type = OpCode::create;
  std::string path;
  Data data;
  AclList acl;
  std::int32_t flags = 0;
  std::int64_t ttl_ms = 0;
};

struct DeleteRequest {
  std::string path;
  std::int32_t version = -1;
};

struct SetDataRequest {
  std::string path;
  Data data;
  std::int32_t version = -1;
};

struct SetAclRequest {
  std::string path;
  AclList acl;
  std::int32_t version = -1;
};

struct CheckRequest {
  std::string path;
  std::int32_t version = -1;
};

using SubRequest = std::variant<CreateRequest, DeleteRequest, SetDataRequest, CheckRequest>;

struct MultiRequest {
  std::vector<SubRequest> requests;
};

struct ReconfigRequest {};

struct CreateSessionRequest {
  std::int32_t timeout_ms = 0;
};

struct CloseSessionRequest {};

// The server's own: an empty container or an outdated TTL znode goes.
struct DeleteContainerRequest {
  std::string path;
};

using WriteRequest = std::variant<CreateRequest, DeleteRequest, SetDataRequest, SetAclRequest, MultiRequest,
                                  ReconfigRequest, CreateSessionRequest, CloseSessionRequest, DeleteContainerRequest>;

}  // namespace zk::tree
