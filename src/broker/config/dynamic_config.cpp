#include "broker/config/dynamic_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/logging.h"
#include "broker/config/config_entry.h"
#include "broker/config/config_key.h"

namespace broker::config {
namespace {

constexpr std::string_view kLogger = "kafka.server.DynamicBrokerConfig";
constexpr std::string_view kPerListenerOnly[] = {
    "ssl.keystore.type",   "ssl.keystore.location",      "ssl.keystore.password",   "ssl.key.password",
    "ssl.truststore.type", "ssl.truststore.location",    "ssl.truststore.password", "ssl.keystore.certificate.chain",
    "ssl.keystore.key",    "ssl.truststore.certificates"};

// Of a listener too these may be the cluster's.
constexpr std::string_view kOfAllListeners[] = {"max.connections", "max.connection.creation.rate", "num.network.threads"};

bool is_read_only(std::string_view name) {
  const ConfigKey* key = find_broker_key(name);
  return key != nullptr && key->update_mode == UpdateMode::read_only;
}

bool is_per_listener_only(std::string_view name) {
  return std::ranges::find(kPerListenerOnly, name) != std::end(kPerListenerOnly);
}

bool is_of_one_broker(std::string_view name) {
  if (const std::string_view base = without_listener(name); !base.empty()) {
    return std::ranges::find(kOfAllListeners, base) == std::end(kOfAllListeners);
  }
  const ConfigKey* key = find_broker_key(name);
  return key != nullptr && key->update_mode == UpdateMode::per_broker;
}

void refuse_names(const StringMap& proposed, std::string_view message, std::string_view set,
                  const std::function<bool(std::string_view)>& refused) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : proposed) {
    if (refused(name)) names.push_back(name);
  }
  if (!names.empty()) {
    throw ConfigError(fmt::format("{}: {}({})", message, set, fmt::join(names, ", ")), std::string(names.front()));
  }
}

[[noreturn]] void refuse_change(std::string_view key, const std::string& reason) {
  throw ConfigError(fmt::format("Invalid value org.apache.kafka.common.config.ConfigException: {} for configuration "
                                "Invalid dynamic configuration",
                                reason),
                    std::string(key));
}

// A pool may at most double or halve in one step.
void check_threads(const BrokerConfig& before, const BrokerConfig& after) {
  for (const char* key : {"background.threads", "num.io.threads", "num.network.threads",
                          "num.recovery.threads.per.data.dir", "num.replica.fetchers"}) {
    const std::int64_t now = before.get_long(key);
    const std::int64_t then = after.get_long(key);
    if (now == then) continue;
    const std::string failed = fmt::format("Dynamic thread count update validation failed for {}={}", key, then);
    if (then <= 0) refuse_change(key, failed + ", value should be at least 1");
    if (then < now / 2) {
      refuse_change(key, fmt::format("{}, value should be at least half the current value {}", failed, now));
    }
    if (then > now * 2) {
      refuse_change(key, fmt::format("{}, value should not be greater than double the current value {}", failed, now));
    }
  }
  constexpr std::string_view kCleaner = "log.cleaner.threads";
  const std::int64_t now = before.get_long(kCleaner);
  const std::int64_t then = after.get_long(kCleaner);
  if (now == then) return;
  if (then < 1) refuse_change(kCleaner, "Log cleaner threads should be at least 1");
  if (then < now / 2) {
    refuse_change(kCleaner,
                  fmt::format("Log cleaner threads cannot be reduced to less than half the current value {}", now));
  }
  if (then > now * 2) {
    refuse_change(kCleaner,
                  fmt::format("Log cleaner threads cannot be increased to more than double the current value {}", now));
  }
}

// What stays on local disks can't be more than what is kept at all.
void check_local_retention(const BrokerConfig& after, std::string_view local_key, std::string_view key,
                           std::int64_t retention) {
  const std::int64_t local = after.get_long(local_key);
  if (retention == -1 || local == -2) return;
  if (local == -1) {
    refuse_change(local_key,
                  fmt::format("Invalid value {} for configuration {}: Value must not be -1 as {} value is set "
                              "as {}.",
                              local, local_key, key, retention));
  }
  if (local > retention) {
    refuse_change(local_key,
                  fmt::format("Invalid value {} for configuration {}: Value must not be more than {} property "
                              "value: {}",
                              local, local_key, key, retention));
  }
}

void check_live_change(const BrokerConfig& before, const BrokerConfig& after) {
  check_threads(before, after);
  for (const char* key : {"max.connections", "max.connection.creation.rate"}) {
    if (after.get_long(key) <= 0) refuse_change(key, fmt::format("Invalid {} {}", key, after.get_long(key)));
  }
  check_local_retention(after, "log.local.retention.ms", "log.retention.ms", after.log_retention_ms());
  check_local_retention(after, "log.local.retention.bytes", "log.retention.bytes",
                        after.get_long("log.retention.bytes"));
}

}  // namespace

void validate_dynamic_config(const BrokerConfig& current, const StringMap& proposed, bool cluster_wide) {
  refuse_names(proposed, "Cannot update these configs dynamically", "Set", is_read_only);
  refuse_names(
      proposed, "These security configs can be dynamically updated only per-listener using the listener prefix",
      "HashSet", is_per_listener_only);
  for (const auto& [name, value] : proposed) {
    if (const ConfigKey* key = resolve_broker_key(name); key != nullptr) parse_value(*key, value);
  }
  if (cluster_wide) {
    refuse_names(proposed, "Cannot update these configs at default cluster level, broker id must be specified", "Set",
                 is_of_one_broker);
  }
  const auto next = cluster_wide ? current.with_dynamic(proposed, current.dynamic_broker())
                                 : current.with_dynamic(current.dynamic_default(), proposed);
  check_live_change(current, *next);
}

void drop_undynamic(StringMap& stored, bool cluster_wide, LeftOut telling) {
  std::erase_if(stored, [&](const auto& entry) {
    const auto& [name, value] = entry;
    std::string reason;
    if (is_read_only(name)) {
      reason = "it can't change while brokers run";
    } else if (is_per_listener_only(name)) {
      reason = "it is dynamic with the prefix of a listener only";
    } else if (cluster_wide && is_of_one_broker(name)) {
      reason = "it is of a single broker and stands in the cluster's";
    } else {
      try {
        check_value(name, value);
        return false;
      } catch (const ConfigError& error) {
        reason = error.what();
      }
    }
    if (telling == LeftOut::logged) {
      base::log_error(kLogger, "Ignoring the stored dynamic broker config {}: {}", name, reason);
    }
    return true;
  });
}

std::shared_ptr<const BrokerConfig> with_stored(const BrokerConfig& current, StringMap dynamic_default,
                                                StringMap dynamic_broker, LeftOut telling) {
  drop_undynamic(dynamic_default, true, telling);
  drop_undynamic(dynamic_broker, false, telling);
  while (true) {
    try {
      return current.with_dynamic(dynamic_default, dynamic_broker);
    } catch (const ConfigError& error) {
      const auto dropped = std::ranges::find_if(error.keys(), [&](const std::string& key) {
        return dynamic_broker.erase(key) + dynamic_default.erase(key) > 0;
      });
      if (dropped == error.keys().end()) {
        if (telling == LeftOut::logged) {
          base::log_error(kLogger, "Ignoring all stored dynamic broker configs: {}", error.what());
        }
        return current.with_dynamic({}, {});
      }
      if (telling == LeftOut::logged) {
        base::log_error(kLogger, "Ignoring the stored dynamic broker config {}: {}", *dropped, error.what());
      }
    }
  }
}

void refuse_secrets(const BrokerConfig& current, const StringMap& proposed) {
  for (const auto& [name, value] : proposed) {
    const ConfigKey* key = resolve_broker_key(name);
    if (key == nullptr || key->type != ConfigType::password) continue;
    if (current.file().find("password.encoder.secret") == nullptr) throw ConfigError("Password encoder secret not configured", name);
    throw ConfigError(fmt::format("Passwords aren't taken as dynamic configs: put {} into server.properties", name), name);
  }
}

}  // namespace broker::config
