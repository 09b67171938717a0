// Requests of one connection: one after the other, as Kafka serves them.
#include <gtest/gtest.h>

#include "broker/api/testing/data_path.h"
#include "protocol/messages/alter_configs.h"
#include "protocol/messages/alter_replica_log_dirs.h"
#include "protocol/messages/create_partitions.h"
#include "protocol/messages/create_topics.h"
#include "protocol/messages/delete_topics.h"
#include "protocol/messages/describe_cluster.h"
#include "protocol/messages/describe_configs.h"
#include "protocol/messages/describe_log_dirs.h"
#include "protocol/messages/api_versions.h"
#include "protocol/messages/delete_records.h"
#include "protocol/messages/describe_topic_partitions.h"
#include "protocol/messages/elect_leaders.h"
#include "protocol/messages/find_coordinator.h"
#include "protocol/messages/heartbeat.h"
#include "protocol/messages/incremental_alter_configs.h"
#include "protocol/messages/join_group.h"
#include "protocol/messages/list_offsets.h"
#include "protocol/messages/metadata.h"
#include "protocol/messages/write_txn_markers.h"

namespace broker::api {
namespace {

using testing::batch_of;
using testing::DataPath;
using testing::fetch_request;
using testing::produce_request;
using testing::TestBroker;

TEST(Turns, OneAfterTheOther) {
  Turns turns;
  EXPECT_TRUE(turns.may_begin(false));
  EXPECT_TRUE(turns.may_begin(true));
  std::optional<Turns::Place> first = turns.begin();
  EXPECT_FALSE(turns.may_begin(false));
  EXPECT_FALSE(turns.may_begin(true));
  std::optional<Turns::Place> second = turns.line_up(false, 10);
  std::optional<Turns::Place> third = turns.line_up(true, 20);
  EXPECT_EQ(turns.waiting_bytes(), 30u);
  first.reset();
  EXPECT_EQ(turns.waiting_bytes(), 20u) << "the second has begun";
  second.reset();
  EXPECT_EQ(turns.waiting_bytes(), 0u);
  EXPECT_FALSE(turns.may_begin(true));
  third.reset();
  EXPECT_TRUE(turns.may_begin(false));
}

TEST(Turns, ProducesPassProducesThatHaveAppended) {
  Turns turns;
  std::optional<Turns::Place> first = turns.begin();
  std::optional<Turns::Place> second = turns.line_up(true, 1);
  std::optional<Turns::Place> fetch = turns.line_up(false, 2);
  std::optional<Turns::Place> last = turns.line_up(true, 4);
  first->let_produces_pass();
  first->let_produces_pass();
  EXPECT_EQ(turns.waiting_bytes(), 6u);
  second->let_produces_pass();
  EXPECT_EQ(turns.waiting_bytes(), 6u) << "the fetch shall see what both appended, and nothing passes it";
  EXPECT_FALSE(turns.may_begin(true));
  second.reset();
  EXPECT_EQ(turns.waiting_bytes(), 6u);
  first.reset();
  EXPECT_EQ(turns.waiting_bytes(), 4u);
  fetch.reset();
  last->let_produces_pass();
  EXPECT_TRUE(turns.may_begin(true));
  EXPECT_FALSE(turns.may_begin(false));
}

TEST(Turns, AreGivenUpAndHeld) {
  Turns turns;
  std::optional<Turns::Place> first = turns.begin();
  std::optional<Turns::Place> second = turns.line_up(false, 1);
  std::optional<Turns::Place> third = turns.line_up(false, 2);
  second.reset();
  EXPECT_EQ(turns.waiting_bytes(), 2u);
  turns.hold(true);
  first.reset();
  EXPECT_EQ(turns.waiting_bytes(), 2u);
  turns.hold(false);
  EXPECT_EQ(turns.waiting_bytes(), 0u);
  Turns::Place moved = std::move(*third);
  third.reset();
  EXPECT_FALSE(turns.may_begin(false));
  moved = Turns::Place();
  EXPECT_TRUE(turns.may_begin(false));
}

class Order : public DataPath {
 protected:
  template <class Request>
  void send(ConnectionInfo& connection, const Request& request, std::int16_t version, bool& answered) {
    Answer<Reply> answer =
        broker.dispatcher.serve(connection, TestBroker::framed(TestBroker::frame_of(request, version)));
    if (answer.is_there()) {
      answered = true;
      return;
    }
    boost::asio::co_spawn(broker.loop, answer.task(), [&answered](const std::exception_ptr& failure, Reply reply) {
      answered = !failure && reply.kind == Reply::Kind::response;
      EXPECT_TRUE(answered);
    });
  }

  // Whether it is served before the deletion in front of it is done. It is served after it in any case.
  template <class Request>
  bool overtakes_a_deletion(ConnectionInfo& other, const Request& request, std::int16_t version) {
    protocol::DeleteTopicsRequest deletion;
    deletion.topic_names.push_back("t");
    bool deleted = false;
    bool answered = false;
    broker.cluster.deletion.emplace();
    send(broker.connection, deletion, 1, deleted);
    send(other, request, version, answered);
    broker.loop.restart();
    broker.loop.poll();
    EXPECT_FALSE(deleted);
    const bool before = answered;
    broker.cluster.deletion->set(true);
    broker.loop.restart();
    while ((!deleted || !answered) && broker.loop.run_one() > 0) continue;
    broker.cluster.deletion.reset();
    EXPECT_TRUE(deleted);
    EXPECT_TRUE(answered) << Request::kName;
    return before;
  }
  template <class Request>
  void expect_in_turn(const Request& request, std::int16_t version) {
    EXPECT_FALSE(overtakes_a_deletion(broker.connection, request, version)) << Request::kName;
  }
};

TEST_F(Order, IsThatOfTheRequests) {
  broker.add_topic("t");
  expect_in_turn(produce_request("t", batch_of({"a"})), 9);
  expect_in_turn(fetch_request("t", 0), 12);
  expect_in_turn(fetch_request("t", 0), 3);
  expect_in_turn(protocol::ListOffsetsRequest(), 5);
  expect_in_turn(protocol::DeleteRecordsRequest(), 1);
  expect_in_turn(protocol::ApiVersionsRequest(), 2);
  expect_in_turn(protocol::FindCoordinatorRequest(), 2);
  expect_in_turn(protocol::JoinGroupRequest(), 5);
  expect_in_turn(protocol::HeartbeatRequest(), 3);
  expect_in_turn(protocol::DescribeClusterRequest(), 0);
  expect_in_turn(protocol::CreateTopicsRequest(), 4);
  expect_in_turn(protocol::DeleteTopicsRequest(), 4);
  expect_in_turn(protocol::CreatePartitionsRequest(), 2);
  expect_in_turn(protocol::ElectLeadersRequest(), 2);
  expect_in_turn(protocol::AlterConfigsRequest(), 2);
  expect_in_turn(protocol::IncrementalAlterConfigsRequest(), 1);
  expect_in_turn(protocol::DescribeConfigsRequest(), 4);
  expect_in_turn(protocol::MetadataRequest(), 9);
  expect_in_turn(protocol::DescribeTopicPartitionsRequest(), 0);
  expect_in_turn(protocol::AlterReplicaLogDirsRequest(), 2);
  expect_in_turn(protocol::DescribeLogDirsRequest(), 4);
  expect_in_turn(protocol::WriteTxnMarkersRequest(), 1);
}

TEST_F(Order, OtherConnectionsWaitForNothing) {
  broker.add_topic("t");
  ConnectionInfo other{"127.0.0.1:6", "/127.0.0.1", "PLAINTEXT"};
  EXPECT_TRUE(overtakes_a_deletion(other, protocol::CreateTopicsRequest(), 4));
}

}  // namespace
}  // namespace broker::api
