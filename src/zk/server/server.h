// The coordinator as a whole: opens the dataDir, listens, serves. It owns its threads: one event loop, one for the log,
// one while a snapshot is written. start() throws with one clear message; later failures that end the service (a write
// to the log failed) go to `on_failure`, called once from the loop's thread, which must not call stop() itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "zk/server/config.h"
#include "zk/server/exit_code.h"

namespace zk::server {

class Coordinator;

// A snapshot that somebody asked for.
struct SnapshotResult {
  std::string failure;  // empty: it is there and durable
  std::string path;
  std::int64_t zxid = 0;
};
struct RestoreResult {
  std::string failure;
  std::int64_t zxid = 0;  // of the snapshot
};

class Server {
 public:
  explicit Server(ZooKeeperServerConfig config, base::FileSystem& files = base::real_file_system());
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  using OnFailure = std::function<void(const std::string& reason, ExitCode code)>;
  void set_on_failure(OnFailure on_failure);
  // Returns once clients are served. The port opens last.
  void start();
  // Every answered write is in the log already. No snapshot is taken.
  void stop();
  // On the loop, where the coordinator may be used; before start() it waits for it, after stop() it isn't done.
  void run(std::function<void(Coordinator&)> work);

  // From any thread; both answer on the loop, or never once the server has stopped.
  // Writes a snapshot of this moment. A failure is told, and ends nothing.
  void take_snapshot(std::function<void(const SnapshotResult&)> done);
  // Puts the state of a snapshot in place of all that is there; `path` names a file that has been read once, so that it
  // is known to be whole. Writes under way are finished, then every connection is closed: clients come back to the
  // restored state, in which their sessions are known or have expired. The zxid goes on above the old and the restored
  // one, and a snapshot makes it durable before anybody is served. A failure ends the service; after a restart the old
  // state is there.
  void restore(const std::string& path, std::int64_t zxid, std::function<void(const RestoreResult&)> done);
  base::FileSystem& files();

  std::uint16_t port() const;
  std::uint16_t secure_port() const;  // of TLS; 0: none

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zk::server
