// The metrics in Prometheus' text format 0.0.4, under the names and types that ZooKeeper's Prometheus provider gives
// them. What only a JVM has is left out. A pure function over the coordinator; call it from its loop.
#pragma once

#include <string>

#include "zk/server/coordinator.h"

namespace zk::admin {

std::string prometheus_text(const server::Coordinator& coordinator);

}  // namespace zk::admin
