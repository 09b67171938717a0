// Codes and messages are those that Kafka 3.9.2 in ZooKeeper mode gave for the same requests (one broker, id 1).
#include "broker/controller/topic_rules.h"

#include <gtest/gtest.h>

namespace broker::controller {
namespace {

using protocol::ErrorCode;

TopicRulesView view() {
  TopicRulesView view;
  view.topic_exists = [](std::string_view name) { return name == "ok.a"; };
  view.colliding_topics = [](std::string_view name) {
    return topic_names_collide(name, "ok.a") ? std::vector<std::string>{"ok.a"} : std::vector<std::string>();
  };
  view.check_configs = [](const StringMap& configs) {
    Outcome outcome;
    if (configs.contains("no.such")) {
      outcome.error = ErrorCode::invalid_config;
      outcome.message = "Unknown topic config name: no.such";
    }
    return outcome;
  };
  view.brokers = {AssignableBroker{1, std::nullopt}};
  return view;
}

NewTopic topic(std::string name, std::int32_t partitions, std::int16_t factor,
               std::map<std::int32_t, Replicas> assignment = {}) {
  NewTopic topic;
  topic.name = std::move(name);
  topic.partitions = partitions;
  topic.replication_factor = factor;
  topic.assignment = std::move(assignment);
  return topic;
}

void expect_topic(const NewTopic& request, ErrorCode error, const std::string& message) {
  const TopicPlan plan = plan_topic(request, view(), 7, 9);
  EXPECT_EQ(plan.error, error) << request.name;
  EXPECT_EQ(plan.message.value_or(""), message);
}

TEST(TopicRules, Names) {
  const auto bad = [](const std::string& name, const std::string& reason) {
    expect_topic(topic(name, 1, 1), ErrorCode::invalid_topic_exception, "Topic name is invalid: " + reason);
  };
  bad("", "the empty string is not allowed");
  bad(".", "'.' is not allowed");
  bad("..", "'..' is not allowed");
  bad("a b", "'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'");
  bad("a/b", "'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'");
  const std::string longest(249, 'x');
  bad(longest + "x", "the length of '" + longest + "x' is longer than the max allowed length 249");
  EXPECT_FALSE(topic_name_error(longest));
  EXPECT_FALSE(topic_name_error("A.z_0-"));
}

TEST(TopicRules, Refusals) {
  expect_topic(topic("ok.a", 1, 1), ErrorCode::topic_already_exists, "Topic 'ok.a' already exists.");
  expect_topic(topic("ok_a", 1, 1), ErrorCode::invalid_topic_exception,
               "Topic 'ok_a' collides with existing topics: ok.a");
  expect_topic(topic("rf3", 3, 3), ErrorCode::invalid_replication_factor,
               "Replication factor: 3 larger than available brokers: 1.");
  expect_topic(topic("rf0", 1, 0), ErrorCode::invalid_replication_factor, "Replication factor must be larger than 0.");
  expect_topic(topic("rf-2", 1, -2), ErrorCode::invalid_replication_factor,
               "Replication factor must be larger than 0.");
  expect_topic(topic("p0", 0, 1), ErrorCode::invalid_partitions, "Number of partitions must be larger than 0.");
  expect_topic(topic("p-2", -2, 1), ErrorCode::invalid_partitions, "Number of partitions must be larger than 0.");
  NewTopic both_wrong = topic("bad name", 1, 9);
  both_wrong.configs["no.such"] = "1";
  expect_topic(both_wrong, ErrorCode::invalid_replication_factor,
               "Replication factor: 9 larger than available brokers: 1.");
  NewTopic bad_config = topic("c1", 1, 1);
  bad_config.configs["no.such"] = "1";
  expect_topic(bad_config, ErrorCode::invalid_config, "Unknown topic config name: no.such");
}

TEST(TopicRules, ManualAssignments) {
  const std::string both =
      "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.";
  expect_topic(topic("as1", -1, -1, {{0, {1}}, {1, {1}}}), ErrorCode::none, "");
  expect_topic(topic("as2", 2, 1, {{0, {1}}}), ErrorCode::invalid_request, both);
  expect_topic(topic("as7", -1, 1, {{0, {1}}}), ErrorCode::invalid_request, both);
  expect_topic(topic("as8", 1, -1, {{0, {1}}}), ErrorCode::invalid_request, both);
  expect_topic(topic("as4", -1, -1, {{1, {1}}}), ErrorCode::invalid_replica_assignment,
               "partitions should be a consecutive 0-based integer sequence");
  expect_topic(topic("as12", -1, -1, {{0, {1}}, {2, {1}}}), ErrorCode::invalid_replica_assignment,
               "partitions should be a consecutive 0-based integer sequence");
  expect_topic(topic("as5", -1, -1, {{0, {1, 1}}}), ErrorCode::invalid_replica_assignment,
               "Duplicate replica assignment found: HashMap(0 -> ArrayBuffer(1, 1))");
  expect_topic(topic("as10", -1, -1, {{0, {1}}, {1, {1, 2}}}), ErrorCode::invalid_replica_assignment,
               "All partitions should have the same number of replicas");
  // Kafka doesn't ask whether the brokers of a manual assignment exist.
  expect_topic(topic("as3", -1, -1, {{0, {9}}}), ErrorCode::none, "");
}

TEST(TopicRules, DefaultsFillIn) {
  TopicRulesView three = view();
  three.brokers.push_back(AssignableBroker{2, std::nullopt});
  three.brokers.push_back(AssignableBroker{3, std::nullopt});
  three.default_partitions = 5;
  three.default_replication_factor = 2;
  const TopicPlan plan = plan_topic(topic("t", -1, -1), three, 0, 0);
  EXPECT_EQ(plan.error, ErrorCode::none);
  ASSERT_EQ(plan.assignment.size(), 5U);
  EXPECT_EQ(plan.assignment.at(0), (Replicas{1, 2}));
}

void expect_partitions(std::int32_t count, std::optional<std::vector<Replicas>> assignments, ErrorCode error,
                       const std::string& message) {
  NewPartitions request;
  request.topic = "ok.a";
  request.count = count;
  request.assignments = std::move(assignments);
  const Assignment existing = {{0, {1}}, {1, {1}}, {2, {1}}, {3, {1}}};
  const TopicPlan plan = plan_partitions(request, existing, {AssignableBroker{1, std::nullopt}});
  EXPECT_EQ(plan.error, error);
  EXPECT_EQ(plan.message.value_or(""), message);
}

TEST(TopicRules, MorePartitions) {
  using List = std::vector<Replicas>;
  const auto bad = ErrorCode::invalid_replica_assignment;
  expect_partitions(6, std::nullopt, ErrorCode::none, "");
  expect_partitions(5, List{{1}}, ErrorCode::none, "");
  expect_partitions(4, std::nullopt, ErrorCode::invalid_partitions, "Topic already has 4 partitions.");
  expect_partitions(2, std::nullopt, ErrorCode::invalid_partitions,
                    "Topic currently has 4 partitions, which is higher than the requested 2.");
  expect_partitions(-1, std::nullopt, ErrorCode::invalid_partitions,
                    "Topic currently has 4 partitions, which is higher than the requested -1.");
  expect_partitions(6, List{{1}}, bad, "Increasing the number of partitions by 2 but 1 assignments provided.");
  expect_partitions(5, List{{1}, {1}}, bad, "Increasing the number of partitions by 1 but 2 assignments provided.");
  expect_partitions(5, List{{9}}, bad, "Unknown broker(s) in replica assignment: 9.");
  expect_partitions(5, List{{1, 1}}, bad,
                    "Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 4.");
  expect_partitions(5, List{{}}, bad, "Cannot have replication factor of 0 for partition id 4.");
  expect_partitions(6, List{{1}, {1, 2}}, bad, "Unknown broker(s) in replica assignment: 2.");
  NewPartitions unknown;
  unknown.topic = "nope";
  unknown.count = 4;
  const TopicPlan plan = plan_partitions(unknown, {}, {});
  EXPECT_EQ(plan.error, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(plan.message, "The topic 'nope' does not exist.");
}

}  // namespace
}  // namespace broker::controller
