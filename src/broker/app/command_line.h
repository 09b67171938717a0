// What the command line asks for. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/app/log_command.h"

namespace broker::app {

enum class CommandKind { start, broker, coordinator, log, help, version, wrong };

struct Command {
  CommandKind kind = CommandKind::wrong;
  std::string server_file;
  std::string coordinator_file;
  std::vector<std::string> overrides;  // "key=value" each
  LogCommand log;
  std::string problem;  // of a wrong one
};

Command parse_command_line(const std::vector<std::string>& arguments);
std::string_view usage();

}  // namespace broker::app
