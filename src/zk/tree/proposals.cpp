#include "zk/tree/proposals.h"

#include <fmt/format.h>

#include <set>

#include "zk/tree/digest.h"

namespace zk::tree {

namespace {

constexpr std::size_t kSparesMax = 1024;
constexpr std::size_t kSparePathBytesMax = 256;

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

template <class Request, class Body>
Error Proposals::decide_body(Request& request, const Scope& scope, Body& body) {
  const Error error = decide_one(request, scope, body.template emplace<typename Request::Decided>());
  if (error != Error::ok) body.template emplace<ErrorTxn>(ErrorTxn{error});
  return error;
}

void Proposals::decide(WriteRequest& request, const Caller& caller, std::int64_t zxid, std::int64_t time_ms, Txn& txn) {
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
    return;
  }
  const Scope scope{caller, zxid, time_ms};
  const Error error = std::visit([&](auto& one) { return decide_body(one, scope, txn.body); }, request);
  if (rules_.digest && error == Error::ok) txn.digest = digest_;
}

void Proposals::applied(const Txn& txn) {
  const std::int64_t zxid = txn.zxid;
  if (std::holds_alternative<CloseSessionTxn>(txn.body)) closing_.erase(txn.session_id);
  for (; !order_.empty() && order_.front().zxid <= zxid; order_.pop_front()) {
    const Records::value_type& record = *order_.front().record;
    if (record.second.zxid == order_.front().zxid) forget(record);
  }
}

void Proposals::forget(const Records::value_type& record) {
  unlist_owner(record);
  Records::node_type node = records_.extract(records_.find(record.first));
  if (spare_.size() >= kSparesMax || node.key().capacity() > kSparePathBytesMax) return;
  node.mapped() = Record();
  spare_.push_back(std::move(node));
}

bool Proposals::session_is_open(std::int64_t session_id) const {
  return state_.sessions().contains(session_id) && (closing_.empty() || !closing_.contains(session_id));
}

// Outstanding changes
// ---------------------------------------------------------------------------------------------------

Proposals::Found Proposals::find(std::string_view path) {
  if (path.empty()) path = "/";
  if (!records_.empty()) {
    auto record = records_.find(path);
    if (record != records_.end()) return Found{&*record, nullptr};
  }
  return Found{nullptr, state_.tree().find(path)};
}

Proposals::Size Proposals::size_of(std::string_view path) const {
  auto record = records_.find(path);
  if (record != records_.end()) {
    return record->second.exists ? Size{record->second.data_bytes, record->second.child_count} : Size{};
  }
  const Znode* node = state_.tree().find(path);
  return node == nullptr ? Size{} : Size{static_cast<std::int64_t>(node->data.view().size()), node->child_count};
}

Proposals::Records::value_type& Proposals::add(std::string_view path) {
  if (spare_.empty()) return *records_.try_emplace(std::string(path)).first;
  Records::node_type node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = path;
  return *records_.insert(std::move(node)).position;
}

Proposals::Records::value_type& Proposals::change(std::string_view path, const Found& found, std::int64_t zxid) {
  if (path.empty()) path = "/";
  Records::value_type* changed = found.outstanding;
  const bool changed_before = changed != nullptr && changed->second.zxid == zxid;
  if (undoing_) {
    undo_.push_back(Undo{std::string(path), changed != nullptr ? std::optional(changed->second) : std::nullopt});
  }
  if (changed != nullptr) {
    unlist_owner(*changed);
  } else {
    changed = &add(path);
    if (found.node != nullptr) fill(changed->second, *found.node);
  }
  changed->second.zxid = zxid;
  if (!changed_before) order_.push_back(Change{zxid, changed});
  return *changed;
}

void Proposals::fill(Record& record, const Znode& node) const {
  record.stat = node.stat;
  record.child_count = node.child_count;
  record.content_crc = node.content_crc;
  record.digest = node.digest;
  record.data_bytes = static_cast<std::int64_t>(node.data.view().size());
  record.in_digest = node.in_digest;
  record.acl = node.acl_id == AclCache::kOpenId ? AclHandle() : AclHandle(state_.tree().acl_of(node));
}

void Proposals::settle(Records::value_type& changed) {
  list_owner(changed);
  Record& record = changed.second;
  digest_ -= record.digest;
  record.digest = record.exists && record.in_digest ? znode_digest(record.content_crc, record.stat) : 0;
  digest_ += record.digest;
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

bool Proposals::allowed(const Found& found, std::int32_t permissions, const Caller& caller) const {
  if (found.outstanding != nullptr) {
    const AclHandle& acl = found.outstanding->second.acl;
    return acl.is_open() || is_allowed(*acl, permissions, caller.identities, rules_.acl);
  }
  if (found.node->acl_id == AclCache::kOpenId) return true;
  const SharedAcl& acl = state_.tree().acl_of(*found.node);
  return acl == nullptr || is_allowed(*acl, permissions, caller.identities, rules_.acl);
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

Error Proposals::decide_one(CreateRequest& request, const Scope& scope, CreateTxn& txn) {
  Error flags = check_create_flags(request);
  if (flags != Error::ok) return flags;
  txn.type = create_type(request);
  txn.path = std::move(request.path);
  if (txn.path.find('/') == std::string::npos || txn.path.find('\0') != std::string::npos) return Error::bad_arguments;
  if (!request.acl.is_open()) {
    auto acl = normalise_acl(*request.acl, scope.caller.identities, rules_.acl);
    if (!acl) return Error::invalid_acl;
    txn.acl = std::move(*acl);
  }
  // The parent by plain text, so that "/p//q" has the parent "/p/", which isn't there.
  const std::size_t slash = last_slash(txn.path);
  const Found parent = find(std::string_view(txn.path).substr(0, slash));
  if (!parent) return Error::no_node;
  if (!allowed(parent, kCreate, scope.caller)) return Error::no_auth;
  if (is_sequential(request.flags)) txn.path += fmt::format("{:010d}", parent.stat().cversion);
  if (!is_valid_path(txn.path)) return Error::bad_arguments;
  const Found there = find(txn.path);
  if (there) return Error::node_exists;
  if (kind_of_owner(parent.stat().ephemeral_owner) == NodeKind::ephemeral) return Error::no_children_for_ephemerals;
  auto data_bytes = static_cast<std::int64_t>(request.data ? request.data->size() : 0);
  if (Error quota = check_quota(txn.path, 1, data_bytes); quota != Error::ok) return quota;

  txn.data = std::move(request.data);
  txn.ephemeral = request.flags == kEphemeral || request.flags == kEphemeralSequential;
  txn.ttl_ms = txn.type == OpCode::create_ttl ? request.ttl_ms : 0;
  txn.parent_cversion = next(parent.stat().cversion);

  Records::value_type& changed = change(std::string_view(txn.path).substr(0, slash), parent, scope.zxid);
  changed.second.stat.cversion = txn.parent_cversion;
  changed.second.stat.pzxid = scope.zxid;
  ++changed.second.child_count;
  settle(changed);
  KnownDigests& known = txn.known.emplace();
  known.parent_digest = changed.second.digest;
  plan_create(txn, there, scope, known);
  return Error::ok;
}

void Proposals::plan_create(const CreateTxn& txn, const Found& there, const Scope& scope, KnownDigests& known) {
  const std::string_view data = txn.data ? std::string_view(*txn.data) : std::string_view();
  Records::value_type& changed = change(txn.path, there, scope.zxid);
  Record& made = changed.second;
  made.exists = true;
  made.stat = stat_of_created(owner_of(txn, scope.caller.session_id), scope.zxid, scope.time_ms);
  made.child_count = 0;
  made.content_crc = content_crc(txn.path, data);
  made.data_bytes = static_cast<std::int64_t>(data.size());
  made.in_digest = counts_in_digest(txn.path);
  made.acl = txn.acl;
  settle(changed);
  known.content_crc = made.content_crc;
  known.digest = made.digest;
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
  const std::string_view parent_path = std::string_view(path).substr(0, path.rfind('/'));
  const Found parent = find(parent_path);
  if (!parent) return Error::no_node;
  if (asked != nullptr && !allowed(parent, kDelete, scope.caller)) return Error::no_auth;
  const Found node = find(path);
  if (!node) return Error::no_node;
  if (asked != nullptr && !version_fits(asked->version, node.stat().version)) return Error::bad_version;
  if (node.child_count() > 0) return Error::not_empty;
  Records::value_type& changed = change(parent_path, parent, scope.zxid);
  changed.second.stat.pzxid = scope.zxid;
  --changed.second.child_count;
  settle(changed);
  Records::value_type& gone = change(path, node, scope.zxid);
  gone.second.exists = false;
  settle(gone);
  return Error::ok;
}

Error Proposals::decide_one(DeleteRequest& request, const Scope& scope, DeleteTxn& txn) {
  Error error = plan_delete(request.path, scope, &request);
  if (error == Error::ok) txn.path = std::move(request.path);
  return error;
}

Error Proposals::decide_one(DeleteContainerRequest& request, const Scope& scope, DeleteTxn& txn) {
  const Found node = find(request.path);
  if (!node) return Error::no_node;
  NodeKind kind = kind_of_owner(node.stat().ephemeral_owner);
  if (kind != NodeKind::container && kind != NodeKind::ttl) return Error::bad_version;
  // Found outdated as it is in the tree. A write that is on its way gives it its time anew.
  const Znode* applied = state_.tree().find(request.path);
  if (applied != nullptr && applied->stat.mzxid != node.stat().mzxid) return Error::bad_version;
  Error error = plan_delete(request.path, scope, nullptr);
  txn.type = OpCode::delete_container;
  if (error == Error::ok) txn.path = std::move(request.path);
  return error;
}

Error Proposals::decide_one(SetDataRequest& request, const Scope& scope, SetDataTxn& txn) {
  if (!is_valid_path(request.path)) return Error::bad_arguments;
  const Found node = find(request.path);
  if (!node) return Error::no_node;
  if (!allowed(node, kWrite, scope.caller)) return Error::no_auth;
  auto data_bytes = static_cast<std::int64_t>(request.data ? request.data->size() : 0);
  if (Error quota = check_quota(request.path, 0, data_bytes - node.data_bytes()); quota != Error::ok) return quota;
  if (!version_fits(request.version, node.stat().version)) return Error::bad_version;
  txn.path = std::move(request.path);
  txn.data = std::move(request.data);
  txn.version = next(node.stat().version);
  Records::value_type& changed = change(txn.path, node, scope.zxid);
  Record& record = changed.second;
  record.stat.version = txn.version;
  record.data_bytes = data_bytes;
  record.stat.mzxid = scope.zxid;
  record.stat.mtime = scope.time_ms;
  record.content_crc = content_crc(txn.path, txn.data ? std::string_view(*txn.data) : std::string_view());
  settle(changed);
  txn.known = KnownDigests{record.content_crc, record.digest};
  return Error::ok;
}

Error Proposals::decide_one(SetAclRequest& request, const Scope& scope, SetAclTxn& txn) {
  if (!is_valid_path(request.path)) return Error::bad_arguments;
  auto acl = normalise_acl(std::move(request.acl), scope.caller.identities, rules_.acl);
  if (!acl) return Error::invalid_acl;
  const Found node = find(request.path);
  if (!node) return Error::no_node;
  if (!allowed(node, kAdmin, scope.caller)) return Error::no_auth;
  if (!version_fits(request.version, node.stat().aversion)) return Error::bad_version;
  txn.path = std::move(request.path);
  txn.acl = std::move(*acl);
  txn.version = next(node.stat().aversion);
  Records::value_type& changed = change(txn.path, node, scope.zxid);
  changed.second.stat.aversion = txn.version;
  changed.second.acl = txn.acl;
  settle(changed);
  return Error::ok;
}

Error Proposals::decide_one(const CheckRequest& request, const Scope& scope, CheckTxn& txn) {
  if (!is_valid_path(request.path)) return Error::bad_arguments;
  const Found node = find(request.path);
  if (!node) return Error::no_node;
  if (!allowed(node, kRead, scope.caller)) return Error::no_auth;
  if (!version_fits(request.version, node.stat().version)) return Error::bad_version;
  txn = CheckTxn{request.path, next(node.stat().version)};
  return Error::ok;
}

Error Proposals::decide_one(MultiRequest& request, const Scope& scope, MultiTxn& multi) {
  std::size_t order_size = order_.size();
  std::uint64_t digest = digest_;
  undoing_ = true;
  undo_.clear();
  bool failed = false;
  for (SubRequest& part : request.requests) {
    if (failed) {
      multi.txns.emplace_back(ErrorTxn{Error::runtime_inconsistency});
      continue;
    }
    SubTxn& txn = multi.txns.emplace_back();
    failed = std::visit([&](auto& one) { return decide_body(one, scope, txn); }, part) != Error::ok;
  }
  undoing_ = false;
  if (failed) {
    roll_back(order_size);
    digest_ = digest;
  }
  undo_.clear();
  return Error::ok;
}

// One server has no members that could change. A disabled one says so first, whoever asks.
Error Proposals::decide_one(const ReconfigRequest&, const Scope& scope, ErrorTxn&) {
  if (!rules_.reconfig) return Error::reconfig_disabled;
  return session_is_open(scope.caller.session_id) ? Error::unimplemented : Error::session_expired;
}

Error Proposals::decide_one(const CreateSessionRequest& request, const Scope&, CreateSessionTxn& txn) {
  txn.timeout_ms = request.timeout_ms;
  return Error::ok;
}

Error Proposals::decide_one(const CloseSessionRequest&, const Scope& scope, CloseSessionTxn& txn) {
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
  for (const std::string& path : paths) {
    // Ephemerals have no children, so this always fits.
    if (plan_delete(path, scope, nullptr) == Error::ok) txn.paths.push_back(path);
  }
  closing_.insert(session_id);
  return Error::ok;
}

}  // namespace zk::tree
