// The control side of a broker that only notes what handlers ask of it, and answers as it is told to.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/controller/cluster.h"

namespace broker::api::testing {

class NotingCluster final : public controller::Cluster {
  using Outcome = controller::Outcome;
  using TopicPartition = controller::TopicPartition;
  using ErrorCode = protocol::ErrorCode;

 public:
  base::Task<std::vector<controller::TopicCreated>> create_topics(std::vector<controller::NewTopic> topics,
                                                                  bool validate_only, std::int32_t timeout_ms) override {
    timeouts.push_back(timeout_ms);
    std::vector<controller::TopicCreated> answers;
    for (const auto& topic : topics) {
      calls.push_back((validate_only ? "validate " : "create ") + topic.name);
      auto& answer = answers.emplace_back();
      answer.topic_id = base::Uuid::random();
      answer.partitions = 2;
      answer.replication_factor = 1;
      answer.error = create_error;
    }
    co_return answers;
  }
  base::Task<std::vector<Outcome>> delete_topics(std::vector<std::string> topics, std::int32_t timeout_ms) override {
    timeouts.push_back(timeout_ms);
    for (const auto& topic : topics) calls.push_back("delete " + topic);
    co_return std::vector<Outcome>(topics.size());
  }
  base::Task<std::vector<Outcome>> create_partitions(std::vector<controller::NewPartitions> topics, bool,
                                                     std::int32_t timeout_ms) override {
    timeouts.push_back(timeout_ms);
    for (const auto& topic : topics) calls.push_back("grow " + topic.topic);
    co_return std::vector<Outcome>(topics.size());
  }
  base::Task<Outcome> ensure_internal_topic(std::string) override { co_return Outcome(); }
  base::Task<Outcome> auto_create_topic(std::string name) override {
    calls.push_back("auto " + name);
    Outcome outcome;
    outcome.error = auto_create_error;
    co_return outcome;
  }
  base::Task<Outcome> change_config(controller::ConfigEntityType, std::string, controller::ConfigEdit) override {
    co_return Outcome();
  }
  base::Task<protocol::Result<controller::ProducerIdBlock>> allocate_producer_ids() override {
    protocol::Result<controller::ProducerIdBlock> none = ErrorCode::unknown_server_error;
    co_return none;
  }
  base::Task<protocol::Result<controller::ProducerIdBlock>> allocate_producer_ids_for(std::int32_t broker_id,
                                                                                      std::int64_t broker_epoch) override {
    calls.push_back("ids for " + std::to_string(broker_id) + " of epoch " + std::to_string(broker_epoch));
    protocol::Result<controller::ProducerIdBlock> answer = ErrorCode::stale_broker_epoch;
    if (broker_epoch == 5) answer = controller::ProducerIdBlock{3000, 1000};
    co_return answer;
  }
  base::Task<std::map<TopicPartition, Outcome>> elect_leaders(std::vector<TopicPartition> partitions, bool,
                                                              std::int32_t timeout_ms) override {
    timeouts.push_back(timeout_ms);
    std::map<TopicPartition, Outcome> answers;
    for (const auto& each : partitions) answers[each].error = ErrorCode::election_not_needed;
    co_return answers;
  }
  controller::StringMap config_overrides(controller::ConfigEntityType, std::string_view) const override { return {}; }
  std::vector<std::string> configured_entities(controller::ConfigEntityType) const override { return {}; }
  std::int64_t broker_epoch() const override { return 1; }

  std::vector<std::string> calls;
  std::vector<std::int32_t> timeouts;
  ErrorCode create_error = ErrorCode::none;
  ErrorCode auto_create_error = ErrorCode::none;
};

}  // namespace broker::api::testing
