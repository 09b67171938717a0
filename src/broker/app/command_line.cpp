#include "broker/app/command_line.h"

namespace broker::app {
namespace {

Command wrong(std::string problem) {
  Command command;
  command.problem = std::move(problem);
  return command;
}

// Takes "--name value" or "--name=value" at `at`, which then stands on the last argument taken.
bool take_option(const std::vector<std::string>& arguments, std::size_t& at, std::string_view name, std::string& value,
                 std::string& problem) {
  const std::string& argument = arguments[at];
  if (!argument.starts_with(name)) return false;
  if (argument.size() > name.size()) {
    if (argument[name.size()] != '=') return false;
    value = argument.substr(name.size() + 1);
  } else if (at + 1 < arguments.size()) {
    value = arguments[++at];
  } else {
    problem = argument + " needs a value";
  }
  return true;
}

bool is_pair(std::string_view text) { return text.find('=') != std::string_view::npos && !text.starts_with('='); }

Command parse_log_command(const std::vector<std::string>& arguments) {
  Command command;
  command.kind = CommandKind::log;
  if (arguments.size() < 2 || (arguments[1] != "dump" && arguments[1] != "verify")) {
    return wrong("log needs to know whether to dump or to verify");
  }
  command.log.verify = arguments[1] == "verify";
  command.log.records = command.log.verify;
  for (std::size_t at = 2; at < arguments.size(); ++at) {
    if (!command.log.verify && arguments[at] == "--records") {
      command.log.records = true;
    } else if (command.log.verify && arguments[at] == "--batches-only") {
      command.log.records = false;
    } else if (arguments[at].starts_with("-")) {
      return wrong("unexpected argument " + arguments[at]);
    } else {
      command.log.paths.push_back(arguments[at]);
    }
  }
  if (command.log.paths.empty()) return wrong("the log directory is missing");
  return command;
}

}  // namespace

Command parse_command_line(const std::vector<std::string>& arguments) {
  Command command;
  if (arguments.empty()) return wrong("a command is missing");
  const std::string& name = arguments[0];
  if (name == "--help" || name == "-h" || name == "help") {
    command.kind = CommandKind::help;
  } else if (name == "--version" || name == "version") {
    command.kind = CommandKind::version;
  } else if (name == "start") {
    command.kind = CommandKind::start;
  } else if (name == "broker") {
    command.kind = CommandKind::broker;
  } else if (name == "coordinator") {
    command.kind = CommandKind::coordinator;
  } else if (name == "log") {
    return parse_log_command(arguments);
  } else {
    return wrong("there is no command " + name);
  }
  const bool takes_overrides = command.kind == CommandKind::start || command.kind == CommandKind::broker;
  const bool takes_file = command.kind == CommandKind::broker || command.kind == CommandKind::coordinator;
  for (std::size_t at = 1; at < arguments.size(); ++at) {
    std::string problem;
    std::string override_text;
    std::string& file = command.kind == CommandKind::coordinator ? command.coordinator_file : command.server_file;
    if (takes_overrides && take_option(arguments, at, "--override", override_text, problem)) {
      if (problem.empty() && !is_pair(override_text)) problem = "--override " + override_text + ": must be key=value";
      command.overrides.push_back(std::move(override_text));
    } else if (command.kind == CommandKind::start &&
               (take_option(arguments, at, "--server", command.server_file, problem) ||
                take_option(arguments, at, "--coordinator", command.coordinator_file, problem))) {
    } else if (takes_file && file.empty() && !arguments[at].starts_with("-")) {
      file = arguments[at];
    } else {
      problem = "unexpected argument " + arguments[at];
    }
    if (!problem.empty()) return wrong(problem);
  }
  const bool needs_server = takes_overrides;
  const bool needs_coordinator = command.kind == CommandKind::start || command.kind == CommandKind::coordinator;
  if (needs_server && command.server_file.empty()) return wrong("the server.properties file is missing");
  if (needs_coordinator && command.coordinator_file.empty()) return wrong("the zookeeper.properties file is missing");
  return command;
}

std::string_view usage() {
  return "usage: milena start --server server.properties --coordinator zookeeper.properties [--override key=value]...\n"
         "       milena broker server.properties [--override key=value]...\n"
         "       milena coordinator zookeeper.properties\n"
         "       milena log dump [--records] PATH...\n"
         "       milena log verify [--batches-only] DIR...\n"
         "       milena --version | --help\n"
         "\n"
         "start        broker and coordinator in one process\n"
         "broker       the broker alone; zookeeper.connect names its coordinator\n"
         "coordinator  the coordinator alone\n"
         "log dump     segments, indexes and snapshots as text; PATH is a file, a partition's or a log directory\n"
         "log verify   checks all of a log directory that no broker uses; names file and position of each fault\n"
         "--override   replaces a key of server.properties; may be repeated\n";
}

}  // namespace broker::app
