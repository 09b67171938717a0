// What goes into and comes out of a ZooKeeper request, as plain values without the wire's records. Paths are relative
// to the session's chroot. Data is a byte string that may be null, which ZooKeeper keeps apart from empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zk::client {

// ZooKeeper's codes, as on the wire.
enum class Error : std::int32_t {
  ok = 0,
  system_error = -1,
  runtime_inconsistency = -2,
  connection_loss = -4,
  marshalling_error = -5,
  unimplemented = -6,
  operation_timeout = -7,
  bad_arguments = -8,
  no_node = -101,
  no_auth = -102,
  bad_version = -103,
  no_children_for_ephemerals = -108,
  node_exists = -110,
  not_empty = -111,
  session_expired = -112,
  invalid_acl = -114,
  auth_failed = -115,
  session_moved = -118,
  quota_exceeded = -125,
  throttled = -127,
};

std::string_view name_of(Error error);  // "NONODE"; other numbers give "UNKNOWN"

enum class OpCode : std::int32_t {
  create = 1,
  remove = 2,
  exists = 3,
  get_data = 4,
  set_data = 5,
  get_acl = 6,
  set_acl = 7,
  sync = 9,
  ping = 11,
  get_children = 12,  // getChildren2: with the Stat
  check = 13,
  multi = 14,
  set_watches = 101,
  close_session = -11,
};

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

// disconnected: the session may live on, requests wait. expired and closed are final.
enum class SessionState { disconnected, connected, expired, closed };

struct Stat {
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t ctime = 0;
  std::int64_t mtime = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t ephemeral_owner = 0;
  std::int32_t data_length = 0;
  std::int32_t num_children = 0;
  std::int64_t pzxid = 0;
};

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
