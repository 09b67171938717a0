// Every configuration key of Kafka 3.9.2, and Milena's own: what it holds, what is allowed, how it may change. The tables are generated
// from schemas/*.tsv at build time, are constant and may be read from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace broker::config {

// The numbers are those of DescribeConfigs.
enum class ConfigType : std::int8_t {
  unknown = 0,
  boolean = 1,
  string = 2,
  int32 = 3,
  int16 = 4,
  int64 = 5,
  float64 = 6,
  list = 7,
  java_class = 8,
  password = 9,
};

enum class Importance : std::int8_t { high, medium, low };
enum class UpdateMode : std::int8_t { read_only, per_broker, cluster_wide };

enum class Rule : std::int8_t {
  any,
  at_least,              // minimum
  between,               // minimum, maximum
  between_or_minus_one,  // minimum, maximum
  minus_one_or_positive,
  one_of,                // choices; for a list: each element
  one_of_ignoring_case,  // choices
  version,               // choices, also without their -IVn
  not_empty,
  not_null,
  throttled_replicas,
  host_and_port_list,
  voter_list,
};

struct ConfigKey {
  std::string_view name;
  ConfigType type = ConfigType::string;
  std::optional<std::string_view> default_text;  // nothing: null
  Rule rule = Rule::any;
  double minimum = 0;
  double maximum = 0;
  std::string_view choices;  // separated by ", "
  std::string_view allowed;  // the rule in Kafka's notation: "[1,...]"
  Importance importance = Importance::medium;
  UpdateMode update_mode = UpdateMode::read_only;
  bool sensitive = false;
  bool internal = false;  // described only where it is set
  bool own = false;       // Milena's, which Kafka doesn't know
  std::string_view broker_key;  // topic keys: the broker key that gives the default; empty if none
  std::string_view documentation;
  std::string_view without_effect;  // broker keys that do nothing here: why, or what does instead; empty: it acts
};

std::span<const ConfigKey> broker_keys();                 // sorted by name
std::span<const ConfigKey> topic_keys();                  // sorted by name
const ConfigKey* find_broker_key(std::string_view name);  // null if unknown
const ConfigKey* find_topic_key(std::string_view name);
// Three keys that a broker only ever gets dynamically: rates at which replication is throttled.
const ConfigKey* find_dynamic_only_key(std::string_view name);
std::string_view name_of(ConfigType type);  // "INT", as in Kafka's messages

}  // namespace broker::config
