#include "zk/tree/proposals.h"

#include <fmt/format.h>

#include <set>

#include "zk/tree/digest.h"

namespace zk::tree {

namespace {

enum CreateFlags : std::int32_t {
  kPersistent = 0,
  kEphemeral = 1,
  kSequential = 2,
  kEphemeralSequential = 3,
  kContainer = 4,
  kTtl = 5,
  kTtlSequential = 6,
};

bool is_sequential(std::int32_t flags) {
  return flags == kSequential || flags == kEphemeralSequential || flags == kTtlSequential;
}

bool version_fits(std::int32_t expected, std::int32_t actual) { return expected == -1 || expected == actual; }

std::int32_t next(std::int32_t version) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(version) + 1U); }

// The number that the create of these flags has in the log.
OpCode create_type(const CreateRequest& request) {
  if (request.flags == kContainer) return OpCode::create_container;
  if (request.flags == kTtl || request.flags == kTtlSequential) return OpCode::create_ttl;
  return request.type == OpCode::create ? OpCode::create : OpCode::create2;
}

}  // namespace

Proposals::Proposals(const State& state, ProposalRules rules) : state_(state), rules_(rules) { reset(); }

void Proposals::reset() {
  records_.clear();
  owned_.clear();
  order_.clear();
  digest_ = state_.tree().digest();
}

Txn Proposals::decide(WriteRequest request, const Caller& caller, std::int64_t zxid, std::int64_t time_ms) {
  Txn txn;
  txn.session_id = caller.session_id;
  txn.cxid = caller.cxid;
  txn.zxid = zxid;
  txn.time_ms = time_ms;
  bool needs_session = !std::holds_alternative<CreateSessionRequest>(request) &&
                       !std::holds_alternative<CloseSessionRequest>(request) &&
                       !std::holds_alternative<ReconfigRequest>(request) &&
                       !std::holds_alternative<DeleteContainerRequest>(request);
  if (needs_session && !session_is_open(caller.session_id)) {
    txn.body = ErrorTxn{Error::session_expired};
    return txn;
  }
  Scope scope{caller, zxid, time_ms};
  std::visit(
      [&](auto& one) {
        auto decided = decide_one(one, scope);
        if (auto* error = std::get_if<Error>(&decided)) {
          txn.body = ErrorTxn{*error};
        } else {
          txn.body = std::move(std::get<0>(decided));
        }
      },
      request);
  if (rules_.digest && !std::holds_alternative<ErrorTxn>(txn.body)) txn.digest = digest_;
  return txn;
}

void Proposals::applied(const Txn& txn) {
  const std::int64_t zxid = txn.zxid;
  if (std::holds_alternative<CloseSessionTxn>(txn.body)) closing_.erase(txn.session_id);
  while (!order_.empty() && order_.front().zxid <= zxid) {
    const Records::value_type& record = *order_.front().record;
    if (record.second.zxid == order_.front().zxid) {
      unlist_owner(record);
      records_.erase(records_.find(record.first));
    }
    order_.pop_front();
  }
}

bool Proposals::session_is_open(std::int64_t session_id) const {
  return state_.sessions().contains(session_id) && !closing_.contains(session_id);
}

// Outstanding changes
// ---------------------------------------------------------------------------------------------------

std::optional<Proposals::Record> Proposals::find(std::string_view path) const {
  if (path.empty()) path = "/";
  if (!records_.empty()) {
    auto record = records_.find(path);
    if (record != records_.end()) return record->second.exists ? std::optional(record->second) : std::nullopt;
  }
  const Znode* node = state_.tree().find(path);
  if (node == nullptr) return std::nullopt;
  Record record;
  record.stat = node->stat;
  record.child_count = node->child_count;
  record.content_crc = node->content_crc;
  record.data_bytes = static_cast<std::int64_t>(node->data.view().size());
  record.in_digest = node->in_digest;
  record.acl = state_.tree().acl_of(*node);
  return record;
}

Proposals::Size Proposals::size_of(std::string_view path) const {
  auto record = records_.find(path);
  if (record != records_.end()) {
    return record->second.exists ? Size{record->second.data_bytes, record->second.child_count} : Size{};
  }
  const Znode* node = state_.tree().find(path);
  return node == nullptr ? Size{} : Size{static_cast<std::int64_t>(node->data.view().size()), node->child_count};
}

void Proposals::put(std::string_view path, const std::optional<Record>& before, Record after) {
  if (path.empty()) path = "/";
  if (before && before->in_digest) digest_ -= znode_digest(before->content_crc, before->stat);
  if (after.exists && after.in_digest) digest_ += znode_digest(after.content_crc, after.stat);
  auto known = records_.find(path);
  const bool is_known = known != records_.end();
  if (undoing_) undo_.push_back(Undo{std::string(path), is_known ? std::optional(known->second) : std::nullopt});
  const std::int64_t zxid = after.zxid;
  const bool changed_before = is_known && known->second.zxid == zxid;
  if (is_known) {
    unlist_owner(*known);
    known->second = std::move(after);
  } else {
    known = records_.emplace(path, std::move(after)).first;
  }
  list_owner(*known);
  if (!changed_before) order_.push_back(Change{zxid, &*known});
}

void Proposals::roll_back(std::size_t order_size) {
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    auto record = records_.find(undo->path);
    unlist_owner(*record);
    if (undo->before) {
      record->second = std::move(*undo->before);  // in place: changes before this multi point to it
      list_owner(*record);
    } else {
      records_.erase(record);
    }
  }
  order_.resize(order_size, Change{0, nullptr});
}

void Proposals::list_owner(const Records::value_type& record) {
  if (record.second.stat.ephemeral_owner != 0) owned_.emplace(record.second.stat.ephemeral_owner, &record);
}

void Proposals::unlist_owner(const Records::value_type& record) {
  if (record.second.stat.ephemeral_owner != 0) owned_.erase({record.second.stat.ephemeral_owner, &record});
}

SharedAcl Proposals::share(const AclList& acl) const {
  SharedAcl open = state_.tree().acls().find(AclCache::kOpenId);
  return acl == *open ? open : std::make_shared<const AclList>(acl);
}

bool Proposals::allowed(const Record& record, std::int32_t permissions, const Caller& caller) const {
  return record.acl == nullptr || is_allowed(*record.acl, permissions, caller.identities, rules_.acl);
}

// Operations, with ZooKeeper's order of checks
// ----------------------------------------------------------------------------

Error Proposals::check_create_flags(const CreateRequest& request) const {
  if (request.flags < kPersistent || request.flags > kTtlSequential) return Error::bad_arguments;
  if (request.flags != kTtl && request.flags != kTtlSequential) {
    // A time to live is no argument of these.
    return request.type == OpCode::create_ttl ? Error::bad_arguments : Error::ok;
  }
  if (!rules_.extended_types) return Error::unimplemented;
  return request.ttl_ms > 0 && request.ttl_ms <= kTtlMaxMs ? Error::ok : Error::bad_arguments;
}

Proposals::Decided<CreateTxn> Proposals::decide_one(CreateRequest& request, const Scope& scope) {
  Error flags = check_create_flags(request);
  if (flags != Error::ok) return flags;
  CreateTxn txn;
  txn.type = create_type(request);
  txn.path = std::move(request.path);
  if (txn.path.find('/') == std::string::npos || txn.path.find('\0') != std::string::npos) return Error::bad_arguments;
  auto acl = normalise_acl(std::move(request.acl), scope.caller.identities, rules_.acl);
  if (!acl) return Error::invalid_acl;
  // The parent by plain text, so that "/p//q" has the parent "/p/", which isn't there.
  std::string parent_path = txn.path.substr(0, txn.path.rfind('/'));
  auto parent = find(parent_path);
  if (!parent) return Error::no_node;
  if (!allowed(*parent, kCreate, scope.caller)) return Error::no_auth;
  if (is_sequential(request.flags)) txn.path += fmt::format("{:010d}", parent->stat.cversion);
  if (!is_valid_path(txn.path)) return Error::bad_arguments;
  if (find(txn.path)) return Error::node_exists;
  if (kind_of_owner(parent->stat.ephemeral_owner) == NodeKind::ephemeral) return Error::no_children_for_ephemerals;
  auto data_bytes = static_cast<std::int64_t>(request.data ? request.data->size() : 0);
  if (Error quota = check_quota(txn.path, 1, data_bytes); quota != Error::ok) return quota;

  txn.data = std::move(request.data);
  txn.acl = std::move(*acl);
  txn.ephemeral = request.flags == kEphemeral || request.flags == kEphemeralSequential;
  txn.ttl_ms = txn.type == OpCode::create_ttl ? request.ttl_ms : 0;
  txn.parent_cversion = next(parent->stat.cversion);

  Record changed = *parent;
  changed.zxid = scope.zxid;
  changed.stat.cversion = txn.parent_cversion;
  changed.stat.pzxid = scope.zxid;
  ++changed.child_count;
  put(parent_path, parent, std::move(changed));
  Record made;
  made.zxid = scope.zxid;
  made.stat.czxid = made.stat.mzxid = made.stat.pzxid = scope.zxid;
  made.stat.ctime = made.stat.mtime = scope.time_ms;
  if (txn.type == OpCode::create_container) made.stat.ephemeral_owner = kContainerOwner;
  if (txn.type == OpCode::create_ttl) made.stat.ephemeral_owner = kTtlOwnerMask | txn.ttl_ms;
  if (txn.ephemeral) made.stat.ephemeral_owner = scope.caller.session_id;
  made.content_crc = content_crc(txn.path, txn.data ? std::string_view(*txn.data) : std::string_view());
  made.data_bytes = data_bytes;
  made.in_digest = counts_in_digest(txn.path);
  made.acl = share(txn.acl);
  put(txn.path, std::nullopt, std::move(made));
  return txn;
}

// Against the tree as it is, as ZooKeeper does: writes on their way don't count yet.
Error Proposals::check_quota(std::string_view path, std::int64_t count, std::int64_t bytes) {
  if (!rules_.enforce_quota) return Error::ok;
  auto exceeded = state_.tree().check_quota(path, count, bytes);
  if (!exceeded) return Error::ok;
  bool refused = exceeded->hard;
  quota_exceeded_ = std::move(exceeded);
  return refused ? Error::quota_exceeded : Error::ok;
}

Error Proposals::plan_delete(const std::string& path, const Scope& scope, const DeleteRequest* asked) {
  if (path.find('/') == std::string::npos || path.find('\0') != std::string::npos || is_special_path(path)) {
    return Error::bad_arguments;
  }
  std::string parent_path = path.substr(0, path.rfind('/'));
  auto parent = find(parent_path);
  if (!parent) return Error::no_node;
  if (asked != nullptr && !allowed(*parent, kDelete, scope.caller)) return Error::no_auth;
  auto node = find(path);
  if (!node) return Error::no_node;
  if (asked != nullptr && !version_fits(asked->version, node->stat.version)) return Error::bad_version;
  if (node->child_count > 0) return Error::not_empty;
  Record changed = *parent;
  changed.zxid = scope.zxid;
  changed.stat.pzxid = scope.zxid;
  --changed.child_count;
  put(parent_path, parent, std::move(changed));
  Record gone = *node;
  gone.zxid = scope.zxid;
  gone.exists = false;
  put(path, node, std::move(gone));
  return Error::ok;
}

Proposals::Decided<DeleteTxn> Proposals::decide_one(DeleteRequest& request, const Scope& scope) {
  Error error = plan_delete(request.path, scope, &request);
  if (error != Error::ok) return error;
  return DeleteTxn{OpCode::remove, std::move(request.path)};
}

Proposals::Decided<DeleteTxn> Proposals::decide_one(DeleteContainerRequest& request, const Scope& scope) {
  auto node = find(request.path);
  if (!node) return Error::no_node;
  NodeKind kind = kind_of_owner(node->stat.ephemeral_owner);
  if (kind != NodeKind::container && kind != NodeKind::ttl) return Error::bad_version;
  // Found outdated as it is in the tree. A write that is on its way gives it its time anew.
  const Znode* applied = state_.tree().find(request.path);
  if (applied != nullptr && applied->stat.mzxid != node->stat.mzxid) return Error::bad_version;
  Error error = plan_delete(request.path, scope, nullptr);
  if (error != Error::ok) return error;
  return DeleteTxn{OpCode::delete_container, std::move(request.path)};
}

Proposals::Decided<SetDataTxn> Proposals::decide_one(SetDataRequest& request, const Scope& scope) {
  if (!is_valid_path(request.path)) return Error::bad_arguments;
  auto node = find(request.path);
  if (!node) return Error::no_node;
  if (!allowed(*node, kWrite, scope.caller)) return Error::no_auth;
  auto data_bytes = static_cast<std::int64_t>(request.data ? request.data->size() : 0);
  if (Error quota = check_quota(request.path, 0, data_bytes - node->data_bytes); quota != Error::ok) return quota;
  if (!version_fits(request.version, node->stat.version)) return Error::bad_version;
  SetDataTxn txn;
  txn.path = std::move(request.path);
  txn.data = std::move(request.data);
  txn.version = next(node->stat.version);
  Record changed = *node;
  changed.zxid = scope.zxid;
  changed.stat.version = txn.version;
  changed.data_bytes = data_bytes;
  changed.stat.mzxid = scope.zxid;
  changed.stat.mtime = scope.time_ms;
  changed.content_crc = content_crc(txn.path, txn.data ? std::string_view(*txn.data) : std::string_view());
  put(txn.path, node, std::move(changed));
  return txn;
}

Proposals::Decided<SetAclTxn> Proposals::decide_one(SetAclRequest& request, const Scope& scope) {
  if (!is_valid_path(request.path)) return Error::bad_arguments;
  auto acl = normalise_acl(std::move(request.acl), scope.caller.identities, rules_.acl);
  if (!acl) return Error::invalid_acl;
  auto node = find(request.path);
  if (!node) return Error::no_node;
  if (!allowed(*node, kAdmin, scope.caller)) return Error::no_auth;
  if (!version_fits(request.version, node->stat.aversion)) return Error::bad_version;
  SetAclTxn txn;
  txn.path = std::move(request.path);
  txn.acl = std::move(*acl);
  txn.version = next(node->stat.aversion);
  Record changed = *node;
  changed.zxid = scope.zxid;
  changed.stat.aversion = txn.version;
  changed.acl = share(txn.acl);
  put(txn.path, node, std::move(changed));
  return txn;
}

Proposals::Decided<CheckTxn> Proposals::decide_one(const CheckRequest& request, const Scope& scope) {
  if (!is_valid_path(request.path)) return Error::bad_arguments;
  auto node = find(request.path);
  if (!node) return Error::no_node;
  if (!allowed(*node, kRead, scope.caller)) return Error::no_auth;
  if (!version_fits(request.version, node->stat.version)) return Error::bad_version;
  return CheckTxn{request.path, next(node->stat.version)};
}

Proposals::Decided<MultiTxn> Proposals::decide_one(MultiRequest& request, const Scope& scope) {
  std::size_t order_size = order_.size();
  std::uint64_t digest = digest_;
  undoing_ = true;
  undo_.clear();
  MultiTxn multi;
  bool failed = false;
  for (SubRequest& part : request.requests) {
    if (failed) {
      multi.txns.emplace_back(ErrorTxn{Error::runtime_inconsistency});
      continue;
    }
    std::visit(
        [&](auto& one) {
          auto decided = decide_one(one, scope);
          if (auto* error = std::get_if<Error>(&decided)) {
            failed = true;
            multi.txns.emplace_back(ErrorTxn{*error});
          } else {
            multi.txns.emplace_back(std::move(std::get<0>(decided)));
          }
        },
        part);
  }
  undoing_ = false;
  if (failed) {
    roll_back(order_size);
    digest_ = digest;
  }
  undo_.clear();
  return multi;
}

// One server has no members that could change. A disabled one says so first, whoever asks.
Proposals::Decided<ErrorTxn> Proposals::decide_one(const ReconfigRequest&, const Scope& scope) {
  if (!rules_.reconfig) return Error::reconfig_disabled;
  return session_is_open(scope.caller.session_id) ? Error::unimplemented : Error::session_expired;
}

Proposals::Decided<CreateSessionTxn> Proposals::decide_one(const CreateSessionRequest& request, const Scope&) {
  return CreateSessionTxn{request.timeout_ms};
}

Proposals::Decided<CloseSessionTxn> Proposals::decide_one(const CloseSessionRequest&, const Scope& scope) {
  std::int64_t session_id = scope.caller.session_id;
  std::set<std::string> paths;
  for (std::string& path : state_.tree().ephemerals_of(session_id)) {
    // Not what will have been deleted, or be there again as somebody else's.
    if (!records_.contains(path)) paths.insert(std::move(path));
  }
  for (auto owned = owned_.lower_bound({session_id, nullptr}); owned != owned_.end() && owned->first == session_id; ++owned) {
    const auto& [path, record] = *owned->second;
    if (record.exists) paths.insert(path);
  }
  CloseSessionTxn txn;
  for (const std::string& path : paths) {
    // Ephemerals have no children, so this always fits.
    if (plan_delete(path, scope, nullptr) == Error::ok) txn.paths.push_back(path);
  }
  closing_.insert(session_id);
  return txn;
}

}  // namespace zk::tree
