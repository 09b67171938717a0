// The queue before the pipeline and the bound on large requests, on the pipeline alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using ::testing::ElementsAre;
using testing::creation;
using testing::PeerReply;
using testing::TestPeer;
using tree::Error;
using tree::OpCode;

class Throttle : public testing::CoordinatorFixture {
 protected:
  void send(TestPeer& peer, std::int32_t xid, OpCode op, const auto& record) {
    testing::send(*coordinator_, peer, xid, op, record);
  }
  void create(TestPeer& peer, std::int32_t xid, const std::string& path) {
    send(peer, xid, OpCode::create, creation(path));
  }
  void close_session(TestPeer& peer) {
    proto::Writer writer;
    writer.write(std::int32_t{1}).write(static_cast<std::int32_t>(OpCode::close_session));
    coordinator_->on_frame(peer, writer.bytes());
  }
  void exists(TestPeer& peer, std::int32_t xid, const std::string& path) {
    proto::ExistsRequest request;
    request.path = path;
    send(peer, xid, OpCode::exists, request);
  }
  // One batch is on disk.
  void sync_once() {
    coordinator_->on_durable(testing::synced(coordinator_->take_batch()));
    coordinator_->flush_dirty();
  }
  static std::vector<std::int32_t> xids_of(TestPeer& peer) {
    std::vector<std::int32_t> xids;
    for (const PeerReply& reply : peer.take()) xids.push_back(reply.xid);
    return xids;
  }
  const Metrics& metrics() const { return coordinator_->stats().metrics; }
  bool has(const std::string& path) { return coordinator_->state().tree().find(path) != nullptr; }
};

TEST_F(Throttle, RequestsWaitInTheOrderOfTheirArrivalWhileSoManyAreUnderWay) {
  configure("request_throttle_max_requests=2\n");
  TestPeer& first = connect();
  TestPeer& second = connect();
  create(first, 1, "/a");
  create(first, 2, "/b");
  create(second, 3, "/c");
  exists(second, 4, "/c");
  create(first, 5, "/d");
  EXPECT_EQ(coordinator_->outstanding(), 2U);
  sync_once();
  EXPECT_THAT(xids_of(first), ElementsAre(1, 2));
  EXPECT_THAT(xids_of(second), ElementsAre());
  EXPECT_EQ(coordinator_->outstanding(), 1U);  // the read behind it is the second
  sync_once();
  EXPECT_THAT(xids_of(second), ElementsAre(3, 4));
  sync_once();
  EXPECT_THAT(xids_of(first), ElementsAre(5));
  EXPECT_EQ(metrics().request_throttle_queue_time_ms.count(), 5U);
  EXPECT_EQ(metrics().request_throttle_wait_count, 2U);
}

// A client that is going, but whose last answers can't leave yet, as it doesn't read: its requests go on to be done.
TEST_F(Throttle, ReadsOfAClientThatIsGoingTakeNoPlaceForEver) {
  configure("request_throttle_max_requests=3\n");
  for (int round = 0; round < 3; ++round) {
    TestPeer& going = connect();
    create(going, 1, "/a" + std::to_string(round));
    exists(going, 2, "/a");
    create(going, 3, "/b" + std::to_string(round));
    EXPECT_EQ(authenticate(going, "unknown", ""), Error::auth_failed);
    EXPECT_EQ(going.phase, PeerPhase::closed);
    sync();
    EXPECT_THAT(xids_of(going), ElementsAre());
    EXPECT_TRUE(has("/b" + std::to_string(round)));
    coordinator_->remove_peer(going);
  }
  TestPeer& other = connect();
  exists(other, 4, "/b2");
  EXPECT_THAT(xids_of(other), ElementsAre(4));
}

// globalOutstandingLimit alone: whoever has a request in the pipeline sends no more into it until others are done.
TEST_F(Throttle, TheGlobalLimitStopsReadingFromThoseWhoWait) {
  configure("globalOutstandingLimit=2\n");
  TestPeer& first = connect();
  TestPeer& second = connect();
  TestPeer& idle = connect();
  create(first, 1, "/a");
  EXPECT_TRUE(coordinator_->accepts(first));
  create(second, 2, "/b");
  EXPECT_FALSE(coordinator_->accepts(first));
  EXPECT_FALSE(coordinator_->accepts(second));
  EXPECT_TRUE(coordinator_->accepts(idle));  // it waits for nothing yet, as in ZooKeeper
  sync_once();
  EXPECT_TRUE(coordinator_->accepts(first));
  EXPECT_TRUE(coordinator_->accepts(second));
  EXPECT_THAT(xids_of(first), ElementsAre(1));
}

TEST_F(Throttle, WithoutTheKeyNothingWaits) {
  configure("");
  TestPeer& peer = connect();
  for (int i = 0; i < 50; ++i) create(peer, i, "/n" + std::to_string(i));
  EXPECT_EQ(coordinator_->outstanding(), 50U);
  sync_once();
  EXPECT_EQ(peer.take().size(), 50U);
  EXPECT_EQ(metrics().request_throttle_wait_count, 0U);
}

TEST_F(Throttle, WhatTheGoneHadInTheQueueIsDropped) {
  configure("request_throttle_max_requests=1\n");
  TestPeer& writer = connect();
  TestPeer& gone = connect();
  create(writer, 1, "/a");
  create(gone, 1, "/b");
  create(gone, 2, "/c");
  close_session(gone);
  coordinator_->remove_peer(gone);
  sync();
  EXPECT_TRUE(has("/a"));
  EXPECT_FALSE(has("/b"));
  EXPECT_FALSE(has("/c"));
  // The first is dropped as stale, those behind it, the end of the session too, because their order would be lost.
  EXPECT_EQ(metrics().stale_requests_dropped, 1U);
  EXPECT_EQ(coordinator_->state().sessions().size(), 2U);
}

TEST_F(Throttle, TheEndOfASessionOutlivesItsConnection) {
  configure("request_throttle_max_requests=1\n");
  TestPeer& writer = connect();
  TestPeer& gone = connect();
  create(writer, 1, "/a");
  close_session(gone);
  coordinator_->remove_peer(gone);
  sync();
  EXPECT_EQ(coordinator_->state().sessions().size(), 1U);
  EXPECT_EQ(metrics().stale_requests_dropped, 0U);
}

TEST_F(Throttle, WhatTheGoneHadInTheQueueIsDoneIfNothingIsDropped) {
  configure("request_throttle_max_requests=1\nrequest_throttle_drop_stale=false\n");
  TestPeer& writer = connect();
  TestPeer& gone = connect();
  create(writer, 1, "/a");
  create(gone, 1, "/b");
  exists(gone, 2, "/b");
  coordinator_->remove_peer(gone);
  sync();
  EXPECT_TRUE(has("/b"));
  EXPECT_EQ(metrics().stale_requests_dropped, 0U);
  EXPECT_EQ(metrics().stale_requests, 2U);
  EXPECT_EQ(metrics().stale_replies, 1U);
  // And takes no place any more.
  TestPeer& next = connect();
  exists(next, 3, "/b");
  EXPECT_THAT(xids_of(next), ElementsAre(3));
}

TEST_F(Throttle, ARequestThatWaitedLongerThanItsSessionMayClosesItsConnection) {
  configure("request_throttle_max_requests=1\nrequest_stale_latency_check=true\n");
  TestPeer& writer = connect();
  TestPeer& late = connect();
  create(writer, 1, "/a");
  create(late, 1, "/b");
  clock_.advance_ms(30'001);
  sync();
  EXPECT_EQ(late.phase, PeerPhase::closed);
  EXPECT_FALSE(has("/b"));
  EXPECT_EQ(metrics().stale_requests_dropped, 1U);
}

TEST_F(Throttle, ARequestThatWaitedTooLongIsRefusedInItsPlace) {
  configure("request_throttle_max_requests=1\nthrottled_op_wait_time=10\n");
  TestPeer& peer = connect();
  create(peer, 1, "/a");
  create(peer, 2, "/b");
  proto::Writer ping;
  ping.write(std::int32_t{-2}).write(static_cast<std::int32_t>(OpCode::ping));
  coordinator_->on_frame(peer, ping.bytes());
  clock_.advance_ms(11);
  sync();
  auto replies = peer.take();
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_EQ(replies[0].error, Error::ok);
  EXPECT_EQ(replies[1].error, Error::throttled);
  EXPECT_EQ(replies[2].error, Error::ok);
  EXPECT_FALSE(has("/b"));
  EXPECT_EQ(metrics().throttled_ops, 1U);
}

TEST_F(Throttle, NoMoreIsReadFromAClientWhoseRequestsWait) {
  configure("request_throttle_max_requests=1\nglobalOutstandingLimit=3\n");
  TestPeer& writer = connect();
  TestPeer& other = connect();
  create(writer, 1, "/a");
  EXPECT_TRUE(coordinator_->accepts(writer));
  for (int i = 2; i < 5; ++i) create(writer, i, "/a" + std::to_string(i));
  EXPECT_FALSE(coordinator_->accepts(writer));
  EXPECT_TRUE(coordinator_->accepts(other));  // one of each is always taken
  sync();
  EXPECT_TRUE(coordinator_->accepts(writer));
}

TEST_F(Throttle, LargeRequestsHaveABoundInCommon) {
  configure("largeRequestThreshold=1000\nlargeRequestMaxBytes=5000\n");
  TestPeer& peer = connect();
  TestPeer& other = connect();
  EXPECT_TRUE(coordinator_->accepts_size(5000));
  EXPECT_FALSE(coordinator_->accepts_size(5001));
  auto large = creation("/large");
  large.data = std::string(3000, 'x');
  send(peer, 1, OpCode::create, large);
  EXPECT_TRUE(coordinator_->accepts_size(1000));  // is none
  EXPECT_FALSE(coordinator_->accepts_size(2500));
  large.path = "/second";
  send(other, 1, OpCode::create, large);
  EXPECT_EQ(other.phase, PeerPhase::closed);
  EXPECT_EQ(metrics().large_requests_rejected, 3U);
  sync();
  EXPECT_TRUE(has("/large"));
  EXPECT_FALSE(has("/second"));
  EXPECT_TRUE(coordinator_->accepts_size(5000));
  // What a connection that goes had under way counts no more.
  send(peer, 2, OpCode::create, large);
  coordinator_->remove_peer(peer);
  EXPECT_TRUE(coordinator_->accepts_size(5000));
}

TEST_F(Throttle, ValuesThatZooKeeperPutsRight) {
  configure("largeRequestThreshold=-5\nlargeRequestMaxBytes=0\nrequest_throttle_max_requests=-1\n");
  EXPECT_EQ(config_.warnings.size(), 2U);
  EXPECT_EQ(config_.request_throttle.large_bytes, -1);
  EXPECT_EQ(config_.request_throttle.large_bytes_max, 100 * 1024 * 1024);
  EXPECT_EQ(config_.request_throttle.requests_max, 0U);
}

}  // namespace
}  // namespace zk::server
