// The commands of ZooKeeper's AdminServer that move the whole state: `snapshot` writes one and sends it, `restore`
// takes one and puts it in place of all that is there. Both want an Authorization header, "scheme credential", whose id
// may do everything with the root znode, and are refused if they come too often. Checks are made on the coordinator's
// loop; a snapshot that comes in is kept in a file and read on the HTTP thread before the loop hears of it. The Server
// must have stopped before this goes; on_*() run on the HTTP thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/http/http_server.h"
#include "zk/admin/admin_commands.h"
#include "zk/server/server.h"

namespace zk::admin {

using base::http::HttpRequest;
using base::http::HttpRespond;
using base::http::HttpResponse;
using base::http::HttpUpload;
using base::http::MakeResponse;

// One in an interval, as ZooKeeper counts it.
class RateLimiter {
 public:
  explicit RateLimiter(std::int64_t interval_ms) : interval_ms_(interval_ms) {}
  bool allow(std::int64_t now_ms);

 private:
  std::int64_t interval_ms_;
  std::int64_t began_ms_ = 0;
  bool used_ = false;
};

class SnapshotCommands {
 public:
  SnapshotCommands(const server::ZooKeeperServerConfig& config, server::Server& server);

  // By either of its names.
  static bool is_snapshot(std::string_view name) { return name == "snapshot" || name == "snap"; }
  static bool is_restore(std::string_view name) { return name == "restore" || name == "rest"; }

  void on_snapshot(const std::string& name, const HttpRequest& request, const Arguments& arguments,
                   const HttpRespond& respond);
  void on_restore(const std::string& name, const HttpRequest& request, const HttpRespond& respond);

 private:
  class Upload;

  // On the loop. The answer to one that may not, or nothing.
  MakeResponse refusal(const std::string& name, const HttpRequest& request, server::Coordinator& coordinator) const;
  std::vector<tree::Identity> identities_of(const HttpRequest& request) const;

  server::ZooKeeperServerConfig config_;
  server::Server& server_;
  RateLimiter snapshots_, restores_;
  std::shared_ptr<std::atomic<bool>> restoring_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace zk::admin
