// Bounds of a whole server over real sockets: new sessions at once, readers of events that don't read, reads that wait for a slow
// disk, the sweeper.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "zk/proto/jute.h"
#include "zk/proto/records.h"
#include "zk/server/server.h"
#include "zk/server/testing/coordinator_fixture.h"
#include "zk/server/testing/server_fixture.h"
#include "zk/tree/types.h"

namespace zk::server {
namespace {

using testing::RawClient;
using tree::OpCode;

using BoundsTest = testing::ServerFixture;

TEST_F(BoundsTest, NewSessionsTakeTokens) {
  config_.connection_throttle.tokens = 2;
  config_.connection_throttle.fill_interval_ms = INT64_C(1) << 40;
  start();
  auto first = client();
  auto second = client();
  RawClient third(server_->port());
  EXPECT_FALSE(third.connect().has_value());
  EXPECT_EQ(second->create("/still-served").error, 0);
}

TEST_F(BoundsTest, TokensComeBack) {
  config_.connection_throttle.tokens = 1;
  config_.connection_throttle.fill_interval_ms = 1;
  start();
  auto first = client();
  while (!RawClient(server_->port()).connect().has_value()) {
  }
}

TEST_F(BoundsTest, AReaderThatDoesNotReadItsEventsIsClosedAndCostsOthersNothing) {
  config_.force_sync = false;  // of 100 MB of log
  start();
  auto slow = client();
  proto::AddWatchRequest watch;
  watch.path = "/";
  watch.mode = 1;  // recursive
  slow->send(1, OpCode::add_watch, watch);
  EXPECT_EQ(slow->receive().error, 0);
  auto writer = client();
  const std::string path = "/" + std::string(500'000, 'p');
  constexpr int kRounds = 80;  // 160 events of 500 kB each, above what may wait
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_EQ(writer->create(path).error, 0);
    proto::DeleteRequest removal;
    removal.path = path;
    removal.version = -1;
    writer->send(2, OpCode::remove, removal);
    ASSERT_EQ(writer->receive().error, 0);
  }
  int events = 0;
  while (slow->receive_frame()) ++events;
  EXPECT_LT(events, 2 * kRounds);
  EXPECT_EQ(writer->create("/still-served").error, 0);
}

// One frame may name a large znode tens of thousands of times.
TEST_F(BoundsTest, AReadOfManyLargeZnodesAtOnceEndsTheConnection) {
  start();
  auto made = client();
  ASSERT_EQ(made->create("/large", 0, std::string(1'000'000, 'x')).error, 0);
  auto read = [&](RawClient& reader, int times) {
    proto::Writer writer;
    writer.write(std::int32_t{1}).write(static_cast<std::int32_t>(OpCode::multi_read));
    for (int i = 0; i < times; ++i) {
      proto::MultiHeader part;
      part.type = static_cast<std::int32_t>(OpCode::get_data);
      writer.write(part).write(RawClient::path_request<proto::GetDataRequest>("/large", false));
    }
    proto::MultiHeader end;
    end.type = end.err = -1;
    end.done = true;
    writer.write(end);
    reader.send_frame(writer.bytes());
  };
  auto modest = client();
  read(*modest, 7);
  EXPECT_GT(modest->receive().body.size(), 7'000'000U);
  auto greedy = client();
  read(*greedy, 30'000);
  EXPECT_TRUE(greedy->is_closed());
  EXPECT_TRUE(modest->exists("/large"));
}

// As NIOServerCnxn and NettyServerCnxn of ZooKeeper 3.9.4 compare it.
TEST_F(BoundsTest, AFrameMayHaveAsManyBytesAsJuteMaxbuffer) {
  config_.frame_bytes_max = 1024;
  start();
  const std::size_t empty = 8 + proto::to_bytes(RawClient::creation("/x")).size();
  auto fits = client();
  EXPECT_EQ(fits->create("/x", 0, std::string(1024 - empty, 'd')).error, 0);
  auto too_large = client();
  too_large->send(1, OpCode::create, RawClient::creation("/y", 0, std::string(1025 - empty, 'd')));
  EXPECT_TRUE(too_large->is_closed());
}

TEST_F(BoundsTest, ContainersThatWereNeverUsedGoIfAskedTo) {
  config_.container_check_ms = 1;
  config_.container_never_used_ms = 1;
  config_.containers_per_minute_max = 1;  // one in each sweep, at least
  start();
  auto made = client();
  for (const char* path : {"/c1", "/c2"}) {
    proto::CreateRequest request = RawClient::creation(path, 4);
    made->send(1, OpCode::create_container, request);
    ASSERT_EQ(made->receive().error, 0);
  }
  while (made->exists("/c1") || made->exists("/c2")) {
  }
}

// As in ZooKeeper, which sends whatever was asked for: no byte of it has been refused by the socket.
TEST(SlowDisk, AllReadsBehindAWriteAreAnswered) {
  std::promise<void> end_of_sync;
  base::MemoryFileSystem memory;
  base::FaultyFileSystem files(memory);
  Server server(testing::config_in("/data"), files);
  server.start();
  RawClient client(server.port()), other(server.port());
  ASSERT_TRUE(client.connect().has_value());
  ASSERT_TRUE(other.connect().has_value());
  ASSERT_EQ(client.create("/large", 0, std::string(1'000'000, 'x')).error, 0);
  files.set_before_sync([ended = end_of_sync.get_future().share()] { ended.wait(); });
  constexpr int kReads = 70;  // more than what is kept of events
  client.send(0, OpCode::create, RawClient::creation("/waits"));
  for (int i = 1; i <= kReads; ++i) {
    client.send(i, OpCode::get_data, RawClient::path_request<proto::GetDataRequest>("/large", false));
  }
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(other.exists("/large"));  // all is sent, and what the server takes is there
  end_of_sync.set_value();
  for (int i = 0; i <= kReads; ++i) {
    const testing::Reply reply = client.receive();
    ASSERT_EQ(reply.xid, i);
    ASSERT_EQ(reply.error, 0);
  }
  server.stop();
}

class ReadsThatWait : public testing::CoordinatorFixture {
 protected:
  static constexpr std::size_t kLarge = 1'000'000;
  // Sends one after the other as long as the peer may.
  int send_reads(testing::TestPeer& peer, OpCode op, const std::string& path) {
    for (int sent = 0;; ++sent) {
      if (sent > 20 || !coordinator_->accepts(peer)) return sent;
      testing::send(*coordinator_, peer, sent, op, RawClient::path_request<proto::GetDataRequest>(path, false));
    }
  }
  testing::TestPeer& connect_with(const std::string& path, std::size_t bytes) {
    testing::TestPeer& peer = connect();
    create(peer, 1, path, bytes);
    return peer;
  }
  void create(testing::TestPeer& peer, std::int32_t xid, const std::string& path, std::size_t bytes = 0) {
    proto::CreateRequest request = testing::creation(path);
    request.data = std::string(bytes, 'x');
    testing::send(*coordinator_, peer, xid, OpCode::create, request);
  }
};

TEST_F(ReadsThatWait, AreBoundedByWhatTheirAnswersWillTake) {
  configure("");
  testing::TestPeer& peer = connect_with("/large", kLarge);
  sync();
  peer.output.clear();
  create(peer, 2, "/waits");
  EXPECT_EQ(send_reads(peer, OpCode::get_data, "/large"), 9);
  EXPECT_FALSE(coordinator_->accepts(peer));
  sync();
  EXPECT_EQ(peer.take().size(), 10U);
  EXPECT_TRUE(coordinator_->accepts(peer));
  create(peer, 3, "/small");
  EXPECT_EQ(send_reads(peer, OpCode::get_data, "/small"), 21);
}

TEST_F(ReadsThatWait, OfZnodesThatAreAtTheLogAreBounded) {
  configure("");
  testing::TestPeer& peer = connect_with("/large", kLarge);
  EXPECT_EQ(send_reads(peer, OpCode::get_data, "/large"), 9);
}

TEST_F(ReadsThatWait, InFrontOfThePipelineAreBounded) {
  configure("request_throttle_max_requests=1\n");
  testing::TestPeer& peer = connect_with("/large", kLarge);
  EXPECT_EQ(send_reads(peer, OpCode::get_data, "/large"), 9);
  sync();
  EXPECT_EQ(peer.take().size(), 10U);
  EXPECT_TRUE(coordinator_->accepts(peer));
}

// Others' writes may make what is asked for larger than it was to be. The write is answered.
TEST_F(ReadsThatWait, ThatHaveGrownEndTheConnection) {
  configure("");
  testing::TestPeer& grows = connect_with("/grows", 0);
  sync();
  grows.output.clear();
  auto set = [&](testing::TestPeer& peer, std::int32_t xid, std::size_t bytes) {
    proto::SetDataRequest request;
    request.path = "/grows";
    request.data = std::string(bytes, 'x');
    request.version = -1;
    testing::send(*coordinator_, peer, xid, OpCode::set_data, request);
  };
  testing::TestPeer& other = connect();
  set(grows, 2, kLarge);
  set(other, 1, 0);
  for (int i = 3; i < 103; ++i) {
    testing::send(*coordinator_, grows, i, OpCode::get_data, RawClient::path_request<proto::GetDataRequest>("/grows", false));
  }
  EXPECT_TRUE(grows.take().empty()) << "all of it waits for the write";
  sync();
  EXPECT_EQ(grows.phase, PeerPhase::closed);
  const std::vector<testing::PeerReply> replies = grows.take();
  ASSERT_GT(replies.size(), 60U);
  EXPECT_LT(replies.size(), 70U);
  EXPECT_EQ(replies.front().xid, 2);
}

}  // namespace
}  // namespace zk::server
