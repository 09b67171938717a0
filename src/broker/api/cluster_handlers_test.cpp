// Metadata, topics and cluster: answers as Kafka 3.9.2 in ZooKeeper mode gave them to the same requests.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <cstddef>

#include "base/clock.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/api/testing/noting_cluster.h"
#include "broker/config/config_store.h"
#include "broker/metadata/cluster_metadata.h"
#include "protocol/messages/allocate_producer_ids.h"
#include "protocol/messages/alter_partition_reassignments.h"
#include "protocol/messages/create_partitions.h"
#include "protocol/messages/create_topics.h"
#include "protocol/messages/delete_topics.h"
#include "protocol/messages/describe_cluster.h"
#include "protocol/messages/describe_topic_partitions.h"
#include "protocol/messages/elect_leaders.h"
#include "protocol/messages/list_partition_reassignments.h"
#include "protocol/messages/metadata.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;

// Services that these handlers don't touch.
struct Unused {
  alignas(std::max_align_t) std::byte room[64];
  template <class T>
  T& as() {
    return *reinterpret_cast<T*>(room);
  }
};

class ClusterHandlers : public ::testing::Test {
 protected:
  ClusterHandlers()
      : configs_(config::BrokerConfig::create(properties())),
        services_{clock_,
                  configs_,
                  cache_,
                  unused_.as<partition::PartitionManager>(),
                  cluster_,
                  unused_.as<group::GroupCoordinator>(),
                  unused_.as<transaction::TransactionCoordinator>(),
                  unused_.as<transaction::MarkerWriter>(),
                  unused_.as<FetchSessions>(),
                  unused_.as<ProducerIds>(),
                  1} {
    auto cluster = std::make_shared<metadata::ClusterMetadata>();
    cluster->cluster_id = "S5Ci7ip7QnGn_bUzcfFsEw";
    cluster->controller_id = 1;
    metadata::Broker& broker = cluster->brokers[1];
    broker.id = 1;
    broker.endpoints.push_back(metadata::Endpoint{"PLAINTEXT", "PLAINTEXT", "127.0.0.1", 25092});
    broker.endpoints.push_back(metadata::Endpoint{"OTHER", "PLAINTEXT", "other", 1});
    for (const char* name : {"__consumer_offsets", "ok.a", "ok0"}) {
      auto topic = std::make_shared<metadata::Topic>();
      topic->name = name;
      topic->id = base::Uuid::random();
      for (std::int32_t number = 0; number < 3; ++number) {
        metadata::Partition& partition = topic->partitions[number];
        partition.replicas = partition.isr = {1};
        partition.leader = 1;
      }
      cluster->topics[name] = topic;
      cluster->topics_by_id[topic->id] = topic;
    }
    cache_.set(cluster);
  }

  static base::Properties properties();
  template <class Change>
  void change(const Change& edit) {
    auto next = std::make_shared<metadata::ClusterMetadata>(*cache_.get());
    edit(*next);
    cache_.set(next);
  }

  template <class Response, class Request>
  Response ask(Request request, std::int16_t version, const std::string& listener = "PLAINTEXT") {
    RequestContext context(services_);
    context.api_version = version;
    context.listener = listener;
    boost::asio::io_context loop;
    auto result = boost::asio::co_spawn(loop, handle(context, std::move(request)).task(), boost::asio::use_future);
    loop.run();
    return result.get();
  }
  protocol::MetadataResponse metadata(std::vector<std::string> names, std::int16_t version, bool create = false) {
    protocol::MetadataRequest request;
    for (std::string& name : names) request.topics->emplace_back().name = std::move(name);
    request.allow_auto_topic_creation = create;
    return ask<protocol::MetadataResponse>(std::move(request), version);
  }

  base::SystemClock clock_;
  config::ConfigStore configs_;
  metadata::MetadataCache cache_;
  testing::NotingCluster cluster_;
  Unused unused_;
  Services services_;
};

base::Properties ClusterHandlers::properties() {
  base::Properties file;
  file.set("zookeeper.connect", "127.0.0.1:2181");
  file.set("broker.id", "1");
  return file;
}

TEST_F(ClusterHandlers, MetadataOfAllAndOfNone) {
  protocol::MetadataRequest all;
  all.topics = std::nullopt;
  all.include_topic_authorized_operations = true;
  auto response = ask<protocol::MetadataResponse>(all, 12);
  ASSERT_EQ(response.topics.size(), 3U);
  EXPECT_EQ(response.brokers.at(0).port, 25092);
  EXPECT_EQ(response.controller_id, 1);
  EXPECT_EQ(response.cluster_id, "S5Ci7ip7QnGn_bUzcfFsEw");
  EXPECT_TRUE(response.topics[0].is_internal);
  EXPECT_EQ(response.topics[1].topic_authorized_operations, 3576);
  EXPECT_EQ(response.cluster_authorized_operations, INT32_MIN);
  EXPECT_EQ(response.topics[1].partitions.at(2).leader_id, 1);
  EXPECT_EQ(metadata({}, 12).topics.size(), 0U);
  EXPECT_EQ(metadata({}, 1).topics.size(), 0U);
  EXPECT_EQ(metadata({}, 0).topics.size(), 3U);
  all.include_cluster_authorized_operations = true;
  EXPECT_EQ(ask<protocol::MetadataResponse>(all, 8).cluster_authorized_operations, 8096);
}

TEST_F(ClusterHandlers, MetadataOfMissingTopics) {
  const auto response = metadata({"zz", "ok0", "nope", "ok0"}, 12);
  ASSERT_EQ(response.topics.size(), 3U);
  EXPECT_EQ(response.topics[0].name, "ok0");
  EXPECT_EQ(response.topics[1].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(metadata({"a b"}, 12).topics.at(0).error_code, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(metadata({""}, 12, true).topics.at(0).error_code, ErrorCode::invalid_topic_exception);
  EXPECT_TRUE(cluster_.calls.empty());
  const auto created = metadata({"autoc"}, 12, true);
  EXPECT_EQ(created.topics.at(0).error_code, ErrorCode::leader_not_available);
  EXPECT_TRUE(created.topics.at(0).topic_id.is_zero());
  EXPECT_EQ(cluster_.calls, std::vector<std::string>{"auto autoc"});
  cluster_.auto_create_error = ErrorCode::invalid_topic_exception;
  EXPECT_EQ(metadata({"ok_a"}, 12, true).topics.at(0).error_code, ErrorCode::invalid_topic_exception);
}

TEST_F(ClusterHandlers, MetadataByTopicId) {
  const base::Uuid known = cache_.get()->topic("ok.a")->id;
  const base::Uuid unknown = base::Uuid::random();
  protocol::MetadataRequest request;
  for (const base::Uuid& id : {unknown, known}) {
    auto& topic = request.topics->emplace_back();
    topic.name = std::nullopt;
    topic.topic_id = id;
  }
  auto response = ask<protocol::MetadataResponse>(request, 12);
  ASSERT_EQ(response.topics.size(), 2U);
  EXPECT_EQ(response.topics[0].name, "ok.a");
  EXPECT_EQ(response.topics[1].error_code, ErrorCode::unknown_topic_id);
  EXPECT_EQ(response.topics[1].name, std::nullopt);
  EXPECT_EQ(response.topics[1].topic_id, unknown);
  request.topics->at(1).name = "unread";
  request.topics->emplace_back().name = "other";
  request.topics->emplace_back().name = std::nullopt;
  response = ask<protocol::MetadataResponse>(request, 12);
  ASSERT_EQ(response.topics.size(), 2U) << "where there is one id, names aren't looked at, nor that there is none";
  EXPECT_EQ(response.topics[0].name, "ok.a");
  response = ask<protocol::MetadataResponse>(request, 10);
  EXPECT_TRUE(response.brokers.empty());
  EXPECT_EQ(response.controller_id, -1);
  EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(response.topics.at(0).name, "");
}

TEST_F(ClusterHandlers, MetadataOfPartitionsThatAreNotWhole) {
  auto cluster = std::make_shared<metadata::ClusterMetadata>(*cache_.get());
  auto topic = std::make_shared<metadata::Topic>(*cluster->topic("ok0"));
  topic->partitions[0].leader = -1;
  topic->partitions[1].replicas = {1, 2};
  cluster->topics["ok0"] = topic;
  cluster->brokers[3].id = 3;  // without our listener
  topic->partitions[2].leader = 3;
  cache_.set(cluster);
  auto partitions = metadata({"ok0"}, 12).topics.at(0).partitions;
  EXPECT_EQ(partitions[0].error_code, ErrorCode::leader_not_available);
  EXPECT_EQ(partitions[0].leader_id, -1);
  EXPECT_EQ(partitions[1].error_code, ErrorCode::none);
  EXPECT_EQ(partitions[1].offline_replicas, std::vector<std::int32_t>{2});
  EXPECT_EQ(partitions[2].error_code, ErrorCode::listener_not_found);
  partitions = metadata({"ok0"}, 5).topics.at(0).partitions;
  EXPECT_EQ(partitions[2].error_code, ErrorCode::leader_not_available);
  partitions = metadata({"ok0"}, 0).topics.at(0).partitions;
  EXPECT_EQ(partitions[1].error_code, ErrorCode::replica_not_available);
  EXPECT_EQ(partitions[1].replica_nodes, std::vector<std::int32_t>{1});
}

TEST_F(ClusterHandlers, CreateTopics) {
  protocol::CreateTopicsRequest request;
  for (const char* name : {"dup", "new", "dup", "__cluster_metadata", "ok.a", "null"}) {
    request.topics.emplace_back().name = name;
  }
  request.topics[5].configs.emplace_back().name = "retention.ms";
  request.topics[5].configs[0].value = std::nullopt;
  request.topics[1].configs.emplace_back().name = "retention.ms";
  request.topics[1].configs[0].value = "7200000";
  const auto response = ask<protocol::CreateTopicsResponse>(request, 7);
  ASSERT_EQ(response.topics.size(), 6U);
  EXPECT_EQ(response.topics[0].error_code, ErrorCode::invalid_request);
  EXPECT_EQ(response.topics[2].error_message, "Found multiple entries for this topic.");
  EXPECT_EQ(response.topics[3].error_message, "Creation of internal topic __cluster_metadata is prohibited.");
  EXPECT_EQ(response.topics[4].error_message, "Topic 'ok.a' already exists.");
  EXPECT_EQ(response.topics[5].error_message, "Null value not supported for topic configs: retention.ms");
  const auto& made = response.topics[1];
  EXPECT_EQ(made.error_code, ErrorCode::none);
  EXPECT_FALSE(made.topic_id.is_zero());
  EXPECT_EQ(made.num_partitions, 2);
  EXPECT_EQ(made.replication_factor, 1);
  ASSERT_TRUE(made.configs);
  EXPECT_EQ(made.configs->size(), 36U);
  for (const auto& config : *made.configs) {
    if (config.name != "retention.ms") continue;
    EXPECT_EQ(config.value, "7200000");
    EXPECT_EQ(config.config_source, 1);
  }
  EXPECT_EQ(cluster_.calls, std::vector<std::string>{"create new"});
  request.validate_only = true;
  EXPECT_EQ(ask<protocol::CreateTopicsResponse>(request, 4).topics[1].num_partitions, -1);
  EXPECT_EQ(cluster_.calls.back(), "validate new");
}

TEST_F(ClusterHandlers, WhatClientsGiveChangesInTime) {
  protocol::CreateTopicsRequest creation;
  creation.topics.emplace_back().name = "new";
  creation.timeout_ms = 1;
  cluster_.create_error = ErrorCode::request_timed_out;
  const auto late = ask<protocol::CreateTopicsResponse>(creation, 7).topics.at(0);
  EXPECT_EQ(late.error_code, ErrorCode::request_timed_out);
  EXPECT_EQ(late.error_message, std::nullopt);
  EXPECT_FALSE(late.topic_id.is_zero()) << "it is there, or will be";
  EXPECT_EQ(late.num_partitions, -1);
  EXPECT_EQ(late.replication_factor, -1);
  cluster_.create_error = ErrorCode::topic_already_exists;
  EXPECT_TRUE(ask<protocol::CreateTopicsResponse>(creation, 7).topics.at(0).topic_id.is_zero());
  protocol::DeleteTopicsRequest deletion;
  deletion.topics.emplace_back().name = "ok0";
  deletion.timeout_ms = 2;
  ask<protocol::DeleteTopicsResponse>(deletion, 6);
  protocol::CreatePartitionsRequest growth;
  growth.topics.emplace_back().name = "ok0";
  growth.timeout_ms = 3;
  ask<protocol::CreatePartitionsResponse>(growth, 3);
  protocol::ElectLeadersRequest election;
  election.topic_partitions = std::nullopt;
  election.timeout_ms = 4;
  ask<protocol::ElectLeadersResponse>(election, 2);
  EXPECT_EQ(cluster_.timeouts, (std::vector<std::int32_t>{1, 1, 2, 3, 4}));
}

TEST_F(ClusterHandlers, ProducerIdsForABroker) {
  protocol::AllocateProducerIdsRequest request;
  request.broker_id = 2;
  request.broker_epoch = 5;
  const auto block = ask<protocol::AllocateProducerIdsResponse>(request, 0);
  EXPECT_EQ(block.error_code, ErrorCode::none);
  EXPECT_EQ(block.producer_id_start, 3000);
  EXPECT_EQ(block.producer_id_len, 1000);
  request.broker_epoch = 4;
  const auto refused = ask<protocol::AllocateProducerIdsResponse>(request, 0);
  EXPECT_EQ(refused.error_code, ErrorCode::stale_broker_epoch);
  EXPECT_EQ(refused.producer_id_len, 0);
  EXPECT_EQ(cluster_.calls, (std::vector<std::string>{"ids for 2 of epoch 5", "ids for 2 of epoch 4"}));
}

TEST_F(ClusterHandlers, DeleteTopics) {
  const base::Uuid known = cache_.get()->topic("ok.a")->id;
  protocol::DeleteTopicsRequest request;
  request.topics.resize(4);
  request.topics[0].name = "ok0";
  request.topics[1].topic_id = known;
  request.topics[2].topic_id = base::Uuid::random();
  const auto response = ask<protocol::DeleteTopicsResponse>(request, 6);
  EXPECT_EQ(response.responses[0].error_code, ErrorCode::none);
  EXPECT_TRUE(response.responses[0].topic_id.is_zero());
  EXPECT_EQ(response.responses[1].name, "ok.a");
  EXPECT_EQ(response.responses[1].topic_id, known);
  EXPECT_EQ(response.responses[2].error_code, ErrorCode::unknown_topic_id);
  EXPECT_EQ(response.responses[2].name, std::nullopt);
  EXPECT_EQ(response.responses[3].error_code, ErrorCode::topic_authorization_failed);
  EXPECT_EQ(cluster_.calls, (std::vector<std::string>{"delete ok0", "delete ok.a"}));
  cluster_.calls.clear();
  // One that is named in both ways: Kafka deletes none of them.
  request.topics[2].name = "ok0";
  for (const auto& answer : ask<protocol::DeleteTopicsResponse>(request, 6).responses) {
    EXPECT_EQ(answer.error_code, ErrorCode::invalid_request);
    EXPECT_NE(answer.name, "ok.a") << "as it was asked for";
  }
  EXPECT_EQ(cluster_.calls, std::vector<std::string>());

  protocol::DeleteTopicsRequest old;
  old.topic_names = {"nope"};
  EXPECT_EQ(ask<protocol::DeleteTopicsResponse>(old, 5).responses.at(0).error_code,
            ErrorCode::unknown_topic_or_partition);
  base::Properties file = properties();
  file.set("delete.topic.enable", "false");
  config::ConfigStore disabled(config::BrokerConfig::create(file));
  Services services{clock_,
                    disabled,
                    cache_,
                    services_.partitions,
                    cluster_,
                    services_.groups,
                    services_.transactions,
                    services_.markers,
                    services_.fetch_sessions,
                    services_.producer_ids,
                    1};
  for (const auto& [version, error] :
       {std::pair(2, ErrorCode::invalid_request), std::pair(3, ErrorCode::topic_deletion_disabled)}) {
    RequestContext context(services);
    context.api_version = static_cast<std::int16_t>(version);
    boost::asio::io_context loop;
    auto result = boost::asio::co_spawn(loop, handle(context, old).task(), boost::asio::use_future);
    loop.run();
    EXPECT_EQ(result.get().responses.at(0).error_code, error);
  }
}

TEST_F(ClusterHandlers, CreatePartitionsAndElections) {
  protocol::CreatePartitionsRequest more;
  for (const char* name : {"dup", "ok0", "dup"}) more.topics.emplace_back().name = name;
  const auto grown = ask<protocol::CreatePartitionsResponse>(more, 3);
  ASSERT_EQ(grown.results.size(), 2U);
  EXPECT_EQ(grown.results[0].error_message, "Duplicate topic in request.");
  EXPECT_EQ(cluster_.calls, std::vector<std::string>{"grow ok0"});

  protocol::ElectLeadersRequest elect;
  elect.topic_partitions.emplace().emplace_back().topic = "ok0";
  elect.topic_partitions->front().partitions = {0, 1};
  const auto elected = ask<protocol::ElectLeadersResponse>(elect, 2);
  ASSERT_EQ(elected.replica_election_results.size(), 1U);
  EXPECT_EQ(elected.replica_election_results[0].partition_result.size(), 2U);
  elect.election_type = 7;
  EXPECT_EQ(ask<protocol::ElectLeadersResponse>(elect, 2).error_code, ErrorCode::unknown_server_error);
  protocol::ElectLeadersRequest all;
  all.topic_partitions = std::nullopt;
  EXPECT_TRUE(ask<protocol::ElectLeadersResponse>(all, 2).replica_election_results.empty());
}

// Codes and words of Kafka 3.9.2; but what would have to move from here is refused.
TEST_F(ClusterHandlers, AlterPartitionReassignments) {
  const auto to = [](std::vector<std::int32_t> brokers) { return std::optional(std::move(brokers)); };
  const auto outcome = [&](const std::string& topic, std::int32_t number, std::optional<std::vector<std::int32_t>> replicas) {
    protocol::AlterPartitionReassignmentsRequest request;
    auto& asked = request.topics.emplace_back();
    asked.name = topic;
    asked.partitions.emplace_back().replicas = std::vector<std::int32_t>{77};  // the last one counts
    asked.partitions.back().partition_index = number;
    asked.partitions.emplace_back().replicas = std::move(replicas);
    asked.partitions.back().partition_index = number;
    const auto response = ask<protocol::AlterPartitionReassignmentsResponse>(request, 1);
    EXPECT_EQ(response.error_code, ErrorCode::none);
    const auto& answered = response.responses.at(0).partitions;
    EXPECT_EQ(answered.size(), 1U);
    return std::pair(answered.at(0).error_code, answered.at(0).error_message.value_or("null"));
  };
  const auto invalid = [](const std::string& why) { return std::pair(ErrorCode::invalid_replica_assignment, why); };
  EXPECT_EQ(outcome("ok0", 2, to({1})), std::pair(ErrorCode::none, std::string("null")));
  EXPECT_EQ(outcome("ok0", 3, to({1})),
            std::pair(ErrorCode::unknown_topic_or_partition, std::string("The partition does not exist.")));
  EXPECT_EQ(outcome("none", 0, to({1})).first, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(outcome("ok0", 0, std::nullopt),
            std::pair(ErrorCode::no_reassignment_in_progress, std::string("No partition reassignment is in progress.")));
  EXPECT_EQ(outcome("ok0", 0, to({})), invalid("Empty replica list specified in partition reassignment."));
  EXPECT_EQ(outcome("ok0", 0, to({1, 1})), invalid("Duplicate replica ids in partition reassignment replica list: ArrayBuffer(1, 1)"));
  EXPECT_EQ(outcome("ok0", 0, to({1, -1})), invalid("Invalid broker id in replica list: ArrayBuffer(1, -1)"));
  EXPECT_EQ(outcome("ok0", 0, to({1, 7})),
            invalid("Replica assignment has brokers that are not alive. Replica list: ArrayBuffer(7), live broker list: Set(1)"));
  change([](metadata::ClusterMetadata& cluster) { cluster.brokers[7].id = 7; });
  EXPECT_EQ(outcome("ok0", 0, to({7})),
            invalid("The replicas are [1] and stay there: this controller doesn't move them between brokers."));
}

// Since v1 (KIP-860): codes and words of Kafka 4.3.1.
TEST_F(ClusterHandlers, ReassignmentsThatMayNotChangeTheReplicationFactor) {
  change([](metadata::ClusterMetadata& cluster) { cluster.brokers[7].id = 7; });
  protocol::AlterPartitionReassignmentsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "ok0";
  topic.partitions.emplace_back().replicas = std::vector<std::int32_t>{1, 7};
  for (const bool allowed : {true, false}) {
    request.allow_replication_factor_change = allowed;
    const auto response = ask<protocol::AlterPartitionReassignmentsResponse>(request, 1);
    EXPECT_EQ(response.allow_replication_factor_change, allowed);
    const auto& answer = response.responses.at(0).partitions.at(0);
    EXPECT_EQ(answer.error_code, allowed ? ErrorCode::invalid_replica_assignment : ErrorCode::invalid_replication_factor);
    if (!allowed) {
      EXPECT_EQ(answer.error_message, "The replication factor is changed from 1 to 2");
    }
  }
}

TEST_F(ClusterHandlers, ListPartitionReassignments) {
  change([](metadata::ClusterMetadata& cluster) {
    auto topic = std::make_shared<metadata::Topic>(*cluster.topics["ok0"]);
    topic->partitions[1].replicas = {1, 7};
    topic->partitions[1].adding_replicas = {7};
    topic->partitions[2].removing_replicas = {1};
    cluster.topics["ok0"] = topic;
  });
  protocol::ListPartitionReassignmentsRequest request;
  const auto all = ask<protocol::ListPartitionReassignmentsResponse>(request, 0);
  ASSERT_EQ(all.topics.size(), 1U);
  EXPECT_EQ(all.topics[0].name, "ok0");
  ASSERT_EQ(all.topics[0].partitions.size(), 2U);
  EXPECT_EQ(all.topics[0].partitions[0].adding_replicas, std::vector<std::int32_t>{7});
  EXPECT_EQ(all.topics[0].partitions[1].removing_replicas, std::vector<std::int32_t>{1});
  request.topics.emplace();
  for (const char* name : {"none", "ok0"}) {
    request.topics->emplace_back().name = name;
    request.topics->back().partition_indexes = {0, 1, 9};
  }
  const auto some = ask<protocol::ListPartitionReassignmentsResponse>(request, 0);
  ASSERT_EQ(some.topics.size(), 1U);
  EXPECT_EQ(some.topics[0].partitions.size(), 1U);
  EXPECT_EQ(some.topics[0].partitions[0].replicas, (std::vector<std::int32_t>{1, 7}));
}

TEST_F(ClusterHandlers, ReassignmentsAreTheControllersMatter) {
  change([](metadata::ClusterMetadata& cluster) { cluster.controller_id = 7; });
  EXPECT_EQ(ask<protocol::ListPartitionReassignmentsResponse>(protocol::ListPartitionReassignmentsRequest(), 0).error_code,
            ErrorCode::not_controller);
  EXPECT_EQ(ask<protocol::AlterPartitionReassignmentsResponse>(protocol::AlterPartitionReassignmentsRequest(), 0).error_code,
            ErrorCode::not_controller);
}

TEST_F(ClusterHandlers, DescribeCluster) {
  protocol::DescribeClusterRequest request;
  EXPECT_EQ(ask<protocol::DescribeClusterResponse>(request, 1, "OTHER").brokers.at(0).host, "other");
  request.include_cluster_authorized_operations = true;
  EXPECT_EQ(ask<protocol::DescribeClusterResponse>(request, 1).cluster_authorized_operations, 8096);
  request.endpoint_type = 2;
  EXPECT_EQ(ask<protocol::DescribeClusterResponse>(request, 1).error_message,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER");
  request.endpoint_type = 9;
  EXPECT_EQ(ask<protocol::DescribeClusterResponse>(request, 1).error_message, "Unsupported endpoint type 9");
}

TEST_F(ClusterHandlers, DescribeTopicPartitionsInPages) {
  protocol::DescribeTopicPartitionsRequest request;
  request.response_partition_limit = 4;
  std::vector<std::string> seen;
  int pages = 0;
  for (;;) {
    const auto response = ask<protocol::DescribeTopicPartitionsResponse>(request, 0);
    ++pages;
    for (const auto& topic : response.topics) {
      for (const auto& each : topic.partitions) seen.push_back(*topic.name + std::to_string(each.partition_index));
    }
    if (!response.next_cursor) break;
    auto& cursor = request.cursor.emplace();
    cursor.topic_name = response.next_cursor->topic_name;
    cursor.partition_index = response.next_cursor->partition_index;
  }
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(seen, (std::vector<std::string>{"__consumer_offsets0", "__consumer_offsets1", "__consumer_offsets2",
                                            "ok.a0", "ok.a1", "ok.a2", "ok00", "ok01", "ok02"}));
  protocol::DescribeTopicPartitionsRequest missing;
  missing.topics.emplace_back().name = "nope";
  const auto response = ask<protocol::DescribeTopicPartitionsResponse>(missing, 0);
  EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  missing.cursor.emplace().topic_name = "ok.a";
  EXPECT_EQ(ask<protocol::DescribeTopicPartitionsResponse>(missing, 0).topics.at(0).error_code, ErrorCode::invalid_request)
      << "the cursor's topic isn't asked for";
}

}  // namespace
}  // namespace broker::api
