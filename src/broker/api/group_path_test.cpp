// The APIs of consumer groups through the dispatcher, in all their versions, over groups whose log is in memory.
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "broker/api/testing/test_services.h"
#include "broker/group/group_records.h"
#include "protocol/messages/consumer_group_describe.h"
#include "protocol/messages/consumer_group_heartbeat.h"
#include "protocol/messages/delete_groups.h"
#include "protocol/messages/describe_groups.h"
#include "protocol/messages/find_coordinator.h"
#include "protocol/messages/heartbeat.h"
#include "protocol/messages/join_group.h"
#include "protocol/messages/leave_group.h"
#include "protocol/messages/list_groups.h"
#include "protocol/messages/offset_commit.h"
#include "protocol/messages/offset_delete.h"
#include "protocol/messages/offset_fetch.h"
#include "protocol/messages/sync_group.h"

namespace broker::api {
namespace {

using namespace protocol;
using testing::TestBroker;

class GroupPath : public ::testing::Test {
 protected:
  GroupPath() {
    topic_id = broker.add_topic("t", 2);
    FindCoordinatorRequest find;
    find.key = "g";
    (void)broker.ask<FindCoordinatorResponse>(find, 0);  // makes the topic in the log of the groups
    add_offsets_topic();                                 // and the metadata that the cluster would bring
    for (std::int32_t partition = 0; partition < 50; ++partition) broker.groups.partition_elected(partition);
    while (broker.groups.list().error != ErrorCode::none) std::this_thread::yield();
  }
  void add_offsets_topic() {
    auto topic = std::make_shared<metadata::Topic>();
    topic->name = "__consumer_offsets";
    for (std::int32_t i = 0; i < 50; ++i) topic->partitions[i].leader = TestBroker::kBrokerId;
    auto next = std::make_shared<metadata::ClusterMetadata>(*broker.metadata.get());
    next->topics[topic->name] = topic;
    broker.metadata.set(next);
  }
  template <class Response, class Request>
  Response ask(const Request& request, std::int16_t version) {
    auto response = broker.ask<Response>(request, version);
    if (!response) throw std::runtime_error("not answered");
    return std::move(*response);
  }

  JoinGroupRequest join_request(const std::string& member = "") {
    JoinGroupRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 20'000;
    request.protocol_type = "consumer";
    auto& protocol = request.protocols.emplace_back();
    protocol.name = "range";
    protocol.metadata = subscription;
    return request;
  }
  JoinGroupResponse join(std::int16_t version) {
    JoinGroupResponse joined = ask<JoinGroupResponse>(join_request(), version);
    if (joined.error_code != ErrorCode::member_id_required) return joined;
    return ask<JoinGroupResponse>(join_request(joined.member_id), version);
  }
  SyncGroupResponse sync(const JoinGroupResponse& joined, std::int16_t version) {
    SyncGroupRequest request;
    request.group_id = "g";
    request.member_id = joined.member_id;
    request.generation_id = joined.generation_id;
    if (version >= 5) {
      request.protocol_type = "consumer";
      request.protocol_name = "range";
    }
    auto& one = request.assignments.emplace_back();
    one.member_id = joined.member_id;
    one.assignment = base::as_bytes("mine");
    return ask<SyncGroupResponse>(request, version);
  }
  ErrorCode commit(std::int64_t offset, std::int16_t version, const std::string& member = "",
                   std::int32_t generation = -1) {
    OffsetCommitRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation_id_or_member_epoch = generation;
    auto& topic = request.topics.emplace_back();
    if (version >= 10) {
      topic.topic_id = topic_id;
    } else {
      topic.name = "t";
    }
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = 1;
    partition.committed_offset = offset;
    return ask<OffsetCommitResponse>(request, version).topics.at(0).partitions.at(0).error_code;
  }
  std::int64_t fetch(std::int16_t version) {
    OffsetFetchRequest request;
    if (version < 8) {
      request.group_id = "g";
      auto& topic = request.topics->emplace_back();
      topic.name = "t";
      topic.partition_indexes = {1};
      return ask<OffsetFetchResponse>(request, version).topics.at(0).partitions.at(0).committed_offset;
    }
    auto& group = request.groups.emplace_back();
    group.group_id = "g";
    auto& topic = group.topics->emplace_back();
    if (version >= 10) {
      topic.topic_id = topic_id;
    } else {
      topic.name = "t";
    }
    topic.partition_indexes = {1};
    const OffsetFetchResponse response = ask<OffsetFetchResponse>(request, version);
    EXPECT_EQ(response.groups.at(0).group_id, "g");
    return response.groups.at(0).topics.at(0).partitions.at(0).committed_offset;
  }

  TestBroker broker;
  base::Uuid topic_id;
  base::Bytes subscription = *base::from_hex("000000000001000174ffffffff");  // topic "t"
};

// Until the end of time, and not before the beginning.
TEST_F(GroupPath, ARetentionOfTheClientsOwnMayBeAnyNumber) {
  OffsetCommitRequest request;
  request.group_id = "g";
  request.retention_time_ms = std::numeric_limits<std::int64_t>::max();
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partitions.emplace_back().committed_offset = 1;
  EXPECT_EQ(ask<OffsetCommitResponse>(request, 2).topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  const base::Bytes batch = broker.group_log.last_batch(group::partition_of("g", 50));
  RecordReader reader(batch);
  Record record;
  ASSERT_TRUE(reader.next(record));
  const group::StoredRecord stored = group::read_group_record(record);
  ASSERT_TRUE(std::holds_alternative<group::OffsetRecord>(stored));
  EXPECT_EQ(std::get<group::OffsetRecord>(stored).value->expire_timestamp, std::numeric_limits<std::int64_t>::max());
}

TEST_F(GroupPath, FindCoordinatorInEveryVersion) {
  for (std::int16_t version = 0; version <= 6; ++version) {
    FindCoordinatorRequest request;
    if (version < 4) {
      request.key = "g";
    } else {
      request.coordinator_keys = {"g", "h"};
    }
    const auto response = ask<FindCoordinatorResponse>(request, version);
    if (version < 4) {
      EXPECT_EQ(response.error_code, ErrorCode::none);
      EXPECT_EQ(response.node_id, TestBroker::kBrokerId);
      EXPECT_EQ(response.host, "broker.example");
      EXPECT_EQ(response.port, 9092);
      EXPECT_EQ(response.error_message, version == 0 ? "" : "NONE");
    } else {
      ASSERT_EQ(response.coordinators.size(), 2U);
      EXPECT_EQ(response.coordinators[1].key, "h");
      EXPECT_EQ(response.coordinators[1].node_id, TestBroker::kBrokerId);
    }
  }
  FindCoordinatorRequest share;
  share.key = "x";
  share.key_type = 2;
  const auto refused = ask<FindCoordinatorResponse>(share, 1);
  EXPECT_EQ(refused.error_code, ErrorCode::invalid_request);
  EXPECT_TRUE(refused.error_message && refused.error_message->starts_with("This most likely occurs because of a request"));
  FindCoordinatorRequest odd;
  odd.coordinator_keys = {"x"};
  for (const auto& [type, words] : {std::pair(2, false), std::pair(7, true)}) {
    odd.key_type = static_cast<std::int8_t>(type);
    const auto found = ask<FindCoordinatorResponse>(odd, 5).coordinators.at(0);
    EXPECT_EQ(found.error_code, ErrorCode::invalid_request);
    EXPECT_EQ(found.error_message != "", words) << "a type that Kafka doesn't know fails with the whole request";
  }
  odd.key_type = 2;
  const auto nobody = ask<FindCoordinatorResponse>(odd, 6).coordinators.at(0);
  EXPECT_EQ(nobody.error_code, ErrorCode::coordinator_not_available);
  EXPECT_EQ(nobody.node_id, -1);
  EXPECT_EQ(nobody.error_message, "");
}

TEST_F(GroupPath, AMembersLifeInEveryVersion) {
  for (std::int16_t version = 0; version <= 9; ++version) {
    SCOPED_TRACE(version);
    const auto capped = [version](int max) { return static_cast<std::int16_t>(std::min<int>(version, max)); };
    const JoinGroupResponse joined = join(version);
    ASSERT_EQ(joined.error_code, ErrorCode::none);
    EXPECT_EQ(joined.leader, joined.member_id);
    EXPECT_EQ(joined.protocol_name, "range");
    ASSERT_EQ(joined.members.size(), 1U);
    EXPECT_EQ(base::to_hex(joined.members[0].metadata), base::to_hex(subscription));
    const SyncGroupResponse synced = sync(joined, capped(5));
    ASSERT_EQ(synced.error_code, ErrorCode::none);
    EXPECT_EQ(base::as_text(synced.assignment), "mine");

    HeartbeatRequest heartbeat;
    heartbeat.group_id = "g";
    heartbeat.member_id = joined.member_id;
    heartbeat.generation_id = joined.generation_id;
    EXPECT_EQ(ask<HeartbeatResponse>(heartbeat, capped(4)).error_code, ErrorCode::none);
    if (version > 0) {
      EXPECT_EQ(commit(100 + version, version, joined.member_id, joined.generation_id), ErrorCode::none);
      EXPECT_EQ(fetch(version), 100 + version);
    }

    LeaveGroupRequest leave;
    leave.group_id = "g";
    if (version < 3) {
      leave.member_id = joined.member_id;
    } else {
      leave.members.emplace_back().member_id = joined.member_id;
      leave.members.emplace_back().member_id = "ghost";
    }
    const auto left = ask<LeaveGroupResponse>(leave, capped(5));
    EXPECT_EQ(left.error_code, ErrorCode::none);
    if (version >= 3) {
      ASSERT_EQ(left.members.size(), 2U);
      EXPECT_EQ(left.members[0].error_code, ErrorCode::none);
      EXPECT_EQ(left.members[1].error_code, ErrorCode::unknown_member_id);
    }
  }
}

TEST_F(GroupPath, OffsetsInEveryVersion) {
  EXPECT_EQ(fetch(1), -1);
  for (std::int16_t version = 0; version <= 10; ++version) {
    EXPECT_EQ(commit(version, version), ErrorCode::none) << version;
    for (std::int16_t reader = 0; reader <= 10; ++reader) EXPECT_EQ(fetch(reader), version) << reader;
  }
  for (std::int16_t version = 2; version <= 10; ++version) {  // all of the group
    OffsetFetchRequest all;
    all.topics = std::nullopt;
    if (version >= 8) {
      all.topics.emplace();
      auto& group = all.groups.emplace_back();
      group.group_id = "g";
      group.topics = std::nullopt;
    } else {
      all.group_id = "g";
    }
    const auto response = ask<OffsetFetchResponse>(all, version);
    EXPECT_EQ(version < 8 ? response.topics.size() : response.groups.at(0).topics.size(), 1U) << version;
    if (version == 10) {
      EXPECT_EQ(response.groups[0].topics[0].topic_id, topic_id);
    }
  }
}

TEST_F(GroupPath, OffsetsThatAreFetchedTwiceAreToldOnce) {
  OffsetFetchRequest request;
  request.group_id = "g";
  for (int i = 0; i < 2; ++i) {
    auto& topic = request.topics->emplace_back();
    topic.name = "t";
    topic.partition_indexes = {0, 0};
  }
  for (std::int16_t version = 0; version < 8; ++version) {
    const auto topics = ask<OffsetFetchResponse>(request, version).topics;
    ASSERT_EQ(topics.size(), 1U);
    ASSERT_EQ(topics[0].partitions.size(), 1U);
    EXPECT_EQ(topics[0].partitions[0].error_code, version == 0 ? ErrorCode::unknown_topic_or_partition : ErrorCode::none)
        << "v0 can't tell that there is none but by an error";
  }
}

TEST_F(GroupPath, UnknownTopics) {
  OffsetCommitRequest commit_unknown;
  commit_unknown.group_id = "g";
  auto& topic = commit_unknown.topics.emplace_back();
  topic.name = "nosuch";
  topic.partitions.emplace_back();
  EXPECT_EQ(ask<OffsetCommitResponse>(commit_unknown, 9).topics[0].partitions[0].error_code,
            ErrorCode::unknown_topic_or_partition);
  topic.name.clear();
  topic.topic_id = base::Uuid::random();
  EXPECT_EQ(ask<OffsetCommitResponse>(commit_unknown, 10).topics[0].partitions[0].error_code,
            ErrorCode::unknown_topic_id);
  OffsetFetchRequest fetch_unknown;
  auto& group = fetch_unknown.groups.emplace_back();
  group.group_id = "g";
  auto& wanted = group.topics->emplace_back();
  wanted.topic_id = topic.topic_id;
  wanted.partition_indexes = {0};
  const auto fetched = ask<OffsetFetchResponse>(fetch_unknown, 10).groups[0].topics.at(0);
  EXPECT_EQ(fetched.topic_id, topic.topic_id);
  EXPECT_EQ(fetched.partitions[0].error_code, ErrorCode::unknown_topic_id);
}

TEST_F(GroupPath, DescribeListAndDelete) {
  const JoinGroupResponse joined = join(9);
  sync(joined, 5);
  for (std::int16_t version = 0; version <= 6; ++version) {
    DescribeGroupsRequest request;
    request.groups = {"g", "nosuch"};
    request.include_authorized_operations = version >= 3;
    const auto response = ask<DescribeGroupsResponse>(request, version);
    ASSERT_EQ(response.groups.size(), 2U);
    EXPECT_EQ(response.groups[0].group_state, "Stable");
    EXPECT_EQ(response.groups[0].protocol_data, "range");
    EXPECT_EQ(response.groups[0].authorized_operations, version >= 3 ? 328 : -2147483648);
    ASSERT_EQ(response.groups[0].members.size(), 1U);
    EXPECT_EQ(base::as_text(response.groups[0].members[0].member_assignment), "mine");
    EXPECT_EQ(response.groups[0].members[0].client_host, "/127.0.0.1");
    EXPECT_EQ(response.groups[1].group_state, "Dead");
    EXPECT_EQ(response.groups[1].error_code, version >= 6 ? ErrorCode::group_id_not_found : ErrorCode::none);
  }
  for (std::int16_t version = 0; version <= 5; ++version) {
    ListGroupsRequest request;
    EXPECT_EQ(ask<ListGroupsResponse>(request, version).groups.size(), 1U);
    if (version < 4) continue;
    request.states_filter = {"stable"};
    EXPECT_EQ(ask<ListGroupsResponse>(request, version).groups.size(), 1U);
    request.states_filter = {"Empty"};
    EXPECT_EQ(ask<ListGroupsResponse>(request, version).groups.size(), 0U);
    if (version < 5) continue;
    request.states_filter.clear();
    request.types_filter = {"Classic"};
    EXPECT_EQ(ask<ListGroupsResponse>(request, version).groups.at(0).group_type, "classic");
    request.types_filter = {"share"};
    EXPECT_TRUE(ask<ListGroupsResponse>(request, version).groups.empty());
  }
  DeleteGroupsRequest remove;
  remove.groups_names = {"g", "nosuch", "g"};
  const auto removed = ask<DeleteGroupsResponse>(remove, 2);
  ASSERT_EQ(removed.results.size(), 2U);
  EXPECT_EQ(removed.results[0].error_code, ErrorCode::non_empty_group);
  EXPECT_EQ(removed.results[1].error_code, ErrorCode::group_id_not_found);
  OffsetDeleteRequest offsets;
  offsets.group_id = "g";
  for (const char* name : {"t", "nosuch"}) {
    auto& topic = offsets.topics.emplace_back();
    topic.name = name;
    topic.partitions.emplace_back();
  }
  const auto deleted = ask<OffsetDeleteResponse>(offsets, 0);
  EXPECT_EQ(deleted.topics.at(0).partitions[0].error_code, ErrorCode::group_subscribed_to_topic);
  EXPECT_EQ(deleted.topics.at(1).partitions[0].error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_F(GroupPath, NewerGroupsInAllVersions) {
  for (std::int16_t version = 0; version <= 1; ++version) {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = "g";
    if (version > 0) request.member_id = "mine";
    request.rebalance_timeout_ms = 20'000;
    request.subscribed_topic_names = std::vector<std::string>{"t"};
    request.topic_partitions.emplace();
    const auto joined = ask<ConsumerGroupHeartbeatResponse>(request, version);
    ASSERT_EQ(joined.error_code, ErrorCode::none);
    ASSERT_TRUE(joined.member_id && joined.assignment);
    EXPECT_EQ(joined.member_id->empty(), false);
    EXPECT_EQ(joined.heartbeat_interval_ms, 5000);
    ASSERT_EQ(joined.assignment->topic_partitions.size(), 1u);
    EXPECT_EQ(joined.assignment->topic_partitions[0].topic_id, topic_id);
    EXPECT_EQ(joined.assignment->topic_partitions[0].partitions, (std::vector<std::int32_t>{0, 1}));
    EXPECT_EQ(commit(5, 10, *joined.member_id, joined.member_epoch), ErrorCode::none);
    EXPECT_EQ(commit(5, 10, *joined.member_id, joined.member_epoch + 1), ErrorCode::stale_member_epoch);

    ConsumerGroupDescribeRequest describe;
    describe.group_ids = {"g", "none", ""};
    describe.include_authorized_operations = true;
    const auto described = ask<ConsumerGroupDescribeResponse>(describe, version);
    ASSERT_EQ(described.groups.size(), 3u);
    const auto& group = described.groups[0];
    EXPECT_EQ(group.group_state, "Stable");
    EXPECT_EQ(group.group_epoch, joined.member_epoch);
    EXPECT_EQ(group.assignor_name, "uniform");
    EXPECT_EQ(group.authorized_operations, 1 << 3 | 1 << 6 | 1 << 8);
    ASSERT_EQ(group.members.size(), 1u);
    EXPECT_EQ(group.members[0].subscribed_topic_names, std::vector<std::string>{"t"});
    EXPECT_EQ(group.members[0].assignment.topic_partitions.at(0).topic_name, "t");
    EXPECT_EQ(group.members[0].member_type, version == 0 ? -1 : 1);
    EXPECT_EQ(described.groups[1].error_code, ErrorCode::group_id_not_found);
    EXPECT_EQ(described.groups[1].error_message, "Group none not found.");
    EXPECT_EQ(described.groups[2].error_code, ErrorCode::invalid_group_id);
    EXPECT_EQ(described.groups[2].error_message, std::nullopt);

    DescribeGroupsRequest classic;
    classic.groups = {"g"};
    EXPECT_EQ(ask<DescribeGroupsResponse>(classic, 5).groups.at(0).group_state, "Dead");
    EXPECT_EQ(ask<DescribeGroupsResponse>(classic, 6).groups.at(0).error_message, "Group g is not a classic group.");

    ListGroupsRequest list;
    list.types_filter = {"consumer"};
    EXPECT_EQ(ask<ListGroupsResponse>(list, 5).groups.at(0).group_type, "consumer");
    list.types_filter = {"classic"};
    EXPECT_TRUE(ask<ListGroupsResponse>(list, 5).groups.empty());

    ConsumerGroupHeartbeatRequest leave;
    leave.group_id = "g";
    leave.member_id = *joined.member_id;
    leave.member_epoch = -1;
    EXPECT_EQ(ask<ConsumerGroupHeartbeatResponse>(leave, version).member_epoch, -1);
    DeleteGroupsRequest drop;  // a new group needn't wait for its next assignment
    drop.groups_names = {"g"};
    EXPECT_EQ(ask<DeleteGroupsResponse>(drop, 2).results.at(0).error_code, ErrorCode::none);
    leave.group_id = "";
    const auto refused = ask<ConsumerGroupHeartbeatResponse>(leave, version);
    EXPECT_EQ(refused.error_code, ErrorCode::invalid_request);
    EXPECT_EQ(refused.error_message, "GroupId can't be empty.");
  }
}

}  // namespace
}  // namespace broker::api
