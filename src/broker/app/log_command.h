// `milena log dump` and `milena log verify`: log directories as text, and their faults (src/log/inspect). Exit code 0;
// 1 after a fault or a path that can't be read.
#pragma once

#include <string>
#include <vector>

namespace broker::app {

struct LogCommand {
  bool verify = false;  // else dump
  bool records = false;
  std::vector<std::string> paths;
};

int run_log_command(const LogCommand& command);

}  // namespace broker::app
