// What the process ends with when the coordinator can't start or go on: ZooKeeper's codes.
#pragma once

#include <stdexcept>
#include <string>

namespace zk::server {

enum class ExitCode {
  unexpected_error = 1,  // also a failed write to the log, with which a standalone ZooKeeper ends as if all were well
  invalid_invocation = 2,
  data_dir_inaccessible = 3,
  admin_server_failed = 4,
  snapshot_failed = 10,
};

// A start that failed, with the code to end with.
class StartError : public std::runtime_error {
 public:
  StartError(ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

}  // namespace zk::server
