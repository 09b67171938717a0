// For tests of a whole server: a client that sends and receives frames, and a configuration with a free port.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/config.h"
#include "zk/server/testing/test_socket.h"
#include "zk/tree/types.h"

namespace zk::server::testing {

using tree::OpCode;

inline ZooKeeperServerConfig config_in(const std::string& directory) {
  ZooKeeperServerConfig config;
  config.data_dir = config.data_log_dir = directory;
  config.client_address = "127.0.0.1";
  config.client_port = 0;
  config.tick_ms = 100;
  config.session_timeout_min_ms = 200;
  config.session_timeout_max_ms = 60000;
  config.connections_per_address_max = 0;
  config.preallocate_bytes = 64 * 1024;
  config.all_commands = true;
  return config;
}

struct Reply {
  std::int32_t xid = 0;
  std::int64_t zxid = 0;
  std::int32_t error = 0;
  base::Bytes body;

  template <class Record>
  Record as() const {
    Record record;
    proto::Reader reader(body);
    EXPECT_TRUE(reader.read(record));
    return record;
  }
};

// A client that sends and receives frames, and waits as long as it takes.
class RawClient : public TestSocket {
 public:
  explicit RawClient(std::uint16_t port, bool by_ipv6 = false) : TestSocket(port, nullptr, by_ipv6) {}

  template <class Record>
  void send(std::int32_t number, OpCode op, const Record& record) {
    proto::Writer writer;
    writer.write(number).write(static_cast<std::int32_t>(op)).write(record);
    send_frame(writer.bytes());
  }
  void send(std::int32_t number, OpCode op) {
    proto::Writer writer;
    writer.write(number).write(static_cast<std::int32_t>(op));
    send_frame(writer.bytes());
  }
  bool is_closed() { return !receive_frame().has_value(); }
  Reply receive() {
    Reply reply;
    auto frame = receive_frame();
    if (!frame) throw std::runtime_error("the server closed the connection");
    proto::Reader reader(*frame);
    EXPECT_TRUE(reader.read(reply.xid) && reader.read(reply.zxid) && reader.read(reply.error));
    reply.body.assign(reader.rest().begin(), reader.rest().end());
    return reply;
  }

  // The handshake; nothing if the server closes.
  std::optional<proto::ConnectResponse> connect(std::int64_t session_id = 0,
                                                const std::string& password = std::string(16, '\0'),
                                                std::int32_t timeout_ms = 30000, std::int64_t last_zxid = 0) {
    proto::ConnectRequest request;
    request.time_out = timeout_ms;
    request.session_id = session_id;
    request.passwd = password;
    request.last_zxid_seen = last_zxid;
    send_frame(proto::to_bytes(request));
    auto frame = receive_frame();
    if (!frame) return std::nullopt;
    proto::ConnectResponse response;
    proto::Reader reader(*frame);
    EXPECT_TRUE(reader.read(response));
    session = response.session_id;
    return response;
  }
  Reply create(const std::string& path, std::int32_t flags = 0, const std::string& data = "") {
    send(++xid, OpCode::create, creation(path, flags, data));
    return receive();
  }
  bool exists(const std::string& path) {
    send(++xid, OpCode::exists, path_request<proto::ExistsRequest>(path, false));
    return receive().error == 0;
  }
  static proto::CreateRequest creation(const std::string& path, std::int32_t flags = 0, const std::string& data = "") {
    proto::CreateRequest request;
    request.path = path;
    request.data = data;
    proto::ACL& acl = request.acl.emplace_back();
    acl.perms = 31;
    acl.id.scheme = "world";
    acl.id.id = "anyone";
    request.flags = flags;
    return request;
  }
  template <class Request>
  static Request path_request(const std::string& path, bool watch) {
    Request request;
    request.path = path;
    request.watch = watch;
    return request;
  }

  std::int64_t session = 0;
  std::int32_t xid = 0;
};

}  // namespace zk::server::testing
