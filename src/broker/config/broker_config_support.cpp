// What Kafka allows and this broker refuses: modes, Java classes and features that aren't there.
#include <fmt/format.h>

#include <algorithm>

#include "broker/config/broker_config.h"

namespace broker::config {
namespace {

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
     "uniform,range,org.apache.kafka.coordinator.group.assignor.UniformAssignor,"
     "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
     "only the assignors uniform and range are built in, by these names or as "
     "org.apache.kafka.coordinator.group.assignor.UniformAssignor and RangeAssignor"},
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

void check_supported(const BrokerConfig& config) {
  check_no_kraft(config);
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
  if (config.get_list("group.consumer.assignors").empty()) {
    throw ConfigError("Invalid value  for configuration group.consumer.assignors: name uniform, range, or both",
                      "group.consumer.assignors");
  }
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
