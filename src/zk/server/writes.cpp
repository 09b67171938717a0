// Requests that change something: decoding them, and the replies to them.
#include <algorithm>

#include "zk/proto/records.h"
#include "zk/server/convert.h"
#include "zk/server/coordinator.h"

namespace zk::server {

namespace {

using tree::OpCode;

bool read_create(proto::Reader& reader, OpCode op, tree::CreateRequest& request) {
  request.type = op;
  auto take = [&](auto& body) {
    if (!reader.read(body)) return false;
    request.path = std::move(body.path);
    request.data = std::move(body.data);
    request.acl = to_tree(body.acl);
    request.flags = body.flags;
    return true;
  };
  if (op == OpCode::create_ttl) {
    proto::CreateTTLRequest body;
    if (!take(body)) return false;
    request.ttl_ms = body.ttl;
    return true;
  }
  proto::CreateRequest body;
  return take(body);
}

bool read_one(proto::Reader& reader, tree::DeleteRequest& request) {
  proto::DeleteRequest body;
  if (!reader.read(body)) return false;
  request.path = std::move(body.path);
  request.version = body.version;
  return true;
}

bool read_one(proto::Reader& reader, tree::SetDataRequest& request) {
  proto::SetDataRequest body;
  if (!reader.read(body)) return false;
  request.path = std::move(body.path);
  request.data = std::move(body.data);
  request.version = body.version;
  return true;
}

bool read_one(proto::Reader& reader, tree::SetAclRequest& request) {
  proto::SetACLRequest body;
  if (!reader.read(body)) return false;
  request.path = std::move(body.path);
  request.acl = to_tree(body.acl);
  request.version = body.version;
  return true;
}

bool read_one(proto::Reader& reader, tree::CheckRequest& request) {
  proto::CheckVersionRequest body;
  if (!reader.read(body)) return false;
  request.path = std::move(body.path);
  request.version = body.version;
  return true;
}

template <class Request, class Any>
bool read_into(proto::Reader& reader, Any& any) {
  Request request;
  if (!read_one(reader, request)) return false;
  any = std::move(request);
  return true;
}

bool read_multi(proto::Reader& reader, tree::MultiRequest& multi) {
  for (;;) {
    proto::MultiHeader header;
    if (!reader.read(header)) return false;
    if (header.done) return true;
    tree::SubRequest& part = multi.requests.emplace_back();
    auto op = static_cast<OpCode>(header.type);
    bool whole = false;
    switch (op) {
      case OpCode::create:
      case OpCode::create2:
      case OpCode::create_container:
      case OpCode::create_ttl:
        whole = read_create(reader, op, part.emplace<tree::CreateRequest>());
        break;
      case OpCode::remove:
        whole = read_into<tree::DeleteRequest>(reader, part);
        break;
      case OpCode::set_data:
        whole = read_into<tree::SetDataRequest>(reader, part);
        break;
      case OpCode::check:
        whole = read_into<tree::CheckRequest>(reader, part);
        break;
      default:
        break;
    }
    if (!whole) return false;
  }
}

bool read_write(proto::Reader& reader, OpCode op, tree::WriteRequest& request) {
  switch (op) {
    case OpCode::create:
    case OpCode::create2:
    case OpCode::create_container:
    case OpCode::create_ttl:
      return read_create(reader, op, request.emplace<tree::CreateRequest>());
    case OpCode::remove:
      return read_into<tree::DeleteRequest>(reader, request);
    case OpCode::set_data:
      return read_into<tree::SetDataRequest>(reader, request);
    case OpCode::set_acl:
      return read_into<tree::SetAclRequest>(reader, request);
    case OpCode::multi:
      return read_multi(reader, request.emplace<tree::MultiRequest>());
    case OpCode::reconfig:
      request = tree::ReconfigRequest{};
      return true;
    case OpCode::close_session:
      request = tree::CloseSessionRequest{};
      return true;
    default:
      return false;
  }
}

bool has_stat_reply(OpCode op) {
  return op == OpCode::create2 || op == OpCode::create_container || op == OpCode::create_ttl;
}

void write_create2(proto::Writer& writer, const tree::Outcome& outcome) {
  proto::Create2Response body;
  body.path = outcome.path;
  body.stat = outcome.stat;
  writer.write(body);
}

void write_part(proto::Writer& writer, const tree::Outcome& outcome, bool failed) {
  proto::MultiHeader header;
  if (failed) {
    header.type = -1;
    header.err = static_cast<std::int32_t>(outcome.error);
    writer.write(header).write(header.err);
    return;
  }
  header.type = static_cast<std::int32_t>(has_stat_reply(outcome.type) ? OpCode::create2 : outcome.type);
  writer.write(header);
  if (has_stat_reply(outcome.type)) {
    write_create2(writer, outcome);
  } else if (outcome.type == OpCode::create) {
    proto::CreateResponse body;
    body.path = outcome.path;
    writer.write(body);
  } else if (outcome.type == OpCode::set_data) {
    writer.write(outcome.stat);
  }
}

void write_multi(proto::Writer& writer, const std::vector<tree::Outcome>& parts) {
  bool failed =
      std::any_of(parts.begin(), parts.end(), [](const tree::Outcome& part) { return part.error != tree::Error::ok; });
  for (const tree::Outcome& part : parts) write_part(writer, part, failed);
  proto::MultiHeader end;
  end.type = -1;
  end.done = true;
  end.err = -1;
  writer.write(end);
}

}  // namespace

bool Coordinator::start_write(Peer& peer, std::int32_t xid, OpCode op, proto::Reader& reader) {
  tree::WriteRequest request;
  proto::Reader body = reader;
  if (read_write(body, op, request)) {
    propose(&peer, peer.session_id, xid, op, request);
    return true;
  }
  if (op != OpCode::multi) return false;
  // ZooKeeper gives a multi that it cannot read a zxid of its own.
  tree::Txn txn;
  txn.session_id = peer.session_id;
  txn.cxid = xid;
  txn.zxid = ++last_proposed_zxid_;
  txn.time_ms = clock_.wall_ms();
  txn.body = tree::ErrorTxn{tree::Error::marshalling_error};
  log_txn(&peer, op, std::move(txn));
  return true;
}

void Coordinator::answer_write(Peer& peer, std::int32_t xid, const InFlight& item, const tree::Applied& applied) {
  const tree::Outcome& outcome = applied.outcome;
  send(peer, xid, item.txn.zxid, outcome.error, [&](proto::Writer& writer) {
    if (outcome.error != tree::Error::ok) return;
    if (item.op == OpCode::create) {
      proto::CreateResponse body;
      body.path = outcome.path;
      writer.write(body);
    } else if (has_stat_reply(item.op)) {
      write_create2(writer, outcome);
    } else if (item.op == OpCode::set_data || item.op == OpCode::set_acl) {
      writer.write(outcome.stat);
    } else if (item.op == OpCode::multi) {
      write_multi(writer, applied.parts);
    }
  });
}

}  // namespace zk::server
