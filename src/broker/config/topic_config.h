// The configuration of one topic: its overrides over the broker's values. An immutable snapshot, shared by shared_ptr,
// read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "broker/config/broker_config.h"
#include "broker/config/config_value.h"
#include "log/log_config.h"

namespace broker::config {

class TopicConfig {
 public:
  // Stored overrides that are invalid (written by other software) are left out with a line in the log: a topic must
  // not stop a broker. Unknown ones are kept and have no effect.
  static std::shared_ptr<const TopicConfig> create(std::shared_ptr<const BrokerConfig> broker, StringMap overrides,
                                                   std::string_view topic = "");

  const storage::LogConfig& log() const { return log_; }
  std::int32_t min_insync_replicas() const { return min_insync_replicas_; }
  bool unclean_leader_election_enable() const { return unclean_leader_election_enable_; }

  const ConfigValue& value(std::string_view key) const;
  const StringMap& overrides() const { return overrides_; }
  const BrokerConfig& broker() const { return *broker_; }

 private:
  TopicConfig() = default;
  void fill();

  std::shared_ptr<const BrokerConfig> broker_;
  StringMap overrides_;
  std::vector<ConfigValue> values_;  // one for each of topic_keys()
  storage::LogConfig log_;
  std::int32_t min_insync_replicas_ = 1;
  bool unclean_leader_election_enable_ = false;
};

// Whether a topic may have these overrides: names, values, and what doesn't go together. Throws ConfigError with the
// message of Kafka's INVALID_CONFIG ("Unknown topic config name: x").
void validate_topic_config(const BrokerConfig& broker, const StringMap& overrides);

}  // namespace broker::config
