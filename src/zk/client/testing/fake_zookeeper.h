// A ZooKeeper in memory for tests of its users: znodes with exact Stats, multis, ephemeral nodes, one-shot watches,
// sessions that a test can expire. Answers at once. Single-threaded; events are posted to the session's executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "zk/client/api.h"

namespace zk::client::testing {

class FakeSession;

class FakeZooKeeper {
 public:
  struct Node {
    Data data;
    Stat stat;
    std::int32_t creates = 0;
  };

  FakeZooKeeper() { nodes_["/"] = Node{}; }

  std::unique_ptr<ZooKeeper> open(boost::asio::any_io_executor executor, SessionEvents events);

  Response apply(FakeSession* session, const Request& request);
  // As another client of the same ensemble.
  Response apply(const Request& request) { return apply(nullptr, request); }
  void expire(std::int64_t session_id);
  void end_session(std::int64_t session_id);

  std::map<std::string, Node>& nodes() { return nodes_; }
  std::string data(const std::string& path) {
    return nodes_.contains(path) ? nodes_[path].data.value_or("<null>") : "<none>";
  }
  std::vector<Request>& log() { return log_; }
  std::int64_t latest_session() const { return next_session_ - 1; }
  std::int64_t now_ms = 1'700'000'000'000;  // ctime and mtime of what is written
  // Called before each request; may change the tree, or answer an error in place of the request.
  std::function<std::optional<Error>(const Request&)> before;

 private:
  friend class FakeSession;
  using Watches = std::map<std::string, std::set<FakeSession*>>;

  std::vector<std::string> children_of(const std::string& path) const {
    std::vector<std::string> names;
    const std::string prefix = path == "/" ? path : path + "/";
    for (auto it = nodes_.upper_bound(prefix); it != nodes_.end() && it->first.starts_with(prefix); ++it) {
      if (it->first.find('/', prefix.size()) == std::string::npos) names.push_back(it->first.substr(prefix.size()));
    }
    return names;
  }
  void notify(Watches& watches, EventType type, const std::string& path);
  Response write(FakeSession* session, const Request& op, std::int64_t zxid, std::vector<WatchEvent>& events);
  Response create_node(FakeSession* session, const Request& op, std::int64_t zxid, std::vector<WatchEvent>& events);
  Response apply_multi(FakeSession* session, const Request& request);
  Response read(FakeSession* session, const Request& request);
  void fire(const std::vector<WatchEvent>& events);

  std::map<std::string, Node> nodes_;
  std::map<std::int64_t, FakeSession*> sessions_;
  Watches data_watches_;
  Watches child_watches_;
  std::vector<Request> log_;
  std::int64_t zxid_ = 0;
  std::int64_t next_session_ = 0x1000;
};

class FakeSession final : public ZooKeeper {
 public:
  FakeSession(FakeZooKeeper& server, boost::asio::any_io_executor executor, SessionEvents events, std::int64_t id)
      : server_(server), executor_(std::move(executor)), events_(std::move(events)), id_(id) {}
  ~FakeSession() override {
    server_.sessions_.erase(id_);
    for (auto* watches : {&server_.data_watches_, &server_.child_watches_}) {
      for (auto& [path, sessions] : *watches) sessions.erase(this);
    }
  }

  base::Task<std::vector<Response>> execute(std::vector<Request> requests) override {
    std::vector<Response> responses;
    for (const Request& request : requests) {
      responses.push_back(alive_ ? server_.apply(this, request) : Response(Error::session_expired));
    }
    co_return responses;
  }
  base::Task<bool> wait_connected(std::int32_t) override { co_return alive_; }
  std::int64_t session_id() const override { return id_; }
  base::Task<void> close() override {
    if (alive_) server_.end_session(id_);
    alive_ = false;
    co_return;
  }

  void post_watch(WatchEvent event) {
    boost::asio::post(executor_, [call = events_.watch, event = std::move(event)] {
      if (call) call(event);
    });
  }
  void post_state(SessionState state) {
    boost::asio::post(executor_, [call = events_.state, state] {
      if (call) call(state);
    });
  }

 private:
  friend class FakeZooKeeper;
  FakeZooKeeper& server_;
  boost::asio::any_io_executor executor_;
  SessionEvents events_;
  std::int64_t id_;
  bool alive_ = true;
};

inline std::unique_ptr<ZooKeeper> FakeZooKeeper::open(boost::asio::any_io_executor executor, SessionEvents events) {
  const std::int64_t id = next_session_++;
  auto session = std::make_unique<FakeSession>(*this, std::move(executor), std::move(events), id);
  sessions_[id] = session.get();
  session->post_state(SessionState::connected);
  return session;
}

inline void FakeZooKeeper::end_session(std::int64_t session_id) {
  std::vector<std::string> owned;
  for (const auto& [path, node] : nodes_) {
    if (node.stat.ephemeral_owner == session_id) owned.push_back(path);
  }
  for (const std::string& path : owned) {
    std::vector<WatchEvent> events;
    write(nullptr, remove(path), ++zxid_, events);
    fire(events);
  }
}

inline void FakeZooKeeper::expire(std::int64_t session_id) {
  end_session(session_id);
  if (auto found = sessions_.find(session_id); found != sessions_.end()) {
    found->second->alive_ = false;
    found->second->post_state(SessionState::expired);
  }
}

inline void FakeZooKeeper::notify(Watches& watches, EventType type, const std::string& path) {
  auto found = watches.find(path);
  if (found == watches.end()) return;
  std::set<FakeSession*> sessions = std::move(found->second);
  watches.erase(found);
  for (FakeSession* session : sessions) session->post_watch(WatchEvent{type, path});
}

inline void FakeZooKeeper::fire(const std::vector<WatchEvent>& events) {
  for (const WatchEvent& event : events) {
    if (event.type == EventType::children_changed) {
      notify(child_watches_, event.type, event.path);
    } else {
      notify(data_watches_, event.type, event.path);
      if (event.type == EventType::deleted) notify(child_watches_, event.type, event.path);
    }
  }
}

inline Response FakeZooKeeper::create_node(FakeSession* session, const Request& op, std::int64_t zxid,
                                           std::vector<WatchEvent>& events) {
  const std::string parent(parent_of(op.path));
  auto above = nodes_.find(parent);
  if (above == nodes_.end()) return Response(Error::no_node);
  Response response;
  response.path = op.path;
  const bool sequential = (static_cast<int>(op.mode) & 2) != 0;
  const bool ephemeral = (static_cast<int>(op.mode) & 1) != 0;
  if (sequential) {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "%010d", above->second.creates);
    response.path += suffix;
  }
  if (nodes_.contains(response.path)) return Response(Error::node_exists);
  Node node;
  node.data = op.data;
  node.stat.czxid = node.stat.mzxid = node.stat.pzxid = zxid;
  node.stat.ctime = node.stat.mtime = now_ms;
  node.stat.ephemeral_owner = ephemeral && session != nullptr ? session->session_id() : 0;
  node.stat.data_length = static_cast<std::int32_t>(op.data ? op.data->size() : 0);
  nodes_[response.path] = node;
  above->second.creates++;
  above->second.stat.pzxid = zxid;
  events.push_back(WatchEvent{EventType::created, response.path});
  events.push_back(WatchEvent{EventType::children_changed, parent});
  return response;
}

inline Response FakeZooKeeper::write(FakeSession* session, const Request& op, std::int64_t zxid,
                                     std::vector<WatchEvent>& events) {
  if (op.op == OpCode::create) return create_node(session, op, zxid, events);
  auto found = nodes_.find(op.path);
  if (found == nodes_.end()) return Response(Error::no_node);
  Node& node = found->second;
  if (op.version != kAnyVersion && op.version != node.stat.version) return Response(Error::bad_version);
  Response response;
  if (op.op == OpCode::set_data) {
    node.data = op.data;
    node.stat.version++;
    node.stat.mzxid = zxid;
    node.stat.mtime = now_ms;
    node.stat.data_length = static_cast<std::int32_t>(op.data ? op.data->size() : 0);
    response.stat = node.stat;
    events.push_back(WatchEvent{EventType::data_changed, op.path});
  } else if (op.op == OpCode::remove) {
    if (!children_of(op.path).empty()) return Response(Error::not_empty);
    const std::string parent(parent_of(op.path));
    nodes_.erase(found);
    nodes_[parent].stat.pzxid = zxid;
    events.push_back(WatchEvent{EventType::deleted, op.path});
    events.push_back(WatchEvent{EventType::children_changed, parent});
  }
  return response;
}

inline Response FakeZooKeeper::apply_multi(FakeSession* session, const Request& request) {
  const std::map<std::string, Node> saved = nodes_;
  std::vector<WatchEvent> events;
  Response response;
  const std::int64_t zxid = ++zxid_;
  for (const Request& op : request.operations) {
    if (!response.ok()) {
      response.results.emplace_back(Error::runtime_inconsistency);
      continue;
    }
    response.results.push_back(write(session, op, zxid, events));
    response.error = response.results.back().error;
  }
  if (!response.ok()) {
    nodes_ = saved;
    for (Response& result : response.results) {
      if (result.ok()) result = Response();
    }
    return response;
  }
  fire(events);
  return response;
}

inline Response FakeZooKeeper::read(FakeSession* session, const Request& request) {
  Response response;
  auto found = nodes_.find(request.path);
  if (found == nodes_.end()) {
    if (request.op == OpCode::exists && request.watch) data_watches_[request.path].insert(session);
    return Response(Error::no_node);
  }
  if (request.watch) {
    (request.op == OpCode::get_children2 ? child_watches_ : data_watches_)[request.path].insert(session);
  }
  response.stat = found->second.stat;
  const std::vector<std::string> children = children_of(request.path);
  response.stat.num_children = static_cast<std::int32_t>(children.size());
  if (request.op == OpCode::get_data) response.data = found->second.data;
  if (request.op == OpCode::get_children2) response.children = children;
  return response;
}

inline Response FakeZooKeeper::apply(FakeSession* session, const Request& request) {
  log_.push_back(request);
  if (before) {
    if (const std::optional<Error> error = before(request)) return Response(*error);
  }
  switch (request.op) {
    case OpCode::multi:
      return apply_multi(session, request);
    case OpCode::create:
    case OpCode::remove:
    case OpCode::set_data: {
      std::vector<WatchEvent> events;
      Response response = write(session, request, ++zxid_, events);
      fire(events);
      return response;
    }
    case OpCode::exists:
    case OpCode::get_data:
    case OpCode::get_children2:
      return read(session, request);
    default:
      return Response();
  }
}

}  // namespace zk::client::testing
