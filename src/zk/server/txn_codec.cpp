#include "zk/server/txn_codec.h"

#include "base/crc.h"
#include "zk/proto/jute.h"
#include "zk/server/convert.h"
#include "zk/tree/digest.h"

namespace zk::server {

namespace {

using tree::OpCode;

template <class Body, class Write>
void write_body(const Body& body, const Write& write);

// Hands the fields of a body to `write`, all at once, so that the room for them is made once. They are those of proto's records of
// these names, from where they are: a record would own copies of them.
template <class Write>
struct BodyWriter {
  const Write& write;

  void operator()(const tree::ErrorTxn& txn) const { write(static_cast<std::int32_t>(txn.error)); }
  void operator()(const tree::CreateTxn& txn) const {
    if (txn.acl.is_open()) {
      create(txn, proto::Serialized{kOpenAclBytes});
    } else {
      create(txn, *txn.acl);
    }
  }
  void operator()(const tree::DeleteTxn& txn) const { write(txn.path); }
  void operator()(const tree::SetDataTxn& txn) const { write(txn.path, txn.data, txn.version); }
  void operator()(const tree::SetAclTxn& txn) const { write(txn.path, txn.acl, txn.version); }
  void operator()(const tree::CheckTxn& txn) const { write(txn.path, txn.version); }
  void operator()(const tree::CreateSessionTxn& txn) const { write(txn.timeout_ms); }
  void operator()(const tree::CloseSessionTxn& txn) const { write(txn.paths); }
  void operator()(const tree::MultiTxn& txn) const {
    proto::MultiTxn body;
    for (const tree::SubTxn& part : txn.txns) {
      proto::Txn& made = body.txns.emplace_back();
      made.type = static_cast<std::int32_t>(type_of(part));
      proto::Writer writer;
      write_body(part, [&writer](const auto&... fields) { writer.write(fields...); });
      made.data = std::string(base::as_text(writer.bytes()));
    }
    write(body);
  }

 private:
  template <class Acl>
  void create(const tree::CreateTxn& txn, const Acl& acl) const {
    if (txn.type == OpCode::create_container) {
      write(txn.path, txn.data, acl, txn.parent_cversion);
    } else if (txn.type == OpCode::create_ttl) {
      write(txn.path, txn.data, acl, txn.parent_cversion, txn.ttl_ms);
    } else {
      write(txn.path, txn.data, acl, txn.ephemeral, txn.parent_cversion);
    }
  }
};

template <class Body, class Write>
void write_body(const Body& body, const Write& write) {
  std::visit(BodyWriter<Write>{write}, body);
}

template <class Create>
bool take_create(proto::Reader& reader, tree::CreateTxn& txn, Create&& body) {
  if (!reader.read(body)) return false;
  txn.path = std::move(body.path);
  txn.data = std::move(body.data);
  txn.acl = to_tree(body.acl);
  if constexpr (requires { body.parent_c_version; }) txn.parent_cversion = body.parent_c_version;
  if constexpr (requires { body.ttl; }) txn.ttl_ms = body.ttl;
  if constexpr (requires { body.ephemeral; }) txn.ephemeral = body.ephemeral;
  return true;
}

// With the open list, as most are: right into its place.
bool read_open_create(proto::Reader& reader, tree::CreateTxn& txn) {
  proto::Reader from = reader;
  if (!from.read(txn.path) || !from.read(txn.data) || !from.skip(kOpenAclBytes) || !from.read(txn.ephemeral) ||
      !from.read(txn.parent_cversion)) {
    return false;
  }
  txn.acl = tree::AclHandle();
  reader = from;
  return true;
}

// Into one that may have been another before.
bool read_create(proto::Reader& reader, OpCode type, tree::CreateTxn& txn) {
  txn.type = type;
  txn.ttl_ms = 0;
  txn.known.reset();
  const bool is_plain = type == OpCode::create || type == OpCode::create2;
  if (is_plain && read_open_create(reader, txn)) return true;
  txn.ephemeral = false;
  txn.parent_cversion = -1;
  if (type == OpCode::create_container) return take_create(reader, txn, proto::CreateContainerTxn());
  if (type == OpCode::create_ttl) return take_create(reader, txn, proto::CreateTTLTxn());
  proto::Reader as_new = reader;
  if (take_create(as_new, txn, proto::CreateTxn())) {
    reader = as_new;
    return true;
  }
  return take_create(reader, txn, proto::CreateTxnV0());
}

template <class Body>
bool read_part(proto::Reader& reader, OpCode type, Body& body) {
  switch (type) {
    case OpCode::create:
    case OpCode::create2:
    case OpCode::create_container:
    case OpCode::create_ttl:
      if (auto* there = std::get_if<tree::CreateTxn>(&body)) return read_create(reader, type, *there);
      return read_create(reader, type, body.template emplace<tree::CreateTxn>());
    case OpCode::remove:
    case OpCode::delete_container: {
      proto::DeleteTxn from;
      if (!reader.read(from)) return false;
      body = tree::DeleteTxn{type, std::move(from.path)};
      return true;
    }
    case OpCode::set_data:
    case OpCode::reconfig: {
      proto::SetDataTxn from;
      if (!reader.read(from)) return false;
      body = tree::SetDataTxn{type, std::move(from.path), std::move(from.data), from.version};
      return true;
    }
    case OpCode::check: {
      proto::CheckVersionTxn from;
      if (!reader.read(from)) return false;
      body = tree::CheckTxn{std::move(from.path), from.version};
      return true;
    }
    case OpCode::error: {
      proto::ErrorTxn from;
      if (!reader.read(from)) return false;
      body = tree::ErrorTxn{static_cast<tree::Error>(from.err)};
      return true;
    }
    default:
      return false;
  }
}

bool read_multi(proto::Reader& reader, tree::MultiTxn& multi) {
  proto::MultiTxn from;
  if (!reader.read(from)) return false;
  for (const proto::Txn& part : from.txns) {
    proto::Reader part_reader(base::as_bytes(part.data ? std::string_view(*part.data) : std::string_view()));
    if (!read_part(part_reader, static_cast<OpCode>(part.type), multi.txns.emplace_back())) return false;
  }
  return true;
}

bool read_body(proto::Reader& reader, OpCode type, tree::TxnBody& body) {
  switch (type) {
    case OpCode::create_session: {
      proto::CreateSessionTxn from;
      if (!reader.read(from)) return false;
      body = tree::CreateSessionTxn{from.time_out};
      return true;
    }
    case OpCode::close_session: {
      tree::CloseSessionTxn txn;
      if (reader.left() != 0) {
        proto::CloseSessionTxn from;
        if (!reader.read(from)) return false;
        txn.paths = to_tree(from.paths2_delete);
      }
      body = std::move(txn);
      return true;
    }
    case OpCode::set_acl: {
      proto::SetACLTxn from;
      if (!reader.read(from)) return false;
      body = tree::SetAclTxn{std::move(from.path), to_tree(from.acl), from.version};
      return true;
    }
    case OpCode::multi:
      return read_multi(reader, body.emplace<tree::MultiTxn>());
    default:
      return read_part(reader, type, body);
  }
}

}  // namespace

void append_record(base::Bytes& to, const tree::Txn& txn) {
  const std::size_t start = to.size();
  proto::Writer writer(std::move(to));
  proto::TxnHeader header;
  header.client_id = txn.session_id;
  header.cxid = txn.cxid;
  header.zxid = txn.zxid;
  header.time = txn.time_ms;
  header.type = static_cast<std::int32_t>(type_of(txn.body));
  const std::int64_t no_checksum = 0;
  const std::int32_t no_length = 0;
  const auto write = [&](const auto&... fields) {
    if (txn.digest) {
      proto::TxnDigest digest;
      digest.version = tree::kDigestVersion;
      digest.tree_digest = static_cast<std::int64_t>(*txn.digest);
      writer.write(no_checksum, no_length, header, fields..., digest, kRecordEnd);
    } else {
      writer.write(no_checksum, no_length, header, fields..., kRecordEnd);
    }
  };
  write_body(txn.body, write);
  to = writer.take();
  const base::ByteView entry = base::ByteView(to).subspan(start + kRecordHeadBytes, to.size() - start - kRecordHeadBytes - 1);
  base::store_big_endian(to.data() + start, static_cast<std::int64_t>(base::adler32(entry)));
  base::store_big_endian(to.data() + start + 8, static_cast<std::int32_t>(entry.size()));
}

bool decode_txn(base::ByteView entry, tree::Txn& txn, std::string& error) {
  proto::Reader reader(entry);
  proto::TxnHeader header;
  if (!reader.read(header)) {
    error = "the record is too short for a header";
    return false;
  }
  txn.session_id = header.client_id;
  txn.cxid = header.cxid;
  txn.zxid = header.zxid;
  txn.time_ms = header.time;
  if (!read_body(reader, static_cast<OpCode>(header.type), txn.body)) {
    error = reader.error().empty() ? "the transaction type " + std::to_string(header.type) + " is unknown"
                                   : "the transaction of type " + std::to_string(header.type) + " " + reader.error();
    return false;
  }
  txn.digest.reset();
  if (reader.left() == 0) return true;
  proto::TxnDigest digest;
  if (!reader.read(digest)) {
    error = "the bytes after the transaction are no digest";
    return false;
  }
  if (digest.version == tree::kDigestVersion) txn.digest = static_cast<std::uint64_t>(digest.tree_digest);
  return true;
}

}  // namespace zk::server
