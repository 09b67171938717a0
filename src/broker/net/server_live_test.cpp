// Limits and threads of a running server.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/read.hpp>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <thread>

#include "base/testing/few_descriptors.h"
#include "base/testing/no_threads.h"
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

// Without descriptors no log could be read or written.
TEST_F(ServerTest, ConnectionsLeaveDescriptorsToFiles) {
  start(2);
  asio::io_context context;
  std::vector<tcp::socket> clients;
  const base::Bytes request = Client::framed(base::Bytes{kEcho});
  constexpr int kClients = 15;
  const base::testing::FewDescriptors few(20);  // for both ends; the clients' take what is reserved, too
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back(context).connect(tcp::endpoint(asio::ip::address_v4::loopback(), port));
    asio::write(clients.back(), asio::buffer(request));
  }
  eventually([&] { return server->connection_count() > 0; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // all would be let in by now
  EXPECT_LE(server->connection_count(), 10);
  EXPECT_GE(base::testing::FewDescriptors::left(), 6);
  clients.erase(clients.begin(), clients.begin() + 10);
  for (tcp::socket& each : clients) {  // those who had to wait are let in
    base::Bytes answer(request.size());
    EXPECT_EQ(asio::read(each, asio::buffer(answer)), request.size());
  }
  eventually([&] { return server->connection_count() == 5; });
}

TEST_F(ServerTest, NetworkThreadsThatCannotBeHadGetNoConnections) {
  start(1);
  {
    const base::testing::NoThreads none;
    EXPECT_NO_THROW(server->set_network_threads(3));
  }
  const auto ask = [this] {
    for (int i = 0; i < 6; ++i) {
      Client client(port);
      client.send({kEcho});
      EXPECT_TRUE(client.receive());
    }
  };
  ask();
  EXPECT_EQ(handler.threads_seen(), 1u);
  server->set_network_threads(3);
  ask();
  EXPECT_EQ(handler.threads_seen(), 3u);
}

std::ptrdiff_t threads_of_this_process() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return std::distance(begin(all), end(all));
}

bool somebody_listens(std::uint16_t port) {
  asio::io_context context;
  tcp::socket socket(context);
  boost::system::error_code error;
  socket.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
  return !error;
}

// What has begun of it ends with stop(): what it serves goes away then.
TEST_F(ServerTest, AStartThatRunsOutOfThreadsIsStopped) {
  options.network_threads = 64;
  options.listeners.push_back({"PLAINTEXT", "127.0.0.1", 0});
  bool has_failed = false;
  while (!has_failed) {  // until there are no more after the first
    server = std::make_unique<Server>(options, handler);
    const std::ptrdiff_t before = threads_of_this_process();
    std::atomic<bool> is_over = false;
    std::thread limit([before, &is_over] {
      while (!is_over && threads_of_this_process() < before + 2) std::this_thread::yield();
      const base::testing::NoThreads none;
      while (!is_over) std::this_thread::yield();
    });
    try {
      server->start();
    } catch (const std::system_error&) {
      has_failed = true;
    }
    is_over = true;
    limit.join();
    if (has_failed) port = server->port("PLAINTEXT");
    server->stop();
  }
  EXPECT_FALSE(somebody_listens(port));
  EXPECT_EQ(handler.started, 0);
}

// What comes after the binding may fail before there is a start(): the ports are free for others as soon as the stop begins.
TEST_F(ServerTest, AStopWithoutAStartFreesThePorts) {
  options.listeners = {{"PLAINTEXT", "127.0.0.1", 0}, {"INTERNAL", "127.0.0.1", 0}};
  server = std::make_unique<Server>(options, handler);
  const std::uint16_t ports[] = {server->port("PLAINTEXT"), server->port("INTERNAL")};
  for (const std::uint16_t each : ports) EXPECT_TRUE(somebody_listens(each));
  server->stop();
  for (const std::uint16_t each : ports) EXPECT_FALSE(somebody_listens(each));
  EXPECT_EQ(server->set_listeners(options.listeners), std::nullopt);
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

// A port that nobody else is given: bound, so that only who asks for this very port can share it.
class FreePort {
 public:
  FreePort() : holder_(context_, tcp::v4()) {
    holder_.set_option(asio::socket_base::reuse_address(true));
    holder_.bind(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  }
  std::uint16_t number() const { return holder_.local_endpoint().port(); }
  void listen() { holder_.listen(); }

 private:
  asio::io_context context_;
  tcp::acceptor holder_;
};

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
  void start_at(const FreePort& at, int threads = 1) {
    options.listeners.push_back({"PLAINTEXT", "127.0.0.1", at.number()});
    start(threads);
  }
  static ListenerOptions plain(const FreePort& at) { return {"PLAINTEXT", "127.0.0.1", at.number()}; }
  static ListenerOptions extra(const FreePort& at) { return {"EXTRA", "127.0.0.1", at.number()}; }
  bool set(const std::vector<ListenerOptions>& wanted) {
    const auto failures = server->set_listeners(wanted);
    return failures && failures->empty();
  }
};

TEST_F(LiveListeners, ComeAndGo) {
  const FreePort one, another;
  start_at(one, 3);
  Client of_plain(port);
  of_plain.send({kEcho});
  EXPECT_TRUE(of_plain.receive());
  EXPECT_TRUE(set({plain(one), extra(another)}));
  EXPECT_EQ(server->open_listeners(), (std::vector{plain(one), extra(another)}));
  Client quiet(another.number()), busy(another.number());
  for (Client* each : {&quiet, &busy}) {
    each->send({kEcho});
    EXPECT_TRUE(each->receive());
  }
  busy.send({kWait, 1});
  eventually([&] { return handler.started == 4; });
  EXPECT_TRUE(set({plain(one)}));
  EXPECT_TRUE(quiet.closed_by_peer());
  EXPECT_FALSE(serves(another.number()));
  handler.gate_of(1).set(true);
  EXPECT_TRUE(busy.receive()) << "requests in flight are answered";
  EXPECT_TRUE(busy.closed_by_peer());
  of_plain.send({kEcho});
  EXPECT_TRUE(of_plain.receive()) << "the other listener's connections stay";
  EXPECT_THROW(server->port("EXTRA"), std::logic_error);
}

TEST_F(LiveListeners, MoveAndKeepTheirConnections) {
  const FreePort one, another;
  start_at(one);
  Client before(port);
  before.send({kEcho});
  EXPECT_TRUE(before.receive());
  EXPECT_TRUE(set({plain(another)}));
  EXPECT_TRUE(serves(another.number()));
  EXPECT_FALSE(serves(one.number()));
  before.send({kEcho});
  EXPECT_TRUE(before.receive());
  EXPECT_TRUE(set({plain(one), extra(another)})) << "the name of one at the port of the other";
  EXPECT_EQ(server->port("PLAINTEXT"), one.number());
  EXPECT_EQ(server->port("EXTRA"), another.number());
  EXPECT_TRUE(serves(one.number()) && serves(another.number()));
}

TEST_F(LiveListeners, StayWhereTheyAreIfTheNewAddressCannotBeHad) {
  const FreePort one, another;
  start_at(one);
  ASSERT_TRUE(set({plain(one), extra(another)}));
  FreePort taken;
  taken.listen();
  const auto failures = server->set_listeners(
      {{"PLAINTEXT", "no-such-host.invalid", one.number()}, extra(taken), {"THIRD", "127.0.0.1", taken.number()}});
  ASSERT_TRUE(failures);
  ASSERT_EQ(failures->size(), 3u);
  EXPECT_NE(failures->at("EXTRA").find(std::to_string(taken.number())), std::string::npos) << failures->at("EXTRA");
  EXPECT_NE(failures->at("PLAINTEXT").find("no-such-host.invalid"), std::string::npos) << failures->at("PLAINTEXT");
  EXPECT_EQ(server->open_listeners(), (std::vector{plain(one), extra(another)}));
  EXPECT_TRUE(serves(one.number()) && serves(another.number()));
  EXPECT_THROW(server->port("THIRD"), std::logic_error);
}

TEST_F(LiveListeners, ChangeBesideConnectionsAndTheEnd) {
  const FreePort one, another;
  start_at(one, 2);
  std::atomic<bool> ended = false;
  std::thread changes([&] {
    while (!ended) {
      (void)server->set_listeners({plain(one), extra(another)});
      (void)server->set_listeners({plain(one)});
    }
  });
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(serves(port));
  server->stop();
  ended = true;
  changes.join();
  EXPECT_FALSE(server->set_listeners({plain(one)})) << "after the end there is nothing to do";
  EXPECT_FALSE(serves(port));
}

}  // namespace
}  // namespace broker::net
