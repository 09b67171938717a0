// The process: reads the command line and the files, starts the nodes, waits for SIGTERM or SIGINT, stops them in
// reverse. Exit code 0 after a clean stop, 1 after a bad command line, a bad configuration, a failed start or a
// failure.
#pragma once

#include <string>
#include <vector>

namespace broker::app {

int run(const std::vector<std::string>& arguments);

}  // namespace broker::app
