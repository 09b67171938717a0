#include "zk/client/session_thread.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <string>
#include <vector>

#include "zk/client/testing/scripted_server.h"

namespace zk::client {
namespace {

using testing::ScriptedServer;

SessionOptions options_for(const ScriptedServer& server, std::int32_t timeout_ms) {
  SessionOptions options;
  options.connect.servers.push_back(Server{"127.0.0.1", server.port()});
  options.session_timeout_ms = timeout_ms;
  options.reconnect_pause_ms = 1;
  return options;
}

// The owner's loop isn't run at all here: it might as well be waiting for a disk.
TEST(SessionThread, PingsGoOutWhileTheOwnerIsBusy) {
  ScriptedServer server;
  boost::asio::io_context owner;
  std::vector<SessionState> states;
  SessionEvents events;
  events.state = [&](SessionState state) { states.push_back(state); };
  SessionThread session(owner.get_executor(), options_for(server, 300), std::move(events));
  server.accept();
  server.receive();
  server.send("00000000 0000012c 0000000000000005 00000010 01010101010101010101010101010101 00");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(server.receive(), "fffffffe0000000b");
    server.send("fffffffe 0000000000000000 00000000");
  }
  EXPECT_EQ(session.session_id(), 5);
  EXPECT_TRUE(states.empty());
  owner.run();
  EXPECT_EQ(states, std::vector<SessionState>{SessionState::connected});
}

TEST(SessionThread, AnEventComesBeforeTheResponseBehindIt) {
  ScriptedServer server;
  boost::asio::io_context owner;
  std::vector<std::string> order;
  SessionEvents events;
  events.watch = [&](const WatchEvent& event) { order.push_back("event " + event.path); };
  SessionThread session(owner.get_executor(), options_for(server, 10000), std::move(events));
  server.attach();
  bool sent = false;
  boost::asio::co_spawn(
      owner,
      [](SessionThread& asked, std::vector<std::string>& seen, bool& begun) -> base::Task<void> {
        std::vector<Request> requests;
        requests.push_back(exists("/a"));
        begun = true;
        const std::vector<Response> responses = co_await asked.execute(std::move(requests));
        seen.push_back(responses.front().error == Error::no_node ? "no node" : "unexpected");
      }(session, order, sent),
      boost::asio::detached);
  while (!sent) owner.run_one();  // the news that it is connected may come first
  server.receive_request();
  server.send("ffffffff ffffffffffffffff 00000000 00000003 00000003 00000002 2f61");
  server.send("00000001 0000000000000020 ffffff9b");
  owner.run();
  EXPECT_EQ(order, (std::vector<std::string>{"event /a", "no node"}));
}

TEST(SessionThread, NoEventComesAfterItsEnd) {
  ScriptedServer server;
  boost::asio::io_context owner;
  int events_seen = 0;
  SessionEvents events;
  events.state = [&](SessionState) { ++events_seen; };
  auto session = std::make_unique<SessionThread>(owner.get_executor(), options_for(server, 300), std::move(events));
  server.accept();
  server.receive();
  server.send("00000000 0000012c 0000000000000005 00000010 01010101010101010101010101010101 00");
  EXPECT_EQ(server.receive(), "fffffffe0000000b");  // it is connected, and the event waits for its owner
  session.reset();
  owner.run();
  EXPECT_EQ(events_seen, 0);
}

}  // namespace
}  // namespace zk::client
