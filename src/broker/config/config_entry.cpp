#include "broker/config/config_entry.h"

#include <algorithm>
#include <set>

namespace broker::config {
namespace {

constexpr std::string_view kListenerPrefix = "listener.name.";

// The keys that can give the value of a broker config, the strongest first.
std::vector<std::string> names_for(std::string_view name) {
  if (name == "log.roll.ms" || name == "log.roll.hours") return {"log.roll.ms", "log.roll.hours"};
  if (name == "log.roll.jitter.ms" || name == "log.roll.jitter.hours") {
    return {"log.roll.jitter.ms", "log.roll.jitter.hours"};
  }
  if (name == "log.flush.interval.ms") return {"log.flush.interval.ms", "log.flush.scheduler.interval.ms"};
  if (name == "log.retention.ms" || name == "log.retention.minutes" || name == "log.retention.hours") {
    return {"log.retention.ms", "log.retention.minutes", "log.retention.hours"};
  }
  if (const std::string_view base = without_listener(name); !base.empty()) {
    const ConfigKey* key = resolve_broker_key(name);
    return {std::string(name), std::string(key == nullptr ? base : key->name)};
  }
  return {std::string(name)};
}

// Every layer that has one of the names, from the strongest on; what stands before the name itself is dropped, as Kafka
// does, even if that leaves nothing.
std::vector<ConfigSynonym> synonyms_of(const BrokerConfig& broker, std::string_view name, bool sensitive) {
  const std::vector<std::string> names = names_for(name);
  std::vector<ConfigSynonym> synonyms;
  const auto add = [&](const std::string& key, const std::string& value, ConfigSource source) {
    synonyms.push_back({key, sensitive ? std::nullopt : std::optional(value), source});
  };
  const auto add_from = [&](const StringMap& layer, ConfigSource source) {
    for (const std::string& key : names) {
      if (const auto found = layer.find(key); found != layer.end()) add(key, found->second, source);
    }
  };
  add_from(broker.dynamic_broker(), ConfigSource::broker);
  add_from(broker.dynamic_default(), ConfigSource::broker_default);
  for (const std::string& key : names) {
    if (const auto* entry = broker.file().find(key); entry != nullptr) add(key, entry->value, ConfigSource::file);
  }
  for (const std::string& key : names) {
    const ConfigKey* known = find_broker_key(key);
    if (known != nullptr && known->default_text) add(key, std::string(*known->default_text), ConfigSource::by_default);
  }
  const auto first = std::ranges::find(synonyms, name, &ConfigSynonym::name);
  synonyms.erase(synonyms.begin(), first);
  return synonyms;
}

bool is_sensitive(const ConfigKey* key) { return key == nullptr || key->type == ConfigType::password; }

// The text of a name that isn't one of the table's keys: as it stands in the strongest layer.
std::optional<std::string> raw_value(const BrokerConfig& broker, std::string_view name) {
  if (const auto found = broker.dynamic_broker().find(name); found != broker.dynamic_broker().end())
    return found->second;
  if (const auto found = broker.dynamic_default().find(name); found != broker.dynamic_default().end()) {
    return found->second;
  }
  return broker.file().get(name);
}

ConfigEntry describe_broker_key(const BrokerConfig& broker, std::string_view name, bool cluster_wide) {
  const ConfigKey* known = find_broker_key(name);
  const ConfigKey* key = resolve_broker_key(name);
  ConfigEntry entry;
  entry.name = name;
  entry.type = key == nullptr ? ConfigType::unknown : key->type;
  entry.sensitive = is_sensitive(key);
  entry.read_only = known == nullptr || known->update_mode == UpdateMode::read_only;
  entry.synonyms = synonyms_of(broker, name, entry.sensitive);
  if (known != nullptr) entry.documentation = known->documentation;
  if (cluster_wide) {
    std::erase_if(entry.synonyms,
                  [](const ConfigSynonym& synonym) { return synonym.source != ConfigSource::broker_default; });
    if (!entry.sensitive) entry.value = broker.dynamic_default().find(name)->second;
  } else if (!entry.sensitive) {
    entry.value = known == nullptr ? raw_value(broker, name) : to_text(broker.value(name));
  }
  if (!entry.synonyms.empty()) entry.source = entry.synonyms.front().source;
  return entry;
}

}  // namespace

ConfigEntry describe_broker_key(const BrokerConfig& broker, std::string_view name) {
  return describe_broker_key(broker, name, false);
}

std::string_view without_listener(std::string_view name) {
  if (!name.starts_with(kListenerPrefix)) return {};
  const std::size_t dot = name.find('.', kListenerPrefix.size());
  return dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
}

const ConfigKey* resolve_broker_key(std::string_view name) {
  if (const ConfigKey* key = find_broker_key(name); key != nullptr) return key;
  if (const ConfigKey* key = find_dynamic_only_key(name); key != nullptr) return key;
  std::string_view base = without_listener(name);
  if (base.empty()) return nullptr;
  if (const ConfigKey* key = find_broker_key(base); key != nullptr) return key;
  // A mechanism may stand in between: listener.name.<listener>.<mechanism>.sasl.jaas.config
  const std::size_t dot = base.find('.');
  const ConfigKey* key = dot == std::string_view::npos ? nullptr : find_broker_key(base.substr(dot + 1));
  return key != nullptr && (key->name.starts_with("sasl.") || key->name == "connections.max.reauth.ms") ? key : nullptr;
}

void check_value(std::string_view name, std::string_view text) {
  const ConfigKey* known = resolve_broker_key(name);
  if (known == nullptr) return;
  ConfigKey key = *known;
  key.name = name;
  (void)parse_value(key, text);
}

std::vector<ConfigEntry> describe_topic(const TopicConfig& topic) {
  std::vector<ConfigEntry> entries;
  entries.reserve(topic_keys().size());
  for (const ConfigKey& key : topic_keys()) {
    ConfigEntry& entry = entries.emplace_back();
    entry.name = key.name;
    entry.type = key.type;
    entry.value = to_text(topic.value(key.name));
    entry.documentation = key.documentation;
    if (topic.overrides().contains(key.name)) entry.synonyms.push_back({entry.name, entry.value, ConfigSource::topic});
    if (!key.broker_key.empty()) {
      for (ConfigSynonym& synonym : synonyms_of(topic.broker(), key.broker_key, false)) {
        entry.synonyms.push_back(std::move(synonym));
      }
    }
    if (!entry.synonyms.empty()) entry.source = entry.synonyms.front().source;
  }
  for (const auto& [name, value] : topic.overrides()) {
    if (find_topic_key(name) != nullptr) continue;
    ConfigEntry& entry = entries.emplace_back();
    entry.name = name;
    entry.sensitive = true;
    entry.source = ConfigSource::topic;
    entry.synonyms.push_back({name, std::nullopt, ConfigSource::topic});
  }
  return entries;
}

std::vector<ConfigEntry> describe_broker(const BrokerConfig& broker) {
  std::set<std::string, std::less<>> names;
  for (const ConfigKey& key : broker_keys()) {
    if (!key.internal) names.emplace(key.name);
  }
  for (const auto& [name, entry] : broker.file().entries()) names.insert(name);
  for (const auto& [name, value] : broker.dynamic_default()) names.insert(name);
  for (const auto& [name, value] : broker.dynamic_broker()) names.insert(name);
  std::vector<ConfigEntry> entries;
  entries.reserve(names.size());
  for (const std::string& name : names) entries.push_back(describe_broker_key(broker, name, false));
  return entries;
}

std::vector<ConfigEntry> describe_broker_default(const BrokerConfig& broker) {
  std::vector<ConfigEntry> entries;
  for (const auto& [name, value] : broker.dynamic_default()) entries.push_back(describe_broker_key(broker, name, true));
  return entries;
}

}  // namespace broker::config
