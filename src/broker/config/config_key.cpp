#include "broker/config/config_key.h"

#include <algorithm>

namespace broker::config {
namespace {

const ConfigKey* find(std::span<const ConfigKey> keys, std::string_view name) {
  const auto found = std::ranges::lower_bound(keys, name, {}, &ConfigKey::name);
  return found == keys.end() || found->name != name ? nullptr : &*found;
}

}  // namespace

const ConfigKey* find_broker_key(std::string_view name) { return find(broker_keys(), name); }
const ConfigKey* find_topic_key(std::string_view name) { return find(topic_keys(), name); }

const ConfigKey* find_dynamic_only_key(std::string_view name) {
  const auto rate = [](std::string_view key) {
    ConfigKey made;
    made.name = key;
    made.type = ConfigType::int64;
    made.default_text = "9223372036854775807";
    made.rule = Rule::at_least;
    made.allowed = "[0,...]";
    made.update_mode = UpdateMode::per_broker;
    return made;
  };
  static const ConfigKey keys[] = {rate("follower.replication.throttled.rate"),
                                   rate("leader.replication.throttled.rate"),
                                   rate("replica.alter.log.dirs.io.max.bytes.per.second")};
  return find(keys, name);
}

std::string_view name_of(ConfigType type) {
  switch (type) {
    case ConfigType::boolean:
      return "BOOLEAN";
    case ConfigType::string:
      return "STRING";
    case ConfigType::int32:
      return "INT";
    case ConfigType::int16:
      return "SHORT";
    case ConfigType::int64:
      return "LONG";
    case ConfigType::float64:
      return "DOUBLE";
    case ConfigType::list:
      return "LIST";
    case ConfigType::java_class:
      return "CLASS";
    case ConfigType::password:
      return "PASSWORD";
    case ConfigType::unknown:
      break;
  }
  return "UNKNOWN";
}

}  // namespace broker::config
