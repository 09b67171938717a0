// What of the broker's configuration counts for groups.
#include <algorithm>
#include <cctype>

#include "broker/config/broker_config.h"
#include "broker/group/group_coordinator.h"

namespace broker::group {
namespace {

// Kafka 3.9's default is "disabled"; what has the newer protocol by default has 4.3's, too.
MigrationPolicy migration_policy_from(const config::BrokerConfig& config) {
  constexpr std::string_view kPolicy = "group.consumer.migration.policy";
  if (config.file().find(kPolicy) == nullptr) return MigrationPolicy::bidirectional;
  std::string policy = config.get_string(kPolicy);
  std::ranges::transform(policy, policy.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (policy == "upgrade") return MigrationPolicy::upgrade;
  if (policy == "downgrade") return MigrationPolicy::downgrade;
  return policy == "bidirectional" ? MigrationPolicy::bidirectional : MigrationPolicy::disabled;
}

// By name or by the class that stands for it; the first is the default.
std::vector<std::string> assignors_from(const config::BrokerConfig& config) {
  std::vector<std::string> names;
  for (const std::string& assignor : config.get_list("group.consumer.assignors")) {
    const std::string name = assignor == "range" || assignor.ends_with(".RangeAssignor") ? "range" : "uniform";
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace

GroupLimits limits_from(const config::BrokerConfig& config) {
  GroupLimits limits;
  limits.session_timeout_min_ms = config.get_int("group.min.session.timeout.ms");
  limits.session_timeout_max_ms = config.get_int("group.max.session.timeout.ms");
  limits.size_max = config.get_int("group.max.size");
  limits.initial_rebalance_delay_ms = config.get_int("group.initial.rebalance.delay.ms");
  limits.offset_metadata_bytes_max = config.get_int("offset.metadata.max.bytes");
  constexpr std::int64_t kMinuteMs = 60'000;
  limits.offsets_retention_ms = config.get_int("offsets.retention.minutes") * kMinuteMs;
  limits.offsets_retention_check_interval_ms = config.get_long("offsets.retention.check.interval.ms");
  // Kafka 3.9's default is what it can do with ZooKeeper, so only what somebody wrote counts.
  constexpr std::string_view kProtocols = "group.coordinator.rebalance.protocols";
  const std::vector<std::string> protocols = config.get_list(kProtocols);
  limits.consumer.enabled =
      config.file().find(kProtocols) == nullptr || std::ranges::find(protocols, "consumer") != protocols.end();
  limits.consumer.session_timeout_ms = config.get_int("group.consumer.session.timeout.ms");
  limits.consumer.heartbeat_interval_ms = config.get_int("group.consumer.heartbeat.interval.ms");
  limits.consumer.size_max = config.get_int("group.consumer.max.size");
  limits.consumer.assignment_interval_ms = config.get_int("group.consumer.assignment.interval.ms");
  limits.consumer.classic_size_max = limits.size_max;
  limits.consumer.assignors = assignors_from(config);
  limits.consumer.migration = migration_policy_from(config);
  return limits;
}

}  // namespace broker::group
