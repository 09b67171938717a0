// What a configuration asks for and doesn't get, for the log at the start.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "broker/config/broker_config.h"
#include "broker/config/config_entry.h"

namespace broker::config {
namespace {

constexpr std::string_view kListenerPrefix = "listener.name.";
constexpr std::string_view kProtocolVersion = "inter.broker.protocol.version";

// "3.9" means the newest "3.9-IVn".
std::string_view without_revision(std::string_view version) { return version.substr(0, version.find("-IV")); }

bool has_default(const ConfigKey& key, std::string_view name, std::string_view text) {
  if (name != key.name) return text == key.default_text;  // of one listener, whose values nobody has checked
  if (key.rule == Rule::version && key.default_text) {
    return without_revision(text) == without_revision(*key.default_text);
  }
  return parse_value(key, text) == default_value(key);
}

// Of a single listener.
bool acts_for_listener(const ConfigKey& key) {
  return key.name == "max.connections" || key.name == "max.connection.creation.rate";
}

// Below 3.0-IV1 Kafka writes the record format that log.message.format.version and message.format.version ask for.
bool asks_for_old_formats(std::string_view protocol_version) {
  return protocol_version.starts_with("0.") || protocol_version.starts_with("1.") ||
         protocol_version.starts_with("2.") || protocol_version == "3.0-IV0";
}

std::optional<UselessValue> useless(const std::string& name, const std::string& text) {
  const ConfigKey* key = resolve_broker_key(name);
  if (key == nullptr || has_default(*key, name, text)) return std::nullopt;
  if (name == kProtocolVersion && asks_for_old_formats(text)) return std::nullopt;  // there is more to say about it
  const std::string shown = key->sensitive ? "[hidden]" : text;
  if (!key->without_effect.empty()) return UselessValue{name, shown, std::string(key->without_effect)};
  if (name.starts_with(kListenerPrefix) && !acts_for_listener(*key)) {
    return UselessValue{name, shown, fmt::format("{} counts for all listeners", key->name)};
  }
  return std::nullopt;
}

}  // namespace

std::vector<UselessValue> values_without_effect(const BrokerConfig& config) {
  std::vector<UselessValue> found;
  for (const auto& [name, entry] : config.file().entries()) {
    if (std::optional<UselessValue> value = useless(name, entry.value)) found.push_back(std::move(*value));
  }
  return found;
}

std::vector<UselessValue> new_values_without_effect(const StringMap& before, const StringMap& now) {
  std::vector<UselessValue> found;
  for (const auto& [name, text] : now) {
    const auto was = before.find(name);
    if (was != before.end() && was->second == text) continue;
    if (std::optional<UselessValue> value = useless(name, text)) found.push_back(std::move(*value));
  }
  return found;
}

std::string old_formats_advice(const BrokerConfig& config) {
  const std::string protocol_version = config.get_string(kProtocolVersion);
  if (!asks_for_old_formats(protocol_version)) return {};
  return fmt::format(
      "inter.broker.protocol.version={}: log.message.format.version and message.format.version have no effect here. "
      "Records are written in format 2 and converted for consumers that don't know it. Kafka doesn't convert them in "
      "topics with an older message.format.version: raise inter.broker.protocol.version to 3.0 before going back to it "
      "if such consumers are still there.",
      protocol_version);
}

}  // namespace broker::config
