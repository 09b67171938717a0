// The checks between keys, in the order and with the words of Kafka's KafkaConfig, and what this broker can't do yet.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "broker/config/broker_config.h"

namespace broker::config {
namespace {

void require(bool condition, std::string_view key, const std::string& text) {
  if (!condition) throw ConfigError("requirement failed: " + text, std::string(key));
}

std::set<std::string> names_of(const std::vector<Listener>& listeners) {
  std::set<std::string> names;
  for (const Listener& listener : listeners) names.insert(listener.name);
  return names;
}

void check_broker_id(const BrokerConfig& config) {
  const std::int32_t id = config.get_int("broker.id");
  if (config.get_bool("broker.id.generation.enable")) {
    require(id >= -1 && id <= config.get_int("reserved.broker.max.id"), "broker.id",
            "broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id");
  } else {
    require(id >= 0, "broker.id", "broker.id must be greater than or equal to 0");
  }
}

void check_log(const BrokerConfig& config) {
  require(config.log_roll_ms() >= 1, "log.roll.ms", "log.roll.ms must be greater than or equal to 1");
  require(config.log_roll_jitter_ms() >= 0, "log.roll.jitter.ms",
          "log.roll.jitter.ms must be greater than or equal to 0");
  require(config.log_retention_ms() != 0, "log.retention.ms",
          "log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
  require(!config.log_dirs().empty(), config.find_string("log.dirs") ? "log.dirs" : "log.dir",
          "At least one log directory must be defined via log.dirs or log.dir.");
  require(config.get_long("log.cleaner.dedupe.buffer.size") /
                  std::max<std::int64_t>(1, config.get_long("log.cleaner.threads")) >
              1024 * 1024,
          "log.cleaner.dedupe.buffer.size", "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
}

void check_replication(const BrokerConfig& config) {
  require(config.get_long("replica.fetch.wait.max.ms") <= config.get_long("replica.socket.timeout.ms"),
          "replica.fetch.wait.max.ms",
          "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket "
          "timeouts");
  require(
      config.get_long("replica.fetch.wait.max.ms") <= config.get_long("replica.lag.time.max.ms"),
      "replica.fetch.wait.max.ms",
      "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent "
      "changes in ISR");
  const std::int64_t acks = config.get_long("offsets.commit.required.acks");
  if (acks < -1 || acks > config.get_long("offsets.topic.replication.factor")) {
    throw ConfigError(
        "offsets.commit.required.acks must be greater or equal to -1 and less or equal to "
        "offsets.topic.replication.factor",
        "offsets.commit.required.acks");
  }
  const std::int64_t codec = config.get_long("offsets.topic.compression.codec");
  if (codec < 0 || codec > 4) {
    throw ConfigError(fmt::format("Unknown compression type id: {}", codec), "offsets.topic.compression.codec");
  }
}

void check_listeners(const BrokerConfig& config) {
  const std::set<std::string> names = names_of(config.listeners());
  const std::set<std::string> advertised = names_of(config.advertised_listeners());
  const std::string_view key = config.find_string("advertised.listeners") ? "advertised.listeners" : "listeners";
  require(!advertised.empty(), key, "There must be at least one broker advertised listener.");
  require(advertised.contains(config.inter_broker_listener()), "inter.broker.listener.name",
          fmt::format("inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid "
                      "options based on currently configured listeners are {}",
                      fmt::join(advertised, ",")));
  require(std::ranges::includes(names, advertised), key,
          fmt::format("advertised.listeners listener names must be equal to or a subset of the ones defined in "
                      "listeners. Found {}. The valid options based on the current configuration are {}",
                      fmt::join(advertised, ","), fmt::join(names, ",")));
  for (const Listener& listener : config.advertised_listeners()) {
    require(listener.host != "0.0.0.0", key,
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.");
  }
}

void check_limits(const BrokerConfig& config) {
  const std::int64_t queued = config.get_long("queued.max.request.bytes");
  require(queued <= 0 || queued >= config.get_long("socket.request.max.bytes"), "queued.max.request.bytes",
          "queued.max.request.bytes must be larger or equal to socket.request.max.bytes");
  const std::string overrides = config.get_string("max.connections.per.ip.overrides");
  if (config.get_long("max.connections.per.ip") == 0) {
    require(!overrides.empty(), "max.connections.per.ip",
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.");
  }
  for (const auto& [host, count] : parse_map("max.connections.per.ip.overrides", overrides)) {
    if (!parse_java_integer(count, 0, std::numeric_limits<std::int32_t>::max())) {
      throw ConfigError(fmt::format("For input string: \"{}\"", count), "max.connections.per.ip.overrides");
    }
  }
  const std::int64_t delay = config.get_long("connection.failed.authentication.delay.ms");
  const std::int64_t idle = config.get_long("connections.max.idle.ms");
  if (idle >= 0) {
    require(delay < idle, "connections.max.idle.ms",
            fmt::format("connection.failed.authentication.delay.ms={} should always be less than "
                        "connections.max.idle.ms={} to prevent failed authentication responses from timing out",
                        delay, idle));
  }
}

void check_order(const BrokerConfig& config, std::string_view smaller, std::string_view larger) {
  if (config.get_long(larger) >= config.get_long(smaller)) return;
  throw ConfigError(fmt::format("{} must be greater than or equals to {}", larger, smaller), std::string(larger));
}

void check_groups(const BrokerConfig& config) {
  const std::vector<std::string> protocols = config.get_list("group.coordinator.rebalance.protocols");
  const auto has = [&](const char* protocol) { return std::ranges::find(protocols, protocol) != protocols.end(); };
  constexpr std::string_view kKey = "group.coordinator.rebalance.protocols";
  if (!has("classic")) throw ConfigError("Disabling the 'classic' protocol is not supported.", std::string(kKey));
  for (const char* kind : {"consumer", "share"}) {
    for (const char* what : {"heartbeat.interval.ms", "session.timeout.ms"}) {
      const std::string least = fmt::format("group.{}.min.{}", kind, what);
      const std::string most = fmt::format("group.{}.max.{}", kind, what);
      const std::string value = fmt::format("group.{}.{}", kind, what);
      check_order(config, least, most);
      check_order(config, least, value);
      if (config.get_long(value) > config.get_long(most)) {
        throw ConfigError(fmt::format("{} must be less than or equals to {}", value, most), value);
      }
    }
  }
  check_order(config, "group.share.min.record.lock.duration.ms", "group.share.record.lock.duration.ms");
  check_order(config, "group.share.record.lock.duration.ms", "group.share.max.record.lock.duration.ms");
}

// Keys that only KRaft mode has.
void check_no_kraft(const BrokerConfig& config) {
  if (const auto names = config.find_string("controller.listener.names"); names && !names->empty()) {
    throw ConfigError(
        fmt::format("requirement failed: controller.listener.names must be empty when not running in KRaft mode: [{}]",
                    *names),
        "controller.listener.names");
  }
  if (config.get_bool("zookeeper.metadata.migration.enable")) {
    throw ConfigError("zookeeper.metadata.migration.enable: this broker can't migrate to KRaft mode; remove the key",
                      "zookeeper.metadata.migration.enable");
  }
}

struct JavaClassKey {
  std::string_view key;
  std::string_view built_in;  // the classes that stand for what is built in, separated by commas
  std::string_view advice;
};

constexpr std::string_view kNoClasses =
    "Java classes can't be loaded and nothing built in replaces this one; remove the key";

constexpr JavaClassKey kJavaClassKeys[] = {
    {"alter.config.policy.class.name", "", kNoClasses},
    {"authorizer.class.name", "", "authorizers aren't supported yet; leave the key empty"},
    {"client.quota.callback.class", "", kNoClasses},
    {"create.topic.policy.class.name", "", kNoClasses},
    {"group.consumer.assignors",
     "org.apache.kafka.coordinator.group.assignor.UniformAssignor,"
     "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
     "only the assignors UniformAssignor and RangeAssignor are built in"},
    {"kafka.metrics.reporters", "", kNoClasses},
    {"metric.reporters", "org.apache.kafka.common.metrics.JmxReporter", kNoClasses},
    {"principal.builder.class", "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
     "only org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder is built in"},
    {"replica.selector.class", "org.apache.kafka.common.replica.LeaderSelector",
     "only org.apache.kafka.common.replica.LeaderSelector is built in"},
    {"sasl.client.callback.handler.class", "", kNoClasses},
    {"sasl.login.callback.handler.class", "", kNoClasses},
    {"sasl.login.class", "", kNoClasses},
    {"sasl.server.callback.handler.class", "", kNoClasses},
    {"security.providers", "", kNoClasses},
    {"ssl.engine.factory.class", "", kNoClasses},
    {"zookeeper.clientCnxnSocket",
     "org.apache.zookeeper.ClientCnxnSocketNIO,org.apache.zookeeper.ClientCnxnSocketNetty",
     "the client of the coordinator is built in; remove the key"},
};

void check_java_classes(const BrokerConfig& config) {
  for (const JavaClassKey& row : kJavaClassKeys) {
    const std::vector<std::string> built_in = split_list(row.built_in);
    for (const std::string& name : split_list(to_text(config.value(row.key)).value_or(""))) {
      if (!name.empty() && std::ranges::find(built_in, name) == built_in.end()) {
        throw ConfigError(fmt::format("Invalid value {} for configuration {}: {}", name, row.key, row.advice),
                          std::string(row.key));
      }
    }
  }
}

}  // namespace

void check_consistency(const BrokerConfig& config) {
  check_no_kraft(config);
  check_broker_id(config);
  check_log(config);
  check_replication(config);
  check_listeners(config);
  check_limits(config);
  check_groups(config);
}

void check_supported(const BrokerConfig& config) {
  for (const Listener& listener : config.listeners()) {
    if (listener.security_protocol != "PLAINTEXT") {
      throw ConfigError(fmt::format("Listener {} uses {}: only PLAINTEXT is supported so far", listener.name,
                                    listener.security_protocol),
                        "listeners");
    }
    if (listener.port < 0 || listener.port > 65535) {
      throw ConfigError(fmt::format("Listener {} has port {}: a port is 0 to 65535", listener.name, listener.port),
                        "listeners");
    }
  }
  check_java_classes(config);
  for (const char* key : {"remote.log.storage.system.enable"}) {
    if (config.get_bool(key)) {
      throw ConfigError(fmt::format("Invalid value true for configuration {}: not supported so far", key), key);
    }
  }
  if (const auto name = config.find_string("control.plane.listener.name")) {
    throw ConfigError(fmt::format("Invalid value {} for configuration control.plane.listener.name: a listener for the "
                                  "controller alone isn't supported so far",
                                  *name),
                      "control.plane.listener.name");
  }
}

}  // namespace broker::config
