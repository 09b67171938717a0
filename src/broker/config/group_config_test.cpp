#include "broker/config/group_config.h"

#include <gtest/gtest.h>

namespace broker::config {
namespace {

std::shared_ptr<const BrokerConfig> broker_of(const std::vector<std::pair<std::string, std::string>>& pairs) {
  base::Properties file;
  file.set("zookeeper.connect", "localhost:2181");
  for (const auto& [key, value] : pairs) file.set(key, value);
  return BrokerConfig::create(std::move(file));
}

std::string problem_of(const BrokerConfig& broker, const StringMap& proposed) {
  try {
    validate_group_config(broker, proposed);
    return "ok";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(GroupConfig, CheckedAgainstTheBrokersLimits) {
  const auto broker = broker_of({});
  EXPECT_EQ(problem_of(*broker, {}), "ok");
  EXPECT_EQ(problem_of(*broker, {{"consumer.session.timeout.ms", "50000"}, {"consumer.heartbeat.interval.ms", "6000"}}), "ok");
  EXPECT_EQ(problem_of(*broker, {{"consumer.session.timeout.ms", "44999"}}),
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms");
  EXPECT_EQ(problem_of(*broker, {{"consumer.session.timeout.ms", "60001"}}),
            "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms");
  EXPECT_EQ(problem_of(*broker, {{"consumer.heartbeat.interval.ms", "4999"}}),
            "consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms");
  EXPECT_EQ(problem_of(*broker, {{"consumer.heartbeat.interval.ms", "15001"}}),
            "consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms");
  EXPECT_EQ(problem_of(*broker, {{"consumer.heartbeat.interval.ms", "soon"}}),
            "Invalid value soon for configuration consumer.heartbeat.interval.ms: Not a number of type INT");
  EXPECT_EQ(problem_of(*broker, {{"consumer.assignment.interval.ms", "0"}}), "ok");
  EXPECT_EQ(problem_of(*broker, {{"consumer.assignment.interval.ms", "15001"}}),
            "consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms");
  EXPECT_EQ(problem_of(*broker, {{"consumer.assignment.interval.ms", "-1"}}),
            "Invalid value -1 for configuration consumer.assignment.interval.ms: Value must be at least 0");
  EXPECT_EQ(problem_of(*broker, {{"retention.ms", "1"}}), "Unknown group config name: retention.ms");
  const auto low = broker_of({{"group.consumer.min.session.timeout.ms", "1"}});
  EXPECT_EQ(problem_of(*low, {{"consumer.session.timeout.ms", "5000"}}),
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms");
}

TEST(GroupConfig, StandsOverTheBrokers) {
  const auto broker = broker_of({{"group.consumer.session.timeout.ms", "46000"}});
  EXPECT_EQ(group_times(*broker, {}).session_timeout_ms, 46000);
  EXPECT_EQ(group_times(*broker, {{"consumer.session.timeout.ms", "50000"}}).session_timeout_ms, 50000);
  EXPECT_EQ(group_times(*broker, {{"consumer.session.timeout.ms", "70000"}}).session_timeout_ms, 60000);  // limits changed
  EXPECT_EQ(group_times(*broker, {}).assignment_interval_ms, 1000);
  EXPECT_EQ(group_times(*broker, {{"consumer.assignment.interval.ms", "2000"}}).assignment_interval_ms, 2000);
  EXPECT_EQ(group_times(*broker, {{"consumer.heartbeat.interval.ms", "soon"}}).heartbeat_interval_ms, 5000);
  const auto entries = describe_group(*broker, {{"consumer.session.timeout.ms", "50000"}});
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[2].name, "consumer.assignment.interval.ms");
  EXPECT_EQ(entries[2].value, "1000");
  EXPECT_EQ(entries[2].synonyms.at(0).name, "group.consumer.assignment.interval.ms");
  EXPECT_EQ(entries[0].name, "consumer.heartbeat.interval.ms");
  EXPECT_EQ(entries[0].value, "5000");
  EXPECT_EQ(entries[0].source, ConfigSource::by_default);
  EXPECT_EQ(entries[1].value, "50000");
  EXPECT_EQ(entries[1].source, ConfigSource::group);
  ASSERT_EQ(entries[1].synonyms.size(), 3u);
  EXPECT_EQ(entries[1].synonyms[1].name, "group.consumer.session.timeout.ms");
  EXPECT_EQ(entries[1].synonyms[1].source, ConfigSource::file);
  EXPECT_EQ(entries[1].synonyms[2].value, "45000");
}

}  // namespace
}  // namespace broker::config
