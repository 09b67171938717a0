// The commands snapshot and restore over real sockets, and what becomes of clients and of the directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/testing/temp_dir.h"
#include "zk/admin/admin_server.h"
#include "zk/server/testing/raw_client.h"

namespace zk::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using server::testing::RawClient;
using server::testing::TestSocket;
using tree::OpCode;

constexpr const char* kAnybody = "ip";

struct Answer {
  std::string head, body;
  std::string header(const std::string& name) const {
    std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "none";
    at += name.size() + 4;
    return head.substr(at, head.find("\r\n", at) - at);
  }
};

class Node {
 public:
  explicit Node(const std::string& directory, const std::string& lines = "") {
    config_ = server::ZooKeeperServerConfig::from(
        base::Properties::parse("dataDir=" + directory + "\nclientPort=0\nclientPortAddress=127.0.0.1\n" +
                                "admin.serverPort=0\nadmin.rateLimiterIntervalInMS=0\ntickTime=100\n" +
                                "preAllocSize=64\n4lw.commands.whitelist=*\n" + lines));
    start();
  }
  ~Node() { stop(); }
  void start() {
    server_ = std::make_unique<server::Server>(config_);
    admin_ = std::make_unique<AdminServer>(config_, *server_);
    server_->start();
    admin_->start();
  }
  void stop() {
    admin_->stop();
    server_->stop();
  }
  std::uint16_t port() const { return server_->port(); }
  std::uint16_t admin_port() const { return admin_->admin_port(); }

  Answer ask(const std::string& method, const std::string& target, const std::string& authorization = kAnybody,
             const std::string& body = "", const std::string& more_headers = "") const {
    TestSocket socket(admin_port());
    std::string head = method + " /commands/" + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + more_headers;
    if (!authorization.empty()) head += "Authorization: " + authorization + "\r\n";
    if (method == "POST") head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    socket.send_text(head + "\r\n" + body);
    const std::string all = socket.read_all();
    const std::size_t end = all.find("\r\n\r\n");
    return Answer{all.substr(0, end + 2), end == std::string::npos ? "" : all.substr(end + 4)};
  }
  std::int64_t metric(const std::string& name) const {
    const std::string text = ask("GET", "mntr").body;
    const std::size_t at = text.find("\"" + name + "\" : ");
    return at == std::string::npos ? -1 : std::stoll(text.substr(at + name.size() + 5));
  }

 private:
  server::ZooKeeperServerConfig config_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<AdminServer> admin_;
};

class SnapshotCommandsTest : public ::testing::Test {
 protected:
  // The znodes from /n0 to /n(count-1).
  static void fill(RawClient& client, int count, std::size_t bytes = 10) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(client.create("/n" + std::to_string(i), 0, std::string(bytes, 'x')).error, 0);
    }
  }
  std::vector<std::string> temporary_files() const {
    std::vector<std::string> found;
    for (const std::string& name : base::real_file_system().list(directory_.path() + "/version-2")) {
      if (name.ends_with(".tmp")) found.push_back(name);
    }
    return found;
  }

  base::testing::TempDir directory_, other_;
};

TEST_F(SnapshotCommandsTest, WhoMay) {
  Node node(directory_.path());
  for (const char* command : {"snapshot", "restore"}) {
    const std::string method = command == std::string("restore") ? "POST" : "GET";
    const Answer none = node.ask(method, command, "");
    EXPECT_THAT(none.head, StartsWith("HTTP/1.1 401"));
    EXPECT_EQ(none.body, "{\n  \"command\" : \"" + std::string(command) +
                             "\",\n  \"error\" : \"Auth info is missing for the command\"\n}");
    for (const char* bad : {"nope x", "digest", "a b c", "world anyone", "sasl x", "x509", "auth x"}) {
      const Answer answer = node.ask(method, command, bad);
      EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 401")) << bad;
      EXPECT_THAT(answer.body, HasSubstr("Not authenticated")) << bad;
    }
  }
  RawClient client(node.port());
  ASSERT_TRUE(client.connect().has_value());
  proto::SetACLRequest request;
  request.path = "/";
  request.version = -1;
  for (const auto& [perms, id] : {std::pair(31, "a:gfUdQyyVLtrhNbLmPgbPNgxWHzs="), std::pair(15, "b:x")}) {
    proto::ACL& acl = request.acl.emplace_back();
    acl.perms = perms;
    acl.id.scheme = "digest";
    acl.id.id = id;
  }
  request.acl[0].id.id = *tree::digest_identity("a:pw");
  request.acl[1].id.id = *tree::digest_identity("b:pw");
  client.send(1, OpCode::set_acl, request);
  ASSERT_EQ(client.receive().error, 0);
  EXPECT_THAT(node.ask("GET", "snap?streaming=false", "digest a:pw").head, StartsWith("HTTP/1.1 200"));
  const Answer other = node.ask("GET", "snap", "digest b:pw");
  EXPECT_THAT(other.head, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(other.body, HasSubstr("\"command\" : \"snap\",\n  \"error\" : \"Not authorized\""));
  EXPECT_THAT(node.ask("POST", "rest", "ip", "x").head, StartsWith("HTTP/1.1 403"));
}

TEST_F(SnapshotCommandsTest, ASnapshotIsStreamedAndRestoredElsewhere) {
  std::string snapshot;
  {
    Node node(directory_.path());
    RawClient client(node.port());
    ASSERT_TRUE(client.connect().has_value());
    fill(client, 50, 10'000);
    const Answer answer = node.ask("GET", "snapshot");
    EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(answer.header("last_zxid"), "0x33");
    EXPECT_EQ(answer.header("snapshot_size"), std::to_string(answer.body.size()));
    EXPECT_EQ(answer.header("Content-Type"), "application/octet-stream");
    EXPECT_EQ(answer.body, base::as_text(base::read_file(base::real_file_system(), directory_.path() +
                                                                                       "/version-2/snapshot.33")));
    snapshot = answer.body;
    const Answer head = node.ask("HEAD", "snapshot");
    EXPECT_EQ(head.header("snapshot_size"), std::to_string(snapshot.size()));
    EXPECT_EQ(head.body, "");
    const Answer not_streamed = node.ask("GET", "snapshot?streaming=no");
    EXPECT_EQ(not_streamed.body, "{\n  \"command\" : \"snapshot\",\n  \"error\" : null\n}");
    EXPECT_EQ(not_streamed.header("last_zxid"), "0x33");
  }
  Node node(other_.path());
  const Answer answer = node.ask("POST", "restore", kAnybody, snapshot);
  EXPECT_EQ(answer.body, "{\n  \"last_zxid\" : 51,\n  \"command\" : \"restore\",\n  \"error\" : null\n}");
  auto check = [&] {
    RawClient client(node.port());
    ASSERT_TRUE(client.connect().has_value());
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(client.exists("/n" + std::to_string(i)));
  };
  check();
  node.stop();
  node.start();
  check();
}

TEST_F(SnapshotCommandsTest, ARestoredPastTakesThePlaceOfThePresent) {
  Node node(directory_.path());
  RawClient keeper(node.port());
  ASSERT_TRUE(keeper.connect().has_value());
  ASSERT_EQ(keeper.create("/ephemeral", 1).error, 0);
  const std::int64_t session = keeper.session;
  const std::string snapshot = node.ask("GET", "snapshot").body;
  RawClient later(node.port());
  ASSERT_TRUE(later.connect().has_value());
  fill(later, 10);
  const std::int64_t last = later.create("/last").zxid;
  ASSERT_EQ(node.ask("POST", "restore", kAnybody, snapshot).header("Content-Type"), "application/json");
  // Everybody is sent away, and comes back to the past: the session that was there goes on, the later one is unknown.
  EXPECT_TRUE(keeper.is_closed());
  EXPECT_TRUE(later.is_closed());
  RawClient again(node.port());
  EXPECT_EQ(again.connect(later.session, std::string(16, '\0'))->session_id, 0);
  auto check = [&](const char* when) {
    SCOPED_TRACE(when);
    RawClient client(node.port());
    ASSERT_TRUE(client.connect(0, std::string(16, '\0'), 30000, last).has_value());  // has seen the later zxid
    EXPECT_TRUE(client.exists("/ephemeral"));
    EXPECT_FALSE(client.exists("/n0"));
    EXPECT_FALSE(client.exists("/last"));
    EXPECT_GT(client.create(std::string("/") + when).zxid, last);
  };
  check("after");
  node.stop();
  node.start();
  check("restarted");
  RawClient third(node.port());
  ASSERT_TRUE(third.connect().has_value());
  EXPECT_TRUE(third.exists("/after"));
  EXPECT_THAT(node.ask("GET", "dump").body, HasSubstr(std::to_string(session)));
  EXPECT_THAT(temporary_files(), IsEmpty());
}

TEST_F(SnapshotCommandsTest, WhatIsNoWholeSnapshotChangesNothing) {
  Node node(directory_.path());
  RawClient client(node.port());
  ASSERT_TRUE(client.connect().has_value());
  fill(client, 3);
  const std::string good = node.ask("GET", "snapshot").body;
  std::string flipped = good;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  const std::string without_zxid = good.substr(0, good.size() - 21);
  std::int64_t errors = 0;
  for (const std::string& bad : {std::string(), std::string("garbage"), good.substr(0, good.size() / 2), flipped}) {
    const Answer answer = node.ask("POST", "restore", kAnybody, bad);
    EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 500")) << bad.size();
    EXPECT_EQ(answer.body, "{\n  \"command\" : \"restore\",\n  \"error\" : null\n}");
    EXPECT_EQ(node.metric("restore_error_count"), ++errors);
  }
  EXPECT_TRUE(client.exists("/n2"));  // on the same connection
  // A digest says of which zxid it is, too.
  EXPECT_THAT(node.ask("POST", "restore", kAnybody, without_zxid).head, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(temporary_files(), IsEmpty());
}

TEST_F(SnapshotCommandsTest, ABodyInChunksAfterAWordToGoOn) {
  Node node(directory_.path());
  const std::string snapshot = node.ask("GET", "snapshot").body;
  TestSocket socket(node.admin_port());
  socket.send_text(
      "POST /commands/restore HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ip\r\nExpect: 100-continue\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(socket.receive_some());
  EXPECT_EQ(base::as_text(socket.take()), "HTTP/1.1 100 Continue\r\n\r\n");
  for (std::size_t at = 0; at < snapshot.size(); at += 100) {
    const std::string piece = snapshot.substr(at, 100);
    char length[16];
    std::snprintf(length, sizeof length, "%zx\r\n", piece.size());
    socket.send_text(length + piece + "\r\n");
  }
  socket.send_text("0\r\n\r\n");
  EXPECT_THAT(socket.read_all(), HasSubstr("\"last_zxid\" : 0"));
}

TEST_F(SnapshotCommandsTest, AnUploadThatIsRefusedOrBrokenOffLeavesNothing) {
  Node node(directory_.path());
  const std::string large(3'000'000, 'x');
  EXPECT_THAT(node.ask("POST", "restore", "", large).head, StartsWith("HTTP/1.1 401"));
  {
    TestSocket socket(node.admin_port());
    socket.send_text(
        "POST /commands/restore HTTP/1.1\r\nHost: a\r\nAuthorization: ip\r\nContent-Length: 100\r\n\r\nabc");
    // One at a time.
    while (node.ask("POST", "restore", kAnybody, "x").head.find(" 429 ") == std::string::npos) {
    }
  }
  while (node.ask("POST", "restore", kAnybody, "x").head.find(" 500 ") == std::string::npos) {
  }
  EXPECT_THAT(temporary_files(), IsEmpty());
}

TEST_F(SnapshotCommandsTest, TooOftenOrNotAtAll) {
  {
    Node node(directory_.path(), "admin.rateLimiterIntervalInMS=1000000000\n");
    EXPECT_THAT(node.ask("GET", "snapshot").head, StartsWith("HTTP/1.1 200"));
    const Answer second = node.ask("GET", "snapshot");
    EXPECT_THAT(second.head, StartsWith("HTTP/1.1 429"));
    EXPECT_EQ(second.body, "{\n  \"command\" : \"snapshot\",\n  \"error\" : null\n}");
    EXPECT_EQ(node.metric("snapshot_rate_limited_count"), 1);
    EXPECT_THAT(node.ask("POST", "restore").head, StartsWith("HTTP/1.1 500"));
    EXPECT_THAT(node.ask("POST", "restore").head, StartsWith("HTTP/1.1 429"));
    EXPECT_EQ(node.metric("restore_rate_limited_count"), 1);
  }
  {
    Node node(directory_.path(), "admin.snapshot.enabled=false\nadmin.restore.enabled=false\n");
    EXPECT_THAT(node.ask("GET", "snapshot").head, StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(node.ask("POST", "restore").head, StartsWith("HTTP/1.1 503"));
  }
  Node node(directory_.path(), "serializeLastProcessedZxid.enabled=false\n");
  EXPECT_THAT(node.ask("GET", "snapshot").head, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(node.ask("POST", "restore").head, StartsWith("HTTP/1.1 500"));
}

TEST_F(SnapshotCommandsTest, AProxysWordCountsIfItIsTrusted) {
  Node node(directory_.path(), "IPAuthenticationProvider.usexforwardedfor=true\n");
  RawClient client(node.port());
  ASSERT_TRUE(client.connect().has_value());
  proto::SetACLRequest request;
  request.path = "/";
  request.version = -1;
  proto::ACL& acl = request.acl.emplace_back();
  acl.perms = 31;
  acl.id.scheme = "ip";
  acl.id.id = "10.1.2.3";
  client.send(1, OpCode::set_acl, request);
  ASSERT_EQ(client.receive().error, 0);
  EXPECT_THAT(node.ask("GET", "snapshot").head, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(node.ask("GET", "snapshot", "ip", "", "X-Forwarded-For: 10.1.2.3, 10.9.9.9\r\n").head,
              StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace zk::admin
