// Clients' sockets: many that are readable at once, clients that end their side early, a system that has no room.
#include "zk/server/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "zk/server/testing/server_fixture.h"

namespace zk::server {
namespace {

using boost::asio::ip::tcp;
using ::testing::HasSubstr;

struct SocketPair {
  SocketPair() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) throw std::runtime_error("socketpair");
  }
  ~SocketPair() {
    for (const int end : ends) {
      if (end >= 0) ::close(end);
    }
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  void write() { EXPECT_EQ(::send(ends[1], "x", 1, MSG_NOSIGNAL), 1); }
  int ends[2] = {-1, -1};
};

struct Reader final : ReadySockets::Owner {
  void on_ready(const ReadySockets::Ready& ready) override {
    if (!ready.to_read) return;
    char byte = 0;
    while (::recv(pair.ends[0], &byte, 1, 0) == 1) ++bytes;
  }
  SocketPair pair;
  int bytes = 0;
};

// More than one look at the set finds.
TEST(ReadySockets, AllThatAreReadableAtOnceAreServed) {
  boost::asio::io_context io(1);
  ReadySockets sockets(io);
  std::vector<Reader> readers(400);
  for (Reader& reader : readers) ASSERT_TRUE(sockets.add(reader.pair.ends[0], reader));
  for (int round = 1; round <= 3; ++round) {
    for (Reader& reader : readers) reader.pair.write();
    io.poll();
    for (std::size_t i = 0; i < readers.size(); ++i) ASSERT_EQ(readers[i].bytes, round) << i;
  }
}

TEST(ConnectionWithoutRoom, IsClosedWithAWarning) {
  const ZooKeeperServerConfig config;
  base::ManualClock clock;
  Coordinator coordinator(config, clock);
  coordinator.begin();
  boost::asio::io_context io(1);
  ReadySockets sockets(io);
  int closed = 0;
  ConnectionShared shared{coordinator, sockets, base::Bytes(1024), base::Bytes(), [] {},
                          [&](tree::WatcherId) { ++closed; }};
  SocketPair pair;
  Reader somebody;
  ASSERT_TRUE(sockets.add(pair.ends[0], somebody));  // so that the system refuses to add it once more
  tcp::socket socket(io, tcp::v4(), std::exchange(pair.ends[0], -1));
  auto connection = std::make_shared<Connection>(std::move(socket), tcp::endpoint(), shared);
  ::testing::internal::CaptureStdout();
  connection->start();
  const std::string log = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(log, HasSubstr("WARN"));
  EXPECT_THAT(log, HasSubstr("Closing 0.0.0.0: the system watches no further socket: File exists."));
  EXPECT_THAT(log, HasSubstr("fs.epoll.max_user_watches"));
  EXPECT_EQ(closed, 1);
  char byte = 0;
  EXPECT_EQ(::recv(pair.ends[1], &byte, 1, 0), 0);
}

class HalfClosed : public testing::ServerFixture {};
class WrongPort : public testing::ServerFixture {};
class ManyClients : public testing::ServerFixture {};

// As from ZooKeeper 3.9.4, asked 40 times each.
TEST_F(HalfClosed, WordsAreAnswered) {
  start();
  for (const auto& [word, answer] : {std::pair{"ruok", "imok"}, {"srvr", "Zookeeper version: "}, {"mntr", "zk_version"}}) {
    testing::TestSocket socket(server_->port());
    socket.send_text(word);
    socket.half_close();
    EXPECT_THAT(socket.read_all(), ::testing::StartsWith(answer));
    EXPECT_FALSE(socket.is_broken());
  }
}

// The only one with an argument, which may come later.
TEST_F(HalfClosed, TheWordStmkWaitsForItsMask) {
  config_.commands = {"stmk", "gtmk"};
  start();
  testing::TestSocket socket(server_->port());
  socket.send_text("stmk");
  testing::TestSocket other(server_->port());
  other.send_text("gtmk");
  other.read_all();  // so that the word has been read
  socket.send_text(std::string("\0\0\0\0\0\0\1\2", 8));
  EXPECT_EQ(socket.read_all(), "258");
}

// ZooKeeper 3.9.4 ends the connection once it has read the end, mostly before the answer (of a lone request: 40 of 40
// times); what was asked is done, and the session lives on.
TEST_F(HalfClosed, RequestsAreDone) {
  start();
  auto leaving = client();
  leaving->send(1, testing::OpCode::create, testing::RawClient::creation("/e", 1));
  leaving->half_close();
  leaving->read_all();
  EXPECT_FALSE(leaving->is_broken());
  auto other = client();
  EXPECT_EQ(other->create("/e").error, static_cast<std::int32_t>(tree::Error::node_exists));
}

TEST_F(WrongPort, ATlsClientIsNamedAsOne) {
  start();
  testing::TestSocket socket(server_->port());
  ::testing::internal::CaptureStdout();
  socket.send_text("\x16\x03\x01\x02\x01\x01\x01\x01");
  socket.read_all();
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              HasSubstr("it speaks TLS, which this port doesn't: that is what secureClientPort is for"));
}

TEST_F(ManyClients, AllAreServed) {
  start();
  std::vector<std::unique_ptr<testing::RawClient>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(client());
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i]->send(1, testing::OpCode::create, testing::RawClient::creation("/n" + std::to_string(i)));
  }
  for (auto& each : clients) EXPECT_EQ(each->receive().error, 0);
}

}  // namespace
}  // namespace zk::server
