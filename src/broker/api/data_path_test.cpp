// Produce and its neighbours through the dispatcher, over a real log.
#include <gtest/gtest.h>

#include <thread>

#include "broker/api/registry.h"
#include "broker/api/testing/data_path.h"
#include "protocol/messages/api_versions.h"
#include "protocol/messages/controlled_shutdown.h"
#include "protocol/messages/delete_records.h"
#include "protocol/messages/describe_log_dirs.h"
#include "protocol/messages/init_producer_id.h"
#include "protocol/messages/list_offsets.h"

namespace broker::api {
namespace {

using namespace protocol;
using testing::batch_of;
using testing::DataPath;
using testing::fetch_request;
using testing::produce_request;
using testing::TestBroker;

TEST_F(DataPath, EveryProduceVersionAppends) {
  base::Uuid id = broker.add_topic("t");
  std::int64_t offset = 0;
  for (std::int16_t version = 0; version <= 13; ++version) {
    ProduceRequest request = produce_request("t", batch_of({"a", "b"}), version % 2 == 0 ? 1 : -1);
    if (version == 13) {
      request.topic_data[0].name.clear();
      request.topic_data[0].topic_id = id;
    }
    auto answer = produce(request, version);
    EXPECT_EQ(answer.error_code, ErrorCode::none) << version;
    EXPECT_EQ(answer.base_offset, offset) << version;
    offset += 2;
  }
}

TEST_F(DataPath, OldClientsGetOldFormats) {
  broker.add_topic("t");
  produce(produce_request("t", batch_of({"one", "two"})));
  for (std::int16_t version = 0; version <= 3; ++version) {
    auto part = fetch(fetch_request("t", 1), version).responses.at(0).partitions.at(0);
    EXPECT_EQ(part.error_code, ErrorCode::none);
    EXPECT_EQ(part.high_watermark, 2);
    const base::ByteView answer = part.records.bytes();  // with filler behind the record
    const NextBatch record = next_batch(answer);
    ASSERT_EQ(record.frame, BatchFrame::whole) << version;
    auto header = read_batch_header(answer);
    EXPECT_EQ(header->magic, version < 2 ? 0 : 1);
    EXPECT_EQ(header->base_offset, 1);
    EXPECT_TRUE(crc_is_valid(answer.first(record.size_in_bytes)));
  }
}

// As Kafka 3.9.2, which makes a map of them.
TEST_F(DataPath, OfAPartitionThatIsNamedTwiceTheLastIsAppended) {
  broker.add_topic("t", 2);
  ProduceRequest request = produce_request("t", batch_of({"first"}));
  const ProduceRequest other = produce_request("t", batch_of({"other"}), -1, 1);
  request.topic_data[0].partition_data.push_back(other.topic_data[0].partition_data[0]);
  request.topic_data.push_back(produce_request("t", batch_of({"last", "of all"})).topic_data[0]);
  const auto response = broker.ask<ProduceResponse>(request, 9);
  ASSERT_EQ(response->responses.size(), 1u);
  ASSERT_EQ(response->responses[0].partition_responses.size(), 2u);
  for (const auto& each : response->responses[0].partition_responses) EXPECT_EQ(each.base_offset, 0);
  EXPECT_EQ(broker.manager.find("t", 0)->log()->log_end_offset(), 2);
  EXPECT_EQ(broker.manager.find("t", 1)->log()->log_end_offset(), 1);
}

TEST_F(DataPath, ProduceErrors) {
  broker.add_topic("t");
  broker.add_topic("__consumer_offsets");
  base::Bytes good = batch_of({"a"});
  EXPECT_EQ(produce(produce_request("nope", good)).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(produce(produce_request("t", good, -1, 5)).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(produce(produce_request("__consumer_offsets", good)).error_code, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(produce(produce_request("t", good, 2)).error_code, ErrorCode::invalid_required_acks);
  EXPECT_EQ(produce(produce_request("t", good, -2)).error_code, ErrorCode::invalid_required_acks);
  EXPECT_EQ(produce(produce_request("nope", good, 2)).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(produce(produce_request("nope", batch_of({"a"}, 1, kAttributeTransactional), 2)).error_code,
            ErrorCode::transactional_id_authorization_failed);
  EXPECT_EQ(produce(produce_request("t", batch_of({"a"}, 1, kAttributeTransactional))).error_code,
            ErrorCode::transactional_id_authorization_failed)
      << "without a transactional id";
  base::Bytes broken = good;
  broken.back() ^= 1;
  EXPECT_EQ(produce(produce_request("t", broken)).error_code, ErrorCode::corrupt_message);
  ProduceRequest null_records = produce_request("t", good);
  null_records.topic_data[0].partition_data[0].records = Records();
  EXPECT_NE(produce(null_records).error_code, ErrorCode::none);
  ProduceRequest by_id = produce_request("", good);
  by_id.topic_data[0].topic_id = base::Uuid::random();
  EXPECT_EQ(produce(by_id, 13).error_code, ErrorCode::unknown_topic_id);
  EXPECT_EQ(produce(produce_request("t", good)).base_offset, 0);
}

TEST_F(DataPath, MinInsyncReplicasCountOnlyWithAcksAll) {
  broker.topic_settings.min_insync_replicas = 2;
  metadata::LeaderState state;
  state.topic = "t";
  state.topic_id = broker.add_topic("t");
  state.isr = {TestBroker::kBrokerId};
  state.replicas = {TestBroker::kBrokerId, 99};
  ASSERT_EQ(broker.manager.become_leader({state}).at(0), ErrorCode::none);
  EXPECT_EQ(produce(produce_request("t", batch_of({"a"}), -1)).error_code, ErrorCode::not_enough_replicas);
  EXPECT_EQ(produce(produce_request("t", batch_of({"a"}), 1)).error_code, ErrorCode::none);
}

TEST_F(DataPath, NoAcksNoAnswerButAnErrorClosesTheConnection) {
  broker.add_topic("t");
  Reply good = broker.serve(TestBroker::frame_of(produce_request("t", batch_of({"a"}), 0), 9));
  EXPECT_EQ(good.kind, Reply::Kind::none);
  EXPECT_FALSE(good.close_after);
  Reply bad = broker.serve(TestBroker::frame_of(produce_request("nope", batch_of({"a"}), 0), 9));
  EXPECT_EQ(bad.kind, Reply::Kind::none);
  EXPECT_TRUE(bad.close_after);
}

TEST_F(DataPath, StoppedPartitionNamesTheLeader) {
  base::Uuid id = broker.add_topic("t");
  broker.manager.stop({{"t", id, 0}}, false);
  auto response = broker.ask<ProduceResponse>(produce_request("t", batch_of({"a"})), 10);
  auto& answer = response->responses.at(0).partition_responses.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(answer.current_leader.leader_id, TestBroker::kBrokerId);
  ASSERT_EQ(response->node_endpoints.size(), 1u);
  EXPECT_EQ(response->node_endpoints[0].host, "broker.example");
  EXPECT_EQ(fetch(fetch_request("t", 0)).responses.at(0).partitions.at(0).error_code,
            ErrorCode::not_leader_or_follower);
}

TEST_F(DataPath, ListOffsets) {
  broker.add_topic("t");
  produce(produce_request("t", batch_of({"a", "b", "c"}, 1'700'000'000'000)));
  auto ask = [&](std::int64_t timestamp, std::int16_t version = 11) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().timestamp = timestamp;
    return broker.ask<ListOffsetsResponse>(request, version)->topics[0].partitions[0];
  };
  for (std::int16_t version = 1; version <= 11; ++version) EXPECT_EQ(ask(-1, version).offset, 3);
  EXPECT_EQ(ask(-2).offset, 0);
  EXPECT_EQ(ask(-3).offset, 2);
  EXPECT_EQ(ask(-4).offset, 0);
  EXPECT_EQ(ask(-5).offset, -1);
  EXPECT_EQ(ask(-6).offset, -1);
  EXPECT_EQ(ask(-3, 6).error_code, ErrorCode::unsupported_version);
  EXPECT_EQ(ask(-7).error_code, ErrorCode::unsupported_version);
  EXPECT_EQ(ask(1'700'000'000'001).offset, 1);
  EXPECT_EQ(ask(1'700'000'000'001).timestamp, 1'700'000'000'001);
  EXPECT_EQ(ask(1'800'000'000'000).offset, -1);

  ListOffsetsRequest twice;
  for (int i = 0; i < 2; ++i) twice.topics.emplace_back().name = "t";
  twice.topics[0].partitions.resize(2);
  twice.topics[0].partitions[1].partition_index = 1;
  twice.topics[1].partitions.resize(1);
  const auto topics = broker.ask<ListOffsetsResponse>(twice, 11)->topics;
  EXPECT_EQ(topics[0].partitions[0].error_code, ErrorCode::invalid_request) << "which of the two is meant?";
  EXPECT_EQ(topics[0].partitions[1].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(topics[1].partitions[0].error_code, ErrorCode::invalid_request);

  ListOffsetsRequest unknown_level;
  unknown_level.isolation_level = 2;
  unknown_level.topics.emplace_back().name = "t";
  unknown_level.topics[0].partitions.emplace_back().timestamp = -1;
  unknown_level.replica_id = -1;
  EXPECT_EQ(broker.ask<ListOffsetsResponse>(unknown_level, 11)->topics[0].partitions[0].error_code, ErrorCode::unknown_server_error);
  unknown_level.replica_id = 5;
  EXPECT_EQ(broker.ask<ListOffsetsResponse>(unknown_level, 11)->topics[0].partitions[0].offset, 3) << "a follower has none";
}

TEST_F(DataPath, ControlledShutdownNamesWhatStaysBehind) {
  broker.add_topic("alone");
  broker.add_topic("shared");
  auto ask = [&](std::int32_t id, std::int64_t epoch, std::int16_t version) {
    protocol::ControlledShutdownRequest request;
    request.broker_id = id;
    request.broker_epoch = epoch;
    return *broker.ask<protocol::ControlledShutdownResponse>(request, version);
  };
  EXPECT_EQ(ask(TestBroker::kBrokerId, -1, 3).error_code, ErrorCode::not_controller);
  auto cluster = std::make_shared<metadata::ClusterMetadata>(*broker.metadata.get());
  cluster->controller_id = TestBroker::kBrokerId;
  cluster->brokers[TestBroker::kBrokerId].epoch = 9;
  auto shared = std::make_shared<metadata::Topic>(*cluster->topic("shared"));
  shared->partitions[0].replicas = {TestBroker::kBrokerId, 5};
  cluster->topics["shared"] = shared;
  broker.metadata.set(cluster);
  EXPECT_EQ(ask(5, -1, 3).error_code, ErrorCode::broker_not_available);
  EXPECT_EQ(ask(TestBroker::kBrokerId, 8, 3).error_code, ErrorCode::stale_broker_epoch);
  for (std::int16_t version = 0; version <= 3; ++version) {
    auto answer = ask(TestBroker::kBrokerId, 9, version);
    EXPECT_EQ(answer.error_code, ErrorCode::none);
    ASSERT_EQ(answer.remaining_partitions.size(), 1u);
    EXPECT_EQ(answer.remaining_partitions[0].topic_name, "shared");
  }
}

TEST_F(DataPath, ListOffsetsForTheOldestClients) {
  broker.add_topic("t");
  auto ask = [&](std::int64_t timestamp, std::int32_t count) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().timestamp = timestamp;
    topic.partitions[0].max_num_offsets = count;
    return broker.ask<ListOffsetsResponse>(request, 0)->topics[0].partitions[0];
  };
  using Offsets = std::vector<std::int64_t>;
  EXPECT_EQ(ask(-1, 5).old_style_offsets, (Offsets{0}));
  for (const std::int64_t later : {-3, -4, -6}) EXPECT_EQ(ask(later, 1).error_code, ErrorCode::unsupported_version);
  produce(produce_request("t", batch_of({"a", "b", "c"}, 1'700'000'000'000)));
  EXPECT_EQ(ask(-1, 1).old_style_offsets, (Offsets{3}));
  EXPECT_EQ(ask(-1, 5).old_style_offsets, (Offsets{3, 0}));
  EXPECT_EQ(ask(-2, 1).old_style_offsets, (Offsets{0}));
  EXPECT_EQ(ask(-3, 1).old_style_offsets, (Offsets{}));
  EXPECT_EQ(ask(1, 5).old_style_offsets, (Offsets{}));  // the segment was written later
  EXPECT_EQ(ask(-1, 0).old_style_offsets, (Offsets{}));
  EXPECT_EQ(ask(-1, -1).error_code, ErrorCode::unknown_server_error);
}

TEST_F(DataPath, DeleteRecords) {
  broker.add_topic("t");
  broker.add_topic("__consumer_offsets");
  produce(produce_request("t", batch_of({"a", "b", "c"})));
  auto ask = [&](const std::string& name, std::int64_t offset) {
    DeleteRecordsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.partitions.emplace_back().offset = offset;
    return broker.ask<DeleteRecordsResponse>(request, 2)->topics[0].partitions[0];
  };
  EXPECT_EQ(ask("t", 2).low_watermark, 2);
  EXPECT_EQ(ask("t", 1).low_watermark, 2);
  EXPECT_EQ(ask("t", 4).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(ask("t", -1).low_watermark, 3);
  EXPECT_EQ(ask("nope", 0).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(ask("__consumer_offsets", 0).error_code, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(fetch(fetch_request("t", 0)).responses[0].partitions[0].error_code, ErrorCode::offset_out_of_range);

  DeleteRecordsRequest twice;
  for (const std::int64_t offset : {0, 99}) {
    auto& topic = twice.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().offset = offset;
  }
  const auto topics = broker.ask<DeleteRecordsResponse>(twice, 2)->topics;
  ASSERT_EQ(topics.size(), 1u);
  ASSERT_EQ(topics[0].partitions.size(), 1u);
  EXPECT_EQ(topics[0].partitions[0].error_code, ErrorCode::offset_out_of_range) << "the last one counts";
}

TEST_F(DataPath, ProducerIdsComeFromBlocks) {
  InitProducerIdRequest request;
  request.transactional_id = std::nullopt;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 5; ++i) {
    auto response = broker.ask<InitProducerIdResponse>(request, 5);
    EXPECT_EQ(response->error_code, ErrorCode::none);
    EXPECT_EQ(response->producer_epoch, 0);
    ids.push_back(response->producer_id);
  }
  EXPECT_EQ(ids, (std::vector<std::int64_t>{1000, 1001, 1002, 2000, 2001}));
  broker.cluster.block_error = ErrorCode::coordinator_load_in_progress;
  EXPECT_EQ(broker.ask<InitProducerIdResponse>(request, 5)->producer_id, 2002);
  EXPECT_EQ(broker.ask<InitProducerIdResponse>(request, 5)->error_code, ErrorCode::coordinator_load_in_progress);
  request.transactional_id = "tx";
  EXPECT_EQ(broker.ask<InitProducerIdResponse>(request, 5)->error_code, ErrorCode::invalid_transaction_timeout);
  request.transaction_timeout_ms = 1000;
  EXPECT_EQ(broker.ask<InitProducerIdResponse>(request, 5)->error_code, ErrorCode::not_coordinator);
  request.transactional_id = "";
  EXPECT_EQ(broker.ask<InitProducerIdResponse>(request, 5)->error_code, ErrorCode::invalid_request);
}

TEST_F(DataPath, DescribeLogDirs) {
  broker.add_topic("t", 2);
  broker.add_topic("u", 1);
  produce(produce_request("t", batch_of({"a"})));
  DescribeLogDirsRequest request;
  request.topics = std::nullopt;
  auto all = broker.ask<DescribeLogDirsResponse>(request, 5);
  ASSERT_EQ(all->results.size(), 1u);
  EXPECT_EQ(all->results[0].topics.size(), 2u);
  EXPECT_GT(all->results[0].total_bytes, 0);
  EXPECT_EQ(all->results[0].topics[0].name, "t");
  EXPECT_EQ(all->results[0].topics[0].partitions.size(), 2u);
  EXPECT_GT(all->results[0].topics[0].partitions[0].partition_size, 0);
  request.topics.emplace().emplace_back().topic = "t";
  request.topics->at(0).partitions = {1, 7};
  auto one = broker.ask<DescribeLogDirsResponse>(request, 0);
  ASSERT_EQ(one->results[0].topics.size(), 1u);
  EXPECT_EQ(one->results[0].topics[0].partitions.size(), 1u);
}

TEST_F(DataPath, OddFramesGetTheAnswersOfKafka) {
  auto closes = [&](base::Bytes frame) { return broker.serve(std::move(frame)).kind == Reply::Kind::close; };
  base::Bytes header{0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff};  // ApiVersions v0, null client id
  auto with = [&](std::int16_t key, std::int16_t version, base::Bytes rest = {}) {
    base::Bytes frame = header;
    base::store_big_endian(frame.data(), key);
    base::store_big_endian(frame.data() + 2, version);
    frame.insert(frame.end(), rest.begin(), rest.end());
    return frame;
  };
  EXPECT_TRUE(closes(with(999, 0)));
  EXPECT_TRUE(closes(with(3, 99)));
  EXPECT_TRUE(closes({1, 2, 3}));
  EXPECT_TRUE(closes(with(0, 3)));
  EXPECT_EQ(broker.serve(with(18, 0)).kind, Reply::Kind::response);
  EXPECT_EQ(broker.serve(with(18, 0, {1, 2, 3})).kind, Reply::Kind::response);
  // Header v2 and a body of v3, at versions that nobody serves: 16 bytes that every client can read.
  for (std::int16_t version : std::initializer_list<std::int16_t>{5, 6, 99}) {
    Reply reply = broker.serve(with(18, version, {0, 2, 'a', 2, 'b', 0}));
    ASSERT_EQ(reply.kind, Reply::Kind::response);
    EXPECT_EQ(base::to_hex(reply.message.to_bytes()), "0000001000000007002300000001001200000004");
    EXPECT_FALSE(reply.close_after);
  }
  EXPECT_TRUE(closes(with(18, 99, {0xff, 0xff, 0xff})));
  // No acks, no topics.
  EXPECT_EQ(broker.serve(with(0, 2, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0})).kind, Reply::Kind::none);
  EXPECT_EQ(broker.serve(with(0, 0, {0, 1, 0, 0, 0, 0, 0, 0, 0, 0})).message.size(), 12u);
  EXPECT_EQ(broker.serve(with(0, 3, {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0})).message.size(), 16u);
}

TEST_F(DataPath, ApiVersionsTellsTheRegistry) {
  ApiVersionsRequest request;
  request.client_software_name = "kcat";
  request.client_software_version = "1.7.1";
  auto response = broker.ask<ApiVersionsResponse>(request, 4);
  ASSERT_EQ(response->api_keys.size(), served_apis().size());
  EXPECT_EQ(response->finalized_features_epoch, 0);
  ASSERT_EQ(response->supported_features.size(), 2u);
  EXPECT_EQ(response->supported_features[0].name, "group.version");
  EXPECT_EQ(response->supported_features[0].min_version, 0);
  EXPECT_EQ(response->supported_features[0].max_version, 1);
  EXPECT_EQ(response->supported_features[1].name, "transaction.version");
  EXPECT_EQ(response->supported_features[1].min_version, 0);
  EXPECT_EQ(response->supported_features[1].max_version, 2);
  ASSERT_EQ(response->finalized_features.size(), 2u);
  EXPECT_EQ(response->finalized_features[0].max_version_level, 1);
  EXPECT_EQ(response->finalized_features[1].name, "transaction.version");
  EXPECT_EQ(response->finalized_features[1].min_version_level, 2);
  EXPECT_EQ(response->finalized_features[1].max_version_level, 2);
  // A lowest version of 0 can't be told before v4.
  EXPECT_TRUE(broker.ask<ApiVersionsResponse>(request, 3)->supported_features.empty());
  EXPECT_EQ(broker.ask<ApiVersionsResponse>(request, 3)->finalized_features.size(), 2u);
  // With another broker in the cluster, which can only be Kafka 3.9, nothing of newer groups and transactions is offered.
  auto two = std::make_shared<metadata::ClusterMetadata>(*broker.metadata.get());
  two->brokers[7].id = 7;
  broker.metadata.set(two);
  response = broker.ask<ApiVersionsResponse>(request, 4);
  EXPECT_EQ(response->api_keys.size(), served_apis().size() - 2);
  EXPECT_TRUE(response->supported_features.empty());
  EXPECT_TRUE(response->finalized_features.empty());
  for (std::string name : {"", "a b", "-a", "a-"}) {
    request.client_software_name = name;
    auto refused = broker.ask<ApiVersionsResponse>(request, 3);
    EXPECT_EQ(refused->error_code, ErrorCode::invalid_request) << name;
    EXPECT_TRUE(refused->api_keys.empty());
  }
}

// Of transaction.version, what Kafka 4.3.1 tells of a cluster that has this level.
TEST(ApiVersions, TransactionVersionsBelow2) {
  for (const std::int16_t level : std::initializer_list<std::int16_t>{0, 1}) {
    TestBroker broker({{"milena.transaction.version", std::to_string(level)}});
    ApiVersionsRequest request;
    request.client_software_name = "kcat";
    request.client_software_version = "1.7.1";
    const auto response = broker.ask<ApiVersionsResponse>(request, 4);
    EXPECT_EQ(response->api_keys.size(), served_apis().size());
    ASSERT_EQ(response->supported_features.size(), 2u);
    EXPECT_EQ(response->supported_features[1].name, "transaction.version");
    EXPECT_EQ(response->supported_features[1].max_version, 2);
    ASSERT_EQ(response->finalized_features.size(), level == 0 ? 1u : 2u);
    EXPECT_EQ(response->finalized_features[0].name, "group.version");
    if (level == 0) continue;
    EXPECT_EQ(response->finalized_features[1].name, "transaction.version");
    EXPECT_EQ(response->finalized_features[1].min_version_level, level);
    EXPECT_EQ(response->finalized_features[1].max_version_level, level);
  }
}

}  // namespace
}  // namespace broker::api
