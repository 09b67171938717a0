// A cluster's topics, a clock and a log for one consumer group, and what a client of it remembers.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/group/consumer_group.h"
#include "broker/group/consumer_group_records.h"

namespace broker::group::testing {

struct Client {
  std::string member_id;
  std::optional<std::string> instance_id;
  std::int32_t epoch = 0;
  Partitions owned;
  Partitions clinging;  // what it hasn't given up yet
  // Of the last request, which an answer that got lost makes it tell again.
  std::vector<std::string> topics;
  bool answer_lost = false;
};

class World {
 public:
  World() { cluster_ = std::make_shared<metadata::ClusterMetadata>(); }

  void set_topic(const std::string& name, std::int32_t partitions) {
    auto next = std::make_shared<metadata::ClusterMetadata>(*cluster_);
    auto topic = std::make_shared<metadata::Topic>();
    topic->name = name;
    topic->id.bytes.fill(static_cast<std::uint8_t>(name[0]));
    for (std::int32_t i = 0; i < partitions; ++i) topic->partitions[i].replicas = {1};
    next->topics_by_id.erase(topic->id);
    next->topics.erase(name);
    if (partitions > 0) next->topics[name] = next->topics_by_id[topic->id] = topic;
    cluster_ = next;
  }
  // The only replica of each partition: a broker and its rack.
  void place(const std::string& name, const std::vector<std::pair<std::int32_t, std::string>>& replicas) {
    auto next = std::make_shared<metadata::ClusterMetadata>(*cluster_);
    auto topic = std::make_shared<metadata::Topic>(*cluster_->topic(name));
    for (std::size_t i = 0; i < replicas.size(); ++i) {
      topic->partitions[static_cast<std::int32_t>(i)].replicas = {replicas[i].first};
      next->brokers[replicas[i].first].rack = replicas[i].second;
    }
    next->topics[name] = next->topics_by_id[topic->id] = topic;
    cluster_ = next;
  }
  // Of each partition the brokers that have it. Those that aren't placed yet are away.
  void replicate(const std::string& name, const std::vector<std::vector<std::int32_t>>& replicas) {
    auto next = std::make_shared<metadata::ClusterMetadata>(*cluster_);
    auto topic = std::make_shared<metadata::Topic>(*cluster_->topic(name));
    for (std::size_t i = 0; i < replicas.size(); ++i) topic->partitions[static_cast<std::int32_t>(i)].replicas = replicas[i];
    next->topics[name] = next->topics_by_id[topic->id] = topic;
    cluster_ = next;
  }
  void stop_broker(std::int32_t id) {
    auto next = std::make_shared<metadata::ClusterMetadata>(*cluster_);
    next->brokers.erase(id);
    cluster_ = next;
  }
  Time now() const { return {wall_clock_ahead_ms + clock_, clock_}; }

  // Decides, writes, applies; what is written can be read back into an equal group.
  ConsumerHeartbeatResult send(const ConsumerHeartbeat& request) {
    if (auto problem = ConsumerGroup::problem_of(request, 1, limits)) return *problem;
    const ConsumerDecision decision = group.heartbeat(request, cluster_, now());
    write(decision);
    return decision.result;
  }
  void write(const ConsumerDecision& decision) {
    EXPECT_TRUE(decision.result.error == ErrorCode::none || decision.records.empty());
    for (const ConsumerGroupRecord& record : decision.records) log_.push_back(to_record("g", record));
    group.settle(decision, now());
  }
  void pass(std::int64_t ms) {
    clock_ += ms;
    write(group.expire(cluster_, now()));
  }
  ConsumerGroup reloaded() const {
    ConsumerGroup again("g", limits);
    for (const coordinator::KeyAndValue& one : log_) {
      protocol::Record record;
      record.key = one.key;
      if (one.value) record.value = *one.value;
      const auto type = base::load_big_endian<std::int16_t>(one.key.data());
      EXPECT_TRUE(is_consumer_group_record(type));
      const auto stored = read_consumer_group_record(type, record);
      EXPECT_TRUE(stored);
      EXPECT_EQ(stored->group_id, "g");
      again.apply(stored->record, now());
    }
    again.loaded(now());
    return again;
  }
  std::string text_of(const Partitions& partitions) const {
    std::string text;
    for (const auto& [id, of_topic] : partitions) {
      for (const std::int32_t partition : of_topic) {
        text += fmt::format(" {}-{}", static_cast<char>(id.bytes[0]), partition);
      }
    }
    return text.empty() ? " nothing" : text;
  }
  ClusterPtr cluster() const { return cluster_; }

  std::int64_t wall_clock_ahead_ms = 1'000'000;
  ConsumerGroupLimits limits;
  ConsumerGroup group{"g", limits};

 private:
  std::shared_ptr<const metadata::ClusterMetadata> cluster_;
  std::int64_t clock_ = 0;
  std::vector<coordinator::KeyAndValue> log_;
};

inline std::string describe(const ConsumerGroup& group, const World& world) {
  const ConsumerGroupSummary summary = group.summary();
  std::string text = fmt::format("{} {}/{} {}", summary.state, summary.group_epoch, summary.assignment_epoch, summary.assignor);
  for (const auto& member : summary.members) {
    text += fmt::format("; {} {}:{} ->{}", member.member_id, member.member_epoch, world.text_of(member.assignment),
                        world.text_of(member.target_assignment));
  }
  return text;
}

}  // namespace broker::group::testing
