#include "broker/net/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file_system.h"
#include "base/testing/temp_dir.h"
#include "broker/net/connection.h"
#include "broker/net/testing/server_fixture.h"

namespace broker::net {
namespace {

using namespace testing;

TEST_F(ServerTest, AnswersPipelinedFramesInOrder) {
  start();
  Client client(port);
  base::Bytes all;
  for (std::uint8_t i = 0; i < 100; ++i) {
    base::Bytes frame = Client::framed(base::Bytes{kEcho, i});
    all.insert(all.end(), frame.begin(), frame.end());
  }
  client.send_raw(all);
  for (std::uint8_t i = 0; i < 100; ++i) EXPECT_EQ(client.receive(), (base::Bytes{kEcho, i}));
  EXPECT_EQ(handler.last_host(), "/127.0.0.1");
}

TEST_F(ServerTest, OneThatWaitsKeepsItsPlaceButNotTheStartOfOthers) {
  start();
  Client client(port);
  client.send({kWait, 1});
  client.send({kEcho, 2});
  client.send({kSilent});
  client.send({kWait, 3});
  eventually([&] { return handler.started == 4; });
  handler.gate_of(3).set(true);
  eventually([&] { return handler.finished == 3; });
  handler.gate_of(1).set(true);
  EXPECT_EQ(client.receive(), (base::Bytes{kWait, 1}));
  EXPECT_EQ(client.receive(), (base::Bytes{kEcho, 2}));
  EXPECT_EQ(client.receive(), (base::Bytes{kWait, 3}));
}

TEST_F(ServerTest, RequestsInFlightAreBounded) {
  options.stop_grace_ms = 50;
  start();
  Client client(port);
  constexpr int kMax = static_cast<int>(Connection::kRequestsInFlightMax);
  for (int i = 0; i < kMax + 50; ++i) client.send({kWait, 9, static_cast<std::uint8_t>(i)});
  eventually([&] { return handler.started == kMax; });
  handler.gate_of(9).set(true);  // only the first waiter of a gate is woken, so end here
  server->stop();
  EXPECT_LE(handler.started, kMax + 50);
}

TEST_F(ServerTest, ABurstOfMoreThanMayBeInFlightIsServed) {
  start();
  Client client(port);
  constexpr int kCount = 5 * static_cast<int>(Connection::kRequestsInFlightMax) / 2;
  base::Bytes burst;
  for (int i = 0; i < kCount; ++i) {
    const base::Bytes frame = Client::framed(base::Bytes{kEcho, static_cast<std::uint8_t>(i)});
    burst.insert(burst.end(), frame.begin(), frame.end());
  }
  client.send_raw(burst);  // and nothing after it
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(client.receive(), (base::Bytes{kEcho, static_cast<std::uint8_t>(i)})) << i;
  }
}

TEST_F(ServerTest, LargeFramesOfAllSizes) {
  start();
  Client client(port);
  for (std::size_t size :
       {1u, 4091u, 4092u, 4093u, 32'768u, 65'531u, 65'532u, 65'533u, 65'536u, 300'000u, 1'500'000u, 7u}) {
    base::Bytes body(size);
    for (std::size_t i = 1; i < size; ++i) body[i] = static_cast<std::uint8_t>(i * 31 + size);
    std::thread writer([&] { client.send(body); });
    auto answer = client.receive();
    writer.join();
    ASSERT_TRUE(answer.has_value()) << size;
    EXPECT_TRUE(*answer == body) << size;
  }
}

TEST_F(ServerTest, ByteByByteAndManyLargeAtOnce) {
  start();
  Client client(port);
  for (std::uint8_t byte : Client::framed(base::Bytes{kEcho, 1, 2, 3})) {
    client.send_raw(base::ByteView(&byte, 1));
    std::this_thread::yield();
  }
  EXPECT_EQ(client.receive(), (base::Bytes{kEcho, 1, 2, 3}));
  std::thread writer([&] {
    for (std::uint8_t i = 0; i < 40; ++i) client.send(base::Bytes(70'000 + 1000 * i, i == 0 ? kEcho : std::uint8_t{0}));
  });
  for (std::uint8_t i = 0; i < 40; ++i) EXPECT_EQ(client.receive()->size(), 70'000u + 1000 * i);
  writer.join();
}

TEST_F(ServerTest, BadLengthsCloseThatConnectionOnly) {
  options.request_bytes_max = 1000;
  start();
  Client good(port);
  for (std::int32_t length : {0, -1, std::numeric_limits<std::int32_t>::min(), 1001, 0x7fffffff}) {
    Client bad(port);
    base::Bytes bytes;
    base::append_big_endian(bytes, length);
    bad.send_raw(bytes);
    EXPECT_TRUE(bad.closed_by_peer()) << length;
  }
  good.send(base::Bytes(1000, kEcho));
  EXPECT_EQ(good.receive()->size(), 1000u);
}

TEST_F(ServerTest, ATlsClientIsNamedAsOne) {
  start();
  Client bad(port);
  ::testing::internal::CaptureStdout();
  bad.send_raw(base::Bytes{0x16, 0x03, 0x01, 0x02, 0x01});
  EXPECT_TRUE(bad.closed_by_peer());
  const std::string log = ::testing::internal::GetCapturedStdout();
  EXPECT_NE(log.find("invalid receive (size = 369295618, allowed are 1 to "), std::string::npos) << log;
  EXPECT_NE(log.find("): it speaks TLS, which this listener doesn't"), std::string::npos) << log;
}

TEST_F(ServerTest, RefusedThrownAndLast) {
  start();
  for (std::uint8_t command : {kRefuse, kThrow}) {
    Client client(port);
    client.send({command});
    EXPECT_TRUE(client.closed_by_peer());
  }
  Client waits(port);
  waits.send({kThrowLater, 3});
  handler.gate_of(3).set(true);
  EXPECT_TRUE(waits.closed_by_peer());
  Client client(port);
  client.send({kEcho, 5});
  client.send({kLast, 6});
  EXPECT_EQ(client.receive(), (base::Bytes{kEcho, 5}));
  EXPECT_EQ(client.receive(), (base::Bytes{kLast, 6}));
  EXPECT_TRUE(client.closed_by_peer());
  eventually([&] { return server->connection_count() == 0; });
}

TEST_F(ServerTest, FileSlicesLeaveBetweenTheBytes) {
  base::testing::TempDir directory;
  std::string content(3'000'000, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
  std::ofstream(directory.path() + "/f") << content;
  handler.file = base::real_file_system().open(directory.path() + "/f", base::OpenMode::read);
  handler.file_bytes = content.size();
  start();
  Client client(port);
  client.send({kFile, 7, 8});
  client.send({kEcho, 9});
  auto answer = client.receive();
  ASSERT_EQ(answer->size(), content.size());
  EXPECT_EQ((*answer)[0], kFile);
  EXPECT_TRUE(std::equal(content.begin() + 3, content.end(), answer->begin() + 1));
  EXPECT_EQ((*answer)[answer->size() - 2], 7);
  EXPECT_EQ((*answer)[answer->size() - 1], 8);
  EXPECT_EQ(client.receive(), (base::Bytes{kEcho, 9}));
}

TEST_F(ServerTest, SlowReaderStopsItsOwnRequests) {
  start();
  Client slow(port);
  Client other(port);
  for (int i = 0; i < 100; ++i) slow.send({kBulk, static_cast<std::uint8_t>(i)});
  for (int i = 0; i < 20; ++i) {
    other.send({kEcho, 1});
    EXPECT_TRUE(other.receive());
  }
  EXPECT_LT(handler.finished, 20 + 60);
  for (int i = 0; i < 100; ++i) {
    auto answer = slow.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->size(), 1u << 20);
    EXPECT_EQ((*answer)[1], i);
  }
}

TEST_F(ServerTest, IdleConnectionsAreClosed) {
  options.connection_idle_ms = 200;
  start();
  Client idle(port);
  Client half_frame(port);
  half_frame.send_raw(base::Bytes{0, 0, 0, 9, 1});
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_TRUE(half_frame.closed_by_peer());
}

TEST_F(ServerTest, ConnectionLimits) {
  options.limits.connections_per_ip_max = 5;
  options.limits.per_ip_overrides["127.0.0.1"] = 2;
  start();
  Client first(port);
  Client second(port);
  eventually([&] { return server->connection_count() == 2; });
  Client third(port);
  EXPECT_TRUE(third.closed_by_peer());
  first.socket().close();
  eventually([&] { return server->connection_count() == 1; });
  Client fourth(port);
  fourth.send({kEcho});
  EXPECT_TRUE(fourth.receive());
}

TEST_F(ServerTest, MaxConnectionsQueuesTheRest) {
  options.limits.connections_max = 1;
  start();
  auto first = std::make_unique<Client>(port);
  first->send({kEcho});
  EXPECT_TRUE(first->receive());
  Client second(port);
  second.send({kEcho, 1});
  EXPECT_EQ(server->connection_count(), 1);
  first.reset();
  EXPECT_TRUE(second.receive());
}

TEST_F(ServerTest, ParkedFetchesEndWithTheirConnection) {
  start();
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint8_t i = 0; i < 10; ++i) clients.emplace_back(std::make_unique<Client>(port))->send({kPark, i});
    eventually([&] { return handler.started == 10; });
    EXPECT_EQ(handler.finished, 0);
  }
  eventually([&] { return handler.finished == 10; });
}

// Else whoever asks for a wait of weeks could go away unnoticed, if more than is read ahead lies behind it.
TEST_F(ServerTest, ParkedFetchesAreIdle) {
  options.connection_idle_ms = 50;
  start();
  Client client(port);
  client.send({kPark});
  EXPECT_TRUE(client.closed_by_peer());
  eventually([&] { return handler.finished == 1; });
}

TEST_F(ServerTest, NothingBehindTheLastWordIsServed) {
  start();
  for (const std::uint8_t last : {kRefuse, kLast}) {
    handler.started = 0;
    Client client(port);
    base::Bytes all;
    for (const base::Bytes& frame : {base::Bytes{kWait, last}, base::Bytes{last}, base::Bytes{kEcho, 1}, base::Bytes{kEcho, 2}}) {
      const base::Bytes framed = Client::framed(frame);
      all.insert(all.end(), framed.begin(), framed.end());
    }
    client.send_raw(all);
    eventually([&] { return handler.started == 2; });
    client.send({kEcho, 3});
    handler.gate_of(last).set(true);
    EXPECT_EQ(client.receive(), (base::Bytes{kWait, last}));
    if (last == kLast) {
      EXPECT_EQ(client.receive(), base::Bytes{kLast});
    }
    EXPECT_TRUE(client.closed_by_peer());
    eventually([&] { return server->connection_count() == 0; });
    EXPECT_EQ(handler.started, 2);
  }
}

TEST_F(ServerTest, NothingThatWaitsBehindTheLastWordIsServed) {
  start();
  Client client(port);
  base::Bytes all;
  for (const base::Bytes& frame : {base::Bytes{kInTurn, 1}, base::Bytes{kRefuseInTurn}, base::Bytes{kInTurn}, base::Bytes{kInTurn}}) {
    const base::Bytes framed = Client::framed(frame);
    all.insert(all.end(), framed.begin(), framed.end());
  }
  client.send_raw(all);
  eventually([&] { return handler.started == 4; });
  handler.gate_of(1).set(true);
  EXPECT_TRUE(client.receive());
  EXPECT_TRUE(client.closed_by_peer());
  eventually([&] { return server->connection_count() == 0; });
  EXPECT_EQ(handler.finished, 2);
}

TEST_F(ServerTest, StopAnswersWhatIsInFlight) {
  start(2);
  Client client(port);
  client.send({kWait, 1});
  eventually([&] { return handler.started == 1; });
  std::thread stopper([&] { server->stop(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  handler.gate_of(1).set(true);
  EXPECT_EQ(client.receive(), (base::Bytes{kWait, 1}));
  EXPECT_TRUE(client.closed_by_peer());
  stopper.join();
}

TEST_F(ServerTest, StopDoesNotWaitForever) {
  start();
  options.stop_grace_ms = 50;
  server = nullptr;
  server = std::make_unique<Server>(options, handler);
  server->start();
  Client client(server->port("PLAINTEXT"));
  client.send({kWait, 1});
  eventually([&] { return handler.started == 1; });
  server->stop();
  EXPECT_TRUE(client.closed_by_peer());
  handler.gate_of(1).set(true);  // after the loops have ended
  server = nullptr;
}

TEST_F(ServerTest, EmptyHostTakesBothFamilies) {
  options.listeners.push_back({"PLAINTEXT", "", 0});
  start();
  Client client(port);
  client.send({kEcho, 1});
  EXPECT_TRUE(client.receive());
  EXPECT_EQ(handler.last_host(), "/127.0.0.1");
}

// Clients take any address of a name: localhost is ::1 first where /etc/hosts has both.
TEST_F(ServerTest, ANameIsServedAtAllItsAddresses) {
  options.listeners.push_back({"PLAINTEXT", "localhost", 0});
  start();
  Client client(port);  // at 127.0.0.1
  client.send({kEcho, 1});
  EXPECT_TRUE(client.receive());
  asio::io_context context;
  for (const auto& found : tcp::resolver(context).resolve("localhost", std::to_string(port))) {
    tcp::socket probe(context);
    boost::system::error_code error;
    probe.open(found.endpoint().protocol(), error);
    if (!error) probe.bind(tcp::endpoint(found.endpoint().address(), 0), error);
    if (error) continue;  // an address that this machine doesn't have
    probe.connect(found.endpoint(), error);
    EXPECT_FALSE(error) << found.endpoint() << " " << error.message();
  }
}

TEST_F(ServerTest, PortInUseIsOneClearMessage) {
  start();
  ServerOptions again;
  again.listeners.push_back({"PLAINTEXT", "127.0.0.1", port});
  try {
    Server second(again, handler);
    FAIL() << "bound twice";
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(std::string(e.what()),
              "Socket server failed to bind to 127.0.0.1:" + std::to_string(port) + ": Address already in use.");
  }
}

// What a reply keeps until it is sent goes when the peer has taken it, and when the peer is gone.
TEST_F(ServerTest, WhatRepliesKeepGoesWithThem) {
  const auto kept = std::make_shared<const int>(1);
  handler.kept = kept;
  start();
  constexpr int kReplies = 50;  // of 1 MiB: more than a socket takes
  for (const bool reads : {true, false}) {
    Client client(port);
    for (int i = 0; i < kReplies; ++i) client.send({kBulk, 0});
    eventually([&] { return kept.use_count() > 2; });
    for (int i = 0; reads && i < kReplies; ++i) ASSERT_TRUE(client.receive());
    if (!reads) client.socket().close();
    eventually([&] { return kept.use_count() == 2; });
  }
}

}  // namespace
}  // namespace broker::net
