// Topics whose znodes, disks or sizes are not what they should be.
#include <gtest/gtest.h>

#include "broker/controller/testing/control_node.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using protocol::ErrorCode;
using testing::FakeZooKeeper;
using testing::Node;
using zk::client::Error;
using zk::client::OpCode;
using zk::client::Request;

using Log = std::vector<std::string>;

constexpr const char* kTopicOfAnOldTool = R"({"version":2,"partitions":{"0":[1],"1":[1]},"adding_replicas":{},)"
                                          R"("removing_replicas":{}})";

NewTopic topic_of(std::string name, std::int32_t partitions) {
  NewTopic topic;
  topic.name = std::move(name);
  topic.partitions = partitions;
  return topic;
}

std::vector<Outcome> grow(Node& node, std::string name, std::int32_t count, bool validate_only = false) {
  NewPartitions more;
  more.topic = std::move(name);
  more.count = count;
  return node.run(node.controller->create_partitions({more}, validate_only, INT32_MAX));
}

std::vector<Outcome> remove(Node& node, std::string name) {
  std::vector<std::string> names = {std::move(name)};
  return node.run(node.controller->delete_topics(names, INT32_MAX));
}

// kafka-topics --zookeeper --alter of Kafka 2.7 and earlier writes the assignment without the id. Kafka 3.9.2's controller
// keeps the id that it knows, but leaves the znode alone, so that the next controller invents one that no broker takes
// (KAFKA-14190). Here it is written back.
TEST(TopicManager, ATopicKeepsItsIdWhenAnOldToolGrowsIt) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const base::Uuid id = node.create("t", 1).topic_id;
  node.sink.take();
  server.apply(zk::client::set_data("/brokers/topics/t", kTopicOfAnOldTool));
  node.settle();
  EXPECT_EQ(node.sink.take(), Log{"new t-1 epoch 0/0"});
  EXPECT_EQ(node.sink.ids["t"], id);
  EXPECT_EQ(node.topic("t")->id, id);
  EXPECT_EQ(node.shown->topic(id), node.shown->topic("t"));
  EXPECT_EQ(node.shown->topics_by_id.size(), 1u);
  EXPECT_EQ(znodes::decode_topic(server.data("/brokers/topics/t"))->id, id);
  // The same by a controller that is elected while the znode has no id.
  server.apply(zk::client::set_data("/brokers/topics/t", kTopicOfAnOldTool));
  server.expire(server.nodes()["/controller"].stat.ephemeral_owner);
  node.settle();
  EXPECT_EQ(node.topic("t")->id, id);
  EXPECT_EQ(node.sink.ids["t"], id);
  EXPECT_EQ(znodes::decode_topic(server.data("/brokers/topics/t"))->id, id);
}

TEST(TopicManager, AnotherIdUnderALiveTopicChangesNothing) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const base::Uuid id = node.create("t", 1).topic_id;
  node.sink.take();
  znodes::TopicAssignment other = *znodes::decode_topic(server.data("/brokers/topics/t"));
  other.id = base::Uuid::random();
  server.apply(zk::client::set_data("/brokers/topics/t", encode_topic(other)));
  node.settle();
  EXPECT_EQ(node.topic("t")->id, id);
  EXPECT_TRUE(node.sink.take().empty());
}

// As in Kafka: a replica on an offline disk can't be deleted, and until it is the topic stays marked.
TEST(TopicManager, ADeletionWaitsForAnOfflineDisk) {
  FakeZooKeeper server;
  {
    Node node(server);
    node.start();
    node.create("t", 2);
    node.create("u", 1);
    node.sink.take();
    node.sink.on_failed_disk = {"t-1"};
    node.controller->log_directory_failed();
    node.settle();
    node.sink.take();
    EXPECT_EQ(remove(node, "t")[0].error, ErrorCode::none);
    EXPECT_EQ(remove(node, "u")[0].error, ErrorCode::none);
    EXPECT_EQ(node.sink.take(), (Log{"delete t-0", "delete t-1", "delete u-0"}));
    EXPECT_NE(server.data("/brokers/topics/t"), "<none>");
    EXPECT_NE(server.data("/brokers/topics/t/partitions/1/state"), "<none>");
    EXPECT_NE(server.data("/config/topics/t"), "<none>");
    EXPECT_NE(server.data("/admin/delete_topics/t"), "<none>");
    EXPECT_EQ(server.data("/brokers/topics/u"), "<none>");
    EXPECT_EQ(node.topic("t"), nullptr);
    EXPECT_EQ(node.create("t", 1).error, ErrorCode::topic_already_exists);
    EXPECT_EQ(grow(node, "t", 3)[0].error, ErrorCode::invalid_topic_exception);
    EXPECT_EQ(remove(node, "t")[0].error, ErrorCode::none);
    node.settle();
    EXPECT_TRUE(node.sink.take().empty());
    node.run(node.controller->close());
  }
  Node again(server);
  again.sink.on_failed_disk = {"t-1"};
  again.start();
  EXPECT_NE(server.data("/admin/delete_topics/t"), "<none>") << "the disk is still away";
  again.run(again.controller->close());
  Node mended(server);
  mended.start();
  EXPECT_EQ(server.data("/brokers/topics/t"), "<none>");
  EXPECT_EQ(server.data("/config/topics/t"), "<none>");
  EXPECT_EQ(server.data("/admin/delete_topics/t"), "<none>");
  EXPECT_EQ(mended.create("t", 1).error, ErrorCode::none);
}

TEST(TopicManager, TopicsOfOneRequestMustNotCollide) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const std::vector<NewTopic> asked = {topic_of("a.b", 1), topic_of("a_b", 1), topic_of("a_c", 1)};
  // Nothing is made, so that nothing collides; Kafka says the same.
  for (const TopicCreated& each : node.run(node.controller->create_topics(asked, true, INT32_MAX))) {
    EXPECT_EQ(each.error, ErrorCode::none);
  }
  const std::vector<TopicCreated> made = node.run(node.controller->create_topics(asked, false, INT32_MAX));
  EXPECT_EQ(made[0].error, ErrorCode::none);
  EXPECT_EQ(made[1].error, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(made[1].message, "Topic 'a_b' collides with existing topics: a.b");
  EXPECT_EQ(made[2].error, ErrorCode::none);
  EXPECT_EQ(server.data("/brokers/topics/a_b"), "<none>");
}

// Kafka's own controllers without ZooKeeper take as many as this at once.
TEST(TopicManager, PartitionsOfOneRequestAreBounded) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  const std::vector<NewTopic> asked = {topic_of("a", 6000), topic_of("b", 4001), topic_of("c", 4000), topic_of("d", 1)};
  const std::vector<TopicCreated> made = node.run(node.controller->create_topics(asked, true, INT32_MAX));
  EXPECT_EQ(made[0].error, ErrorCode::none);
  EXPECT_EQ(made[1].error, ErrorCode::invalid_partitions);
  EXPECT_EQ(made[1].message,
            "Topic 'b' would get 4001 partitions more, but one request may create 10000 at most, and 4000 are left of "
            "them: send several requests.");
  EXPECT_EQ(made[2].error, ErrorCode::none);
  EXPECT_EQ(made[3].error, ErrorCode::invalid_partitions);
  EXPECT_EQ(grow(node, "t", 10001, true)[0].error, ErrorCode::none);
  const Outcome refused = grow(node, "t", 10002, true)[0];
  EXPECT_EQ(refused.error, ErrorCode::invalid_partitions);
  EXPECT_EQ(refused.message,
            "Topic 't' would get 10001 partitions more, but one request may create 10000 at most, and 10000 are left of "
            "them: send several requests.");
}

// The broker watches what it made itself a little later.
TEST(TopicManager, ATopicThatGrowsBeforeItIsWatchedIsSeen) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const std::string path = "/brokers/topics/t";
  bool once = true;
  server.before = [&](const zk::client::Request& request) -> std::optional<zk::client::Error> {
    if (!once || request.path != "/brokers/topics" || !server.nodes().contains(path)) return std::nullopt;
    once = false;
    std::string text = server.data(path);
    const std::string first = R"("0":[1])";
    text.insert(text.find(first) + first.size(), R"(,"1":[1])");
    server.apply(zk::client::set_data(path, text));
    return std::nullopt;
  };
  EXPECT_EQ(node.create("t", 1).error, ErrorCode::none);
  node.settle();
  EXPECT_FALSE(once);
  EXPECT_EQ(node.topic("t")->partitions.size(), 2U);
}

// What the session answers for a request that no ZooKeeper of the usual jute.maxbuffer takes.
TEST(TopicManager, AZnodeThatIsTooLargeIsRefused) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  const std::string before = server.data("/brokers/topics/t");
  Error answer = Error::connection_loss;
  server.before = [&](const Request& request) -> std::optional<Error> {
    const bool large = request.op == OpCode::multi && request.operations.back().data.value_or("").size() > 60;
    return large && request.operations.back().path.starts_with("/brokers/topics/") &&
                   request.operations.back().path.size() == 17
               ? std::optional<Error>(answer)
               : std::nullopt;
  };
  const std::string epoch = server.data("/controller_epoch");
  for (const Error error : {Error::connection_loss, Error::marshalling_error}) {
    answer = error;
    const Outcome grown = grow(node, "t", 2)[0];
    const bool lost = error == Error::connection_loss;  // with a larger jute.maxbuffer it may have been applied
    EXPECT_EQ(grown.error, lost ? ErrorCode::request_timed_out : ErrorCode::invalid_partitions);
    EXPECT_NE(grown.message.value_or("").find("jute.maxbuffer"), std::string::npos);
    const TopicCreated made = node.create("u", 2);
    EXPECT_EQ(made.error, lost ? ErrorCode::request_timed_out : ErrorCode::invalid_request);
    EXPECT_NE(made.message.value_or("").find("jute.maxbuffer"), std::string::npos);
  }
  EXPECT_EQ(server.data("/brokers/topics/t"), before);
  server.before = nullptr;
  EXPECT_EQ(grow(node, "t", 2)[0].error, ErrorCode::none);
  EXPECT_EQ(server.data("/controller_epoch"), epoch) << "it is the controller still";
}

}  // namespace
}  // namespace broker::controller
