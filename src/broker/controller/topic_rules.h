// What a topic may be called and how it may be made or grown, with the messages of Kafka 3.9.2 in ZooKeeper mode. Pure
// decisions; nothing here knows ZooKeeper.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/controller/assignment.h"
#include "broker/controller/cluster.h"

namespace broker::controller {

// "Topic name is invalid: …", or nothing if it is fine.
std::optional<std::string> topic_name_error(std::string_view name);
// '.' and '_' mean the same in metric names, so two topics must not differ in them only.
bool topic_names_collide(std::string_view one, std::string_view other);

// As Kafka 3.9.2's controller without ZooKeeper. One with ZooKeeper has no bound, and dies of a request for too many.
constexpr std::size_t kPartitionsPerRequestMax = 10'000;

// The part of the cluster that the rules look at.
struct TopicRulesView {
  std::function<bool(std::string_view)> topic_exists;
  std::function<std::vector<std::string>(std::string_view)> colliding_topics;
  // INVALID_CONFIG with a message if the configs are not.
  std::function<Outcome(const StringMap&)> check_configs;
  std::vector<AssignableBroker> brokers;  // sorted by id
  std::int32_t default_partitions = 1;
  std::int32_t default_replication_factor = 1;
  std::size_t partitions_left = kPartitionsPerRequestMax;  // that this request may still create
};

using Assignment = std::map<std::int32_t, Replicas>;

struct TopicPlan : Outcome {
  Assignment assignment;
};

// The order of the checks is Kafka's. `start` and `shift` are random numbers for the assignment.
TopicPlan plan_topic(const NewTopic& topic, const TopicRulesView& view, std::size_t start, std::size_t shift);

// The partitions to be added to a topic that has `existing`; no more than are `left`.
TopicPlan plan_partitions(const NewPartitions& request, const Assignment& existing,
                          const std::vector<AssignableBroker>& brokers, std::size_t left = kPartitionsPerRequestMax);

}  // namespace broker::controller
