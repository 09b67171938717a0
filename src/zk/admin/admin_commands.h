// The commands of ZooKeeper's AdminServer, with its JSON fields. Each reads the coordinator, so it runs on the
// coordinator's loop; making text of what it returns is for another thread. Those of an ensemble answer as a standalone
// server does. snapshot and restore are listed here and done in
// snapshot_commands.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "zk/server/coordinator.h"

namespace zk::admin {

using Arguments = std::map<std::string, std::string, std::less<>>;

// Sorted.
std::vector<std::string> admin_command_names();
bool is_admin_command(std::string_view name);  // by any of its names
// By any of its names; an unknown one is an answer with an error, too.
boost::json::object run_admin_command(std::string_view name, const Arguments& arguments,
                                      server::Coordinator& coordinator);

}  // namespace zk::admin
