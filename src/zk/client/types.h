// What goes into and comes out of a ZooKeeper request, as plain values without the wire's records. Paths are relative
// to the session's chroot. Data is a byte string that may be null, which ZooKeeper keeps apart from empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zk/proto/codes.h"
#include "zk/proto/records.h"

namespace zk::client {

using proto::Error;
using proto::name_of;
using proto::OpCode;
using proto::Stat;

enum class EventType : std::int32_t {
  created = 1,
  deleted = 2,
  data_changed = 3,
  children_changed = 4,
};

struct WatchEvent {
  EventType type = EventType::created;
  std::string path;
};

// disconnected: the session may live on, requests wait. expired, closed and auth_failed (SASL) are final.
enum class SessionState { disconnected, connected, expired, closed, auth_failed };

struct Acl {
  std::int32_t perms = 31;
  std::string scheme = "world";
  std::string id = "anyone";
};

using Data = std::optional<std::string>;

enum class CreateMode : std::int32_t {
  persistent = 0,
  ephemeral = 1,
  persistent_sequential = 2,
  ephemeral_sequential = 3
};

constexpr std::int32_t kAnyVersion = -1;

// One request, or one operation of a multi. Made by the functions below.
struct Request {
  Request() {}
  Request(OpCode code, std::string node) : op(code), path(std::move(node)) {}

  OpCode op = OpCode::sync;
  std::string path;
  Data data;
  std::int32_t version = kAnyVersion;
  CreateMode mode = CreateMode::persistent;
  bool watch = false;
  std::vector<Acl> acl;             // create, set_acl; empty in a create: open to the world
  std::vector<Request> operations;  // multi
};

struct Response {
  Response() {}
  explicit Response(Error code) : error(code) {}

  bool ok() const { return error == Error::ok; }

  Error error = Error::ok;  // of a multi: that of the first operation that failed
  std::string path;         // create: with the sequence number
  Data data;
  Stat stat;
  std::vector<std::string> children;
  std::vector<Acl> acl;
  std::vector<Response> results;  // multi: one for each operation
};

Request create(std::string path, Data data, CreateMode mode = CreateMode::persistent);
Request remove(std::string path, std::int32_t version = kAnyVersion);
Request exists(std::string path, bool watch = false);
Request get_data(std::string path, bool watch = false);
Request set_data(std::string path, Data data, std::int32_t version = kAnyVersion);
Request get_children(std::string path, bool watch = false);
Request check(std::string path, std::int32_t version);
Request multi(std::vector<Request> operations);
Request multi(Request first, Request second);
Request sync(std::string path);
Request get_acl(std::string path);
Request set_acl(std::string path, std::vector<Acl> acl, std::int32_t version = kAnyVersion);

std::string_view parent_of(std::string_view path);  // "/a/b" -> "/a", "/a" -> "/"

}  // namespace zk::client
