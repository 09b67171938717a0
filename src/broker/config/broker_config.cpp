#include "broker/config/broker_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/logging.h"
#include "broker/config/config_entry.h"
#include "broker/config/config_providers.h"

namespace broker::config {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;

std::size_t index_of(std::string_view name) {
  const ConfigKey* key = find_broker_key(name);
  if (key == nullptr) throw std::logic_error(fmt::format("no broker config is called {}", name));
  return static_cast<std::size_t>(key - broker_keys().data());
}

template <class T>
const T& value_as(const ConfigValue& value, std::string_view name) {
  const T* typed = std::get_if<T>(&value);
  if (typed == nullptr) throw std::logic_error(fmt::format("broker config {} is null or of another type", name));
  return *typed;
}

// Several keys for one thing: a dynamic config of a group puts the whole group of the file out of force, as in Kafka.
bool overruled(std::string_view key, const StringMap& dynamic_default, const StringMap& dynamic_broker) {
  static constexpr std::pair<std::string_view, std::string_view> kOverrulers[] = {
      {"log.retention.hours", "log.retention.ms"},
      {"log.retention.minutes", "log.retention.ms"},
      {"log.roll.hours", "log.roll.ms"},
      {"log.roll.jitter.hours", "log.roll.jitter.ms"},
      {"log.flush.scheduler.interval.ms", "log.flush.interval.ms"}};
  const auto found = std::ranges::find(kOverrulers, key, &std::pair<std::string_view, std::string_view>::first);
  return found != std::end(kOverrulers) &&
         (dynamic_default.contains(found->second) || dynamic_broker.contains(found->second));
}

// broker.id and node.id are two names of one thing.
void join_broker_id(base::Properties& file) {
  const auto broker_id = file.get("broker.id");
  const auto node_id = file.get("node.id");
  if (broker_id && !node_id) file.set("node.id", *broker_id, file.find("broker.id")->line);
  if (node_id && !broker_id) file.set("broker.id", *node_id, file.find("node.id")->line);
  if (broker_id && node_id && *broker_id != *node_id) {
    throw ConfigError("You must set `node.id` to the same value as `broker.id`.",
                      std::vector<std::string>{"node.id", "broker.id"}, "one of the two, or the same number in both");
  }
}

}  // namespace

std::shared_ptr<const BrokerConfig> BrokerConfig::create(base::Properties file, StringMap dynamic_default,
                                                         StringMap dynamic_broker) {
  std::shared_ptr<BrokerConfig> config(new BrokerConfig);
  join_broker_id(file);
  config->file_ = std::move(file);
  config->dynamic_default_ = std::move(dynamic_default);
  config->dynamic_broker_ = std::move(dynamic_broker);
  config->resolve();
  if (!config->get_list("process.roles").empty()) {
    throw ConfigError(
        "process.roles is for KRaft mode. This broker runs in ZooKeeper mode: remove process.roles and "
        "name the coordinator in zookeeper.connect",
        "process.roles");
  }
  if (!config->find_string("zookeeper.connect")) {
    throw ConfigError("Missing required configuration `zookeeper.connect` which has no default value.",
                      "zookeeper.connect");
  }
  config->resolve_listeners();
  config->fill_hot_values();
  check_consistency(*config);
  check_supported(*config);
  return config;
}

std::shared_ptr<const BrokerConfig> BrokerConfig::with_dynamic(StringMap dynamic_default,
                                                               StringMap dynamic_broker) const {
  auto config = create(file_, std::move(dynamic_default), std::move(dynamic_broker));
  return hot_.broker_id == config->hot_.broker_id ? config : config->with_broker_id(hot_.broker_id);
}

std::shared_ptr<const BrokerConfig> BrokerConfig::with_broker_id(std::int32_t broker_id) const {
  std::shared_ptr<BrokerConfig> config(new BrokerConfig(*this));
  config->values_[index_of("broker.id")] = std::int64_t{broker_id};
  config->values_[index_of("node.id")] = std::int64_t{broker_id};
  config->hot_.broker_id = broker_id;
  return config;
}

void BrokerConfig::resolve() {
  values_.reserve(broker_keys().size());
  for (const ConfigKey& key : broker_keys()) {
    if (const auto found = dynamic_broker_.find(key.name); found != dynamic_broker_.end()) {
      values_.push_back(parse_value(key, found->second));
    } else if (const auto by_default = dynamic_default_.find(key.name); by_default != dynamic_default_.end()) {
      values_.push_back(parse_value(key, by_default->second));
    } else if (const auto* entry = file_.find(key.name);
               entry != nullptr && !overruled(key.name, dynamic_default_, dynamic_broker_)) {
      values_.push_back(parse_value(key, entry->value));
    } else {
      values_.push_back(default_value(key));
    }
  }
}

void BrokerConfig::fill_hot_values() {
  hot_.broker_id = get_int("broker.id");
  hot_.socket_request_max_bytes = get_int("socket.request.max.bytes");
  hot_.queued_max_request_bytes = get_long("queued.max.request.bytes");
  hot_.max_connections = get_int("max.connections");
  hot_.max_connections_per_ip = get_int("max.connections.per.ip");
  hot_.connections_max_idle_ms = get_long("connections.max.idle.ms");
  hot_.fetch_max_bytes = get_int("fetch.max.bytes");
  hot_.message_max_bytes = get_int("message.max.bytes");
  hot_.min_insync_replicas = get_int("min.insync.replicas");
  hot_.max_request_partition_size_limit = get_int("max.request.partition.size.limit");
  hot_.auto_create_topics_enable = get_bool("auto.create.topics.enable");
  hot_.delete_topic_enable = get_bool("delete.topic.enable");
}

const ConfigValue& BrokerConfig::value(std::string_view key) const { return values_[index_of(key)]; }
bool BrokerConfig::get_bool(std::string_view key) const { return value_as<bool>(value(key), key); }
double BrokerConfig::get_double(std::string_view key) const { return value_as<double>(value(key), key); }
std::int64_t BrokerConfig::get_long(std::string_view key) const { return value_as<std::int64_t>(value(key), key); }

std::int32_t BrokerConfig::get_int(std::string_view key) const {
  const ConfigType type = broker_keys()[index_of(key)].type;
  if (type == ConfigType::int64) throw std::logic_error(fmt::format("broker config {} is a LONG", key));
  return static_cast<std::int32_t>(get_long(key));
}

std::string BrokerConfig::get_string(std::string_view key) const { return value_as<std::string>(value(key), key); }

std::optional<std::string> BrokerConfig::find_string(std::string_view key) const {
  if (std::holds_alternative<std::monostate>(value(key))) return std::nullopt;
  return get_string(key);
}

std::optional<std::int64_t> BrokerConfig::find_long(std::string_view key) const {
  if (std::holds_alternative<std::monostate>(value(key))) return std::nullopt;
  return get_long(key);
}

std::vector<std::string> BrokerConfig::get_list(std::string_view key) const {
  if (std::holds_alternative<std::monostate>(value(key))) return {};
  return value_as<std::vector<std::string>>(value(key), key);
}

std::vector<std::string> BrokerConfig::log_dirs() const {
  std::vector<std::string> directories = split_list(find_string("log.dirs").value_or(get_string("log.dir")));
  std::erase(directories, "");
  return directories;
}

std::int64_t BrokerConfig::log_retention_ms() const {
  std::int64_t retention_ms = get_long("log.retention.hours") * kHourMs;
  if (const auto minutes = find_long("log.retention.minutes")) retention_ms = *minutes * kMinuteMs;
  if (const auto ms = find_long("log.retention.ms")) retention_ms = *ms;
  return retention_ms < 0 ? -1 : retention_ms;
}

std::int64_t BrokerConfig::log_roll_ms() const {
  return find_long("log.roll.ms").value_or(get_long("log.roll.hours") * kHourMs);
}
std::int64_t BrokerConfig::log_roll_jitter_ms() const {
  return find_long("log.roll.jitter.ms").value_or(get_long("log.roll.jitter.hours") * kHourMs);
}
std::int64_t BrokerConfig::log_flush_interval_ms() const {
  return find_long("log.flush.interval.ms").value_or(get_long("log.flush.scheduler.interval.ms"));
}
std::int64_t BrokerConfig::zookeeper_connection_timeout_ms() const {
  return find_long("zookeeper.connection.timeout.ms").value_or(get_long("zookeeper.session.timeout.ms"));
}

void BrokerConfig::resolve_listeners() {
  protocol_map_ = parse_protocol_map(get_string("listener.security.protocol.map"));
  listeners_ = parse_listeners("listeners", get_string("listeners"), protocol_map_);
  const auto advertised = find_string("advertised.listeners");
  advertised_listeners_ =
      advertised ? parse_listeners("advertised.listeners", *advertised, protocol_map_) : listeners_;
  const auto name = find_string("inter.broker.listener.name");
  if (!name) {
    inter_broker_listener_ = get_string("security.inter.broker.protocol");
    return;
  }
  if (file_.find("security.inter.broker.protocol") != nullptr) {
    throw ConfigError("Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
                      std::vector<std::string>{"inter.broker.listener.name", "security.inter.broker.protocol"},
                      "one of the two");
  }
  inter_broker_listener_ = *name;
  for (char& c : inter_broker_listener_) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  if (!protocol_map_.contains(inter_broker_listener_)) {
    throw ConfigError(fmt::format("Listener with name {} defined in inter.broker.listener.name not found in "
                                  "listener.security.protocol.map.",
                                  inter_broker_listener_),
                      "inter.broker.listener.name");
  }
}

std::vector<std::string> BrokerConfig::unknown_keys() const {
  std::vector<std::string> unknown;
  for (const auto& [name, entry] : file_.entries()) {
    const bool of_listener = !without_listener(name).empty() && resolve_broker_key(name) != nullptr;
    if (find_broker_key(name) != nullptr || of_listener || belongs_to_config_providers(name)) continue;
    unknown.push_back(name);
  }
  return unknown;
}

base::Properties load_properties(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw ConfigError(fmt::format("{}: can't be read: {}", path, std::strerror(errno)));
  std::stringstream text;
  text << stream.rdbuf();
  if (stream.bad()) throw ConfigError(fmt::format("{}: can't be read: {}", path, std::strerror(errno)));
  try {
    return base::Properties::parse(text.str());
  } catch (const base::PropertiesError& error) {
    throw ConfigError(fmt::format("{}:{}: {}", path, error.line(), error.what()));
  }
}

void apply_overrides(base::Properties& properties, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw ConfigError(fmt::format("--override {}: must be key=value", text));
    }
    properties.set(text.substr(0, equals), text.substr(equals + 1));
  }
}

namespace {

// "file:line", or where else the value comes from.
std::string place_of(const std::string& path, const base::Properties::Entry* entry) {
  if (entry == nullptr) return path;
  return entry->line == 0 ? "--override" : fmt::format("{}:{}", path, entry->line);
}

// "a=1, b=500 by default": the values that an error is about.
std::string values_of(const ConfigError& error, const base::Properties& file) {
  std::vector<std::string> values;
  for (const std::string& key : error.keys()) {
    const ConfigKey* known = find_broker_key(key);
    if (const auto set = file.get(key)) {
      values.push_back(fmt::format("{}={}", key, *set));
    } else if (key == "broker.id" && file.get("node.id")) {
      values.push_back(fmt::format("node.id={}", *file.get("node.id")));
    } else if (known != nullptr && known->default_text) {
      values.push_back(fmt::format("{}={} by default", key, *known->default_text));
    }
  }
  return fmt::format("{}", fmt::join(values, ", "));
}

// With file, line, keys, values and what is allowed.
ConfigError with_place(const ConfigError& error, const std::string& path, const base::Properties& file) {
  const base::Properties::Entry* entry = nullptr;
  for (const std::string& key : error.keys()) {
    if (entry == nullptr) entry = file.find(key);
    if (entry == nullptr && key == "broker.id") entry = file.find("node.id");
  }
  std::string details;
  if (!error.allowed().empty()) {
    details = fmt::format(" ({}; allowed: {})", values_of(error, file), error.allowed());
  } else if (const ConfigKey* key = resolve_broker_key(error.key()); key != nullptr && entry != nullptr) {
    details = fmt::format(" ({} is of type {}{}{})", error.key(), name_of(key->type),
                          key->allowed.empty() ? "" : ", allowed: ", key->allowed);
  }
  return ConfigError(fmt::format("{}: {}{}", place_of(path, entry), error.what(), details), error.key());
}

void warn(const BrokerConfig& config, const std::string& path) {
  constexpr std::string_view kLogger = "kafka.server.KafkaConfig";
  for (const std::string& name : config.unknown_keys()) {
    base::log_warn(kLogger, "{}: the configuration '{}' was supplied but isn't a known config.",
                   place_of(path, config.file().find(name)), name);
  }
  for (const UselessValue& each : values_without_effect(config)) {
    base::log_warn(kLogger, "{}: {}={} has no effect: {}.", place_of(path, config.file().find(each.name)), each.name,
                   each.value, each.reason);
  }
  if (const std::string advice = old_formats_advice(config); !advice.empty()) base::log_warn(kLogger, "{}", advice);
}

}  // namespace

std::shared_ptr<const BrokerConfig> load_broker_config(const std::string& path,
                                                       const std::vector<std::string>& overrides,
                                                       const std::function<void(const BrokerConfig&)>& check) {
  base::Properties file = load_properties(path);
  apply_overrides(file, overrides);
  try {
    resolve_variables(file);
    std::shared_ptr<const BrokerConfig> config = BrokerConfig::create(file);
    if (check) check(*config);
    warn(*config, path);
    return config;
  } catch (const ConfigError& error) {
    throw with_place(error, path, file);
  }
}

}  // namespace broker::config
