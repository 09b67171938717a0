// Writes as a client asks for them, before they are checked, and what they become (`Decided`). Plain values.
#pragma once

#include <variant>

#include "zk/tree/txn.h"

namespace zk::tree {

struct CreateRequest {
  using Decided = CreateTxn;
  OpCode type = OpCode::create;
  std::string path;
  Data data;
  AclHandle acl;
  std::int32_t flags = 0;
  std::int64_t ttl_ms = 0;
};

struct DeleteRequest {
  using Decided = DeleteTxn;
  std::string path;
  std::int32_t version = -1;
};

struct SetDataRequest {
  using Decided = SetDataTxn;
  std::string path;
  Data data;
  std::int32_t version = -1;
};

struct SetAclRequest {
  using Decided = SetAclTxn;
  std::string path;
  AclList acl;
  std::int32_t version = -1;
};

struct CheckRequest {
  using Decided = CheckTxn;
  std::string path;
  std::int32_t version = -1;
};

using SubRequest = std::variant<CreateRequest, DeleteRequest, SetDataRequest, CheckRequest>;

struct MultiRequest {
  using Decided = MultiTxn;
  std::vector<SubRequest> requests;
};

struct ReconfigRequest {
  using Decided = ErrorTxn;
};

struct CreateSessionRequest {
  using Decided = CreateSessionTxn;
  std::int32_t timeout_ms = 0;
};

struct CloseSessionRequest {
  using Decided = CloseSessionTxn;
};

// The server's own: an empty container or an outdated TTL znode goes.
struct DeleteContainerRequest {
  using Decided = DeleteTxn;
  std::string path;
};

using WriteRequest = std::variant<CreateRequest, DeleteRequest, SetDataRequest, SetAclRequest, MultiRequest,
                                  ReconfigRequest, CreateSessionRequest, CloseSessionRequest, DeleteContainerRequest>;

}  // namespace zk::tree
