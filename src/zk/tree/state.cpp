#include "zk/tree/state.h"

#include <algorithm>

namespace zk::tree {

Applied State::apply(const Txn& txn, EventSink* events) {
  Applied applied;
  if (const auto* multi = std::get_if<MultiTxn>(&txn.body)) {
    bool failed = std::any_of(multi->txns.begin(), multi->txns.end(),
                              [](const SubTxn& part) { return std::holds_alternative<ErrorTxn>(part); });
    for (const SubTxn& part : multi->txns) {
      if (!failed) {
        applied.parts.push_back(std::visit([&](const auto& one) { return apply_one(one, txn, events); }, part));
        continue;
      }
      // Those before the one that failed would have worked.
      Outcome outcome;
      if (const auto* error = std::get_if<ErrorTxn>(&part)) outcome.error = error->error;
      applied.parts.push_back(outcome);
    }
    applied.outcome.type = OpCode::multi;
  } else {
    applied.outcome = std::visit([&](const auto& one) { return apply_one(one, txn, events); }, txn.body);
  }
  last_zxid_ = std::max(last_zxid_, txn.zxid);
  return applied;
}

void State::clear() {
  tree_.clear();
  sessions_.clear();
  data_watches_ = WatchTable();
  child_watches_ = WatchTable();
  last_zxid_ = 0;
}

Outcome State::apply_one(const ErrorTxn& txn, const Txn&, EventSink*) {
  Outcome outcome;
  outcome.error = txn.error;
  return outcome;
}

Outcome State::apply_one(const CreateTxn& txn, const Txn& whole, EventSink* events) {
  const std::int64_t owner = owner_of(txn, whole.session_id);
  Outcome outcome;
  outcome.type = txn.type;
  const Znode* node = nullptr;
  outcome.error = tree_.create(txn, owner, whole.zxid, whole.time_ms, &node);
  if (outcome.error != Error::ok) return outcome;
  outcome.path = txn.path;
  outcome.stat = tree_.stat_of(*node);
  // What was written: the content of a quota's zookeeper_stats is the server's own at once.
  outcome.stat.data_length = txn.data ? static_cast<std::int32_t>(txn.data->size()) : 0;
  if (events == nullptr) return outcome;
  fire(data_watches_, EventType::created, txn.path, whole.zxid, tree_.acl_of(*node), events);
  fire(child_watches_, EventType::children_changed, parent_of(txn.path), whole.zxid, tree_.acl_of(*node->parent),
       events);
  return outcome;
}

Outcome State::apply_one(const DeleteTxn& txn, const Txn& whole, EventSink* events) {
  Outcome outcome;
  outcome.type = txn.type;
  outcome.error = remove(txn.path, whole.zxid, events);
  return outcome;
}

Error State::remove(std::string_view path, std::int64_t zxid, EventSink* events) {
  const Znode* node = tree_.find(path);
  SharedAcl acl = node == nullptr ? nullptr : tree_.acl_of(*node);
  Error error = tree_.remove(path, zxid);
  if (error != Error::ok || events == nullptr) return error;
  std::vector<WatcherId> told;
  fire(data_watches_, EventType::deleted, path, zxid, acl, events, &told);
  fire(child_watches_, EventType::deleted, path, zxid, acl, events, &told);
  std::string_view parent = parent_of(path);
  fire(child_watches_, EventType::children_changed, parent, zxid, tree_.acl_of(*tree_.find(parent)), events);
  return error;
}

Outcome State::apply_one(const SetDataTxn& txn, const Txn& whole, EventSink* events) {
  Outcome outcome;
  outcome.type = txn.type;
  const Znode* node = nullptr;
  outcome.error = tree_.set_data(txn, whole.zxid, whole.time_ms, &node);
  if (outcome.error != Error::ok) return outcome;
  outcome.stat = tree_.stat_of(*node);
  if (events != nullptr) {
    fire(data_watches_, EventType::data_changed, txn.path, whole.zxid, tree_.acl_of(*node), events);
  }
  return outcome;
}

Outcome State::apply_one(const SetAclTxn& txn, const Txn&, EventSink*) {
  Outcome outcome;
  outcome.type = OpCode::set_acl;
  outcome.error = tree_.set_acl(txn.path, txn.acl, txn.version);
  if (outcome.error == Error::ok) outcome.stat = tree_.stat_of(*tree_.find(txn.path));
  return outcome;
}

Outcome State::apply_one(const CheckTxn&, const Txn&, EventSink*) {
  Outcome outcome;
  outcome.type = OpCode::check;
  return outcome;
}

Outcome State::apply_one(const CreateSessionTxn& txn, const Txn& whole, EventSink*) {
  sessions_[whole.session_id] = txn.timeout_ms;
  Outcome outcome;
  outcome.type = OpCode::create_session;
  return outcome;
}

Outcome State::apply_one(const CloseSessionTxn& txn, const Txn& whole, EventSink* events) {
  Outcome outcome;
  outcome.type = OpCode::close_session;
  for (const std::string& path : txn.paths) remove(path, whole.zxid, events);
  // Logs before 3.6 name no paths; and a fuzzy snapshot may hold one that the list lacks.
  for (const std::string& path : tree_.ephemerals_of(whole.session_id)) remove(path, whole.zxid, events);
  sessions_.erase(whole.session_id);
  return outcome;
}

Outcome State::apply_one(const MultiTxn&, const Txn&, EventSink*) { return Outcome{}; }

void State::fire(WatchTable& table, EventType type, std::string_view path, std::int64_t zxid, const SharedAcl& acl,
                 EventSink* events, std::vector<WatcherId>* told) {
  if (table.watch_count() == 0) return;
  Event event;
  event.type = type;
  event.path = path;
  event.zxid = zxid;
  event.acl = acl.get();
  std::vector<WatcherId> fired = table.fire(path);
  std::size_t count = 0;
  for (WatcherId watcher : fired) {
    if (told != nullptr && std::binary_search(told->begin(), told->end(), watcher)) continue;
    events->on_event(watcher, event);
    ++count;
  }
  if (count > 0) events->on_fired(type, count);
  if (told != nullptr) *told = std::move(fired);
}

void State::add_watch(std::string_view path, WatcherId watcher, WatchMode mode) {
  data_watches_.add(path, watcher, mode);
  if (mode == kPersistentWatch) child_watches_.add(path, watcher, mode);
}

void State::remove_watcher(WatcherId watcher) {
  data_watches_.remove_watcher(watcher);
  child_watches_.remove_watcher(watcher);
}

void State::set_watches(WatcherId watcher, const WatchLists& lists, EventSink& events) {
  auto tell = [&](EventType type, const std::string& path) {
    Event event;  // without an ACL: ZooKeeper asks none here
    event.type = type;
    event.path = path;
    events.on_event(watcher, event);
  };
  for (const std::string& path : lists.data) {
    const Znode* node = tree_.find(path);
    if (node == nullptr) {
      tell(EventType::deleted, path);
    } else if (node->stat.mzxid > lists.relative_zxid) {
      tell(EventType::data_changed, path);
    } else {
      data_watches_.add(path, watcher, kStandardWatch);
    }
  }
  for (const std::string& path : lists.exist) {
    const Znode* node = tree_.find(path);
    if (node != nullptr) {
      tell(EventType::created, path);
    } else {
      data_watches_.add(path, watcher, kStandardWatch);
    }
  }
  for (const std::string& path : lists.child) {
    const Znode* node = tree_.find(path);
    if (node == nullptr) {
      tell(EventType::deleted, path);
    } else if (node->stat.pzxid > lists.relative_zxid) {
      tell(EventType::children_changed, path);
    } else {
      child_watches_.add(path, watcher, kStandardWatch);
    }
  }
  for (const std::string& path : lists.persistent) add_watch(path, watcher, kPersistentWatch);
  for (const std::string& path : lists.recursive) add_watch(path, watcher, kRecursiveWatch);
}

}  // namespace zk::tree
