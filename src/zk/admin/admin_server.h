// The two HTTP endpoints of a coordinator: ZooKeeper's AdminServer and its Prometheus provider. Owned by whoever owns
// the Server, which must have stopped before this goes; start() and stop() once each from one thread. Requests are
// answered from the coordinator's loop and written by a thread of their own, so that a slow reader holds up nobody.
#pragma once

#include <memory>

#include "base/http/http_server.h"
#include "zk/admin/snapshot_commands.h"
#include "zk/server/server.h"

namespace zk::admin {

using base::http::HttpServer;
using base::http::HttpServerOptions;

class AdminServer {
 public:
  // Serves what the config asks for.
  AdminServer(server::ZooKeeperServerConfig config, server::Server& server);

  // Before or after the Server's start: requests wait until it serves. Throws StartError.
  void start();
  void stop();
  std::uint16_t admin_port() const { return admin_ ? admin_->port() : 0; }
  std::uint16_t metrics_port() const { return metrics_ ? metrics_->port() : 0; }
  std::uint16_t secure_metrics_port() const { return secure_metrics_ ? secure_metrics_->port() : 0; }

 private:
  void start_admin();
  void start_metrics();
  void on_admin_request(const HttpRequest& request, const HttpRespond& respond);
  void on_command(const std::string& name, Arguments arguments, const HttpRequest& request, const HttpRespond& respond);
  void on_metrics_request(const HttpRequest& request, const HttpRespond& respond);

  server::ZooKeeperServerConfig config_;
  server::Server& server_;
  std::unique_ptr<SnapshotCommands> snapshots_;
  std::unique_ptr<HttpServer> admin_, metrics_, secure_metrics_;
};

}  // namespace zk::admin
