// What a broker does that was controller and isn't any more, or isn't for a while.
#include <gtest/gtest.h>

#include "broker/controller/testing/control_node.h"

namespace broker::controller {
namespace {

using protocol::ErrorCode;
using testing::FakeZooKeeper;
using testing::Node;
using zk::client::Error;
using zk::client::OpCode;
using zk::client::Request;

using Log = std::vector<std::string>;

std::int64_t controller_session(FakeZooKeeper& server) { return server.nodes()["/controller"].stat.ephemeral_owner; }

TEST(LostControl, StopsItsPartitionsWhenAnotherBrokerHasWon) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  node.sink.take();
  Node other(server, 7);
  other.start(node.opened_as);
  server.expire(controller_session(server));
  other.settle();
  node.settle();
  EXPECT_EQ(node.cache.get()->controller_id, 7);
  EXPECT_EQ(node.sink.take(), Log{"stop t-0"});
  node.settle();
  EXPECT_TRUE(node.sink.take().empty());
}

TEST(LostControl, StopsThemTooWhenItIsFencedOff) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  node.sink.take();
  Node other(server, 7);
  other.start(node.opened_as);
  node.settle();
  node.sink.take();
  bool once = true;
  server.before = [&](const Request& request) -> std::optional<Error> {
    if (!once || request.op != OpCode::multi || request.operations.front().op != OpCode::check) return std::nullopt;
    once = false;
    server.apply(zk::client::remove("/controller"));
    other.settle();  // and so the fence refuses what this one asks
    return std::nullopt;
  };
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::not_controller);
  node.settle();
  EXPECT_EQ(node.cache.get()->controller_id, 7);
  EXPECT_EQ(node.sink.take(), Log{"stop t-0"});
}

TEST(LostControl, TopicsThatAreGoneMeanwhileAreStopped) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  node.create("u", 1);
  node.sink.take();
  server.expire(controller_session(server));
  for (const char* path : {"/brokers/topics/t/partitions/0/state", "/brokers/topics/t/partitions/0",
                           "/brokers/topics/t/partitions", "/brokers/topics/t"}) {
    server.apply(zk::client::remove(path));
  }
  node.settle();
  EXPECT_EQ(node.sink.take(), (Log{"lead u-0 epoch 0/0", "stop t-0"}));
  EXPECT_EQ(node.topic("t"), nullptr);
}

TEST(LostControl, ASessionThatExpiresDuringItsStartCostsNoOther) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  bool once = true;
  server.before = [&](const Request& request) -> std::optional<Error> {
    if (!once || request.op != OpCode::multi) return std::nullopt;
    once = false;  // the first try of the new session to register
    const std::int64_t latest = server.latest_session();
    server.expire(latest);
    return Error::session_expired;
  };
  server.expire(controller_session(server));
  const std::int64_t before = server.latest_session();
  node.settle();
  EXPECT_EQ(server.latest_session(), before + 2) << "one that expired, one that holds";
  EXPECT_EQ(server.nodes()["/brokers/ids/1"].stat.ephemeral_owner, before + 2);
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::none);
}

// A session that is closed while the broker registers or stands for election: end_session() doesn't wait for that.
TEST(LostControl, CloseInTheMiddleOfAStart) {
  for (const char* path : {"/controller", "/brokers/ids/1"}) {
    FakeZooKeeper server;
    Node node(server);
    server.apply(zk::client::create("/brokers", std::nullopt));
    server.apply(zk::client::create("/brokers/ids", std::nullopt));
    server.apply(zk::client::create(path, R"({"version":1,"brokerid":1})"));
    node.run(node.controller->open(std::nullopt));
    bool closing = false;
    server.before = [&](const Request& request) -> std::optional<Error> {
      if (!closing && request.op == OpCode::get_data && request.path == path) {
        closing = true;
        boost::asio::co_spawn(node.loop, node.controller->close(), boost::asio::use_future);
        while (node.loop.poll_one() != 0) continue;
      }
      return std::nullopt;
    };
    EXPECT_THROW(node.run(node.controller->start(node.self)), StartError) << path;
    EXPECT_TRUE(closing) << path;
  }
}

// NOAUTH, or THROTTLEDOP of a loaded server, isn't "there is none".
TEST(LostControl, AReadThatIsRefusedTakesNothingAway) {
  for (const OpCode op : {OpCode::get_children2, OpCode::get_data}) {
    FakeZooKeeper server;
    Node node(server);
    node.start();
    node.create("t", 1);
    node.sink.take();
    int refused = 0;
    server.before = [&](const Request& request) -> std::optional<Error> {
      const bool topics = request.path.starts_with("/brokers/topics") && !request.path.ends_with("/new");
      if (request.op != op || !topics || refused == 3) return std::nullopt;
      EXPECT_NE(node.topic("t"), nullptr);
      return ++refused == 2 ? Error::throttled : Error::no_auth;
    };
    if (op == OpCode::get_data) server.apply(zk::client::set_data("/controller_epoch", "5"));
    server.apply(zk::client::create("/brokers/topics/new", R"({"version":1,"partitions":{"0":[1]}})"));
    node.settle();
    EXPECT_EQ(refused, 3);
    for (const std::string& line : node.sink.take()) {
      EXPECT_TRUE(line.starts_with("lead t") || line.starts_with("new new-0")) << line;
    }
    EXPECT_EQ(server.nodes()["/brokers/topics/t/partitions/0/state"].stat.version, 0);
    EXPECT_NE(node.topic("new"), nullptr);
    EXPECT_EQ(node.create("u", 1).error, ErrorCode::none);
  }
}

// The rules of one topic's znodes forbid this broker to read them: that topic stays as it was, or is left out, and no election is
// held again and again.
class ForbiddenTopics : public ::testing::Test {
 protected:
  ForbiddenTopics() {
    server.before = [this](const Request& request) -> std::optional<Error> {
      const bool reads = request.op == OpCode::get_data || request.op == OpCode::get_children2;
      if (forbidden.empty() || !reads || !request.path.starts_with(forbidden) || ++refused > kRefusedMax) return std::nullopt;
      return Error::no_auth;
    };
    node.start();
    node.create("secret", 1);
    node.create("t", 1);
    node.sink.take();
  }
  void elect_again() {
    server.apply(zk::client::remove("/controller"));
    node.settle();
  }
  void add(const std::string& topic) {
    server.apply(zk::client::create("/brokers/topics/" + topic, R"({"version":1,"partitions":{"0":[1]}})"));
    node.settle();
  }

  static constexpr int kRefusedMax = 20;
  FakeZooKeeper server;
  Node node{server};
  std::string forbidden;  // what begins like this
  int refused = 0;
};

TEST_F(ForbiddenTopics, AreKeptAndTheOthersServed) {
  // The topic's own znode, then its state's alone.
  for (const char* what : {"/brokers/topics/secret", "/brokers/topics/secret/partitions/0/state"}) {
    forbidden = what;
    refused = 0;
    elect_again();
    EXPECT_EQ(node.sink.take(), (Log{"lead secret-0 epoch 0/0", "lead t-0 epoch 0/0"})) << what;
    EXPECT_NE(node.topic("secret"), nullptr) << what;
    EXPECT_LT(refused, 10) << what;
  }
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::none);
}

TEST_F(ForbiddenTopics, AreTakenUpOnceTheyMayBeRead) {
  forbidden = "/brokers/topics/closed";
  add("closed");
  add("new");
  EXPECT_EQ(node.topic("closed"), nullptr);
  EXPECT_NE(node.topic("new"), nullptr);
  EXPECT_EQ(node.create("closed", 1).error, ErrorCode::topic_already_exists);
  EXPECT_NE(node.topic("t"), nullptr);
  EXPECT_LT(refused, 10);
  forbidden.clear();
  add("newer");
  EXPECT_NE(node.topic("closed"), nullptr);
}

// A transaction that ends in such a topic must not take it for deleted: half of it would never end.
TEST_F(ForbiddenTopics, AreKnownToBeThere) {
  using Names = std::set<std::string, std::less<>>;
  const auto unread = [](Node& one) { return one.cache.get()->unread_topics; };
  EXPECT_EQ(unread(node), Names());
  forbidden = "/brokers/topics/closed";
  add("closed");
  EXPECT_EQ(unread(node), Names{"closed"});
  server.apply(zk::client::remove("/brokers/topics/closed"));
  node.settle();
  EXPECT_EQ(unread(node), Names());
  server.apply(zk::client::create("/brokers/topics/damaged", "{"));
  node.settle();
  EXPECT_EQ(unread(node), Names{"damaged"});
  node.run(node.controller->close());
  for (const char* what : {"/brokers/topics/secret", "/brokers/topics/secret/partitions/0/state"}) {
    forbidden = what;
    refused = 0;
    Node again(server);
    again.start(node.opened_as);
    EXPECT_EQ(again.topic("secret"), nullptr) << what;
    EXPECT_EQ(unread(again), (Names{"damaged", "secret"})) << what;
    forbidden.clear();
    server.apply(zk::client::remove("/controller"));
    again.settle();
    EXPECT_NE(again.topic("secret"), nullptr) << what;
    EXPECT_EQ(unread(again), Names{"damaged"}) << what;
    again.run(again.controller->close());
  }
}

TEST_F(ForbiddenTopics, AreDeletedAnotherDay) {
  forbidden = "/brokers/topics/secret";
  const auto remove = [&] {
    std::vector<std::string> names = {"secret"};
    return node.run(node.controller->delete_topics(std::move(names), INT32_MAX));
  };
  EXPECT_EQ(remove().front().error, ErrorCode::none);
  EXPECT_EQ(node.topic("secret"), nullptr);
  EXPECT_EQ(server.data("/admin/delete_topics/secret"), "<null>");
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::none);
  EXPECT_LT(refused, 10);
  forbidden.clear();
  elect_again();
  EXPECT_FALSE(server.nodes().contains("/brokers/topics/secret"));
  EXPECT_EQ(server.data("/admin/delete_topics/secret"), "<none>");
}

// The answer to the removal of its own old node is lost, and meanwhile another broker is elected: when the removal is
// sent again, the other's node must stay.
TEST(LostControl, RemovesNoControllerButItself) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  Node other(server, 7);
  other.start(node.opened_as);
  bool once = true;
  server.before = [&](const Request& request) -> std::optional<Error> {
    const Request& last = request.operations.empty() ? request : request.operations.back();
    if (!once || last.op != OpCode::remove || last.path != "/controller") return std::nullopt;
    once = false;
    server.apply(request);  // the first copy
    other.settle();
    return std::nullopt;  // the second
  };
  server.apply(zk::client::set_data("/controller_epoch", "5"));
  EXPECT_EQ(node.create("t", 1).error, ErrorCode::not_controller);
  node.settle();
  EXPECT_FALSE(once);
  EXPECT_EQ(node.cache.get()->controller_id, 7);
  EXPECT_EQ(other.create("u", 1).error, ErrorCode::none);
}

// As Kafka's brokers from inter.broker.protocol.version 3.0 on ask for them (AllocateProducerIds).
TEST(LostControl, ProducerIdsForOtherBrokersAreTheControllers) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  Node other(server, 7);
  other.start(node.opened_as);
  node.settle();
  const std::int64_t epoch = other.controller->broker_epoch();
  const auto ask = [](Node& one, std::int32_t broker_id, std::int64_t broker_epoch) {
    return one.run(one.controller->allocate_producer_ids_for(broker_id, broker_epoch));
  };
  EXPECT_EQ(ask(node, 7, epoch)->first, 0);
  EXPECT_EQ(ask(node, 7, epoch)->first, 1000);
  EXPECT_EQ(server.data("/latest_producer_id_block"),
            R"({"version":1,"broker":7,"block_start":"1000","block_end":"1999"})");
  EXPECT_EQ(ask(node, 7, epoch + 1).error(), ErrorCode::stale_broker_epoch);
  EXPECT_EQ(ask(node, 8, epoch).error(), ErrorCode::broker_id_not_registered);
  EXPECT_EQ(ask(other, 7, epoch).error(), ErrorCode::not_controller);
  server.apply(zk::client::set_data("/latest_producer_id_block", "{}"));
  EXPECT_EQ(ask(node, 7, epoch).error(), ErrorCode::unknown_server_error);
}

// Else a producer would get none from a broker that isn't the controller, or isn't for a while. What a client is told must be
// COORDINATOR_LOAD_IN_PROGRESS: by COORDINATOR_NOT_AVAILABLE Java's, without a transactional id, looks for a coordinator of null.
TEST(LostControl, ProducerIdsNeedNone) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  Node other(server, 7);
  other.start(node.opened_as);
  const auto ids_of = [](Node& one) { return one.run(one.controller->allocate_producer_ids()); };
  EXPECT_EQ(ids_of(node)->first, 0);
  const auto of_other = ids_of(other);
  EXPECT_EQ(of_other.error(), ErrorCode::none);
  EXPECT_EQ(server.data("/latest_producer_id_block"),
            R"({"version":1,"broker":7,"block_start":"1000","block_end":"1999"})");

  std::optional<Error> failure = Error::no_auth;  // once
  OpCode fails = OpCode::get_data;
  server.before = [&](const Request& request) -> std::optional<Error> {
    if (request.op != fails || request.path != "/latest_producer_id_block") return std::nullopt;
    if (failure == Error::session_expired) server.expire(controller_session(server));
    return std::exchange(failure, std::nullopt);
  };
  EXPECT_EQ(ids_of(node).error(), ErrorCode::coordinator_load_in_progress);
  fails = OpCode::set_data;
  failure = Error::throttled;
  EXPECT_EQ(ids_of(node).error(), ErrorCode::coordinator_load_in_progress);
  EXPECT_EQ(server.data("/controller_epoch"), "1") << "none of it is a reason to stand for election again";
  failure = Error::session_expired;
  EXPECT_EQ(ids_of(node).error(), ErrorCode::coordinator_load_in_progress);
  other.settle();
  EXPECT_EQ(ids_of(node)->first, 2000);
  node.run(node.controller->close());
  EXPECT_EQ(ids_of(node).error(), ErrorCode::coordinator_load_in_progress);
}

// NOAUTH, say. A broker that starts says so; one that runs tries again, with pauses.
TEST(LostControl, AnElectionThatZooKeeperRefusesIsNotHeldAgainAtOnce) {
  FakeZooKeeper server;
  int refused = 0;
  int allowed = 1;
  server.before = [&](const Request& request) -> std::optional<Error> {
    const bool claims = !request.operations.empty() && request.operations.front().op == OpCode::create &&
                        request.operations.front().path == "/controller";
    if (!claims || refused >= allowed) return std::nullopt;
    ++refused;
    return Error::no_auth;
  };
  Node fresh(server);
  fresh.run(fresh.controller->open(std::nullopt));
  EXPECT_THROW(fresh.run(fresh.controller->start(fresh.self)), StartError);
  EXPECT_EQ(refused, 1);
  fresh.run(fresh.controller->close());

  Node node(server, 2);
  node.start();
  allowed = 4;
  server.apply(zk::client::remove("/controller"));
  node.settle();
  EXPECT_EQ(refused, 4);
  EXPECT_EQ(node.create("t", 1).error, ErrorCode::none);

  // In a new session as well: it stays, and so does what the broker registered in it.
  const std::int64_t first = controller_session(server);
  allowed = 8;
  server.expire(first);
  node.settle();
  EXPECT_EQ(refused, 8);
  EXPECT_EQ(controller_session(server), first + 1);
  EXPECT_EQ(server.nodes()["/brokers/ids/2"].stat.ephemeral_owner, first + 1);
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::none);
}

}  // namespace
}  // namespace broker::controller
