// Decides writes: a request in, the transaction out, checked against the state as it will be once every transaction
// decided before has been applied. Changes nothing but its own list of such outstanding changes. A request that fails
// becomes an ErrorTxn. Pure state: one thread, no clock, no I/O; zxid and time come in.
#pragma once

#include <deque>
#include <set>
#include <span>
#include <unordered_set>
#include <utility>

#include "zk/tree/request.h"
#include "zk/tree/state.h"

namespace zk::tree {

struct Caller {
  std::int64_t session_id = 0;
  std::int32_t cxid = 0;
  std::span<const Identity> identities;
};

struct ProposalRules {
  AclSchemes acl;
  bool extended_types = false;  // TTL nodes
  bool digest = true;           // transactions carry the tree's digest
  bool enforce_quota = false;
  bool reconfig = false;  // reconfigEnabled
};

class Proposals {
 public:
  Proposals(const State& state, ProposalRules rules);

  // The zxid is one more than the last one given. A createSession's caller names the new session's id. Takes what it needs
  // out of the request; `txn` is a new one.
  void decide(WriteRequest& request, const Caller& caller, std::int64_t zxid, std::int64_t time_ms, Txn& txn);
  // Before the state applies anything after a load: the digest of outstanding changes starts from the state's.
  void reset();
  // After the state has applied this transaction.
  void applied(const Txn& txn);

  // A closing session writes nothing more.
  bool is_closing(std::int64_t session_id) const { return closing_.contains(session_id); }
  // The last decision's write that goes beyond a quota, refused or not; with enforce_quota only.
  std::optional<QuotaExceeded> take_quota_exceeded() { return std::exchange(quota_exceeded_, std::nullopt); }
  std::size_t outstanding() const { return order_.size(); }
  // What reads of a znode send: as it will be once all that was decided has been applied; zeros where none will be.
  struct Size {
    std::int64_t data_bytes = 0;
    std::int64_t children = 0;
  };
  Size size_of(std::string_view path) const;

 private:
  // A znode as it will be.
  struct Record {
    std::int64_t zxid = 0;
    bool exists = true;
    StatPersisted stat;
    std::int32_t child_count = 0;
    std::uint32_t content_crc = 0;
    std::uint32_t digest = 0;  // what it adds to digest_
    std::int64_t data_bytes = 0;
    bool in_digest = true;
    AclHandle acl;  // the open one, too, where the tree lacks it: see Tree::load()
  };
  struct PathHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view path) const { return hash_of(path); }
  };
  using Records = std::unordered_map<std::string, Record, PathHash, std::equal_to<>>;
  // A znode as all that was decided leaves it: where it is outstanding, or else in the tree. Until the znode itself is
  // changed or forgotten: changes of others move neither records nor znodes.
  struct Found {
    Records::value_type* outstanding = nullptr;  // also of one that won't be there
    const Znode* node = nullptr;

    explicit operator bool() const { return outstanding != nullptr ? outstanding->second.exists : node != nullptr; }
    const StatPersisted& stat() const { return outstanding != nullptr ? outstanding->second.stat : node->stat; }
    std::int32_t child_count() const { return outstanding != nullptr ? outstanding->second.child_count : node->child_count; }
    std::int64_t data_bytes() const {
      return outstanding != nullptr ? outstanding->second.data_bytes : static_cast<std::int64_t>(node->data.view().size());
    }
  };
  // One for each zxid at which a record changed; the last one, which has the record's own zxid, takes it away.
  struct Change {
    std::int64_t zxid;
    Records::value_type* record;
  };
  struct Undo {
    std::string path;
    std::optional<Record> before;
  };
  struct Scope {
    const Caller& caller;
    std::int64_t zxid;
    std::int64_t time_ms;
  };
  Found find(std::string_view path);
  Records::value_type& add(std::string_view path);
  void forget(const Records::value_type& record);
  // What was found at this path as an outstanding record, to be changed in place; settle() must follow.
  Records::value_type& change(std::string_view path, const Found& found, std::int64_t zxid);
  void settle(Records::value_type& changed);
  void fill(Record& record, const Znode& node) const;
  void roll_back(std::size_t order_size);
  void list_owner(const Records::value_type& record);
  void unlist_owner(const Records::value_type& record);
  bool allowed(const Found& found, std::int32_t permissions, const Caller& caller) const;
  bool session_is_open(std::int64_t session_id) const;
  // These take what they need out of the request, and make the last argument the body of the transaction, or of its part. If the
  // answer is an error, what they made of it means nothing.
  template <class Request, class Body>
  Error decide_body(Request& request, const Scope& scope, Body& body);
  Error decide_one(CreateRequest& request, const Scope& scope, CreateTxn& txn);
  Error decide_one(DeleteRequest& request, const Scope& scope, DeleteTxn& txn);
  Error decide_one(SetDataRequest& request, const Scope& scope, SetDataTxn& txn);
  Error decide_one(SetAclRequest& request, const Scope& scope, SetAclTxn& txn);
  Error decide_one(const CheckRequest& request, const Scope& scope, CheckTxn& txn);
  Error decide_one(MultiRequest& request, const Scope& scope, MultiTxn& txn);
  Error decide_one(const ReconfigRequest& request, const Scope& scope, ErrorTxn& txn);
  Error decide_one(const CreateSessionRequest& request, const Scope& scope, CreateSessionTxn& txn);
  Error decide_one(const CloseSessionRequest& request, const Scope& scope, CloseSessionTxn& txn);
  Error decide_one(DeleteContainerRequest& request, const Scope& scope, DeleteTxn& txn);
  Error check_quota(std::string_view path, std::int64_t count, std::int64_t bytes);
  Error check_create_flags(const CreateRequest& request) const;
  void plan_create(const CreateTxn& txn, const Found& there, const Scope& scope, KnownDigests& known);
  Error plan_delete(const std::string& path, const Scope& scope, const DeleteRequest* asked);

  const State& state_;
  ProposalRules rules_;
  Records records_;
  std::vector<Records::node_type> spare_;  // nodes of records_ for later ones: as many as are under way come and go all the time
  // Of those whose znode is or was a session's, by that session: when many end at once, each must not look at all records.
  std::set<std::pair<std::int64_t, const Records::value_type*>> owned_;
  std::deque<Change> order_;
  std::vector<Undo> undo_;  // of the multi being decided
  bool undoing_ = false;
  std::unordered_set<std::int64_t> closing_;
  std::optional<QuotaExceeded> quota_exceeded_;
  std::uint64_t digest_ = 0;
};

}  // namespace zk::tree
