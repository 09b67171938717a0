#include "zk/client/wire.h"

#include "zk/proto/jute.h"
#include "zk/proto/records.h"

namespace zk::client::wire {
namespace {

std::string with_chroot(std::string_view chroot, const std::string& path) {
  if (chroot.empty()) return path;
  return path == "/" ? std::string(chroot) : std::string(chroot) + path;
}

std::string without_chroot(std::string_view chroot, std::string path) {
  if (chroot.empty() || !path.starts_with(chroot)) return path;
  path.erase(0, chroot.size());
  return path.empty() ? "/" : path;
}

void append_frame(base::Bytes& to, const proto::Writer& body) {
  base::append_big_endian(to, static_cast<std::int32_t>(body.bytes().size()));
  to.insert(to.end(), body.bytes().begin(), body.bytes().end());
}

void write_header(proto::Writer& writer, std::int32_t xid, OpCode op) {
  proto::RequestHeader header;
  header.xid = xid;
  header.type = static_cast<std::int32_t>(op);
  writer.write(header);
}

proto::Nullable<std::vector<proto::ACL>> to_records(const std::vector<Acl>& acl) {
  proto::Nullable<std::vector<proto::ACL>> records;
  const std::vector<Acl> open(1);
  for (const Acl& entry : acl.empty() ? open : acl) {
    proto::ACL& record = records.emplace_back();
    record.perms = entry.perms;
    record.id.scheme = entry.scheme;
    record.id.id = entry.id;
  }
  return records;
}

template <class Record>
void write_watching(proto::Writer& writer, std::string path, bool watch) {
  Record record;
  record.path = std::move(path);
  record.watch = watch;
  writer.write(record);
}

template <class Record>
void write_versioned(proto::Writer& writer, std::string path, std::int32_t version) {
  Record record;
  record.path = std::move(path);
  record.version = version;
  writer.write(record);
}

template <class Record>
void write_path(proto::Writer& writer, std::string path) {
  Record record;
  record.path = std::move(path);
  writer.write(record);
}

void write_body(proto::Writer& writer, const Request& request, std::string_view chroot);

void write_multi(proto::Writer& writer, const std::vector<Request>& operations, std::string_view chroot) {
  proto::MultiHeader header;
  header.err = -1;
  for (const Request& operation : operations) {
    header.type = static_cast<std::int32_t>(operation.op);
    writer.write(header);
    write_body(writer, operation, chroot);
  }
  header.type = -1;
  header.done = true;
  writer.write(header);
}

void write_create(proto::Writer& writer, const Request& request, std::string path) {
  proto::CreateRequest record;
  record.path = std::move(path);
  record.data = request.data;
  record.acl = to_records(request.acl);
  record.flags = static_cast<std::int32_t>(request.mode);
  writer.write(record);
}

void write_body(proto::Writer& writer, const Request& request, std::string_view chroot) {
  std::string path = with_chroot(chroot, request.path);
  switch (request.op) {
    case OpCode::create:
      return write_create(writer, request, std::move(path));
    case OpCode::remove:
      return write_versioned<proto::DeleteRequest>(writer, std::move(path), request.version);
    case OpCode::check:
      return write_versioned<proto::CheckVersionRequest>(writer, std::move(path), request.version);
    case OpCode::exists:
      return write_watching<proto::ExistsRequest>(writer, std::move(path), request.watch);
    case OpCode::get_data:
      return write_watching<proto::GetDataRequest>(writer, std::move(path), request.watch);
    case OpCode::get_children2:
      return write_watching<proto::GetChildren2Request>(writer, std::move(path), request.watch);
    case OpCode::get_acl:
      return write_path<proto::GetACLRequest>(writer, std::move(path));
    case OpCode::sync:
      return write_path<proto::SyncRequest>(writer, std::move(path));
    case OpCode::multi:
      return write_multi(writer, request.operations, chroot);
    case OpCode::set_data: {
      proto::SetDataRequest record;
      record.path = std::move(path);
      record.data = request.data;
      record.version = request.version;
      writer.write(record);
      return;
    }
    case OpCode::set_acl: {
      proto::SetACLRequest record;
      record.path = std::move(path);
      record.acl = to_records(request.acl);
      record.version = request.version;
      writer.write(record);
      return;
    }
    default:  // has no body
      return;
  }
}

bool read_stat(proto::Reader& reader, Response& response) { return reader.read(response.stat); }

bool read_path(proto::Reader& reader, Response& response, std::string_view chroot) {
  proto::CreateResponse record;
  if (!reader.read(record)) return false;
  response.path = without_chroot(chroot, std::move(record.path));
  return true;
}

bool read_multi(proto::Reader& reader, const Request& request, Response& response, std::string_view chroot) {
  for (;;) {
    proto::MultiHeader header;
    if (!reader.read(header)) return false;
    if (header.done) break;
    if (response.results.size() >= request.operations.size()) return false;
    Response& result = response.results.emplace_back();
    if (header.type == -1) {
      proto::ErrorResponse error;
      if (!reader.read(error)) return false;
      result.error = static_cast<Error>(error.err);
      if (response.error == Error::ok) response.error = result.error;
    } else if (header.type == static_cast<std::int32_t>(OpCode::create)) {
      if (!read_path(reader, result, chroot)) return false;
    } else if (header.type == static_cast<std::int32_t>(OpCode::set_data)) {
      if (!read_stat(reader, result)) return false;
    }
  }
  return response.results.size() == request.operations.size();
}

bool read_acl(proto::Reader& reader, Response& response) {
  proto::GetACLResponse record;
  if (!reader.read(record)) return false;
  for (const proto::ACL& entry : record.acl) {
    Acl& acl = response.acl.emplace_back();
    acl.perms = entry.perms;
    acl.scheme = entry.id.scheme;
    acl.id = entry.id.id;
  }
  response.stat = record.stat;
  return true;
}

bool read_body(proto::Reader& reader, const Request& request, Response& response, std::string_view chroot) {
  switch (request.op) {
    case OpCode::create:
      return read_path(reader, response, chroot);
    case OpCode::exists:
    case OpCode::set_acl:
    case OpCode::set_data:
      return read_stat(reader, response);
    case OpCode::get_data: {
      proto::GetDataResponse record;
      if (!reader.read(record)) return false;
      response.data = std::move(record.data);
      response.stat = record.stat;
      return true;
    }
    case OpCode::get_children2: {
      proto::GetChildren2Response record;
      if (!reader.read(record)) return false;
      response.children.reserve(record.children.size());
      for (auto& child : record.children) response.children.push_back(std::move(child));
      response.stat = record.stat;
      return true;
    }
    case OpCode::get_acl:
      return read_acl(reader, response);
    case OpCode::multi:
      return read_multi(reader, request, response, chroot);
    default:
      return true;
  }
}

}  // namespace

void append_connect(base::Bytes& to, const Attach& attach) {
  proto::ConnectRequest record;
  record.last_zxid_seen = attach.last_zxid;
  record.time_out = attach.timeout_ms;
  record.session_id = attach.session_id;
  record.passwd = attach.password;
  proto::Writer writer;
  writer.write(record);
  append_frame(to, writer);
}

void append_ping(base::Bytes& to) {
  proto::Writer writer;
  write_header(writer, kPingXid, OpCode::ping);
  append_frame(to, writer);
}

void append_set_watches(base::Bytes& to, std::int64_t last_zxid, const Watches& watches, std::string_view chroot) {
  proto::SetWatches record;
  record.relative_zxid = last_zxid;
  for (const std::string& path : watches.data) record.data_watches.emplace_back(with_chroot(chroot, path));
  for (const std::string& path : watches.exists) record.exist_watches.emplace_back(with_chroot(chroot, path));
  for (const std::string& path : watches.children) record.child_watches.emplace_back(with_chroot(chroot, path));
  proto::Writer writer;
  write_header(writer, kSetWatchesXid, OpCode::set_watches);
  writer.write(record);
  append_frame(to, writer);
}

void append_sasl(base::Bytes& to, std::int32_t xid, const std::string& token) {
  proto::GetSASLRequest record;
  record.token = token;
  proto::Writer writer;
  write_header(writer, xid, OpCode::sasl);
  writer.write(record);
  append_frame(to, writer);
}

std::optional<std::optional<std::string>> parse_sasl(base::ByteView body) {
  proto::Reader reader(body);
  proto::SetSASLResponse record;
  if (!reader.read(record)) return std::nullopt;
  return std::move(record.token);
}

void append_request(base::Bytes& to, std::int32_t xid, const Request& request, std::string_view chroot) {
  proto::Writer writer;
  write_header(writer, xid, request.op);
  write_body(writer, request, chroot);
  append_frame(to, writer);
}

std::optional<Attach> parse_connect(base::ByteView frame) {
  // A server that knows no read-only mode leaves the last byte out.
  base::Bytes whole(frame.begin(), frame.end());
  constexpr std::size_t kBytesWithoutReadOnly = 36;
  if (whole.size() == kBytesWithoutReadOnly) whole.push_back(0);
  proto::Reader reader(whole);
  proto::ConnectResponse record;
  if (!reader.read(record)) return std::nullopt;
  Attach attach;
  attach.timeout_ms = record.time_out;
  attach.session_id = record.session_id;
  attach.password = record.passwd.value_or("");
  return attach;
}

std::optional<Header> parse_header(base::ByteView& frame) {
  proto::Reader reader(frame);
  proto::ReplyHeader record;
  if (!reader.read(record)) return std::nullopt;
  frame = reader.rest();
  Header header;
  header.xid = record.xid;
  header.zxid = record.zxid;
  header.error = static_cast<Error>(record.err);
  return header;
}

std::optional<WatchEvent> parse_event(base::ByteView body, std::string_view chroot) {
  proto::Reader reader(body);
  proto::WatcherEvent record;
  if (!reader.read(record)) return std::nullopt;
  WatchEvent event;
  event.type = static_cast<EventType>(record.type);
  event.path = without_chroot(chroot, std::move(record.path));
  return event;
}

std::optional<Response> parse_response(const Request& request, Error error, base::ByteView body,
                                       std::string_view chroot) {
  Response response(error);
  if (error != Error::ok) {
    // The results of a multi that was refused as a whole.
    if (request.op == OpCode::multi) response.results.assign(request.operations.size(), Response(error));
    return response;
  }
  proto::Reader reader(body);
  if (!read_body(reader, request, response, chroot)) return std::nullopt;
  return response;
}

}  // namespace zk::client::wire
