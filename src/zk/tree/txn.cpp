#include "zk/tree/txn.h"

#include "zk/tree/digest.h"

namespace zk::tree {

namespace {

struct TypeOf {
  OpCode operator()(const CreateTxn& txn) const { return txn.type; }
  OpCode operator()(const DeleteTxn& txn) const { return txn.type; }
  OpCode operator()(const SetDataTxn& txn) const { return txn.type; }
  OpCode operator()(const SetAclTxn&) const { return OpCode::set_acl; }
  OpCode operator()(const CheckTxn&) const { return OpCode::check; }
  OpCode operator()(const CreateSessionTxn&) const { return OpCode::create_session; }
  OpCode operator()(const CloseSessionTxn&) const { return OpCode::close_session; }
  OpCode operator()(const ErrorTxn&) const { return OpCode::error; }
  OpCode operator()(const MultiTxn&) const { return OpCode::multi; }
};

}  // namespace

std::int64_t owner_of(const CreateTxn& txn, std::int64_t session_id) {
  if (txn.type == OpCode::create_container) return kContainerOwner;
  if (txn.type == OpCode::create_ttl) return kTtlOwnerMask | txn.ttl_ms;
  return txn.ephemeral ? session_id : 0;
}

StatPersisted stat_of_created(std::int64_t owner, std::int64_t zxid, std::int64_t time_ms) {
  StatPersisted stat;
  stat.czxid = stat.mzxid = stat.pzxid = zxid;
  stat.ctime = stat.mtime = time_ms;
  stat.ephemeral_owner = owner;
  return stat;
}

void compute_digests(Txn& txn) {
  auto* create = std::get_if<CreateTxn>(&txn.body);
  if (create == nullptr) return;
  KnownDigests& known = create->known.emplace();
  known.content_crc = content_crc(create->path, create->data ? std::string_view(*create->data) : std::string_view());
  if (!counts_in_digest(create->path)) return;
  known.digest = znode_digest(known.content_crc,
                              stat_of_created(owner_of(*create, txn.session_id), txn.zxid, txn.time_ms));
}

OpCode type_of(const TxnBody& body) { return std::visit(TypeOf{}, body); }
OpCode type_of(const SubTxn& txn) { return std::visit(TypeOf{}, txn); }

}  // namespace zk::tree
