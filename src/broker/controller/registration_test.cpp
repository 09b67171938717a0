// How a broker gets its node under /brokers/ids, keeps it, and gets it again.
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "broker/controller/testing/control_node.h"

namespace broker::controller {
namespace {

using protocol::ErrorCode;
using testing::FakeZooKeeper;
using testing::Node;
using zk::client::Error;
using zk::client::Request;

using Log = std::vector<std::string>;

TEST(Registration, RefusesTheWrongClusterAndATakenId) {
  FakeZooKeeper server;
  Node first(server);
  first.start();
  Node wrong(server, 2);
  try {
    wrong.run(wrong.controller->open("other"));
    FAIL();
  } catch (const StartError& error) {
    EXPECT_EQ(std::string(error.what()),
              "The Cluster ID " + first.opened_as +
                  " doesn't match stored clusterId Some(other) in meta.properties. The broker is trying to join the "
                  "wrong cluster. Configured zookeeper.connect may be wrong.");
  }
  Node twin(server);
  twin.self.endpoints[0].port = 9093;
  twin.run(twin.controller->open(std::nullopt));
  EXPECT_THROW(twin.run(twin.controller->start(twin.self)), StartError);
  EXPECT_EQ(server.nodes()["/brokers/ids/1"].stat.czxid, first.controller->broker_epoch());
}

// The process was killed: its session lives on at the server.
TEST(Registration, TakesOverFromItsOwnDeadProcess) {
  FakeZooKeeper server;
  const base::testing::TempDir directory;
  auto dead = std::make_unique<Node>(server, 1, directory / "session");
  dead->start();
  dead->create("t", 1);
  const std::int64_t old_epoch = dead->controller->broker_epoch();
  Node next(server, 1, directory / "session");
  next.start(dead->opened_as);
  EXPECT_GT(next.controller->broker_epoch(), old_epoch);
  EXPECT_EQ(server.data("/controller_epoch"), "2");
  EXPECT_EQ(next.sink.take(), Log{"lead t-0 epoch 0/0"});
}

TEST(Registration, TakesOverFromItsOwnDeadProcessWhenItsAddressHasChanged) {
  FakeZooKeeper server;
  const base::testing::TempDir directory;
  Node dead(server, 1, directory / "session");
  dead.start();
  Node next(server, 1, directory / "session");
  next.self.endpoints[0].port = 9093;
  next.start(dead.opened_as);
  EXPECT_GT(next.controller->broker_epoch(), dead.controller->broker_epoch());
  EXPECT_NE(server.data("/brokers/ids/1").find("PLAINTEXT://127.0.0.1:9093"), std::string::npos);
}

TEST(Registration, WaitsForARegistrationWithItsOwnEndpoints) {
  FakeZooKeeper server;
  Node other(server);
  other.start();
  const std::int64_t session = server.nodes()["/brokers/ids/1"].stat.ephemeral_owner;
  Node node(server);
  int looks = 0;
  server.before = [&](const Request& request) -> std::optional<Error> {
    if (request.op == zk::client::OpCode::get_data && request.path == "/brokers/ids/1") {
      node.clock.advance_ms(10000);
      if (++looks == 2) server.end_session(session);
    }
    return std::nullopt;
  };
  node.start();
  EXPECT_EQ(server.data("/controller_epoch"), "2");
  Node late(server);
  late.run(late.controller->open(std::nullopt));
  server.before = [&](const Request& request) -> std::optional<Error> {
    if (request.op == zk::client::OpCode::multi) late.clock.advance_ms(10000);
    return std::nullopt;
  };
  EXPECT_THROW(late.run(late.controller->start(late.self)), StartError);
}

TEST(Registration, LostSessionMeansNewRegistrationAndElection) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  node.create("t", 1);
  node.sink.take();
  const std::int64_t old_epoch = node.controller->broker_epoch();
  server.expire(server.nodes()["/controller"].stat.ephemeral_owner);
  node.settle();
  EXPECT_GT(node.controller->broker_epoch(), old_epoch);
  EXPECT_EQ(server.nodes()["/brokers/ids/1"].stat.czxid, node.controller->broker_epoch());
  EXPECT_EQ(server.data("/controller_epoch"), "2");
  EXPECT_EQ(node.sink.take(), Log{"lead t-0 epoch 0/0"});
  EXPECT_EQ(node.create("u", 1).error, ErrorCode::none);
}

TEST(Registration, RegistersUnderOtherEndpointsWhenTheyChange) {
  FakeZooKeeper server;
  Node node(server);
  node.start();
  const std::int64_t epoch = node.controller->broker_epoch();
  node.clock.advance_ms(1000);
  node.controller->change_endpoints(
      {{"PLAINTEXT", "PLAINTEXT", "127.0.0.1", 9092}, {"EXTRA", "PLAINTEXT", "example.org", 77}});
  node.settle();
  // Field by field as Kafka 3.9.2 wrote it after the same change.
  const std::string changed =
      R"({"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT","EXTRA":"PLAINTEXT"},"endpoints":)"
      R"(["PLAINTEXT://127.0.0.1:9092","EXTRA://example.org:77"],"jmx_port":-1,"port":9092,"host":"127.0.0.1",)"
      R"("version":5,"timestamp":"1700000001000"})";
  EXPECT_EQ(server.data("/brokers/ids/1"), changed);
  EXPECT_EQ(server.nodes()["/brokers/ids/1"].stat.version, 2);
  EXPECT_EQ(node.cache.get()->brokers.at(1).endpoints.size(), 2u);
  EXPECT_EQ(node.cache.get()->brokers.at(1).epoch, epoch) << "it is the same registration";
  server.expire(server.nodes()["/controller"].stat.ephemeral_owner);
  node.settle();
  EXPECT_EQ(server.data("/brokers/ids/1"), changed) << "and so it registers again";
  EXPECT_EQ(node.cache.get()->brokers.at(1).endpoints.back().host, "example.org");
}

TEST(Registration, BrokerIdsAreGenerated) {
  FakeZooKeeper server;
  Node node(server);
  node.run(node.controller->open(std::nullopt));
  EXPECT_EQ(node.run(node.controller->next_broker_sequence()), 1);
  EXPECT_EQ(node.run(node.controller->next_broker_sequence()), 2);
}

}  // namespace
}  // namespace broker::controller
