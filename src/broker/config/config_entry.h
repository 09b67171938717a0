// What DescribeConfigs tells: every key with its value, where the value comes from, and what would stand in its place.
// Pure functions over snapshots.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config/broker_config.h"
#include "broker/config/config_key.h"
#include "broker/config/topic_config.h"

namespace broker::config {

// The numbers of the wire.
enum class ConfigSource : std::int8_t {
  topic = 1,           // DYNAMIC_TOPIC_CONFIG
  broker = 2,          // DYNAMIC_BROKER_CONFIG
  broker_default = 3,  // DYNAMIC_DEFAULT_BROKER_CONFIG
  file = 4,            // STATIC_BROKER_CONFIG
  by_default = 5,      // DEFAULT_CONFIG
  broker_logger = 6,   // DYNAMIC_BROKER_LOGGER_CONFIG
  group = 8,           // DYNAMIC_GROUP_CONFIG
};

struct ConfigSynonym {
  std::string name;
  std::optional<std::string> value;
  ConfigSource source = ConfigSource::by_default;
};

struct ConfigEntry {
  std::string name;
  std::optional<std::string> value;  // nothing for null, and for what is sensitive
  ConfigSource source = ConfigSource::by_default;
  ConfigType type = ConfigType::unknown;
  bool read_only = false;
  bool sensitive = false;
  std::vector<ConfigSynonym> synonyms;  // the one in force first
  std::string_view documentation;       // empty: none
};

std::vector<ConfigEntry> describe_topic(const TopicConfig& topic);
std::vector<ConfigEntry> describe_broker(const BrokerConfig& broker);
ConfigEntry describe_broker_key(const BrokerConfig& broker, std::string_view name);  // also one that isn't told of otherwise
std::vector<ConfigEntry> describe_broker_default(const BrokerConfig& broker);  // the cluster-wide dynamic configs

// The rest of "listener.name.<listener>.<rest>"; empty if it isn't of this form.
std::string_view without_listener(std::string_view name);
// The key behind a name of a broker config, also of one with the prefix of a listener; null if there is none.
const ConfigKey* resolve_broker_key(std::string_view name);
// Throws ConfigError, which names it as it is called here, if there is such a key and it can't have this value.
void check_value(std::string_view name, std::string_view text);

}  // namespace broker::config
