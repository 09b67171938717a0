// Requests that change nothing.
#include <algorithm>

#include "base/logging.h"
#include "zk/proto/records.h"
#include "zk/server/convert.h"
#include "zk/server/coordinator.h"

namespace zk::server {

using tree::Error;
using tree::OpCode;

namespace {

constexpr const char* kLogger = "milena.zookeeper.Coordinator";
constexpr std::size_t kMultiReadBytesMax = 8 * 1024 * 1024;  // of results; what one frame may ask for has no bound
constexpr std::size_t kSmallResultBytes = 100;  // a Stat and what is around it
constexpr std::int64_t kChildNameBytes = 40;    // with its length; longer than most
constexpr std::int32_t kPingXid = -2;  // of the answer, whatever the ping had

// A null path can be read, but not looked up.
template <class Request>
bool read_with_path(proto::Reader& reader, Request& request) {
  return reader.read(request) && !request.path.is_null();
}

}  // namespace

bool Coordinator::may(const Peer& peer, const tree::Znode& node, std::int32_t permissions) const {
  if (node.acl_id == tree::AclCache::kOpenId) return true;
  return is_allowed(*state_.tree().acl_of(node), permissions, peer.identities, acl_schemes_);
}

void Coordinator::serve(Peer& peer, std::int32_t xid, OpCode op, proto::Reader& reader) {
  switch (op) {
    case OpCode::ping:
      return reply_error(peer, kPingXid, Error::ok);
    case OpCode::exists:
      return serve_exists(peer, xid, reader);
    case OpCode::get_data:
      return serve_get_data(peer, xid, reader);
    case OpCode::get_acl:
      return serve_get_acl(peer, xid, reader);
    case OpCode::get_children:
      return serve_get_children(peer, xid, reader, false);
    case OpCode::get_children2:
      return serve_get_children(peer, xid, reader, true);
    case OpCode::sync:
      return serve_sync(peer, xid, reader);
    case OpCode::multi_read:
      return serve_multi_read(peer, xid, reader);
    case OpCode::set_watches:
      return serve_set_watches(peer, xid, reader, false);
    case OpCode::set_watches2:
      return serve_set_watches(peer, xid, reader, true);
    case OpCode::add_watch:
      return serve_add_watch(peer, xid, reader);
    case OpCode::check_watches:
      return serve_check_watches(peer, xid, reader, false);
    case OpCode::remove_watches:
      return serve_check_watches(peer, xid, reader, true);
    case OpCode::get_ephemerals:
      return serve_ephemerals(peer, xid, reader);
    case OpCode::get_all_children_number:
      return serve_all_children_number(peer, xid, reader);
    case OpCode::who_am_i:
      return serve_who_am_i(peer, xid);
    case OpCode::create:
    case OpCode::create2:
    case OpCode::create_container:
    case OpCode::create_ttl:
    case OpCode::remove:
    case OpCode::set_data:
    case OpCode::set_acl:
    case OpCode::multi:
    case OpCode::reconfig:  // here only if they could not be read
      if (op == OpCode::multi && config_.audit) write_audit(InFlight{{}, peer.id, op, peer.timeout_ms, audited_multi(peer)});
      return reply_error(peer, xid, Error::marshalling_error);
    default:
      send(peer, xid, -1, Error::unimplemented, [](proto::Writer&) {});  // answered before it has a zxid
      return peer.close_after_output();
  }
}

// What the answer to a read that has to wait will take, about: nothing for those that are always small. The znode may be written
// before it is read, by what has been decided already. (In between it may have been larger than before and after; then the bound on
// the output ends the connection.)
std::size_t Coordinator::answer_bytes_of(base::ByteView frame) const {
  proto::Reader reader(frame);
  proto::RequestHeader header;
  if (!reader.read(header)) return 0;
  const auto op = static_cast<OpCode>(header.type);
  if (op != OpCode::multi_read) return result_bytes_of(op, reader);
  std::size_t bytes = 0;
  for (proto::MultiHeader part; reader.read(part) && !part.done && bytes < kMultiReadBytesMax;) {
    bytes += kSmallResultBytes + result_bytes_of(static_cast<OpCode>(part.type), reader);
  }
  return bytes;
}

std::size_t Coordinator::result_bytes_of(OpCode op, proto::Reader& reader) const {
  const bool lists = op == OpCode::get_children || op == OpCode::get_children2;
  proto::GetDataRequest request;  // the same for all three
  if ((!lists && op != OpCode::get_data) || !read_with_path(reader, request)) return 0;
  const tree::Znode* node = state_.tree().find(request.path);
  const tree::Proposals::Size later = proposals_.size_of(request.path);
  std::int64_t data_bytes = later.data_bytes, children = later.children;
  if (node != nullptr) {
    data_bytes = std::max(data_bytes, static_cast<std::int64_t>(node->data.view().size()));
    children = std::max(children, static_cast<std::int64_t>(node->child_count));
  }
  return static_cast<std::size_t>(lists ? children * kChildNameBytes : data_bytes);
}

void Coordinator::serve_exists(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::ExistsRequest request;
  if (!read_with_path(reader, request)) return reply_error(peer, xid, Error::marshalling_error);
  if (request.path.find('\0') != std::string::npos) return reply_error(peer, xid, Error::bad_arguments);
  const tree::Znode* node = state_.tree().find(request.path);
  if (node != nullptr && !may(peer, *node, tree::kRead)) return reply_error(peer, xid, Error::no_auth);
  if (request.watch) state_.data_watches().add(request.path, peer.id, tree::kStandardWatch);
  if (node == nullptr) return reply_error(peer, xid, Error::no_node);
  stats_.metrics.count_read(request.path, 0);
  reply(peer, xid, state_.tree().stat_of(*node));
}

void Coordinator::serve_get_data(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::GetDataRequest request;
  if (!read_with_path(reader, request)) return reply_error(peer, xid, Error::marshalling_error);
  const tree::Znode* node = state_.tree().find(request.path);
  if (node == nullptr) return reply_error(peer, xid, Error::no_node);
  if (!may(peer, *node, tree::kRead)) return reply_error(peer, xid, Error::no_auth);
  if (request.watch) state_.data_watches().add(request.path, peer.id, tree::kStandardWatch);
  proto::GetDataResponse body;
  if (!node->data.is_null()) body.data = std::string(node->data.view());
  body.stat = state_.tree().stat_of(*node);
  stats_.metrics.count_read(request.path, node->data.view().size());
  reply(peer, xid, body);
}

void Coordinator::serve_get_acl(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::GetACLRequest request;
  if (!read_with_path(reader, request)) return reply_error(peer, xid, Error::marshalling_error);
  const tree::Znode* node = state_.tree().find(request.path);
  if (node == nullptr) return reply_error(peer, xid, Error::no_node);
  if (!may(peer, *node, tree::kRead | tree::kAdmin)) return reply_error(peer, xid, Error::no_auth);
  const tree::AclList& acl = *state_.tree().acl_of(*node);
  proto::GetACLResponse body;
  body.acl = to_proto(may(peer, *node, tree::kAdmin) ? acl : masked(acl));
  body.stat = state_.tree().stat_of(*node);
  reply(peer, xid, body);
}

void Coordinator::serve_get_children(Peer& peer, std::int32_t xid, proto::Reader& reader, bool with_stat) {
  proto::GetChildrenRequest request;  // the same for both
  if (!read_with_path(reader, request)) return reply_error(peer, xid, Error::marshalling_error);
  const tree::Znode* node = state_.tree().find(request.path);
  if (node == nullptr) return reply_error(peer, xid, Error::no_node);
  if (!may(peer, *node, tree::kRead)) return reply_error(peer, xid, Error::no_auth);
  if (request.watch) state_.child_watches().add(request.path, peer.id, tree::kStandardWatch);
  proto::GetChildren2Response body;
  std::size_t bytes = 0;
  for (std::string_view name : state_.tree().children_of(*node)) {
    body.children.emplace_back(std::string(name));
    bytes += name.size();
  }
  stats_.metrics.count_read(request.path, bytes);
  body.stat = state_.tree().stat_of(*node);
  if (with_stat) return reply(peer, xid, body);
  proto::GetChildrenResponse plain;
  plain.children = std::move(body.children);
  reply(peer, xid, plain);
}

void Coordinator::serve_all_children_number(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::GetAllChildrenNumberRequest request;
  if (!read_with_path(reader, request)) return reply_error(peer, xid, Error::marshalling_error);
  const tree::Znode* node = state_.tree().find(request.path);
  if (node == nullptr) return reply_error(peer, xid, Error::no_node);
  if (!may(peer, *node, tree::kRead)) return reply_error(peer, xid, Error::no_auth);
  proto::GetAllChildrenNumberResponse body;
  // ZooKeeper counts by prefix, and to the empty path the root is one below.
  body.total_number = static_cast<std::int32_t>(state_.tree().descendant_count(*node) + (request.path.empty() ? 1 : 0));
  reply(peer, xid, body);
}

void Coordinator::serve_ephemerals(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::GetEphemeralsRequest request;
  if (!reader.read(request)) return reply_error(peer, xid, Error::marshalling_error);
  proto::GetEphemeralsResponse body;
  for (std::string& path : state_.tree().ephemerals_of(peer.session_id)) {
    if (path.starts_with(std::string_view(request.prefix_path))) body.ephemerals.emplace_back(std::move(path));
  }
  reply(peer, xid, body);
}

void Coordinator::serve_who_am_i(Peer& peer, std::int32_t xid) {
  proto::WhoAmIResponse body;
  for (const tree::Identity& identity : peer.identities) {
    proto::ClientInfo& info = body.client_info.emplace_back();
    info.auth_scheme = identity.scheme;
    if (identity.scheme == "super") continue;
    info.user = identity.scheme == "digest" ? identity.id.substr(0, identity.id.find(':')) : identity.id;
  }
  reply(peer, xid, body);
}

void Coordinator::serve_sync(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::SyncRequest request;
  if (!reader.read(request)) return reply_error(peer, xid, Error::marshalling_error);
  proto::SyncResponse body;
  body.path = request.path;
  reply(peer, xid, body);
}

void Coordinator::serve_multi_read(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  const std::size_t bytes_max = std::max(kMultiReadBytesMax, config_.frame_bytes_max);
  proto::Writer results;
  for (;;) {
    if (results.bytes().size() > bytes_max) {
      base::log_warn(kLogger, "Closing {}: it asks for more than {} bytes in one multi, which no client would take", peer.address,
                     bytes_max);
      return peer.close_after_output();
    }
    proto::MultiHeader header;
    if (!reader.read(header)) return reply_error(peer, xid, Error::marshalling_error);
    if (header.done) break;
    auto op = static_cast<OpCode>(header.type);
    proto::GetDataRequest request;  // getChildren has the same fields; ZooKeeper sets no watch here, whatever it says
    if ((op != OpCode::get_data && op != OpCode::get_children) || !read_with_path(reader, request)) {
      return reply_error(peer, xid, Error::marshalling_error);
    }
    const tree::Znode* node = state_.tree().find(request.path);
    Error error = node == nullptr ? Error::no_node : may(peer, *node, tree::kRead) ? Error::ok : Error::no_auth;
    header.type = error == Error::ok ? header.type : -1;
    header.err = static_cast<std::int32_t>(error);
    results.write(header);
    if (error != Error::ok) {
      results.write(header.err);
    } else if (op == OpCode::get_data) {
      proto::GetDataResponse body;
      if (!node->data.is_null()) body.data = std::string(node->data.view());
      body.stat = state_.tree().stat_of(*node);
      results.write(body);
    } else {
      proto::GetChildrenResponse body;
      for (std::string_view name : state_.tree().children_of(*node)) body.children.emplace_back(std::string(name));
      results.write(body);
    }
  }
  proto::MultiHeader end;
  end.type = -1;
  end.done = true;
  end.err = -1;
  results.write(end);
  send(peer, xid, state_.last_zxid(), Error::ok, [&](proto::Writer& writer) { writer.append(results.bytes()); });
}

}  // namespace zk::server
