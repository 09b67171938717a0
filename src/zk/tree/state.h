// The replicated state: tree, sessions, watches, last zxid. apply() is the only mutator and cannot fail: a transaction
// that no longer fits (replay over a fuzzy snapshot) is answered with its error. Watches fire inside apply(), so that
// no read can come between a change and its event. Pure state: one thread, no clock, no I/O.
#pragma once

#include "zk/tree/tree.h"
#include "zk/tree/watches.h"

namespace zk::tree {

struct Event {
  EventType type = EventType::created;
  std::string_view path;
  std::int64_t zxid = -1;
  const AclList* acl = nullptr;  // of the znode; a watcher that may not read it hears nothing
};

// Takes events in the order in which each watcher must see them.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(WatcherId watcher, const Event& event) = 0;
  // After the events of one change to one path: how many watchers there were.
  virtual void on_fired(EventType type, std::size_t watchers) { static_cast<void>(type), static_cast<void>(watchers); }
};

// What one operation did, for its reply.
struct Outcome {
  OpCode type = OpCode::error;
  Error error = Error::ok;
  std::string_view path;  // of a create, within its transaction
  Stat stat;         // of a create, setData or setACL
};

struct Applied {
  Outcome outcome;             // for a multi: type multi, error ok
  std::vector<Outcome> parts;  // of a multi
};

// What setWatches names, by kind.
struct WatchLists {
  std::int64_t relative_zxid = 0;
  std::vector<std::string> data, exist, child, persistent, recursive;
};

class State {
 public:
  Applied apply(const Txn& txn, EventSink* events = nullptr);

  // Empty: no sessions, no watches, no znode but the root. For loading a snapshot.
  void clear();
  const Tree& tree() const { return tree_; }
  Tree& tree() { return tree_; }
  std::int64_t last_zxid() const { return last_zxid_; }
  void set_last_zxid(std::int64_t zxid) { last_zxid_ = zxid; }

  // Every session that the log has opened and not closed, with the timeout it was opened with.
  const std::map<std::int64_t, std::int32_t>& sessions() const { return sessions_; }
  void load_session(std::int64_t id, std::int32_t timeout_ms) { sessions_[id] = timeout_ms; }

  WatchTable& data_watches() { return data_watches_; }
  const WatchTable& data_watches() const { return data_watches_; }
  const WatchTable& child_watches() const { return child_watches_; }
  WatchTable& child_watches() { return child_watches_; }
  void add_watch(std::string_view path, WatcherId watcher, WatchMode mode);
  void remove_watcher(WatcherId watcher);
  // Sets these watches, or tells at once what a watcher missed since `relative_zxid`.
  void set_watches(WatcherId watcher, const WatchLists& lists, EventSink& events);

 private:
  Outcome apply_one(const ErrorTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const CreateTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const DeleteTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const SetDataTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const SetAclTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const CheckTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const CreateSessionTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const CloseSessionTxn& txn, const Txn& whole, EventSink* events);
  Outcome apply_one(const MultiTxn& txn, const Txn& whole, EventSink* events);
  Error remove(std::string_view path, std::int64_t zxid, EventSink* events);
  void fire(WatchTable& table, EventType type, std::string_view path, std::int64_t zxid, const SharedAcl& acl,
            EventSink* events, std::vector<WatcherId>* told = nullptr);

  Tree tree_;
  std::map<std::int64_t, std::int32_t> sessions_;
  WatchTable data_watches_, child_watches_;
  std::int64_t last_zxid_ = 0;
};

}  // namespace zk::tree
