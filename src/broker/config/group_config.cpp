#include "broker/config/group_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace broker::config {
namespace {

constexpr std::string_view kHeartbeat = "consumer.heartbeat.interval.ms";
constexpr std::string_view kSession = "consumer.session.timeout.ms";
constexpr std::string_view kAssignment = "consumer.assignment.interval.ms";

ConfigKey interval(std::string_view name, std::string_view default_text, int minimum, std::string_view broker_key,
                   std::string_view documentation) {
  ConfigKey key;
  key.name = name;
  key.type = ConfigType::int32;
  key.default_text = default_text;
  key.rule = Rule::at_least;
  key.minimum = minimum;
  key.allowed = minimum == 0 ? "[0,...]" : "[1,...]";
  key.update_mode = UpdateMode::cluster_wide;
  key.broker_key = broker_key;
  key.documentation = documentation;
  return key;
}

const std::array<ConfigKey, 3>& keys() {
  static const std::array<ConfigKey, 3> all = {
      interval(kHeartbeat, "5000", 1, "group.consumer.heartbeat.interval.ms",
               "Heartbeat interval given to the members of a consumer group."),
      interval(kSession, "45000", 1, "group.consumer.session.timeout.ms",
               "How long a member of a consumer group may be silent."),
      interval(kAssignment, "1000", 0, "group.consumer.assignment.interval.ms",
               "The interval between two assignments of a consumer group.")};
  return all;
}

// group.consumer.session.timeout.ms -> group.consumer.min.session.timeout.ms
std::string limit_key(const ConfigKey& key, std::string_view limit) {
  constexpr std::string_view kPrefix = "group.consumer.";
  return fmt::format("{}{}.{}", kPrefix, limit, key.broker_key.substr(kPrefix.size()));
}

std::int32_t value_of(const ConfigKey& key, const BrokerConfig& broker, const StringMap& configs) {
  const auto stored = configs.find(std::string(key.name));
  if (stored == configs.end()) return broker.get_int(key.broker_key);
  return static_cast<std::int32_t>(std::get<std::int64_t>(parse_value(key, stored->second)));
}

}  // namespace

const ConfigKey* find_group_key(std::string_view name) {
  const auto found = std::ranges::find(keys(), name, &ConfigKey::name);
  return found == keys().end() ? nullptr : &*found;
}

void validate_group_config(const BrokerConfig& broker, const StringMap& proposed) {
  for (const auto& [name, value] : proposed) {
    if (find_group_key(name) == nullptr) throw ConfigError(fmt::format("Unknown group config name: {}", name), name);
  }
  for (const ConfigKey& key : keys()) {
    const std::int32_t value = value_of(key, broker, proposed);
    const std::string name(key.name);
    for (const char* limit : {"min", "max"}) {
      const std::string bound = limit_key(key, limit);
      const bool is_min = limit == std::string_view("min");
      if (is_min ? value >= broker.get_int(bound) : value <= broker.get_int(bound)) continue;
      throw ConfigError(fmt::format("{} must be {} than or equal to {}", name, is_min ? "greater" : "less", bound), name);
    }
  }
  if (value_of(keys()[1], broker, proposed) <= value_of(keys()[0], broker, proposed)) {
    throw ConfigError(fmt::format("{} must be greater than {}", kSession, kHeartbeat), std::string(kSession));
  }
}

GroupTimes group_times(const BrokerConfig& broker, const StringMap& stored) {
  std::array<std::int32_t, 3> values{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const ConfigKey& key = keys()[i];
    try {
      values[i] = value_of(key, broker, stored);
    } catch (const ConfigError&) {
      values[i] = broker.get_int(key.broker_key);
    }
    values[i] = std::clamp(values[i], broker.get_int(limit_key(key, "min")), broker.get_int(limit_key(key, "max")));
  }
  return {values[1], values[0], values[2]};
}

std::vector<ConfigEntry> describe_group(const BrokerConfig& broker, const StringMap& stored) {
  std::vector<ConfigEntry> entries;
  for (const ConfigKey& key : keys()) {
    ConfigEntry& entry = entries.emplace_back(describe_broker_key(broker, key.broker_key));
    entry.name = key.name;
    entry.read_only = false;
    entry.documentation = key.documentation;
    const auto own = stored.find(std::string(key.name));
    if (own == stored.end()) continue;
    entry.value = own->second;
    entry.source = ConfigSource::group;
    entry.synonyms.insert(entry.synonyms.begin(), ConfigSynonym{entry.name, entry.value, ConfigSource::group});
  }
  return entries;
}

}  // namespace broker::config
