#include "broker/api/config_resources.h"

#include <gtest/gtest.h>

#include "base/logging.h"

namespace broker::api {
namespace {

using config::StringMap;
using controller::ConfigEntityType;
using protocol::ErrorCode;

class ConfigResources : public ::testing::Test {
 protected:
  ConfigPlan plan(ConfigResourceType type, const std::string& name, std::vector<ConfigOperation> operations,
                  bool incremental = true) {
    const ConfigView view{7, *broker_, [](std::string_view topic) { return topic == "t1"; },
                          [this](ConfigEntityType, std::string_view) { return stored_; }};
    ConfigChange change;
    change.type = type;
    change.name = name;
    change.operations = std::move(operations);
    return plan_config_change(view, change, incremental);
  }
  ConfigPlan topic(std::vector<ConfigOperation> operations) {
    return plan(ConfigResourceType::topic, "t1", std::move(operations));
  }
  ConfigPlan broker(std::vector<ConfigOperation> operations) {
    return plan(ConfigResourceType::broker, "7", std::move(operations));
  }
  static ConfigOperation set(std::string name, std::string value) {
    return {std::move(name), ConfigOperationType::set, std::move(value)};
  }
  static ConfigOperation operation(std::string name, ConfigOperationType type, std::string value) {
    return {std::move(name), type, std::move(value)};
  }
  static ConfigOperation remove(std::string name) {
    return {std::move(name), ConfigOperationType::remove, std::nullopt};
  }

  static void expect(const ConfigPlan& plan, ErrorCode error, const std::optional<std::string>& message) {
    EXPECT_EQ(plan.error, error);
    EXPECT_EQ(plan.message, message);
  }

  base::Properties file_ = base::Properties::parse("broker.id=7\nzookeeper.connect=z\nnum.io.threads=2\n");
  std::shared_ptr<const config::BrokerConfig> broker_ = config::BrokerConfig::create(file_);
  StringMap stored_;
};

// Codes and messages of Kafka 3.9.2 for the same requests.
TEST_F(ConfigResources, TopicsAsKafka) {
  expect(topic({set("retention.ms", "5000")}), ErrorCode::none, std::nullopt);
  expect(topic({set("retention.ms", "abc")}), ErrorCode::invalid_config,
         "Invalid config value for resource ConfigResource(type=TOPIC, name='t1'): Invalid value abc for configuration "
         "retention.ms: Not a number of type LONG");
  expect(topic({set("foo", "abc")}), ErrorCode::invalid_config, "Unknown topic config name: foo");
  expect(topic({set("max.compaction.lag.ms", "10"), set("min.compaction.lag.ms", "20")}), ErrorCode::invalid_config,
         "conflict topic config setting min.compaction.lag.ms (20) > max.compaction.lag.ms (10)");
  expect(topic({remove("foo")}), ErrorCode::none, std::nullopt);
  expect(topic({set("retention.ms", "1"), set("retention.ms", "2")}), ErrorCode::invalid_request,
         "Error due to duplicate config keys");
  expect(topic({{"retention.ms", ConfigOperationType::set, std::nullopt},
                {"segment.ms", ConfigOperationType::append, std::nullopt}}),
         ErrorCode::invalid_request, "Null value not supported for : retention.ms, segment.ms");
  expect(plan(ConfigResourceType::topic, "nope", {}), ErrorCode::unknown_topic_or_partition,
         "The topic 'nope' does not exist.");
  expect(plan(ConfigResourceType::topic, "", {}), ErrorCode::invalid_request,
         "Default topic resources are not allowed.");
}

TEST_F(ConfigResources, ListsGrowAndShrink) {
  const auto append = ConfigOperationType::append;
  const auto subtract = ConfigOperationType::subtract;
  EXPECT_EQ(topic({operation("cleanup.policy", append, "compact")}).config,
            (StringMap{{"cleanup.policy", "delete,compact"}}));
  stored_ = {{"cleanup.policy", "delete,compact"}, {"retention.ms", "5"}};
  EXPECT_EQ(topic({operation("cleanup.policy", append, "compact")}).config, stored_);
  EXPECT_EQ(topic({operation("cleanup.policy", subtract, "delete")}).config,
            (StringMap{{"cleanup.policy", "compact"}, {"retention.ms", "5"}}));
  EXPECT_EQ(topic({operation("cleanup.policy", subtract, "x")}).config, stored_);
  expect(topic({operation("retention.ms", append, "4")}), ErrorCode::invalid_config,
         "Config value append is not allowed for config key: retention.ms");
  expect(topic({operation("retention.ms", subtract, "4")}), ErrorCode::invalid_config,
         "Config value subtract is not allowed for config key: retention.ms");
  expect(topic({operation("foo", append, "4")}), ErrorCode::unknown_server_error, std::nullopt);
  expect(topic({operation("cleanup.policy", static_cast<ConfigOperationType>(9), "4")}),
         ErrorCode::unknown_server_error, std::nullopt);
}

TEST_F(ConfigResources, IncrementalKeepsTheRestAndReplacingDoesNot) {
  stored_ = {{"retention.ms", "5"}, {"segment.ms", "6"}};
  EXPECT_EQ(topic({remove("retention.ms"), set("flush.ms", "9")}).config,
            (StringMap{{"segment.ms", "6"}, {"flush.ms", "9"}}));
  EXPECT_EQ(plan(ConfigResourceType::topic, "t1", {set("flush.ms", "9")}, false).config,
            (StringMap{{"flush.ms", "9"}}));
}

TEST_F(ConfigResources, BrokersAsKafka) {
  const ConfigPlan plan_of_four = broker({set("num.io.threads", "4")});
  expect(plan_of_four, ErrorCode::none, std::nullopt);
  EXPECT_EQ(plan_of_four.type, ConfigEntityType::broker);
  EXPECT_EQ(plan_of_four.entity, "7");
  const ConfigPlan plan_for_all = plan(ConfigResourceType::broker, "", {set("num.io.threads", "4")});
  EXPECT_EQ(plan_for_all.type, ConfigEntityType::broker_default);
  EXPECT_EQ(plan_for_all.entity, "<default>");
  expect(broker({set("num.io.threads", "abc")}), ErrorCode::invalid_request,
         "Invalid value abc for configuration num.io.threads: Not a number of type INT");
  expect(broker({set("broker.id", "4")}), ErrorCode::invalid_request,
         "Cannot update these configs dynamically: Set(broker.id)");
  expect(broker({remove("broker.id")}), ErrorCode::none, std::nullopt);
  expect(plan(ConfigResourceType::broker, "8", {}), ErrorCode::invalid_request,
         "Unexpected broker id, expected 7, but received 8");
  expect(plan(ConfigResourceType::broker, "abc", {}), ErrorCode::invalid_request,
         "Node id must be an integer, but it is: abc");
  expect(plan(ConfigResourceType::broker, "", {set("listeners", "PLAINTEXT://localhost:1")}),
         ErrorCode::invalid_request,
         "Cannot update these configs at default cluster level, broker id must be specified: Set(listeners)");
  expect(broker({set("listener.name.external.ssl.keystore.password", "x")}), ErrorCode::invalid_config,
         "Invalid config value for resource ConfigResource(type=BROKER, name='7'): Password encoder secret not "
         "configured");
  expect(broker({operation("num.io.threads", static_cast<ConfigOperationType>(7), "4")}), ErrorCode::invalid_request,
         "Unknown operations type 7");
  EXPECT_EQ(broker({operation("log.cleanup.policy", ConfigOperationType::append, "compact")}).config,
            (StringMap{{"log.cleanup.policy", "delete,compact"}}));
}

// What a Kafka broker stored that has a secret and a keystore, and what was written past all brokers.
TEST_F(ConfigResources, WhatIsStoredAlreadyStandsInNoChangesWay) {
  const StringMap not_for_us = {{"listener.name.external.ssl.keystore.password", "keyFactory:x,cipher:y"},
                                {"listeners", "PLAINTEXT://localhost:9092,SSL://localhost:9093"}};
  stored_ = not_for_us;
  stored_.insert({{"broker.id", "9"}, {"message.max.bytes", "x"}, {"ssl.keystore.location", "/x"}});
  ::testing::internal::CaptureStdout();
  const ConfigPlan planned = broker({set("log.cleaner.threads", "2")});
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "") << "it was logged when it was read";
  expect(planned, ErrorCode::none, std::nullopt);
  StringMap expected = not_for_us;
  expected["log.cleaner.threads"] = "2";
  EXPECT_EQ(planned.config, expected) << "stored for the broker that can use it; what none can goes, as in Kafka";
  EXPECT_EQ(broker({remove("listeners"), remove("listener.name.external.ssl.keystore.password")}).config, StringMap());
  EXPECT_NE(broker({set("listeners", "PLAINTEXT://localhost:9092,SSL://localhost:9094")}).error, ErrorCode::none);
  EXPECT_EQ(broker({set("listener.name.external.ssl.keystore.password", "new")}).error, ErrorCode::invalid_config);
  EXPECT_EQ(broker({set("broker.id", "9")}).error, ErrorCode::invalid_request);
}

TEST_F(ConfigResources, WhatIsStoredStillHasToFitToAChange) {
  stored_ = {{"log.local.retention.ms", "1000"}, {"log.retention.ms", "5000"}};
  EXPECT_EQ(broker({set("log.retention.ms", "2000")}).error, ErrorCode::none);
  EXPECT_EQ(broker({set("log.retention.ms", "500")}).error, ErrorCode::invalid_request);
}

TEST_F(ConfigResources, TheClustersConfigKeepsNothingOfOneBroker) {
  stored_ = {{"listeners", "PLAINTEXT://localhost:1"}, {"message.max.bytes", "70"}};
  const ConfigPlan planned = plan(ConfigResourceType::broker, "", {set("num.io.threads", "4")});
  expect(planned, ErrorCode::none, std::nullopt);
  EXPECT_EQ(planned.config, (StringMap{{"message.max.bytes", "70"}, {"num.io.threads", "4"}}));
}

// Codes and messages of Kafka 4.3.1.
TEST_F(ConfigResources, GroupsAsKafka) {
  const auto group = [this](std::vector<ConfigOperation> operations, const std::string& name = "g") {
    return plan(ConfigResourceType::group, name, std::move(operations));
  };
  const ConfigPlan planned = group({set("consumer.session.timeout.ms", "50000")});
  expect(planned, ErrorCode::none, std::nullopt);
  EXPECT_EQ(planned.type, controller::ConfigEntityType::group);
  EXPECT_EQ(planned.entity, "g");
  EXPECT_EQ(planned.config, (StringMap{{"consumer.session.timeout.ms", "50000"}}));
  expect(group({}, ""), ErrorCode::invalid_request, "Default group resources are not allowed.");
  expect(group({set("consumer.session.timeout.ms", "1")}), ErrorCode::invalid_config,
         "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms");
  expect(group({set("foo", "1")}), ErrorCode::invalid_config, "Unknown group config name: foo");
  expect(group({remove("consumer.session.timeout.ms")}), ErrorCode::none, std::nullopt);
}

TEST_F(ConfigResources, TheRootLoggerHasALevel) {
  const std::string before(root_log_level());
  ConfigChange change;
  change.type = ConfigResourceType::broker_logger;
  change.name = "7";
  change.operations = {set("root", "ERROR")};
  EXPECT_EQ(alter_log_level(7, change, true).error, ErrorCode::none);
  EXPECT_EQ(root_log_level(), before);
  EXPECT_EQ(alter_log_level(7, change, false).error, ErrorCode::none);
  EXPECT_EQ(root_log_level(), "ERROR");
  change.operations = {set("root", before)};
  EXPECT_EQ(alter_log_level(7, change, false).error, ErrorCode::none);
  change.operations = {set("root", "FOO")};
  EXPECT_EQ(alter_log_level(7, change, false).error, ErrorCode::invalid_config);
  change.operations = {set("kafka.server", "DEBUG")};
  EXPECT_EQ(alter_log_level(7, change, false).message, "Logger kafka.server does not exist!");
  change.operations = {operation("root", ConfigOperationType::append, "DEBUG")};
  EXPECT_EQ(alter_log_level(7, change, false).message,
            "APPEND operation is not allowed for the BROKER_LOGGER resource");
  change.name = "8";
  EXPECT_EQ(alter_log_level(7, change, false).error, ErrorCode::invalid_request);
  EXPECT_EQ(root_log_level(), before);
}

}  // namespace
}  // namespace broker::api
