// Every version of every API that is advertised, through the dispatcher, for requests that must succeed: each is answered
// without an error, in that version, to its last byte.
#include <gtest/gtest.h>

#include "broker/api/testing/every_version.h"
#include "protocol/messages/add_offsets_to_txn.h"
#include "protocol/messages/add_partitions_to_txn.h"
#include "protocol/messages/allocate_producer_ids.h"
#include "protocol/messages/alter_configs.h"
#include "protocol/messages/alter_partition_reassignments.h"
#include "protocol/messages/alter_replica_log_dirs.h"
#include "protocol/messages/api_versions.h"
#include "protocol/messages/consumer_group_describe.h"
#include "protocol/messages/consumer_group_heartbeat.h"
#include "protocol/messages/controlled_shutdown.h"
#include "protocol/messages/create_partitions.h"
#include "protocol/messages/create_topics.h"
#include "protocol/messages/delete_groups.h"
#include "protocol/messages/delete_records.h"
#include "protocol/messages/delete_topics.h"
#include "protocol/messages/describe_cluster.h"
#include "protocol/messages/describe_configs.h"
#include "protocol/messages/describe_groups.h"
#include "protocol/messages/describe_log_dirs.h"
#include "protocol/messages/describe_producers.h"
#include "protocol/messages/describe_topic_partitions.h"
#include "protocol/messages/describe_transactions.h"
#include "protocol/messages/elect_leaders.h"
#include "protocol/messages/end_txn.h"
#include "protocol/messages/heartbeat.h"
#include "protocol/messages/incremental_alter_configs.h"
#include "protocol/messages/init_producer_id.h"
#include "protocol/messages/join_group.h"
#include "protocol/messages/leave_group.h"
#include "protocol/messages/list_config_resources.h"
#include "protocol/messages/list_groups.h"
#include "protocol/messages/list_offsets.h"
#include "protocol/messages/list_partition_reassignments.h"
#include "protocol/messages/list_transactions.h"
#include "protocol/messages/metadata.h"
#include "protocol/messages/offset_commit.h"
#include "protocol/messages/offset_delete.h"
#include "protocol/messages/offset_fetch.h"
#include "protocol/messages/offset_for_leader_epoch.h"
#include "protocol/messages/sync_group.h"
#include "protocol/messages/txn_offset_commit.h"
#include "protocol/messages/write_txn_markers.h"

namespace broker::api {
namespace {

using namespace protocol;
using testing::TestBroker;

class EverySuccess : public testing::EveryVersion {
 protected:
  struct Member {
    std::string group, id;
    std::int32_t generation = 0;
  };
  Member join(const std::string& group, std::int16_t version = 5);
  SyncGroupRequest sync_request(const Member& member);
  Member stable_member(const std::string& group);
  void leave(const Member& member, std::int16_t version = 3);
  void commit_offsets(const std::string& group, std::int16_t version);
  InitProducerIdResponse producer(const std::string& transactional_id);
  void add_partition(const std::string& transactional_id, const InitProducerIdResponse& producer, std::int16_t version);

  // One or more requests of this API that succeed; false if it isn't one of theirs.
  bool data(ApiKey key, std::int16_t version);
  bool groups(ApiKey key, std::int16_t version);
  bool group_offsets(ApiKey key, std::int16_t version);
  bool newer_groups(ApiKey key, std::int16_t version);
  bool transactions(ApiKey key, std::int16_t version);
  bool cluster(ApiKey key, std::int16_t version);
  bool topics(ApiKey key, std::int16_t version);

  // v0 of a consumer's subscription, to the topic t.
  base::Bytes subscription = testing::from_hex("00000000000100017400000000");
};

EverySuccess::Member EverySuccess::join(const std::string& group, std::int16_t version) {
  JoinGroupRequest request;
  request.group_id = group;
  request.session_timeout_ms = 10'000;
  request.rebalance_timeout_ms = 20'000;
  request.protocol_type = "consumer";
  auto& protocol = request.protocols.emplace_back();
  protocol.name = "range";
  protocol.metadata = subscription;
  auto joined = good<JoinGroupResponse>(request, version, {ErrorCode::none, ErrorCode::member_id_required});
  if (joined.error_code == ErrorCode::member_id_required) {
    request.member_id = joined.member_id;
    joined = good<JoinGroupResponse>(request, version);
  }
  return {group, joined.member_id, joined.generation_id};
}

SyncGroupRequest EverySuccess::sync_request(const Member& member) {
  SyncGroupRequest request;
  request.group_id = member.group;
  request.member_id = member.id;
  request.generation_id = member.generation;
  return request;
}

EverySuccess::Member EverySuccess::stable_member(const std::string& group) {
  Member member = join(group);
  good<SyncGroupResponse>(sync_request(member), 3);
  return member;
}

void EverySuccess::leave(const Member& member, std::int16_t version) {
  LeaveGroupRequest request;
  request.group_id = member.group;
  if (version < 3) {
    request.member_id = member.id;
  } else {
    request.members.emplace_back().member_id = member.id;
  }
  good<LeaveGroupResponse>(request, version);
}

void EverySuccess::commit_offsets(const std::string& group, std::int16_t version) {
  OffsetCommitRequest request;
  request.group_id = group;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.topic_id = topic_id;
  topic.partitions.emplace_back().committed_offset = 1;
  good<OffsetCommitResponse>(request, version);
}

InitProducerIdResponse EverySuccess::producer(const std::string& transactional_id) {
  InitProducerIdRequest request;
  request.transactional_id = transactional_id;
  request.transaction_timeout_ms = 60'000;
  return good<InitProducerIdResponse>(request, 4);
}

void EverySuccess::add_partition(const std::string& transactional_id, const InitProducerIdResponse& made,
                                 std::int16_t version) {
  AddPartitionsToTxnRequest request;
  AddPartitionsToTxnRequest::AddPartitionsToTxnTopic topic;
  topic.name = "t";
  topic.partitions = {0};
  if (version < 4) {
    request.v3_and_below_transactional_id = transactional_id;
    request.v3_and_below_producer_id = made.producer_id;
    request.v3_and_below_producer_epoch = made.producer_epoch;
    request.v3_and_below_topics.push_back(std::move(topic));
  } else {
    auto& one = request.transactions.emplace_back();
    one.transactional_id = transactional_id;
    one.producer_id = made.producer_id;
    one.producer_epoch = made.producer_epoch;
    one.topics.push_back(std::move(topic));
  }
  good<AddPartitionsToTxnResponse>(request, version);
}

bool EverySuccess::data(ApiKey key, std::int16_t version) {
  const auto by_name_or_id = [&](std::int16_t ids_from, auto& name, auto& id) {
    if (version < ids_from) {
      name = "t";
    } else {
      id = topic_id;
    }
  };
  if (key == ApiKey::produce) {
    auto request = testing::produce_request("", testing::batch_of({"x"}), version % 2 == 0 ? 1 : -1);
    by_name_or_id(13, request.topic_data[0].name, request.topic_data[0].topic_id);
    good<ProduceResponse>(request, version);
  } else if (key == ApiKey::fetch) {
    auto request = testing::fetch_request("", 0);
    by_name_or_id(13, request.topics[0].topic, request.topics[0].topic_id);
    const auto answer = good<FetchResponse>(request, version);
    EXPECT_GT(answer.responses.at(0).partitions.at(0).records.size(), 0u);
  } else if (key == ApiKey::list_offsets) {
    ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().timestamp = -1;
    good<ListOffsetsResponse>(request, version);
  } else if (key == ApiKey::delete_records) {
    DeleteRecordsRequest request;
    request.timeout_ms = 1000;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back();
    good<DeleteRecordsResponse>(request, version);
  } else if (key == ApiKey::offset_for_leader_epoch) {
    OffsetForLeaderEpochRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    topic.partitions.emplace_back();
    good<OffsetForLeaderEpochResponse>(request, version);
  } else if (key == ApiKey::describe_producers) {
    DescribeProducersRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partition_indexes = {0};
    good<DescribeProducersResponse>(request, version);
  } else {
    return false;
  }
  return true;
}

// Each version has a group of its own.
bool EverySuccess::groups(ApiKey key, std::int16_t version) {
  const std::string group = std::string(name_of(key)) + "-" + std::to_string(version);
  if (key == ApiKey::find_coordinator) {
    FindCoordinatorRequest request;
    if (version < 4) {
      request.key = group;
    } else {
      request.coordinator_keys = {group};
    }
    good<FindCoordinatorResponse>(request, version);
  } else if (key == ApiKey::join_group) {
    join(group, version);
  } else if (key == ApiKey::sync_group) {
    SyncGroupRequest request = sync_request(join(group));
    if (version >= 5) {
      request.protocol_type = "consumer";
      request.protocol_name = "range";
    }
    good<SyncGroupResponse>(request, version);
  } else if (key == ApiKey::heartbeat) {
    const Member member = stable_member(group);
    HeartbeatRequest request;
    request.group_id = group;
    request.member_id = member.id;
    request.generation_id = member.generation;
    good<HeartbeatResponse>(request, version);
  } else if (key == ApiKey::leave_group) {
    leave(stable_member(group), version);
  } else if (key == ApiKey::describe_groups) {
    stable_member(group);
    DescribeGroupsRequest request;
    request.groups = {group};
    EXPECT_EQ(good<DescribeGroupsResponse>(request, version).groups.at(0).group_state, "Stable");
  } else if (key == ApiKey::list_groups) {
    stable_member(group);
    EXPECT_FALSE(good<ListGroupsResponse>(ListGroupsRequest(), version).groups.empty());
  } else if (key == ApiKey::delete_groups) {
    leave(stable_member(group));
    DeleteGroupsRequest request;
    request.groups_names = {group};
    good<DeleteGroupsResponse>(request, version);
  } else {
    return false;
  }
  return true;
}

bool EverySuccess::group_offsets(ApiKey key, std::int16_t version) {
  const std::string group = std::string(name_of(key)) + "-" + std::to_string(version);
  if (key == ApiKey::offset_commit) {
    commit_offsets(group, version);
  } else if (key == ApiKey::offset_fetch) {
    commit_offsets(group, 9);
    OffsetFetchRequest request;
    if (version < 8) {
      request.group_id = group;
      auto& topic = request.topics.emplace().emplace_back();
      topic.name = "t";
      topic.partition_indexes = {0};
    } else {
      auto& one = request.groups.emplace_back();
      one.group_id = group;
      auto& topic = one.topics.emplace().emplace_back();
      topic.name = "t";
      topic.topic_id = topic_id;
      topic.partition_indexes = {0};
    }
    good<OffsetFetchResponse>(request, version);
  } else if (key == ApiKey::offset_delete) {
    commit_offsets(group, 9);
    OffsetDeleteRequest request;
    request.group_id = group;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back();
    good<OffsetDeleteResponse>(request, version);
  } else {
    return false;
  }
  return true;
}

bool EverySuccess::newer_groups(ApiKey key, std::int16_t version) {
  const std::string group = std::string(name_of(key)) + "-" + std::to_string(version);
  if (key == ApiKey::consumer_group_heartbeat || key == ApiKey::consumer_group_describe) {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = group;
    request.member_id = version > 0 ? "mine" : "";
    request.rebalance_timeout_ms = 20'000;
    request.subscribed_topic_names = std::vector<std::string>{"t"};
    request.topic_partitions.emplace();
    good<ConsumerGroupHeartbeatResponse>(request, version);
    if (key == ApiKey::consumer_group_heartbeat) return true;
    ConsumerGroupDescribeRequest describe;
    describe.group_ids = {group};
    EXPECT_EQ(good<ConsumerGroupDescribeResponse>(describe, version).groups.at(0).members.size(), 1u);
  } else {
    return false;
  }
  return true;
}

// Each version has a transactional id of its own.
bool EverySuccess::transactions(ApiKey key, std::int16_t version) {
  const std::string id = std::string(name_of(key)) + "-" + std::to_string(version);
  if (key == ApiKey::init_producer_id) {
    InitProducerIdRequest request;
    request.transactional_id = id;
    request.transaction_timeout_ms = 60'000;
    good<InitProducerIdResponse>(request, version);
  } else if (key == ApiKey::add_partitions_to_txn) {
    add_partition(id, producer(id), version);
  } else if (key == ApiKey::add_offsets_to_txn) {
    const InitProducerIdResponse made = producer(id);
    AddOffsetsToTxnRequest request;
    request.transactional_id = id;
    request.producer_id = made.producer_id;
    request.producer_epoch = made.producer_epoch;
    request.group_id = "g";
    good<AddOffsetsToTxnResponse>(request, version);
  } else if (key == ApiKey::end_txn) {
    const InitProducerIdResponse made = producer(id);
    add_partition(id, made, 3);
    EndTxnRequest request;
    request.transactional_id = id;
    request.producer_id = made.producer_id;
    request.producer_epoch = made.producer_epoch;
    good<EndTxnResponse>(request, version);
  } else if (key == ApiKey::write_txn_markers) {
    WriteTxnMarkersRequest request;
    auto& marker = request.markers.emplace_back();
    marker.producer_id = 5000 + version;
    auto& topic = marker.topics.emplace_back();
    topic.name = "t";
    topic.partition_indexes = {1};
    good<WriteTxnMarkersResponse>(request, version);
  } else if (key == ApiKey::txn_offset_commit) {
    const InitProducerIdResponse made = producer(id);
    TxnOffsetCommitRequest request;
    request.transactional_id = id;
    request.group_id = id;
    request.producer_id = made.producer_id;
    request.producer_epoch = made.producer_epoch;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().committed_offset = 1;
    good<TxnOffsetCommitResponse>(request, version);
  } else if (key == ApiKey::describe_transactions) {
    producer(id);
    DescribeTransactionsRequest request;
    request.transactional_ids = {id};
    good<DescribeTransactionsResponse>(request, version);
  } else if (key == ApiKey::list_transactions) {
    producer(id);
    EXPECT_FALSE(
        good<ListTransactionsResponse>(ListTransactionsRequest(), version).transaction_states.empty());
  } else {
    return false;
  }
  return true;
}

bool EverySuccess::cluster(ApiKey key, std::int16_t version) {
  if (key == ApiKey::metadata) {
    MetadataRequest request;
    request.topics.emplace().emplace_back().name = "t";
    EXPECT_EQ(good<MetadataResponse>(request, version).topics.at(0).partitions.size(), 2u);
  } else if (key == ApiKey::api_versions) {
    ApiVersionsRequest request;
    request.client_software_name = "test";
    request.client_software_version = "1";
    EXPECT_EQ(good<ApiVersionsResponse>(request, version).api_keys.size(), served_apis().size());
  } else if (key == ApiKey::controlled_shutdown) {
    ControlledShutdownRequest request;
    request.broker_id = TestBroker::kBrokerId;
    good<ControlledShutdownResponse>(request, version);
  } else if (key == ApiKey::allocate_producer_ids) {
    EXPECT_EQ(good<AllocateProducerIdsResponse>(AllocateProducerIdsRequest(), version).producer_id_len, 3);
  } else if (key == ApiKey::describe_cluster) {
    EXPECT_EQ(good<DescribeClusterResponse>(DescribeClusterRequest(), version).brokers.size(), 1u);
  } else if (key == ApiKey::describe_log_dirs) {
    EXPECT_EQ(good<DescribeLogDirsResponse>(DescribeLogDirsRequest(), version).results.size(), 1u);
  } else if (key == ApiKey::alter_replica_log_dirs) {
    AlterReplicaLogDirsRequest request;
    auto& directory = request.dirs.emplace_back();
    directory.path = broker.logs.directories().at(0).path;
    auto& topic = directory.topics.emplace_back();
    topic.name = "t";
    topic.partitions = {0};
    good<AlterReplicaLogDirsResponse>(request, version);
  } else if (key == ApiKey::describe_configs) {
    DescribeConfigsRequest request;
    auto& topic = request.resources.emplace_back();
    topic.resource_type = 2;
    topic.resource_name = "t";
    auto& own = request.resources.emplace_back();
    own.resource_type = 4;
    own.resource_name = std::to_string(TestBroker::kBrokerId);
    const auto answer = good<DescribeConfigsResponse>(request, version);
    EXPECT_GT(answer.results.at(0).configs.size(), 20u);
    EXPECT_GT(answer.results.at(1).configs.size(), 200u);
  } else if (key == ApiKey::alter_configs) {
    AlterConfigsRequest request;
    auto& topic = request.resources.emplace_back();
    topic.resource_type = 2;
    topic.resource_name = "t";
    auto& one = topic.configs.emplace_back();
    one.name = "retention.ms";
    one.value = "7";
    good<AlterConfigsResponse>(request, version);
  } else if (key == ApiKey::incremental_alter_configs) {
    IncrementalAlterConfigsRequest request;
    auto& topic = request.resources.emplace_back();
    topic.resource_type = 2;
    topic.resource_name = "t";
    auto& one = topic.configs.emplace_back();
    one.name = "retention.ms";
    one.value = "7";
    good<IncrementalAlterConfigsResponse>(request, version);
  } else {
    return false;
  }
  return true;
}

bool EverySuccess::topics(ApiKey key, std::int16_t version) {
  if (key == ApiKey::create_topics) {
    CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "new";
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    EXPECT_EQ(good<CreateTopicsResponse>(request, version).topics.size(), 1u);
  } else if (key == ApiKey::delete_topics) {
    DeleteTopicsRequest request;
    if (version < 6) {
      request.topic_names = {"t"};
    } else {
      request.topics.emplace_back().name = "t";
    }
    EXPECT_EQ(good<DeleteTopicsResponse>(request, version).responses.size(), 1u);
  } else if (key == ApiKey::create_partitions) {
    CreatePartitionsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.count = 3;
    EXPECT_EQ(good<CreatePartitionsResponse>(request, version).results.size(), 1u);
  } else if (key == ApiKey::elect_leaders) {
    ElectLeadersRequest request;
    auto& topic = request.topic_partitions.emplace().emplace_back();
    topic.topic = "t";
    topic.partitions = {0};
    EXPECT_EQ(good<ElectLeadersResponse>(request, version).replica_election_results.size(), 1u);
  } else if (key == ApiKey::alter_partition_reassignments) {
    AlterPartitionReassignmentsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().replicas = std::vector{testing::TestBroker::kBrokerId};
    EXPECT_EQ(good<AlterPartitionReassignmentsResponse>(request, version).responses.size(), 1u);
  } else if (key == ApiKey::list_partition_reassignments) {
    EXPECT_TRUE(good<ListPartitionReassignmentsResponse>(ListPartitionReassignmentsRequest(), version).topics.empty());
  } else if (key == ApiKey::describe_topic_partitions) {
    DescribeTopicPartitionsRequest request;
    request.topics.emplace_back().name = "t";
    EXPECT_EQ(good<DescribeTopicPartitionsResponse>(request, version).topics.at(0).partitions.size(), 2u);
  } else if (key == ApiKey::list_config_resources) {
    EXPECT_EQ(good<ListConfigResourcesResponse>(ListConfigResourcesRequest(), version).config_resources.empty(), version == 0);
  } else {
    return false;
  }
  return true;
}

TEST_F(EverySuccess, IsAnsweredInItsVersion) {
  for (const Api& api : served_apis()) {
    if (api.name.ends_with("Acls") || api.name.starts_with("Sasl")) continue;  // never succeed: refused_apis_test.cpp
    for (std::int16_t version = api.version_min; version <= api.version_max; ++version) {
      SCOPED_TRACE(std::string(api.name) + " v" + std::to_string(version));
      const ApiKey key{api.key};
      EXPECT_TRUE(data(key, version) || groups(key, version) || group_offsets(key, version) ||
                  newer_groups(key, version) || transactions(key, version) || cluster(key, version) ||
                  topics(key, version))
          << "no request for it here";
    }
  }
}

}  // namespace
}  // namespace broker::api
