// Limits and threads of a running server.
#include <gtest/gtest.h>

#include "broker/net/testing/server_fixture.h"

namespace broker::net {
namespace {

using namespace testing;

TEST_F(ServerTest, RaisingMaxConnectionsLetsInWhoWaits) {
  options.limits.connections_max = 1;
  start();
  Client first(port);
  first.send({kEcho});
  EXPECT_TRUE(first.receive());
  Client second(port);
  second.send({kEcho, 1});
  EXPECT_EQ(server->connection_count(), 1);
  ConnectionLimitOptions more;
  more.connections_max = 2;
  server->set_limits(more);
  EXPECT_TRUE(second.receive());
  Client third(port);
  third.send({kEcho, 2});
  more.connections_max = 3;
  server->set_limits(more);
  EXPECT_TRUE(third.receive()) << "the first limit is forgotten";
}

class LoweredLimit : public ServerTest {
 protected:
  void connect(int connections) {
    for (int i = 0; i < connections; ++i) {
      clients.push_back(std::make_unique<Client>(port));
      clients.back()->send({kEcho});
      EXPECT_TRUE(clients.back()->receive());
    }
  }
  void lower_to(std::int32_t connections_max) {
    ConnectionLimitOptions fewer;
    fewer.connections_max = connections_max;
    server->set_limits(fewer);
    eventually([&] { return server->connection_count() == connections_max; });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(server->connection_count(), connections_max) << "no more than that go";
  }
  std::vector<std::unique_ptr<Client>> clients;
};

TEST_F(LoweredLimit, ClosesWhatIsTooMuchOnAllLoops) {
  start(3);
  connect(9);
  lower_to(4);
  lower_to(1);
}

TEST_F(LoweredLimit, ClosesThoseThatAreIdleFirst) {
  start(3);
  connect(9);
  for (std::size_t i : {2u, 7u}) clients[i]->send({kWait, static_cast<std::uint8_t>(i)});
  eventually([&] { return handler.started == 11; });
  lower_to(2);
  handler.gate_of(2).set(true);
  EXPECT_TRUE(clients[2]->receive());
  lower_to(1);
  handler.gate_of(7).set(true);
  EXPECT_TRUE(clients[7]->receive());
}

TEST_F(LoweredLimit, ClosesBusyOnesIfNoOtherIsLeft) {
  start(2);
  connect(2);
  for (std::size_t i : {0u, 1u}) clients[i]->send({kWait, static_cast<std::uint8_t>(i)});
  eventually([&] { return handler.started == 4; });
  lower_to(1);
  for (std::uint8_t i = 0; i < 2; ++i) handler.gate_of(i).set(true);
}

TEST_F(ServerTest, ConnectionsComeNoFasterThanAllowed) {
  using Clock = std::chrono::steady_clock;
  options.limits.rate.per_second_max = 10;
  options.limits.rate.samples = 2;  // a burst of ten
  start();
  const auto time_for = [&](int connections) {
    const auto begin = Clock::now();
    for (int i = 0; i < connections; ++i) {
      Client client(port);
      client.send({kEcho});
      EXPECT_TRUE(client.receive());
    }
    return Clock::now() - begin;
  };
  EXPECT_LT(time_for(10), std::chrono::milliseconds(900));
  EXPECT_GT(time_for(5), std::chrono::milliseconds(300)) << "each waits for a tenth of a second or so";
  server->set_limits({});
  EXPECT_LT(time_for(100), std::chrono::seconds(5)) << "ten seconds at the old rate";
}

TEST_F(ServerTest, TheNumberOfThreadsChangesWhileItRuns) {
  start(1);
  const auto threads_of = [&](std::size_t connections) {
    std::vector<std::unique_ptr<Client>> clients;
    handler.forget_threads();
    for (std::size_t i = 0; i < connections; ++i) {
      clients.push_back(std::make_unique<Client>(port));
      clients.back()->send({kEcho});
      EXPECT_TRUE(clients.back()->receive());
    }
    return handler.threads_seen();
  };
  EXPECT_EQ(threads_of(6), 1u);
  server->set_network_threads(3);
  EXPECT_EQ(threads_of(6), 3u);
  std::vector<std::unique_ptr<Client>> staying;
  for (std::uint8_t i = 0; i < 3; ++i) {  // one on each
    staying.push_back(std::make_unique<Client>(port));
    staying.back()->send({kWait, i});
  }
  eventually([&] { return handler.started - handler.finished == 3; });
  server->set_network_threads(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (std::uint8_t i = 0; i < 3; ++i) handler.gate_of(i).set(true);
  int closed = 0;
  for (auto& each : staying) {
    EXPECT_TRUE(each->receive()) << "requests in flight are answered";
    each->send({kEcho});
    if (!each->receive()) ++closed;
  }
  EXPECT_EQ(closed, 2);
  EXPECT_EQ(threads_of(6), 1u);
  server->set_network_threads(2);
  EXPECT_EQ(threads_of(6), 2u);
}

class LiveListeners : public ServerTest {
 protected:
  static bool serves(std::uint16_t at) {
    try {
      Client client(at);
      client.send({kEcho});
      return client.receive().has_value();
    } catch (const boost::system::system_error&) {
      return false;
    }
  }
  static std::uint16_t free_port() {
    asio::io_context context;
    return tcp::acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)).local_endpoint().port();
  }
  ListenerOptions plain() const { return options.listeners.front(); }
};

TEST_F(LiveListeners, ComeAndGo) {
  start(3);
  Client of_plain(port);
  of_plain.send({kEcho});
  EXPECT_TRUE(of_plain.receive());
  EXPECT_TRUE(server->set_listeners({plain(), {"EXTRA", "127.0.0.1", 0}}).empty());
  const std::uint16_t extra = server->port("EXTRA");
  Client quiet(extra), busy(extra);
  for (Client* each : {&quiet, &busy}) {
    each->send({kEcho});
    EXPECT_TRUE(each->receive());
  }
  busy.send({kWait, 1});
  eventually([&] { return handler.started == 4; });
  EXPECT_TRUE(server->set_listeners({plain()}).empty());
  EXPECT_TRUE(quiet.closed_by_peer());
  EXPECT_FALSE(serves(extra));
  handler.gate_of(1).set(true);
  EXPECT_TRUE(busy.receive()) << "requests in flight are answered";
  EXPECT_TRUE(busy.closed_by_peer());
  of_plain.send({kEcho});
  EXPECT_TRUE(of_plain.receive()) << "the other listener's connections stay";
  EXPECT_THROW(server->port("EXTRA"), std::logic_error);
}

TEST_F(LiveListeners, MoveAndKeepTheirConnections) {
  start();
  Client before(port);
  before.send({kEcho});
  EXPECT_TRUE(before.receive());
  const std::uint16_t next = free_port();
  EXPECT_TRUE(server->set_listeners({{"PLAINTEXT", "127.0.0.1", next}}).empty());
  EXPECT_TRUE(serves(next));
  EXPECT_FALSE(serves(port));
  before.send({kEcho});
  EXPECT_TRUE(before.receive());
  // The name of one at the port of the other.
  EXPECT_TRUE(server->set_listeners({{"PLAINTEXT", "127.0.0.1", port}, {"EXTRA", "127.0.0.1", next}}).empty());
  EXPECT_EQ(server->port("PLAINTEXT"), port);
  EXPECT_EQ(server->port("EXTRA"), next);
  EXPECT_TRUE(serves(port) && serves(next));
}

TEST_F(LiveListeners, StayWhereTheyAreIfTheNewAddressCannotBeHad) {
  start();
  const std::uint16_t other = free_port();
  ASSERT_TRUE(server->set_listeners({plain(), {"EXTRA", "127.0.0.1", other}}).empty());
  asio::io_context context;
  const tcp::acceptor taken(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0), false);
  const std::uint16_t taken_port = taken.local_endpoint().port();
  const auto failures = server->set_listeners(
      {plain(), {"EXTRA", "127.0.0.1", taken_port}, {"THIRD", "127.0.0.1", taken_port}});
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_NE(failures.at("EXTRA").find(std::to_string(taken_port)), std::string::npos) << failures.at("EXTRA");
  EXPECT_EQ(server->port("EXTRA"), other);
  EXPECT_TRUE(serves(other) && serves(port));
  EXPECT_THROW(server->port("THIRD"), std::logic_error);
}

TEST_F(LiveListeners, ChangeBesideConnectionsAndTheEnd) {
  start(2);
  std::atomic<bool> ended = false;
  std::thread changes([&] {
    while (!ended) {
      (void)server->set_listeners({plain(), {"EXTRA", "127.0.0.1", 0}});
      (void)server->set_listeners({plain()});
    }
  });
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(serves(port));
  server->stop();
  ended = true;
  changes.join();
  EXPECT_TRUE(server->set_listeners({plain()}).empty()) << "after the end there is nothing to do";
  EXPECT_FALSE(serves(port));
}

}  // namespace
}  // namespace broker::net
