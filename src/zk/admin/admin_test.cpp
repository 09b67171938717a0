// Both endpoints over real sockets, and the answers that no coordinator is needed for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "zk/admin/admin_commands.h"
#include "zk/admin/admin_server.h"
#include "zk/admin/json_text.h"
#include "zk/admin/prometheus.h"
#include "zk/server/testing/coordinator_fixture.h"
#include "zk/server/testing/raw_client.h"

namespace zk::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using server::testing::RawClient;
using server::testing::TestPeer;
using server::testing::TestSocket;

std::string ask(std::uint16_t port, const std::string& target, const std::string& method = "GET") {
  TestSocket socket(port);
  socket.send_text(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  return socket.read_all();
}

class AdminServerTest : public ::testing::Test {
 protected:
  AdminServerTest() {
    config_ = server::testing::config_in(directory_.path());
    config_.admin.emplace();
    config_.admin->port = 0;
    config_.prometheus.emplace();
    config_.prometheus->port = 0;
    config_.prometheus->address = "127.0.0.1";
    config_.text = "clientPort=0\n";
    server_ = std::make_unique<server::Server>(config_);
    admin_ = std::make_unique<AdminServer>(config_, *server_);
    admin_->start();
    server_->start();
  }
  ~AdminServerTest() override {
    admin_->stop();
    server_->stop();
  }

  base::testing::TempDir directory_;
  server::ZooKeeperServerConfig config_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<AdminServer> admin_;
};

TEST_F(AdminServerTest, CommandsAnswerInJson) {
  std::string answer = ask(admin_->admin_port(), "/commands/ruok");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\n{\n  \"command\" : \"ruok\",\n  \"error\" : null\n}"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/mntr"), HasSubstr("\"server_state\" : \"standalone\""));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/icfg"), HasSubstr("clientPort=0\\n"));
}

TEST_F(AdminServerTest, EveryCommandThatIsListedAnswers) {
  std::string links = ask(admin_->admin_port(), "/commands");
  std::size_t count = 0;
  for (std::size_t at = links.find("href=\""); at != std::string::npos; at = links.find("href=\"", at + 1), ++count) {
    std::string target = links.substr(at + 6, links.find('"', at + 6) - at - 6);
    std::string name = target.substr(target.rfind('/') + 1);
    std::string answer = ask(admin_->admin_port(), target, name == "restore" ? "POST" : "GET");
    EXPECT_THAT(answer, HasSubstr("\"command\" : \"" + name + "\"")) << target;
  }
  EXPECT_EQ(count, 28u);
}

TEST_F(AdminServerTest, ArgumentsAndMistakes) {
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/stmk"), HasSubstr("requires long traceMask"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/stmk?traceMask=7"), HasSubstr("\"tracemask\" : 7"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/gtmk"), HasSubstr("\"tracemask\" : 7"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/no%22such"), HasSubstr("Unknown command: no\\\"such"));
  EXPECT_THAT(ask(admin_->admin_port(), "/elsewhere"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commandsruok"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/ruok", "POST"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/ruok", "HEAD"), Not(HasSubstr("{")));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/none", "POST"), HasSubstr("Unknown command: none"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands", "POST"), HasSubstr("href"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/restore"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/ruok", "DELETE"), StartsWith("HTTP/1.1 405"));
}

TEST_F(AdminServerTest, TwoRequestsOnOneConnection) {
  TestSocket socket(admin_->admin_port());
  socket.send_text(
      "GET /commands/ruok HTTP/1.1\r\nHost: a\r\n\r\nGET /commands/isro HTTP/1.1\r\nHost: a\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_THAT(socket.read_all(), HasSubstr("\"read_only\" : false"));
}

TEST_F(AdminServerTest, WhatIsTooLargeOrNoHttpEndsItsConnectionOnly) {
  TestSocket large(admin_->admin_port());
  large.send_text("GET /commands/ruok HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(large.read_all(), Not(HasSubstr("ruok")));
  TestSocket garbage(admin_->admin_port());
  garbage.send_text(std::string("\0\0\0\1hello\r\n\r\n", 14));
  EXPECT_EQ(garbage.read_all(), "");
  EXPECT_THAT(ask(admin_->admin_port(), "/commands/ruok"), HasSubstr("ruok"));
}

TEST_F(AdminServerTest, MetricsAreText) {
  std::string text = ask(admin_->metrics_port(), "/metrics");
  EXPECT_THAT(text, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE znode_count gauge\nznode_count 5.0\n"));
  EXPECT_THAT(text, HasSubstr("readlatency{quantile=\"0.99\",} NaN\n"));
  EXPECT_THAT(ask(admin_->metrics_port(), "/"), StartsWith("HTTP/1.1 404"));
}

TEST_F(AdminServerTest, APortInUseIsAStartErrorWithZooKeepersCode) {
  server::ZooKeeperServerConfig config = config_;
  config.admin->port = admin_->admin_port();
  config.prometheus.reset();
  AdminServer second(config, *server_);
  try {
    second.start();
    FAIL();
  } catch (const server::StartError& error) {
    EXPECT_EQ(error.code(), server::ExitCode::admin_server_failed);
    EXPECT_THAT(error.what(), HasSubstr("admin.serverPort"));
  }
}

class AdminCommands : public server::testing::CoordinatorFixture {
 protected:
  boost::json::object run(const std::string& name) { return run_admin_command(name, {}, *coordinator_); }
};

TEST_F(AdminCommands, ConnectionsOverTlsAreListedApart) {
  configure("");
  connect();
  connect().is_secure = true;
  connect();
  for (const char* name : {"cons", "stat"}) {
    const boost::json::object answer = run(name);
    EXPECT_EQ(answer.at("connections").as_array().size(), 2u) << name;
    EXPECT_EQ(answer.at("secure_connections").as_array().size(), 1u) << name;
  }
}

TEST_F(AdminCommands, NumbersAreThoseOfZooKeeper) {
  configure("");
  coordinator_->stats().last_snapshot_zxid = 0xab;
  coordinator_->stats().last_snapshot_wall_ms = 12'345;
  EXPECT_EQ(run("lsnp").at("zxid"), "ab");
  EXPECT_EQ(run("lsnp").at("timestamp").to_number<int>(), 12);  // seconds
  EXPECT_EQ(run("srvr").at("node_count").to_number<int>(), 5);  // with the root twice
  TestPeer& peer = connect();
  for (int i = 0; i < 127; ++i) ASSERT_EQ(create(peer, "/" + std::to_string(i), server::testing::kOpen), tree::Error::ok);
  const boost::json::object answer = run("hash");
  const boost::json::array& digests = answer.at("digests").as_array();
  ASSERT_EQ(digests.size(), 1u);
  EXPECT_EQ(digests[0].at("zxid").to_number<int>(), 128);
  EXPECT_EQ(digests[0].at("digest").to_number<std::int64_t>(), static_cast<std::int64_t>(coordinator_->state().tree().digest()));
  EXPECT_EQ(digests[0].at("digest_version").to_number<int>(), 2);
}

TEST_F(AdminCommands, MetricsByNamespaceHaveTheirNames) {
  configure("");
  coordinator_->stats().metrics.count_quota_exceeded("/a/b");
  const std::string text = prometheus_text(*coordinator_);
  EXPECT_THAT(text, HasSubstr("# TYPE quota_exceeded_error_per_namespace counter\n"
                              "quota_exceeded_error_per_namespace{key=\"a\",} 1.0\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE quota_count_limit_per_namespace gauge\n"));
}

// A request under way when the coordinator has stopped is dropped, and nobody waits for it.
TEST_F(AdminServerTest, StopWithRequestsUnderWay) {
  server_->stop();
  TestSocket socket(admin_->admin_port());
  socket.send_text("GET /commands/ruok HTTP/1.1\r\nHost: a\r\n\r\n");
  admin_->stop();
  EXPECT_EQ(socket.read_all(), "");
}

TEST(JsonText, IsLaidOutAsZooKeeperDoes) {
  boost::json::value value = {{"a", 1},   {"b", boost::json::array{}}, {"c", boost::json::object{}},
                              {"d", 0.0}, {"e", {"x", "y\n"}},         {"f", nullptr}};
  EXPECT_EQ(json_text(value),
            "{\n  \"a\" : 1,\n  \"b\" : [ ],\n  \"c\" : { },\n  \"d\" : 0.0,\n  \"e\" : [ \"x\", \"y\\n\" ],\n"
            "  \"f\" : null\n}");
}

}  // namespace
}  // namespace zk::admin
