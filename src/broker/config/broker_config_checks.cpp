// The checks between keys, in the order and with the words of Kafka's KafkaConfig.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "broker/config/broker_config.h"
#include "broker/config/config_entry.h"

namespace broker::config {
namespace {

using Keys = std::vector<std::string>;

// `keys` are those whose values are compared; `allowed` says what to write instead.
void require(bool condition, const Keys& keys, const std::string& text, const std::string& allowed) {
  if (!condition) throw ConfigError("requirement failed: " + text, keys, allowed);
}

std::vector<std::string> names_of(const std::vector<Listener>& listeners) {
  std::vector<std::string> names;
  for (const Listener& listener : listeners) names.push_back(listener.name);
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// Which of several keys for one thing counts: the first that has a value.
std::string key_that_counts(const BrokerConfig& config, const Keys& keys) {
  const auto found = std::ranges::find_if(keys, [&](const std::string& key) { return config.find_long(key).has_value(); });
  return found == keys.end() ? keys.back() : *found;
}

void check_broker_id(const BrokerConfig& config) {
  const std::int32_t id = config.get_int("broker.id");
  if (config.get_bool("broker.id.generation.enable")) {
    require(id >= -1 && id <= config.get_int("reserved.broker.max.id"), {"broker.id", "reserved.broker.max.id"},
            "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id",
            "-1 for a generated id, 0 to reserved.broker.max.id; any from 0 on with broker.id.generation.enable=false");
  } else {
    require(id >= 0, {"broker.id"}, "broker.id must be greater than or equal to 0", "0 or more");
  }
}

void check_log(const BrokerConfig& config) {
  require(config.log_roll_ms() >= 1, {key_that_counts(config, {"log.roll.ms", "log.roll.hours"})},
          "log.roll.ms must be greater than or equal to 1", "1 or more");
  require(config.log_roll_jitter_ms() >= 0, {key_that_counts(config, {"log.roll.jitter.ms", "log.roll.jitter.hours"})},
          "log.roll.jitter.ms must be greater than or equal to 0", "0 or more");
  require(config.log_retention_ms() != 0,
          {key_that_counts(config, {"log.retention.ms", "log.retention.minutes", "log.retention.hours"})},
          "log.retention.ms must be unlimited (-1) or, greater than or equal to 1", "-1 for no limit, or 1 or more");
  require(!config.log_dirs().empty(), {config.find_string("log.dirs") ? "log.dirs" : "log.dir"},
          "At least one log directory must be defined via log.dirs or log.dir.",
          "one or more directories, separated by commas");
  require(config.get_long("log.cleaner.dedupe.buffer.size") /
                  std::max<std::int64_t>(1, config.get_long("log.cleaner.threads")) >
              1024 * 1024,
          {"log.cleaner.dedupe.buffer.size", "log.cleaner.threads"},
          "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
          "more than 1048576 for each of log.cleaner.threads");
}

void check_replication(const BrokerConfig& config) {
  constexpr std::string_view kAtMost = "replica.fetch.wait.max.ms is at most ";
  require(config.get_long("replica.fetch.wait.max.ms") <= config.get_long("replica.socket.timeout.ms"),
          {"replica.fetch.wait.max.ms", "replica.socket.timeout.ms"},
          "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket "
          "timeouts",
          fmt::format("{}replica.socket.timeout.ms", kAtMost));
  require(
      config.get_long("replica.fetch.wait.max.ms") <= config.get_long("replica.lag.time.max.ms"),
      {"replica.fetch.wait.max.ms", "replica.lag.time.max.ms"},
      "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent "
      "changes in ISR",
      fmt::format("{}replica.lag.time.max.ms", kAtMost));
  const std::int64_t acks = config.get_long("offsets.commit.required.acks");
  if (acks < -1 || acks > config.get_long("offsets.topic.replication.factor")) {
    throw ConfigError(
        "offsets.commit.required.acks must be greater or equal to -1 and less or equal to "
        "offsets.topic.replication.factor",
        Keys{"offsets.commit.required.acks", "offsets.topic.replication.factor"},
        "-1 to offsets.topic.replication.factor");
  }
  const std::int64_t codec = config.get_long("offsets.topic.compression.codec");
  if (codec < 0 || codec > 4) {
    throw ConfigError(fmt::format("Unknown compression type id: {}", codec), Keys{"offsets.topic.compression.codec"},
                      "0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd");
  }
}

void check_listeners(const BrokerConfig& config) {
  constexpr auto kForm = "NAME://host:port, ...";
  const std::vector<std::string> names = names_of(config.listeners());
  const std::vector<std::string> advertised = names_of(config.advertised_listeners());
  const std::string key = config.find_string("advertised.listeners") ? "advertised.listeners" : "listeners";
  require(!advertised.empty(), {key}, "There must be at least one broker advertised listener.", kForm);
  const Keys inter_broker = {"inter.broker.listener.name", "security.inter.broker.protocol", key};
  require(contains(advertised, config.inter_broker_listener()), inter_broker,
          fmt::format("inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid "
                      "options based on currently configured listeners are {}",
                      fmt::join(advertised, ",")),
          fmt::format("inter.broker.listener.name is one of {}", fmt::join(advertised, ", ")));
  require(std::ranges::all_of(advertised, [&](const std::string& name) { return contains(names, name); }), {key, "listeners"},
          fmt::format("advertised.listeners listener names must be equal to or a subset of the ones defined in "
                      "listeners. Found {}. The valid options based on the current configuration are {}",
                      fmt::join(advertised, ","), fmt::join(names, ",")),
          fmt::format("the names {}", fmt::join(names, ", ")));
  for (const Listener& listener : config.advertised_listeners()) {
    require(listener.host != "0.0.0.0", {key},
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
            "in advertised.listeners, the names or addresses that clients reach this broker by");
  }
}

// "listener.name.<listener in small letters>.<key>" of a listener that there is, as Kafka reads them when it makes that.
void check_listener_values(const BrokerConfig& config) {
  for (const Listener& listener : config.listeners()) {
    std::string prefix = "listener.name.";
    for (const char c : listener.name) prefix += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    prefix += '.';
    for (const auto& [name, entry] : config.file().entries()) {
      if (name.starts_with(prefix)) check_value(name, entry.value);
    }
  }
}

void check_limits(const BrokerConfig& config) {
  const std::int64_t queued = config.get_long("queued.max.request.bytes");
  require(queued <= 0 || queued >= config.get_long("socket.request.max.bytes"),
          {"queued.max.request.bytes", "socket.request.max.bytes"},
          "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
          "-1 for no limit, or socket.request.max.bytes or more");
  const std::string overrides = config.get_string("max.connections.per.ip.overrides");
  if (config.get_long("max.connections.per.ip") == 0) {
    require(!overrides.empty(), {"max.connections.per.ip", "max.connections.per.ip.overrides"},
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
            "1 or more, or 0 with overrides");
  }
  for (const auto& [host, count] : parse_map("max.connections.per.ip.overrides", overrides)) {
    if (!parse_java_integer(count, 0, std::numeric_limits<std::int32_t>::max())) {
      throw ConfigError(fmt::format("For input string: \"{}\"", count), Keys{"max.connections.per.ip.overrides"},
                        "host:count, ... with counts of 0 to 2147483647");
    }
  }
  const std::int64_t delay = config.get_long("connection.failed.authentication.delay.ms");
  const std::int64_t idle = config.get_long("connections.max.idle.ms");
  if (idle >= 0) {
    require(delay < idle, {"connections.max.idle.ms", "connection.failed.authentication.delay.ms"},
            fmt::format("connection.failed.authentication.delay.ms={} should always be less than "
                        "connections.max.idle.ms={} to prevent failed authentication responses from timing out",
                        delay, idle),
            "connections.max.idle.ms is -1 for no limit, or more than connection.failed.authentication.delay.ms");
  }
}

void check_order(const BrokerConfig& config, const std::string& smaller, const std::string& larger) {
  if (config.get_long(larger) >= config.get_long(smaller)) return;
  throw ConfigError(fmt::format("{} must be greater than or equals to {}", larger, smaller), Keys{larger, smaller},
                    fmt::format("{} is {} or more", larger, smaller));
}

void check_groups(const BrokerConfig& config) {
  const std::vector<std::string> protocols = config.get_list("group.coordinator.rebalance.protocols");
  if (std::ranges::find(protocols, "classic") == protocols.end()) {
    throw ConfigError("Disabling the 'classic' protocol is not supported.",
                      Keys{"group.coordinator.rebalance.protocols"}, "a list with classic in it");
  }
  for (const char* kind : {"consumer", "share"}) {
    for (const char* what : {"assignment.interval.ms", "heartbeat.interval.ms", "session.timeout.ms"}) {
      if (find_broker_key(fmt::format("group.{}.{}", kind, what)) == nullptr) continue;  // consumer groups have all
      const std::string least = fmt::format("group.{}.min.{}", kind, what);
      const std::string most = fmt::format("group.{}.max.{}", kind, what);
      const std::string value = fmt::format("group.{}.{}", kind, what);
      check_order(config, least, most);
      check_order(config, least, value);
      if (config.get_long(value) > config.get_long(most)) {
        throw ConfigError(fmt::format("{} must be less than or equals to {}", value, most), Keys{value, most},
                          fmt::format("{} is {} or less", value, most));
      }
    }
  }
  check_order(config, "group.share.min.record.lock.duration.ms", "group.share.record.lock.duration.ms");
  check_order(config, "group.share.record.lock.duration.ms", "group.share.max.record.lock.duration.ms");
}

}  // namespace

void check_consistency(const BrokerConfig& config) {
  check_broker_id(config);
  check_log(config);
  check_replication(config);
  check_listeners(config);
  check_listener_values(config);
  check_limits(config);
  check_groups(config);
}

}  // namespace broker::config
