// librdkafka's admin API (C only), as of 2.0.2.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "client.h"

namespace compat {
namespace {

// One admin client with one result queue; a call is followed by next(), whose event lives until the next one.
class Admin : public ::testing::Test {
 protected:
  Admin() : producer_(make_producer(bootstrap_servers(), {})), queue_(rd_kafka_queue_new(handle())) {}
  ~Admin() override {
    drop();
    rd_kafka_queue_destroy(queue_);
  }

  rd_kafka_t* handle() { return producer_->c_ptr(); }
  rd_kafka_queue_t* queue() { return queue_; }

  rd_kafka_event_t* next() {
    drop();
    event_ = rd_kafka_queue_poll(queue_, 120'000);
    EXPECT_NE(event_, nullptr);
    EXPECT_EQ(rd_kafka_event_error(event_), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event_);
    return event_;
  }

  rd_kafka_resp_err_t create(const std::string& name, int partitions, int factor,
                             const std::map<std::string, std::string>& configs = {}) {
    char text[512];
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, factor, text, sizeof(text));
    for (const auto& [key, value] : configs) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
    rd_kafka_CreateTopics(handle(), &topic, 1, nullptr, queue_);
    rd_kafka_NewTopic_destroy(topic);
    std::size_t count = 0;
    const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(next()), &count);
    return rd_kafka_topic_result_error(results[0]);
  }

  rd_kafka_resp_err_t grow(const std::string& name, std::size_t partitions) {
    char text[512];
    rd_kafka_NewPartitions_t* grown = rd_kafka_NewPartitions_new(name.c_str(), partitions, text, sizeof(text));
    rd_kafka_CreatePartitions(handle(), &grown, 1, nullptr, queue_);
    rd_kafka_NewPartitions_destroy(grown);
    std::size_t count = 0;
    const auto* results =
        rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(next()), &count);
    return rd_kafka_topic_result_error(results[0]);
  }

  rd_kafka_resp_err_t remove(const std::string& name) {
    rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
    rd_kafka_DeleteTopics(handle(), &topic, 1, nullptr, queue_);
    rd_kafka_DeleteTopic_destroy(topic);
    std::size_t count = 0;
    const auto* results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(next()), &count);
    return rd_kafka_topic_result_error(results[0]);
  }

  std::optional<std::string> described(rd_kafka_ResourceType_t type, const std::string& name, const std::string& key) {
    rd_kafka_ConfigResource_t* resource = rd_kafka_ConfigResource_new(type, name.c_str());
    rd_kafka_DescribeConfigs(handle(), &resource, 1, nullptr, queue_);
    rd_kafka_ConfigResource_destroy(resource);
    std::size_t count = 0;
    const auto* resources =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(next()), &count);
    if (rd_kafka_ConfigResource_error(resources[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
    std::size_t entries = 0;
    const auto* all = rd_kafka_ConfigResource_configs(resources[0], &entries);
    for (std::size_t i = 0; i < entries; ++i) {
      if (key != rd_kafka_ConfigEntry_name(all[i])) continue;
      const char* value = rd_kafka_ConfigEntry_value(all[i]);
      return value == nullptr ? "(null)" : value;
    }
    return std::nullopt;
  }

  rd_kafka_resp_err_t alter(const std::string& topic, const std::string& key, const std::string& value) {
    rd_kafka_ConfigResource_t* resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
    rd_kafka_ConfigResource_set_config(resource, key.c_str(), value.c_str());
    rd_kafka_AlterConfigs(handle(), &resource, 1, nullptr, queue_);
    rd_kafka_ConfigResource_destroy(resource);
    std::size_t count = 0;
    const auto* resources = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(next()), &count);
    return rd_kafka_ConfigResource_error(resources[0]);
  }

  int partition_count(const std::string& topic) {
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_topic_t* named = rd_kafka_topic_new(handle(), topic.c_str(), nullptr);
    const auto code = rd_kafka_metadata(handle(), 0, named, &metadata, 60'000);
    int count = -1;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      count = metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata->topics[0].partition_cnt : -1;
      rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(named);
    return count;
  }

 private:
  void drop() {
    if (event_ != nullptr) rd_kafka_event_destroy(event_);
    event_ = nullptr;
  }

  std::unique_ptr<RdKafka::Producer> producer_;
  rd_kafka_queue_t* queue_;
  rd_kafka_event_t* event_ = nullptr;
};

TEST_F(Admin, TopicsComeGrowAndGo) {
  EXPECT_EQ(create("rd-admin", 2, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(create("rd-admin", 2, 1), RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS);
  EXPECT_EQ(create("rd-three", 2, 3), RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR);
  EXPECT_EQ(create("rd name", 2, 1), RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION);
  EXPECT_EQ(create("rd-config", 2, 1, {{"cleanup.policy", "burn"}}), RD_KAFKA_RESP_ERR_INVALID_CONFIG);
  EXPECT_EQ(grow("rd-admin", 5), RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(grow("rd-admin", 4), RD_KAFKA_RESP_ERR_INVALID_PARTITIONS);
  EXPECT_EQ(partition_count("rd-admin"), 5);
  EXPECT_EQ(remove("rd-admin"), RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(remove("rd-none"), RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

TEST_F(Admin, ConfigsOfTopicAndBroker) {
  ASSERT_EQ(create("rd-configs", 1, 1, {{"retention.ms", "12345"}}), RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(described(RD_KAFKA_RESOURCE_TOPIC, "rd-configs", "retention.ms"), "12345");
  EXPECT_EQ(described(RD_KAFKA_RESOURCE_TOPIC, "rd-configs", "compression.type"), "producer");
  EXPECT_EQ(described(RD_KAFKA_RESOURCE_BROKER, "0", "broker.id"), "0");
  EXPECT_EQ(described(RD_KAFKA_RESOURCE_TOPIC, "rd-none", "retention.ms"), std::nullopt);
  EXPECT_EQ(alter("rd-configs", "flush.messages", "99"), RD_KAFKA_RESP_ERR_NO_ERROR);
  // AlterConfigs replaces all: what isn't named goes back to its default.
  while (described(RD_KAFKA_RESOURCE_TOPIC, "rd-configs", "flush.messages") != "99") {
  }
  EXPECT_EQ(described(RD_KAFKA_RESOURCE_TOPIC, "rd-configs", "retention.ms"), "604800000");
  EXPECT_EQ(alter("rd-configs", "flush.messages", "none"), RD_KAFKA_RESP_ERR_INVALID_CONFIG);
}

TEST_F(Admin, RecordsAreDeletedUpToAnOffset) {
  ASSERT_EQ(create("rd-cut", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  const auto producer = make_producer(bootstrap_servers(), {});
  for (int i = 0; i < 10; ++i) {
    std::string value = std::to_string(i);
    require(producer->produce("rd-cut", 0, RdKafka::Producer::RK_MSG_COPY, value.data(), value.size(), nullptr, 0, 0,
                              nullptr),
            "produce");
  }
  producer->flush(60'000);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, "rd-cut", 0)->offset = 6;
  rd_kafka_DeleteRecords_t* deletion = rd_kafka_DeleteRecords_new(list);
  rd_kafka_DeleteRecords(handle(), &deletion, 1, nullptr, queue());
  rd_kafka_DeleteRecords_destroy(deletion);
  rd_kafka_topic_partition_list_destroy(list);
  const auto* offsets = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(next()));
  ASSERT_EQ(offsets->cnt, 1);
  EXPECT_EQ(offsets->elems[0].err, RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(offsets->elems[0].offset, 6);
  const auto consumer = make_consumer(bootstrap_servers(), "unused", {});
  assign_from_beginning(*consumer, "rd-cut", 1);
  std::unique_ptr<RdKafka::Message> message;
  do {
    message.reset(consumer->consume(1000));
  } while (message->err() == RdKafka::ERR__TIMED_OUT);
  EXPECT_EQ(message->offset(), 6);
  consumer->close();
}

TEST_F(Admin, GroupsAreListedDescribedAndDeleted) {
  ASSERT_EQ(create("rd-grouped", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  const auto consumer = make_consumer(bootstrap_servers(), "rd-group", {{"client.id", "reader"}});
  require(consumer->subscribe({"rd-grouped"}), "subscribe");
  std::vector<RdKafka::TopicPartition*> assigned;
  while (assigned.empty()) {
    delete consumer->consume(100);
    require(consumer->assignment(assigned), "assignment");
  }
  RdKafka::TopicPartition::destroy(assigned);
  std::vector<RdKafka::TopicPartition*> offsets = {RdKafka::TopicPartition::create("rd-grouped", 0, 0)};
  require(consumer->commitSync(offsets), "commit");
  RdKafka::TopicPartition::destroy(offsets);

  const char* group = "rd-group";
  const rd_kafka_group_list* groups = nullptr;
  ASSERT_EQ(rd_kafka_list_groups(handle(), group, &groups, 60'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  ASSERT_EQ(groups->group_cnt, 1);
  EXPECT_STREQ(groups->groups[0].state, "Stable");
  EXPECT_STREQ(groups->groups[0].protocol_type, "consumer");
  ASSERT_EQ(groups->groups[0].member_cnt, 1);
  EXPECT_STREQ(groups->groups[0].members[0].client_id, "reader");
  rd_kafka_group_list_destroy(groups);

  const auto remove_group = [&] {
    rd_kafka_DeleteGroup_t* deletion = rd_kafka_DeleteGroup_new(group);
    rd_kafka_DeleteGroups(handle(), &deletion, 1, nullptr, queue());
    rd_kafka_DeleteGroup_destroy(deletion);
    std::size_t count = 0;
    const auto* results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(next()), &count);
    const auto* error = rd_kafka_group_result_error(results[0]);
    return error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
  };
  EXPECT_EQ(remove_group(), RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP);
  consumer->close();
  EXPECT_EQ(remove_group(), RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(remove_group(), RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND);
}

}  // namespace
}  // namespace compat
