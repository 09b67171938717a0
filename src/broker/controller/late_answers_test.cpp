// What requests are told when their timeout_ms is over before what they asked for is to be seen: as Kafka 3.9's ZkAdminManager and
// DelayedElectLeader do, it is done nevertheless.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "broker/controller/testing/control_node.h"

namespace broker::controller {
namespace {

using protocol::ErrorCode;
using testing::FakeZooKeeper;
using testing::Node;

using Log = std::vector<std::string>;

class LateAnswers : public ::testing::Test {
 protected:
  LateAnswers() {
    node.start();
    node.create("t", 1);
    node.sink.take();
  }

  // The answer that comes while the control thread is at work on the disk.
  template <class T>
  T meanwhile(base::Task<T> task) {
    std::promise<void> answered;
    node.sink.before = [&, once = false]() mutable {
      if (!std::exchange(once, true)) answered.get_future().wait();
    };
    boost::asio::io_context caller;
    auto result = boost::asio::co_spawn(caller, std::move(task), boost::asio::use_future);
    auto held = boost::asio::make_work_guard(node.loop);
    node.loop.restart();
    std::thread control([this] { node.loop.run(); });
    caller.run();
    answered.set_value();
    held.reset();
    control.join();
    node.sink.before = nullptr;
    return result.get();
  }
  std::vector<NewTopic> topics(std::initializer_list<const char*> names) {
    std::vector<NewTopic> all;
    for (const char* name : names) {
      all.emplace_back().name = name;
      all.back().partitions = 1;
    }
    return all;
  }
  std::vector<NewPartitions> growth(std::int32_t count) {
    std::vector<NewPartitions> all(2);
    all[0].topic = "t";
    all[1].topic = "nope";
    for (NewPartitions& each : all) each.count = count;
    return all;
  }
  void leave_leaderless(const std::string& topic, const std::string& replicas = "[7,1]") {
    const std::string path = "/brokers/topics/" + topic;
    server.apply(zk::client::create(path, R"({"version":1,"partitions":{"0":)" + replicas + "}}"));
    for (const char* folder : {"/partitions", "/partitions/0"}) server.apply(zk::client::create(path + folder, std::nullopt));
    server.apply(zk::client::create(path + "/partitions/0/state",
                                    R"({"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":4,"isr":[7]})"));
    node.settle();
  }

  // What is asked so goes on while the loop is polled: it isn't answered until its leaders are there.
  template <class T>
  std::future<T> begin(base::Task<T> task) {
    auto result = boost::asio::co_spawn(node.loop, std::move(task), boost::asio::use_future);
    poll();
    return result;
  }
  std::future<std::vector<Outcome>> begin_growth(const std::string& topic, std::int32_t count) {
    std::vector<NewPartitions> wanted(1);
    wanted[0].topic = topic;
    wanted[0].count = count;
    return begin(node.controller->create_partitions(wanted, false, INT32_MAX));
  }
  void poll() {
    node.loop.restart();
    node.loop.poll();
  }
  static bool is_there(const std::future<std::vector<Outcome>>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  FakeZooKeeper server;
  Node node{server};
};

TEST_F(LateAnswers, OfCreatedTopics) {
  for (const std::int32_t none : {0, -1}) {
    const auto answers = node.run(node.controller->create_topics(topics({"a", "t"}), false, none));
    EXPECT_EQ(answers[0].error, none == 0 ? ErrorCode::request_timed_out : ErrorCode::topic_already_exists);
    EXPECT_EQ(answers[0].topic_id.is_zero(), none != 0);
    EXPECT_EQ(answers[1].error, ErrorCode::topic_already_exists);
  }
  EXPECT_EQ(node.sink.take(), Log{"new a-0 epoch 0/0"}) << "it is made all the same";
  EXPECT_EQ(node.topic("a")->partitions.at(0).leader, 1);
  EXPECT_EQ(node.run(node.controller->create_topics(topics({"b"}), true, 0))[0].error, ErrorCode::none);

  const auto answers = meanwhile(node.controller->create_topics(topics({"c", "t"}), false, 1));
  EXPECT_EQ(answers[0].error, ErrorCode::request_timed_out);
  EXPECT_EQ(answers[0].message, std::nullopt);
  EXPECT_EQ(answers[1].error, ErrorCode::topic_already_exists);
  EXPECT_EQ(node.topic("c")->id, answers[0].topic_id);
  EXPECT_EQ(node.sink.take(), Log{"new c-0 epoch 0/0"});
}

TEST_F(LateAnswers, OfPartitions) {
  const auto at_once = node.run(node.controller->create_partitions(growth(2), false, 0));
  EXPECT_EQ(at_once[0].error, ErrorCode::request_timed_out);
  EXPECT_EQ(at_once[1].error, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(node.topic("t")->partitions.size(), 2u);
  EXPECT_EQ(node.run(node.controller->create_partitions(growth(3), true, 0))[0].error, ErrorCode::none);
  const auto late = meanwhile(node.controller->create_partitions(growth(3), false, 1));
  EXPECT_EQ(late[0].error, ErrorCode::request_timed_out);
  EXPECT_EQ(late[1].error, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(node.topic("t")->partitions.size(), 3u);
}

TEST_F(LateAnswers, OfDeletedTopics) {
  node.create("u", 1);
  std::vector<std::string> names = {"t", "nope"};
  const auto at_once = node.run(node.controller->delete_topics(names, 0));
  EXPECT_EQ(at_once[0].error, ErrorCode::request_timed_out);
  EXPECT_EQ(at_once[1].error, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(node.topic("t"), nullptr);
  EXPECT_EQ(server.data("/brokers/topics/t"), "<none>");
  // No client sees it any more while its logs go.
  names = {"u"};
  EXPECT_EQ(meanwhile(node.controller->delete_topics(names, 1))[0].error, ErrorCode::none);
  EXPECT_EQ(server.data("/brokers/topics/u"), "<none>");
}

TEST_F(LateAnswers, OfElections) {
  leave_leaderless("u");
  leave_leaderless("v");
  std::vector<TopicPartition> asked = {{"u", 0}, {"t", 0}};
  const auto at_once = node.run(node.controller->elect_leaders(asked, true, 0));
  EXPECT_EQ(at_once.at(asked[0]).error, ErrorCode::request_timed_out);
  EXPECT_EQ(at_once.at(asked[1]).error, ErrorCode::election_not_needed);
  EXPECT_EQ(node.topic("u")->partitions.at(0).leader, 1);
  asked[0].topic = "v";
  const auto late = meanwhile(node.controller->elect_leaders(asked, true, 1));
  EXPECT_EQ(late.at(asked[0]).error, ErrorCode::request_timed_out);
  EXPECT_EQ(late.at(asked[1]).error, ErrorCode::election_not_needed);
  EXPECT_EQ(node.topic("v")->partitions.at(0).leader, 1);
}

TEST_F(LateAnswers, WhereAPartitionGetsNoLeader) {
  node.sink.on_failed_disk = {"t-1", "a-0", "u-0", "__consumer_offsets-0"};
  const auto grown = node.run(node.controller->create_partitions(growth(2), false, 1));
  EXPECT_EQ(grown[0].error, ErrorCode::request_timed_out);
  EXPECT_EQ(grown[0].message, std::nullopt);
  EXPECT_EQ(grown[1].error, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(node.topic("t")->partitions.at(1).leader, -1);
  EXPECT_EQ(node.run(node.controller->create_partitions(growth(3), true, 1))[0].error, ErrorCode::none);
  EXPECT_EQ(node.run(node.controller->create_partitions(growth(3), false, 1))[0].error, ErrorCode::request_timed_out)
      << "all partitions of the topic count, not only the new ones";
  EXPECT_EQ(node.topic("t")->partitions.at(2).leader, 1);

  const auto created = node.run(node.controller->create_topics(topics({"a", "b"}), false, 1));
  EXPECT_EQ(created[0].error, ErrorCode::request_timed_out);
  EXPECT_EQ(created[0].topic_id, node.topic("a")->id);
  EXPECT_EQ(created[1].error, ErrorCode::none);

  leave_leaderless("u");
  leave_leaderless("v");
  const std::vector<TopicPartition> asked = {{"u", 0}, {"v", 0}, {"t", 0}};
  const auto elected = node.run(node.controller->elect_leaders(asked, true, 1));
  EXPECT_EQ(elected.at(asked[0]).error, ErrorCode::request_timed_out);
  EXPECT_EQ(elected.at(asked[1]).error, ErrorCode::none);
  EXPECT_EQ(elected.at(asked[2]).error, ErrorCode::election_not_needed);

  // Who gives no time isn't kept waiting, and finds out by itself.
  EXPECT_EQ(node.run(node.controller->ensure_internal_topic("__consumer_offsets")).error, ErrorCode::none);
}

TEST_F(LateAnswers, WaitForALeaderThatComesInTime) {
  leave_leaderless("u", "[1]");
  std::vector<NewPartitions> wanted(1);
  wanted[0].topic = "u";
  wanted[0].count = 2;
  auto answer = begin(node.controller->create_partitions(wanted, false, INT32_MAX));
  EXPECT_EQ(node.topic("u")->partitions.size(), 2u);
  EXPECT_FALSE(is_there(answer));
  begin(node.controller->create_partitions(growth(2), false, INT32_MAX));
  EXPECT_EQ(node.topic("t")->partitions.size(), 2u) << "nobody waits for it";
  EXPECT_FALSE(is_there(answer));
  node.unclean = "u";
  const ConfigEdit edit = [](StringMap& stored) {
    stored["x"] = "y";
    return Outcome();
  };
  begin(node.controller->change_config(ConfigEntityType::topic, "u", edit));
  ASSERT_TRUE(is_there(answer));
  EXPECT_EQ(answer.get()[0].error, ErrorCode::none);
  EXPECT_EQ(node.topic("u")->partitions.at(0).leader, 1);
}

TEST_F(LateAnswers, WhoWaitsForALeaderIsAnsweredAtTheEnd) {
  leave_leaderless("u", "[1]");
  auto answer = begin_growth("u", 2);
  EXPECT_FALSE(is_there(answer));
  auto closed = boost::asio::co_spawn(node.loop, node.controller->close(), boost::asio::use_future);
  poll();
  closed.get();
  ASSERT_TRUE(is_there(answer));
  EXPECT_EQ(answer.get()[0].error, ErrorCode::not_controller);
}

TEST_F(LateAnswers, WhoWaitsIsAnsweredBeforeAStopWaitsForRequests) {
  leave_leaderless("u", "[1]");
  auto answer = begin_growth("u", 2);
  EXPECT_FALSE(is_there(answer));
  node.controller->let_nobody_wait();
  poll();
  ASSERT_TRUE(is_there(answer));
  EXPECT_EQ(answer.get()[0].error, ErrorCode::not_controller);
  // One that comes between that and the end doesn't begin to wait.
  auto late = begin_growth("u", 3);
  ASSERT_TRUE(is_there(late));
  EXPECT_EQ(late.get()[0].error, ErrorCode::not_controller);
}

TEST_F(LateAnswers, WhoCannotBeAskedCostsNoPublish) {
  base::ManualClock clock;
  metadata::MetadataCache cache;
  ControlContext context(clock, cache, node.sink);
  int asked = 0;
  const auto stays = [&asked](const metadata::ClusterMetadata&) {
    ++asked;
    return false;
  };
  context.waiting.emplace_back([](const metadata::ClusterMetadata&) { return true; });
  context.waiting.emplace_back(stays);
  context.waiting.emplace_back([](const metadata::ClusterMetadata&) -> bool { throw std::bad_alloc(); });
  context.waiting.emplace_back(stays);
  context.publish();
  EXPECT_EQ(asked, 2);
  context.publish();
  EXPECT_EQ(asked, 4);
  EXPECT_EQ(context.waiting.size(), 2u);
}

}  // namespace
}  // namespace broker::controller
