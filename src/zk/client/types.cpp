#include "zk/client/types.h"

#include <utility>

namespace zk::client {

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
  Request request(OpCode::get_children2, std::move(path));
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
