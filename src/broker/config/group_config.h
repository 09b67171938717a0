// The configs of one consumer group (resource type GROUP), which stand over the broker's: of Kafka 4.3's those that groups
// of the newer protocol have here. The checks and messages are Kafka 4.3's. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config/broker_config.h"
#include "broker/config/config_entry.h"
#include "broker/config/config_value.h"

namespace broker::config {

struct GroupTimes {
  std::int32_t session_timeout_ms = 0;
  std::int32_t heartbeat_interval_ms = 0;
  std::int32_t assignment_interval_ms = 0;
};

const ConfigKey* find_group_key(std::string_view name);
// Whether `proposed` may become all configs of a group. Throws ConfigError.
void validate_group_config(const BrokerConfig& broker, const StringMap& proposed);
// What is in force under these stored configs. A value that was stored under other limits than those of now counts as the
// nearest that is allowed, and one that can't be read as none.
GroupTimes group_times(const BrokerConfig& broker, const StringMap& stored);
std::vector<ConfigEntry> describe_group(const BrokerConfig& broker, const StringMap& stored);

}  // namespace broker::config
