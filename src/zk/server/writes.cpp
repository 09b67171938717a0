// Requests that change something: decoding them, and the replies to them.
#include <algorithm>

#include "zk/proto/records.h"
#include "zk/server/convert.h"
#include "zk/server/coordinator.h"

namespace zk::server {

namespace {

using tree::OpCode;

// A request being read. Null where a text must be can be read, but not served: it is answered as if unreadable.
struct Body {
  proto::Reader reader;
  bool has_null = false;
  bool has_null_in_multi = false;
  bool has_null_acl = false;
  bool is_audited = true;

  template <class Record>
  bool read(Record& record) {
    if (!reader.read(record)) return false;
    if constexpr (requires { record.acl; }) note_nulls(record.acl);
    return true;
  }

  // A list of entries: the open one, as of most clients, at a glance; where nothing is null, right into one of the request's.
  bool read_acl(tree::AclHandle& acl, bool& is_null) {
    if (reader.skip(kOpenAclBytes)) return true;
    proto::Reader plain = reader;
    tree::AclList list;
    if (plain.read(list) && !plain.has_null()) {
      reader = plain;
      acl = std::move(list);
      return true;
    }
    proto::Nullable<std::vector<proto::ACL>> entries;
    if (!reader.read(entries)) return false;
    note_nulls(entries);
    is_null = entries.is_null();
    acl = to_tree(entries);
    return true;
  }

 private:
  void note_nulls(const proto::Nullable<std::vector<proto::ACL>>& acl) {
    for (const proto::ACL& entry : acl) {
      const std::string& scheme = entry.id.scheme;
      bool needs_id = scheme == "world" || scheme == "digest" || scheme == "ip";
      if (needs_id && entry.id.id.is_null()) has_null = true;
    }
  }
};

// The fields of proto::CreateRequest and CreateTTLRequest.
bool read_create(Body& from, OpCode op, tree::CreateRequest& request) {
  request.type = op;
  bool no_path = false, no_acl = false;
  if (!from.reader.read(request.path, no_path) || !from.read(request.data) || !from.read_acl(request.acl, no_acl) ||
      !from.read(request.flags)) {
    return false;
  }
  if (op == OpCode::create_ttl && !from.read(request.ttl_ms)) return false;
  from.has_null = from.has_null || no_path;
  // Within a multi ZooKeeper can't read a null list, but for that of createTTL, which it takes for an empty one.
  from.has_null_acl = from.has_null_acl || (op != OpCode::create_ttl && no_acl);
  return true;
}

bool read_one(Body& from, tree::DeleteRequest& request) {
  proto::DeleteRequest body;
  if (!from.read(body)) return false;
  from.has_null = from.has_null || body.path.is_null();
  request.path = std::move(body.path);
  request.version = body.version;
  return true;
}

// The fields of proto::SetDataRequest.
bool read_one(Body& from, tree::SetDataRequest& request) {
  bool no_path = false;
  if (!from.reader.read(request.path, no_path) || !from.read(request.data) || !from.read(request.version)) return false;
  from.has_null_in_multi = from.has_null_in_multi || no_path;
  return true;
}

bool read_one(Body& from, tree::SetAclRequest& request) {
  proto::SetACLRequest body;
  if (!from.read(body)) return false;
  from.is_audited = !body.acl.is_null();  // ZooKeeper fails to write its line
  request.path = std::move(body.path);
  request.acl = to_tree(body.acl);
  request.version = body.version;
  return true;
}

bool read_one(Body& from, tree::CheckRequest& request) {
  proto::CheckVersionRequest body;
  if (!from.read(body)) return false;
  from.has_null_in_multi = from.has_null_in_multi || body.path.is_null();
  request.path = std::move(body.path);
  request.version = body.version;
  return true;
}

template <class Request, class Any>
bool read_into(Body& from, Any& any) {
  return read_one(from, any.template emplace<Request>());
}

// A create within a multi. ZooKeeper looks at its flags as it reads it: those that name no mode make the whole request
// unreadable, and a create with a time to live but without the flag for it is a plain one.
bool read_create_part(Body& from, OpCode op, tree::CreateRequest& request) {
  constexpr std::int32_t kFlagsMaxWithoutTtl = 4;
  constexpr std::int32_t kFlagsMax = 6;
  if (!read_create(from, op, request)) return false;
  if (from.has_null_acl) {
    from.has_null_acl = request.flags >= 0 && request.flags <= kFlagsMax;  // ZooKeeper looks at the flags first
    return false;
  }
  bool plain = request.flags >= 0 && request.flags <= kFlagsMaxWithoutTtl;
  if (op != OpCode::create_ttl) return plain;
  if (plain) request.type = OpCode::create;
  return true;
}

bool read_multi(Body& from, tree::MultiRequest& multi) {
  for (;;) {
    proto::MultiHeader header;
    if (!from.read(header)) return false;
    if (header.done) return true;
    tree::SubRequest& part = multi.requests.emplace_back();
    auto op = static_cast<OpCode>(header.type);
    bool whole = false;
    switch (op) {
      case OpCode::create:
      case OpCode::create2:
      case OpCode::create_container:
      case OpCode::create_ttl:
        whole = read_create_part(from, op, part.emplace<tree::CreateRequest>());
        break;
      case OpCode::remove:
        whole = read_into<tree::DeleteRequest>(from, part);
        break;
      case OpCode::set_data:
        whole = read_into<tree::SetDataRequest>(from, part);
        break;
      case OpCode::check:
        whole = read_into<tree::CheckRequest>(from, part);
        break;
      default:
        break;
    }
    if (!whole || from.has_null || from.has_null_in_multi) return false;
  }
}

bool read_write(Body& from, OpCode op, tree::WriteRequest& request) {
  switch (op) {
    case OpCode::create:
    case OpCode::create2:
    case OpCode::create_container:
    case OpCode::create_ttl:
      return read_create(from, op, request.emplace<tree::CreateRequest>());
    case OpCode::remove:
      return read_into<tree::DeleteRequest>(from, request);
    case OpCode::set_data:
      return read_into<tree::SetDataRequest>(from, request);
    case OpCode::set_acl:
      return read_into<tree::SetAclRequest>(from, request);
    case OpCode::multi:
      return read_multi(from, request.emplace<tree::MultiRequest>());
    case OpCode::reconfig: {
      proto::ReconfigRequest body;
      request = tree::ReconfigRequest{};
      return from.read(body);
    }
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

// As proto::Create2Response.
void write_create2(proto::Writer& writer, const tree::Outcome& outcome) { writer.write(outcome.path, outcome.stat); }

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
    writer.write(outcome.path);
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
  Body body{reader};
  bool whole = read_write(body, op, request);
  if (whole && !body.has_null) {
    propose(&peer, peer.session_id, xid, op, request);
    if (!body.is_audited) in_flight_.back().audited = nullptr;
    return true;
  }
  bool takes_zxid = op == OpCode::multi ? !body.has_null_acl : body.has_null;
  if (!takes_zxid) return false;
  // ZooKeeper gives a multi that it cannot read, and a request with a null that it trips over, a zxid of its own.
  InFlight& item = in_flight_.emplace_back();
  item.txn.session_id = peer.session_id;
  item.txn.cxid = xid;
  item.txn.zxid = ++last_proposed_zxid_;
  item.txn.time_ms = clock_.wall_ms();
  item.txn.body = tree::ErrorTxn{tree::Error::marshalling_error};
  if (config_.audit && op == OpCode::multi) item.audited = audited_multi(peer);
  log_newest(&peer, op);
  return true;
}

void Coordinator::write_audit(const InFlight& item) const {
  if (const auto* end = std::get_if<tree::CloseSessionTxn>(&item.txn.body)) {
    for (const std::string& path : end->paths) write_audit_line(audit_line_of_ephemeral(item.txn.session_id, path));
  } else if (item.audited) {
    for (const std::string& line : audit_lines(*item.audited, item.txn)) write_audit_line(line);
  }
}

void Coordinator::answer_write(Peer& peer, const InFlight& item, const tree::Applied& applied) {
  const tree::Outcome& outcome = applied.outcome;
  const auto answer = [&](const auto&... fields) { send_record(peer, item.txn.cxid, item.txn.zxid, outcome.error, fields...); };
  if (outcome.error != tree::Error::ok) {
    answer();
  } else if (item.op == OpCode::create) {  // proto::CreateResponse
    answer(outcome.path);
  } else if (has_stat_reply(item.op)) {  // proto::Create2Response
    answer(outcome.path, outcome.stat);
  } else if (item.op == OpCode::set_data || item.op == OpCode::set_acl) {
    answer(outcome.stat);
  } else if (item.op == OpCode::multi) {
    send(peer, item.txn.cxid, item.txn.zxid, outcome.error, [&](proto::Writer& writer) { write_multi(writer, applied.parts); });
  } else {
    answer();
  }
}

}  // namespace zk::server
