// Transactions: what the log holds and what alone changes the state. Plain values. The numbers in `type` are those of
// the log; container and TTL creates differ from plain ones by the owner they give a znode.
#pragma once

#include <variant>

#include "zk/tree/types.h"

namespace zk::tree {

using Data = std::optional<std::string>;  // a znode's data may be null

// What whoever decided a transaction has computed already: see digest.h. Not in the log.
struct KnownDigests {
  std::uint32_t content_crc = 0;  // of path and data
  std::uint32_t digest = 0;       // what the znode adds to the tree's, after this transaction
  std::optional<std::uint32_t> parent_digest = {};  // the same of its parent; of a create that was decided
};

struct CreateTxn {
  OpCode type = OpCode::create;  // create, create2, create_container or create_ttl
  std::string path;
  Data data;
  AclHandle acl;
  bool ephemeral = false;
  std::int32_t parent_cversion = -1;  // the parent's after this; -1 (old logs): one more than it has
  std::int64_t ttl_ms = 0;
  std::optional<KnownDigests> known = {};
};

struct DeleteTxn {
  OpCode type = OpCode::remove;  // or delete_container
  std::string path;
};

struct SetDataTxn {
  OpCode type = OpCode::set_data;  // or reconfig
  std::string path;
  Data data;
  std::int32_t version = 0;  // the new one
  std::optional<KnownDigests> known = {};
};

struct SetAclTxn {
  std::string path;
  AclList acl;
  std::int32_t version = 0;  // the new one
};

struct CheckTxn {
  std::string path;
  std::int32_t version = 0;
};

struct CreateSessionTxn {
  std::int32_t timeout_ms = 0;
};

struct CloseSessionTxn {
  std::vector<std::string> paths;
};

struct ErrorTxn {
  Error error = Error::ok;
};

using SubTxn = std::variant<CreateTxn, DeleteTxn, SetDataTxn, CheckTxn, ErrorTxn>;

struct MultiTxn {
  std::vector<SubTxn> txns;  // one ErrorTxn in it and none of them is applied
};

using TxnBody = std::variant<ErrorTxn, CreateTxn, DeleteTxn, SetDataTxn, SetAclTxn, CheckTxn, CreateSessionTxn,
                             CloseSessionTxn, MultiTxn>;

struct Txn {
  std::int64_t session_id = 0;
  std::int32_t cxid = 0;  // the request's number in its connection
  std::int64_t zxid = 0;
  std::int64_t time_ms = 0;
  TxnBody body;
  std::optional<std::uint64_t> digest;  // of the tree after it; error records have none
};

// What a create gives its znode: the owner field, and the Stat.
std::int64_t owner_of(const CreateTxn& txn, std::int64_t session_id);
StatPersisted stat_of_created(std::int64_t owner, std::int64_t zxid, std::int64_t time_ms);
// Of a create that comes from the log, so that who applies it has the parent's alone to compute.
void compute_digests(Txn& txn);

OpCode type_of(const TxnBody& body);
OpCode type_of(const SubTxn& txn);

}  // namespace zk::tree
