// The configuration of this broker: an immutable snapshot of all keys, built from
//   defaults < server.properties with --override < dynamic defaults of the cluster < dynamic config of this broker.
// A change makes a new snapshot (see config_store.h). Shared by shared_ptr, read from any thread. Asking for a key that
// doesn't exist, or for another type than it has, is a bug and throws std::logic_error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/properties.h"
#include "broker/config/config_value.h"
#include "broker/config/listener.h"

namespace broker::config {

// What the way of a request needs, looked up once for each snapshot.
struct HotValues {
  std::int32_t broker_id = -1;
  std::int32_t socket_request_max_bytes = 0;
  std::int64_t queued_max_request_bytes = 0;  // -1: no limit
  std::int32_t max_connections = 0;
  std::int32_t max_connections_per_ip = 0;
  std::int64_t connections_max_idle_ms = 0;
  std::int32_t fetch_max_bytes = 0;
  std::int32_t message_max_bytes = 0;
  std::int32_t min_insync_replicas = 0;
  std::int32_t max_request_partition_size_limit = 0;
  bool auto_create_topics_enable = false;
  bool delete_topic_enable = false;
};

class BrokerConfig {
 public:
  // Throws ConfigError on the first invalid value or combination.
  static std::shared_ptr<const BrokerConfig> create(base::Properties file, StringMap dynamic_default = {},
                                                    StringMap dynamic_broker = {});
  // The same file with other dynamic configs.
  std::shared_ptr<const BrokerConfig> with_dynamic(StringMap dynamic_default, StringMap dynamic_broker) const;
  // The same, with the broker id that was generated at the first start or found in meta.properties.
  std::shared_ptr<const BrokerConfig> with_broker_id(std::int32_t broker_id) const;

  bool get_bool(std::string_view key) const;
  std::int32_t get_int(std::string_view key) const;   // INT and SHORT
  std::int64_t get_long(std::string_view key) const;  // LONG, INT and SHORT
  double get_double(std::string_view key) const;
  std::string get_string(std::string_view key) const;  // STRING, CLASS, PASSWORD; throws if null
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<std::int64_t> find_long(std::string_view key) const;
  std::vector<std::string> get_list(std::string_view key) const;  // null reads as empty
  const ConfigValue& value(std::string_view key) const;

  const HotValues& hot() const { return hot_; }

  // Values that come from several keys, as Kafka resolves them.
  std::vector<std::string> log_dirs() const;   // log.dirs, else log.dir
  std::int64_t log_retention_ms() const;       // ms, else minutes, else hours; -1: without limit
  std::int64_t log_roll_ms() const;            // ms, else hours
  std::int64_t log_roll_jitter_ms() const;     // ms, else hours
  std::int64_t log_flush_interval_ms() const;  // else log.flush.scheduler.interval.ms
  std::int64_t zookeeper_connection_timeout_ms() const;
  const std::vector<Listener>& listeners() const { return listeners_; }
  const std::vector<Listener>& advertised_listeners() const { return advertised_listeners_; }
  const std::string& inter_broker_listener() const { return inter_broker_listener_; }
  const ProtocolMap& protocol_map() const { return protocol_map_; }

  // The layers, as given.
  const base::Properties& file() const { return file_; }
  const StringMap& dynamic_default() const { return dynamic_default_; }
  const StringMap& dynamic_broker() const { return dynamic_broker_; }
  // Keys of the file that Kafka doesn't know; they are ignored.
  std::vector<std::string> unknown_keys() const;

 private:
  BrokerConfig() = default;
  void resolve();  // fills the values from the layers
  void resolve_listeners();
  void fill_hot_values();

  base::Properties file_;
  StringMap dynamic_default_;
  StringMap dynamic_broker_;
  std::vector<ConfigValue> values_;  // one for each of broker_keys()
  ProtocolMap protocol_map_;
  std::vector<Listener> listeners_;
  std::vector<Listener> advertised_listeners_;
  std::string inter_broker_listener_;
  HotValues hot_;
};

// Checks between several keys; throws ConfigError. Part of create().
void check_consistency(const BrokerConfig& config);
// What Kafka allows and this broker can't do; throws ConfigError with what to do about it. Part of create().
void check_supported(const BrokerConfig& config);

// A key that is set to something else than its default, and does nothing here.
struct UselessValue {
  std::string name;
  std::string value;  // hidden if it is a secret
  std::string reason;  // why, or what does instead
};
std::vector<UselessValue> values_without_effect(const BrokerConfig& config);
// The same of dynamic configs, for those that `before` hadn't with that value.
std::vector<UselessValue> new_values_without_effect(const StringMap& before, const StringMap& now);
// What to know about an inter.broker.protocol.version for which Kafka writes older formats; empty: nothing.
std::string old_formats_advice(const BrokerConfig& config);

// server.properties with "key=value" overrides on top. Throws ConfigError whose text names file, line, key, value and
// what is allowed; `check` may throw more of them. Warns about unknown keys and those without effect.
std::shared_ptr<const BrokerConfig> load_broker_config(const std::string& path, const std::vector<std::string>& overrides,
                                                       const std::function<void(const BrokerConfig&)>& check = nullptr);
// A properties file as it is. Throws ConfigError.
base::Properties load_properties(const std::string& path);
void apply_overrides(base::Properties& properties, const std::vector<std::string>& overrides);

}  // namespace broker::config
