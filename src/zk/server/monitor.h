// The numbers that mntr, the AdminServer's monitor command and the Prometheus endpoint show, in ZooKeeper's order and
// under its names. Pure functions over the coordinator; call them from its loop.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "zk/server/coordinator.h"

namespace zk::server {

// What clients and monitors read the version from: the number before the dash.
std::string version_text();

using MonitorValue = std::variant<std::int64_t, double, std::string>;
struct MonitorRow {
  std::string name;
  MonitorValue value;
};

// version and server_state, then the gauges.
std::vector<MonitorRow> monitor_gauges(const Coordinator& coordinator);
// Everything that mntr shows, without the prefix zk_.
std::vector<MonitorRow> monitor_rows(const Coordinator& coordinator);

// By the first element of the limited paths.
struct QuotaUse {
  std::int64_t count = 0, bytes = 0, count_limit = 0, bytes_limit = 0;
};
std::map<std::string, QuotaUse> quota_use(const Coordinator& coordinator);

// As Java prints a double with four digits at most: 0.0, 2.5, 0.3333.
std::string java_number(double value);
std::string text_of(const MonitorValue& value);

// As ZooKeeper names it for a connection's last operation: CREA, GETD, NA.
const char* short_name(tree::OpCode op);

}  // namespace zk::server
