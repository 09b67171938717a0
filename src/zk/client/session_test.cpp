#include "zk/client/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <mutex>
#include <thread>

#include "zk/client/testing/scripted_server.h"

namespace zk::client {
namespace {

using testing::plain;
using testing::ScriptedServer;

class Client {
 public:
  explicit Client(std::uint16_t port, std::string chroot = "", std::int32_t timeout_ms = 10000,
                  std::int32_t reconnect_pause_ms = 1, decltype(SessionOptions::acl_of) acl_of = nullptr)
      : guard_(boost::asio::make_work_guard(loop_)), thread_([this] { loop_.run(); }) {
    SessionOptions options;
    options.connect.servers.push_back(Server{"127.0.0.1", port});
    options.connect.chroot = std::move(chroot);
    options.session_timeout_ms = timeout_ms;
    options.reconnect_pause_ms = reconnect_pause_ms;
    options.acl_of = std::move(acl_of);
    options.last_failure = last_failure_;
    SessionEvents events;
    events.watch = [this](const WatchEvent& event) { note(std::to_string(static_cast<int>(event.type)) + event.path); };
    events.state = [this](SessionState state) {
      if (state == SessionState::connected) note("connected");
      if (state == SessionState::disconnected) note("disconnected");
      if (state == SessionState::expired) expired_.set_value();
    };
    session_ = std::make_unique<Session>(loop_.get_executor(), std::move(options), std::move(events));
  }
  ~Client() {
    std::promise<void> gone;
    boost::asio::post(loop_, [&] {
      session_.reset();
      gone.set_value();
    });
    gone.get_future().wait();
    guard_.reset();  // not earlier: a loop without work ends, and then runs nothing more
    thread_.join();
  }

  std::future<std::vector<Response>> start(std::vector<Request> requests) {
    return boost::asio::co_spawn(loop_, session_->execute(std::move(requests)), boost::asio::use_future);
  }
  std::future<std::vector<Response>> start_once(std::vector<Request> requests) {
    return boost::asio::co_spawn(loop_, session_->execute_once(std::move(requests)), boost::asio::use_future);
  }
  Session& session() { return *session_; }
  std::string last_failure() const { return last_failure_->get(); }
  boost::asio::io_context& loop() { return loop_; }
  void await_expired() { expired_.get_future().wait(); }
  std::vector<std::string> notes() {
    std::lock_guard lock(mutex_);
    return notes_;
  }

 private:
  void note(std::string text) {
    std::lock_guard lock(mutex_);
    notes_.push_back(std::move(text));
  }

  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::mutex mutex_;
  std::vector<std::string> notes_;
  std::promise<void> expired_;
  const std::shared_ptr<LastFailure> last_failure_ = std::make_shared<LastFailure>();
  std::unique_ptr<Session> session_;
  std::thread thread_;
};

std::vector<Request> one(Request request) {
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  return requests;
}

const std::string kStat =
    "0000000000000011 0000000000000012 0000000000000013 0000000000000014 00000003 00000004 00000005 0000000000000006 "
    "00000002 00000007 0000000000000015";

TEST(Session, HandshakeAndPathsUnderTheChroot) {
  ScriptedServer server;
  Client client(server.port(), "/root");
  EXPECT_EQ(server.attach(),
            plain("00000000 0000000000000000 00002710 0000000000000000 00000010 00000000000000000000000000000000 00"));
  auto answer = client.start(one(get_data("/a")));
  EXPECT_EQ(server.receive_request(), plain("00000001 00000004 00000007 2f726f6f742f61 00"));
  server.send("00000001 0000000000000020 00000000 00000002 6869" + kStat);
  const Response response = answer.get().front();
  EXPECT_TRUE(response.ok());
  EXPECT_EQ(response.data, "hi");
  EXPECT_EQ(response.stat.czxid, 0x11);
  EXPECT_EQ(response.stat.version, 3);
  EXPECT_EQ(response.stat.ephemeral_owner, 6);
  EXPECT_EQ(response.stat.pzxid, 0x15);
  EXPECT_EQ(client.session().session_id(), 5);

  auto made = client.start(one(create("/s-", "x", CreateMode::persistent_sequential)));
  EXPECT_EQ(server.receive_request(), plain("00000002 00000001 00000008 2f726f6f742f732d 00000001 78 00000001 0000001f "
                                            "00000005 776f726c64 00000006 616e796f6e65 00000002"));
  server.send("00000002 0000000000000021 00000000 00000009 2f726f6f742f732d31");
  EXPECT_EQ(made.get().front().path, "/s-1");

  auto top = client.start(one(exists("/")));
  EXPECT_EQ(server.receive_request(), plain("00000003 00000003 00000005 2f726f6f74 00"));
  server.send("00000003 0000000000000021 ffffff9b");
  EXPECT_EQ(top.get().front().error, Error::no_node);
}

TEST(Session, RequestsBeforeTheConnectionWaitAndGoOutInOrder) {
  ScriptedServer server;
  Client client(server.port());
  std::vector<Request> requests;
  requests.push_back(remove("/a", 4));
  requests.push_back(exists("/b", true));
  auto answers = client.start(std::move(requests));
  server.attach();
  EXPECT_EQ(server.receive_request(), plain("00000001 00000002 00000002 2f61 00000004"));
  EXPECT_EQ(server.receive_request(), plain("00000002 00000003 00000002 2f62 01"));
  server.send("00000001 0000000000000020 ffffff99");
  server.send("ffffffff ffffffffffffffff 00000000 00000001 00000003 00000002 2f62");
  server.send("00000002 0000000000000020 ffffff9b");
  const std::vector<Response> responses = answers.get();
  EXPECT_EQ(responses[0].error, Error::bad_version);
  EXPECT_EQ(responses[1].error, Error::no_node);
  EXPECT_EQ(client.notes(), (std::vector<std::string>{"connected", "1/b"}));
}

TEST(Session, MultiAnswersEveryOperation) {
  ScriptedServer server;
  Client client(server.port());
  server.attach();
  auto good = client.start(one(multi(check("/e", 2), set_data("/s", std::nullopt, 1))));
  EXPECT_EQ(server.receive_request(), plain("00000001 0000000e 0000000d 00 ffffffff 00000002 2f65 00000002 00000005 00 "
                                            "ffffffff 00000002 2f73 ffffffff 00000001 ffffffff 01 ffffffff"));
  server.send("00000001 0000000000000020 00000000 0000000d 00 00000000 00000005 00 00000000" + kStat +
              "ffffffff 01 ffffffff");
  Response response = good.get().front();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response.results.at(1).stat.version, 3);

  auto bad = client.start(one(multi(check("/e", 2), create("/s", "x"))));
  server.receive_request();
  server.send(
      "00000002 0000000000000021 00000000 ffffffff 00 00000000 00000000 ffffffff 00 ffffff92 ffffff92 ffffffff 01 "
      "ffffffff");
  response = bad.get().front();
  EXPECT_EQ(response.error, Error::node_exists);
  EXPECT_EQ(response.results.at(0).error, Error::ok);
  EXPECT_EQ(response.results.at(1).error, Error::node_exists);
}

// zookeeper.set.acl: what is created without rules has its znode's, also within a multi.
TEST(Session, EveryCreateHasRules) {
  ScriptedServer server;
  Client client(server.port(), "/r", 10000, 1, [](const std::string& path) {
    return std::vector<Acl>{Acl{17, "sasl", "of " + path}};
  });
  server.attach();
  Request open = create("/o", "x");
  open.acl = {Acl{31, "world", "anyone"}};
  std::vector<Request> requests = one(create("/a", "x"));
  requests.push_back(open);
  requests.push_back(multi(set_data("/s", "x"), create("/m", "x", CreateMode::ephemeral)));
  auto answers = client.start(std::move(requests));
  const std::string rules = "00000001 00000011 00000004 7361736c 00000005 6f66202f";
  EXPECT_EQ(server.receive_request(), plain("00000001 00000001 00000004 2f722f61 00000001 78" + rules + "61 00000000"));
  EXPECT_EQ(server.receive_request(), plain("00000002 00000001 00000004 2f722f6f 00000001 78 00000001 0000001f 00000005 "
                                            "776f726c64 00000006 616e796f6e65 00000000"));
  EXPECT_EQ(server.receive_request(),
            plain("00000003 0000000e 00000005 00 ffffffff 00000004 2f722f73 00000001 78 ffffffff 00000001 00 ffffffff "
                  "00000004 2f722f6d 00000001 78" + rules + "6d 00000001 ffffffff 01 ffffffff"));
}

TEST(Session, ReattachSetsWatchesAgainAndRepeatsWhatWasNotAnswered) {
  ScriptedServer server;
  Client client(server.port(), "/r");
  server.attach();
  std::vector<Request> watching;
  watching.push_back(get_data("/d", true));
  watching.push_back(exists("/x", true));
  watching.push_back(get_children("/c", true));
  auto watched = client.start(std::move(watching));
  for (int i = 0; i < 3; ++i) server.receive_request();
  server.send("00000001 0000000000000020 00000000 00000000" + kStat);
  server.send("00000002 0000000000000020 ffffff9b");
  server.send("00000003 0000000000000021 00000000 00000000" + kStat);
  watched.get();
  auto unanswered = client.start(one(remove("/a")));
  auto once = client.start_once(one(remove("/b")));
  server.receive_request();
  server.receive_request();
  server.drop();
  EXPECT_EQ(once.get().front().error, Error::connection_loss);
  // A reset, if the server left a ping unread.
  EXPECT_THAT(client.last_failure(),
              ::testing::MatchesRegex("127.0.0.1:" + std::to_string(server.port()) + ": (End of file|Connection reset by peer)"));

  EXPECT_EQ(server.attach(),
            plain("00000000 0000000000000021 00002710 0000000000000005 00000010 01010101010101010101010101010101 00"));
  EXPECT_EQ(server.receive_request(), plain("fffffff8 00000065 0000000000000021 00000001 00000004 2f722f64 00000001 "
                                            "00000004 2f722f78 00000001 00000004 2f722f63"));
  EXPECT_EQ(server.receive_request(), plain("00000006 00000002 00000004 2f722f61 ffffffff"));
  EXPECT_EQ(client.last_failure(), "");
  server.send("fffffff8 0000000000000021 00000000");
  server.send("00000006 0000000000000022 00000000");
  EXPECT_TRUE(unanswered.get().front().ok());
  EXPECT_EQ(client.notes(), (std::vector<std::string>{"connected", "disconnected", "connected"}));
}

TEST(Session, WatchesThatHaveFiredAreNotSetAgain) {
  ScriptedServer server;
  Client client(server.port());
  server.attach();
  auto watched = client.start(one(get_children("/c", true)));
  server.receive_request();
  server.send("00000001 0000000000000021 00000000 00000000" + kStat);
  watched.get();
  server.send("ffffffff ffffffffffffffff 00000000 00000002 00000003 00000002 2f63");  // deleted
  auto after = client.start(one(remove("/a")));
  EXPECT_EQ(server.receive_request(), plain("00000002 00000002 00000002 2f61 ffffffff"));
  server.drop();
  server.attach();
  EXPECT_EQ(server.receive_request(), plain("00000003 00000002 00000002 2f61 ffffffff"));
}

// A frame of all of them might be more than the server takes, and it would never have them.
TEST(Session, ManyWatchesAreSetInSeveralFrames) {
  ScriptedServer server;
  Client client(server.port());
  server.attach();
  std::vector<Request> watching;
  for (const char* name : {"/1", "/2", "/3", "/4"}) watching.push_back(exists(name + std::string(60'000, 'x'), true));
  auto watched = client.start(std::move(watching));
  for (const char* xid : {"00000001", "00000002", "00000003", "00000004"}) {
    server.receive_request();
    server.send(xid + std::string("0000000000000020 ffffff9b"));
  }
  watched.get();
  server.drop();
  server.attach();
  const std::string head = plain("fffffff8 00000065 0000000000000020 00000000");
  const std::string first = server.receive_request(), second = server.receive_request();
  EXPECT_EQ(first.substr(0, head.size() + 8), head + "00000003");
  EXPECT_EQ(second.substr(0, head.size() + 8), head + "00000001");
}

// It has had its effect, or the session ends by itself: nobody waits for a server that has gone.
TEST(Session, ACloseIsNotRepeated) {
  ScriptedServer server;
  Client client(server.port(), "", 600'000);
  server.attach();
  Request close(OpCode::close_session, "");
  auto closed = client.start(one(close));
  server.receive_request();
  server.drop();
  EXPECT_EQ(closed.get().front().error, Error::connection_loss);
}

// ZooKeeper closes the connection that brings a frame above its jute.maxbuffer: to send it again would go on for ever.
TEST(Session, WhatIsTooLargeForAServerIsNotRepeated) {
  ScriptedServer server;
  Client client(server.port());
  server.attach();
  std::vector<Request> requests;
  requests.push_back(set_data("/a", std::string(1024 * 1024, 'x')));
  requests.push_back(remove("/b"));
  auto answers = client.start(std::move(requests));
  EXPECT_EQ(server.receive_request().size(), 2u * (1024 * 1024 + 22));
  server.receive_request();
  server.drop();
  server.attach();
  EXPECT_EQ(server.receive_request(), plain("00000003 00000002 00000002 2f62 ffffffff"));
  server.send("00000003 0000000000000022 00000000");
  const std::vector<Response> responses = answers.get();
  EXPECT_EQ(responses[0].error, Error::connection_loss);
  EXPECT_TRUE(responses[1].ok());
  // One that its server takes, as its jute.maxbuffer is raised.
  auto taken = client.start(one(set_data("/a", std::string(1024 * 1024, 'x'))));
  server.receive_request();
  server.send("00000004 0000000000000023 00000000" + kStat);
  EXPECT_TRUE(taken.get().front().ok());
  // And one above the client's own, that of Kafka's.
  std::vector<Request> large;
  large.push_back(set_data("/a", std::string(4 * 1024 * 1024, 'x')));
  large.push_back(remove("/c"));
  auto refused = client.start(std::move(large));
  EXPECT_EQ(server.receive_request().substr(8), plain("00000002 00000002 2f63 ffffffff"));
  server.send("00000005 0000000000000024 00000000");
  EXPECT_EQ(refused.get().front().error, Error::marshalling_error);
}

// One that didn't fit wouldn't fit the next time either. Those beside it lose nothing.
TEST(Session, AResponseThatIsTooLargeFailsItsRequestAlone) {
  ScriptedServer server;
  Client client(server.port());
  server.attach();
  std::vector<Request> requests;
  requests.push_back(get_children("/large", true));
  requests.push_back(remove("/b"));
  auto answers = client.start(std::move(requests));
  server.receive_request();
  server.receive_request();
  const std::string filling(2 * (4 * 1024 * 1024), '0');
  server.send("00000001 0000000000000021 00000000" + filling);
  server.send("00000002 0000000000000022 00000000");
  const std::vector<Response> responses = answers.get();
  EXPECT_EQ(responses[0].error, Error::marshalling_error);
  EXPECT_TRUE(responses[1].ok());
  EXPECT_EQ(client.notes(), std::vector<std::string>{"connected"});
  // What is no response is an end of the connection.
  auto unanswered = client.start(one(remove("/c")));
  server.receive_request();
  try {
    server.send("00000009 0000000000000023 00000000" + filling);
  } catch (const boost::system::system_error&) {  // it may be closed before all is out
  }
  server.attach();
  server.receive_request();
  server.send("00000004 0000000000000023 00000000");
  EXPECT_TRUE(unanswered.get().front().ok());
}

TEST(Session, ExpiredSessionFailsEverything) {
  ScriptedServer server;
  Client client(server.port());
  auto waiting = client.start(one(remove("/a")));
  server.accept();
  server.receive();
  server.send("00000000 00000000 0000000000000000 00000010 00000000000000000000000000000000 00");
  client.await_expired();
  EXPECT_EQ(waiting.get().front().error, Error::session_expired);
  EXPECT_EQ(client.start(one(remove("/a"))).get().front().error, Error::session_expired);
}

TEST(Session, BadFramesCostTheConnectionOnly) {
  ScriptedServer server;
  Client client(server.port());
  server.attach();
  auto answer = client.start(one(get_children("/")));
  server.receive_request();
  server.send("00000001 0000000000000020 00000000 7fffffff 00000001");  // more children than bytes
  server.attach();
  server.receive_request();
  server.send("00000063 0000000000000020 00000000");  // an answer to nothing
  server.attach();
  server.receive_request();
  server.send("00000003 0000000000000020 00000000 00000001 00000001 61" + kStat);
  EXPECT_EQ(answer.get().front().children, std::vector<std::string>{"a"});
}

TEST(Session, PingsWhenIdleAndLeavesASilentServer) {
  ScriptedServer server;
  Client client(server.port(), "", 300);
  server.accept();
  server.receive();
  server.send("00000000 0000012c 0000000000000005 00000010 01010101010101010101010101010101 00");
  EXPECT_EQ(server.receive(), plain("fffffffe0000000b"));
  EXPECT_NE(server.attach().find("0000000000000005"), std::string::npos);
}

// So that not all clients of a server that comes back are there at once.
TEST(Session, ReconnectsAfterPausesThatDiffer) {
  constexpr int kTries = 12;
  constexpr std::chrono::milliseconds kPause(200), kSpread(20);  // all of twelve so close together: once in 10^10 runs
  ScriptedServer server;
  Client client(server.port(), "", 10000, kPause.count());
  server.attach();
  std::vector<std::chrono::steady_clock::duration> pauses;
  for (int i = 0; i < kTries; ++i) {
    server.drop();
    const auto dropped = std::chrono::steady_clock::now();
    server.attach();
    pauses.push_back(std::chrono::steady_clock::now() - dropped);
  }
  const auto [least, most] = std::minmax_element(pauses.begin(), pauses.end());
  EXPECT_GT(*most - *least, kSpread);
}

// ZooKeeper's client warns of each try, too, but of none twice in ten seconds here.
TEST(Session, WhyAServerCannotBeReachedIsToldOncePerReason) {
  boost::asio::io_context loop;
  testing::tcp::acceptor deaf(loop);  // has a port and doesn't listen
  deaf.open(testing::tcp::v4());
  deaf.bind(testing::tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  const std::uint16_t port = deaf.local_endpoint().port();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  SessionOptions options;
  options.connect.servers = {Server{"127.0.0.1", port}};
  options.reconnect_pause_ms = 1;
  options.last_failure = std::make_shared<LastFailure>();
  ::testing::internal::CaptureStdout();
  {
    Session session(loop.get_executor(), options, SessionEvents());
    auto connected = boost::asio::co_spawn(loop, session.wait_connected(200), boost::asio::use_future);
    while (connected.wait_for(std::chrono::seconds(0)) != std::future_status::ready) loop.run_one();
    EXPECT_FALSE(connected.get());
  }
  const std::string log = ::testing::internal::GetCapturedStdout();
  const std::string line = "WARN No connection to " + address + ": Connection refused (milena.zk.Session)\n";
  EXPECT_THAT(log, ::testing::HasSubstr(line));
  EXPECT_EQ(log.find(line), log.rfind(line)) << log;
  EXPECT_EQ(options.last_failure->get(), address + ": Connection refused");
}

TEST(Session, CloseEndsTheSession) {
  ScriptedServer server;
  Client client(server.port());
  server.attach();
  auto closed = boost::asio::co_spawn(client.loop(), client.session().close(), boost::asio::use_future);
  EXPECT_EQ(server.receive_request(), plain("00000001 fffffff5"));
  server.send("00000001 0000000000000020 00000000");
  closed.get();
  EXPECT_EQ(client.start(one(remove("/a"))).get().front().error, Error::session_expired);
}

TEST(ConnectString, Parts) {
  const auto two = parse_connect_string("a:1, [::1]:2/x/y/");
  ASSERT_TRUE(two);
  ASSERT_EQ(two->servers.size(), 2U);
  EXPECT_EQ(two->servers[0].host, "a");
  EXPECT_EQ(two->servers[1].host, "::1");
  EXPECT_EQ(two->servers[1].port, 2);
  EXPECT_EQ(two->chroot, "/x/y");
  EXPECT_EQ(parse_connect_string("host")->servers[0].port, 2181);
  EXPECT_EQ(parse_connect_string("host/")->chroot, "");
  for (const char* bad : {"", ",", "a:b", "a:", "a:0", "a:65536", "/x", "a:1//x", "a:1/../x", "[::1"}) {
    std::string reason;
    EXPECT_FALSE(parse_connect_string(bad, &reason)) << bad;
    EXPECT_FALSE(reason.empty());
  }
}

}  // namespace
}  // namespace zk::client
