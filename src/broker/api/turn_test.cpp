// Requests of one connection whose outcome shows in the next: one after the other, as Kafka serves them.
#include <gtest/gtest.h>

#include "broker/api/testing/test_services.h"
#include "protocol/messages/alter_configs.h"
#include "protocol/messages/alter_replica_log_dirs.h"
#include "protocol/messages/create_partitions.h"
#include "protocol/messages/create_topics.h"
#include "protocol/messages/delete_topics.h"
#include "protocol/messages/describe_cluster.h"
#include "protocol/messages/describe_configs.h"
#include "protocol/messages/describe_log_dirs.h"
#include "protocol/messages/describe_topic_partitions.h"
#include "protocol/messages/elect_leaders.h"
#include "protocol/messages/incremental_alter_configs.h"
#include "protocol/messages/metadata.h"
#include "protocol/messages/write_txn_markers.h"

namespace broker::api {
namespace {

using testing::TestBroker;

class Turns : public ::testing::Test {
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
    broker.loop.run();
    broker.cluster.deletion.reset();
    EXPECT_TRUE(deleted);
    EXPECT_TRUE(answered) << Request::kName;
    return before;
  }
  template <class Request>
  void expect_in_turn(const Request& request, std::int16_t version) {
    EXPECT_FALSE(overtakes_a_deletion(broker.connection, request, version)) << Request::kName;
  }

  TestBroker broker;
};

TEST_F(Turns, WhatTheClusterChangesIsDoneAndShownInOrder) {
  broker.add_topic("t");
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

TEST_F(Turns, OtherRequestsAndConnectionsWaitForNothing) {
  broker.add_topic("t");
  EXPECT_TRUE(overtakes_a_deletion(broker.connection, protocol::DescribeClusterRequest(), 0));
  ConnectionInfo other{"127.0.0.1:6", "/127.0.0.1", "PLAINTEXT"};
  EXPECT_TRUE(overtakes_a_deletion(other, protocol::CreateTopicsRequest(), 4));
}

}  // namespace
}  // namespace broker::api
