// The table of zoo.cfg's keys: each with what it sets, or with the check of its value alone if it has no effect on one
// server of ours.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "zk/server/config.h"
#include "zk/server/config_values.h"

namespace zk::server {

using ConfigSetter = std::function<void(ZooKeeperServerConfig&, const std::string& key, const ConfigEntry&)>;
using ConfigKeys = std::map<std::string, ConfigSetter, std::less<>>;

// Of the AdminServer and of the metrics.
void add_http_keys(ConfigKeys& keys);
// Those without an effect here.
void add_ignored_keys(ConfigKeys& keys);

// By the key without "zookeeper.".
const ConfigKeys& config_keys();

}  // namespace zk::server
