#include "zk/client/types.h"

#include <utility>

namespace zk::client {

std::string_view name_of(Error error) {
  switch (error) {
    case Error::ok:
      return "OK";
    case Error::system_error:
      return "SYSTEMERROR";
    case Error::runtime_inconsistency:
      return "RUNTIMEINCONSISTENCY";
    case Error::connection_loss:
      return "CONNECTIONLOSS";
    case Error::marshalling_error:
      return "MARSHALLINGERROR";
    case Error::unimplemented:
      return "UNIMPLEMENTED";
    case Error::operation_timeout:
      return "OPERATIONTIMEOUT";
    case Error::bad_arguments:
      return "BADARGUMENTS";
    case Error::no_node:
      return "NONODE";
    case Error::no_auth:
      return "NOAUTH";
    case Error::bad_version:
      return "BADVERSION";
    case Error::no_children_for_ephemerals:
      return "NOCHILDRENFOREPHEMERALS";
    case Error::node_exists:
      return "NODEEXISTS";
    case Error::not_empty:
      return "NOTEMPTY";
    case Error::session_expired:
      return "SESSIONEXPIRED";
    case Error::invalid_acl:
      return "INVALIDACL";
    case Error::auth_failed:
      return "AUTHFAILED";
    case Error::session_moved:
      return "SESSIONMOVED";
    case Error::quota_exceeded:
      return "QUOTAEXCEEDED";
    case Error::throttled:
      return "THROTTLEDOP";
  }
  return "UNKNOWN";
}

Request create(std::string path, Data data, CreateMode mode) {
  Request request(OpCode::create, std::move(path));
  request.data = std::move(data);
  request.mode = mode;
  return request;
}

Request remove(std::string path, std::int32_t version) {
  Request request(OpCode::remove, std::move(path));
  request.version = version;
  return request;
}

Request exists(std::string path, bool watch) {
  Request request(OpCode::exists, std::move(path));
  request.watch = watch;
  return request;
}

Request get_data(std::string path, bool watch) {
  Request request(OpCode::get_data, std::move(path));
  request.watch = watch;
  return request;
}

Request set_data(std::string path, Data data, std::int32_t version) {
  Request request(OpCode::set_data, std::move(path));
  request.data = std::move(data);
  request.version = version;
  return request;
}

Request get_children(std::string path, bool watch) {
  Request request(OpCode::get_children, std::move(path));
  request.watch = watch;
  return request;
}

Request check(std::string path, std::int32_t version) {
  Request request(OpCode::check, std::move(path));
  request.version = version;
  return request;
}

Request multi(std::vector<Request> operations) {
  Request request(OpCode::multi, "");
  request.operations = std::move(operations);
  return request;
}

Request multi(Request first, Request second) {
  std::vector<Request> operations;
  operations.push_back(std::move(first));
  operations.push_back(std::move(second));
  return multi(std::move(operations));
}

Request sync(std::string path) { return Request(OpCode::sync, std::move(path)); }

Request get_acl(std::string path) { return Request(OpCode::get_acl, std::move(path)); }

Request set_acl(std::string path, std::vector<Acl> acl, std::int32_t version) {
  Request request(OpCode::set_acl, std::move(path));
  request.acl = std::move(acl);
  request.version = version;
  return request;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || slash == 0 ? std::string_view("/") : path.substr(0, slash);
}

}  // namespace zk::client
