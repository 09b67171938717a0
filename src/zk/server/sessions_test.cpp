// Sessions that come again on another connection, on the pipeline alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zk/server/password.h"
#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::creation;
using testing::PeerReply;
using testing::TestPeer;
using tree::Error;
using tree::OpCode;

class Reattached : public testing::CoordinatorFixture {
 protected:
  void send(TestPeer& peer, std::int32_t xid, OpCode op, const auto& record) {
    testing::send(*coordinator_, peer, xid, op, record);
  }
  void create(TestPeer& peer, std::int32_t xid, const std::string& path) {
    send(peer, xid, OpCode::create, creation(path));
  }
  void exists(TestPeer& peer, std::int32_t xid, const std::string& path) {
    proto::ExistsRequest request;
    request.path = path;
    send(peer, xid, OpCode::exists, request);
  }
  // The session on a new connection, which has its answer.
  TestPeer& reattach(std::int64_t session_id) {
    TestPeer& peer = *peers_.emplace_back(std::make_unique<TestPeer>());
    peer.address = "127.0.0.1";
    coordinator_->add_peer(peer);
    proto::ConnectRequest request;
    request.time_out = 30000;
    request.session_id = session_id;
    request.passwd = session_password(session_id);
    coordinator_->on_frame(peer, proto::to_bytes(request));
    EXPECT_EQ(peer.phase, PeerPhase::open);
    EXPECT_FALSE(peer.output.empty());
    peer.output.clear();
    return peer;
  }
  void sync_once() {
    coordinator_->on_durable(testing::synced(coordinator_->take_batch()));
    coordinator_->flush_dirty();
  }
  struct Answer {
    std::int32_t xid;
    Error error;
    bool operator==(const Answer&) const = default;
  };
  static std::vector<Answer> answers_of(TestPeer& peer) {
    std::vector<Answer> answers;
    for (const PeerReply& reply : peer.take()) answers.push_back(Answer{reply.xid, reply.error});
    return answers;
  }
};

// What a client does that looks for what it made, before it makes it again: two would be there.
TEST_F(Reattached, ReadsSeeTheWritesThatAreStillAtTheLog) {
  configure("");
  TestPeer& gone = connect();
  create(gone, 1, "/a");
  LogBatch slow = coordinator_->take_batch();
  coordinator_->remove_peer(gone);
  TestPeer& back = reattach(gone.session_id);
  exists(back, 2, "/a");
  proto::SyncRequest request;
  request.path = "/";
  send(back, 3, OpCode::sync, request);
  create(back, 4, "/b");
  exists(back, 5, "/b");
  EXPECT_THAT(answers_of(back), IsEmpty());
  coordinator_->on_durable(testing::synced(std::move(slow)));
  EXPECT_THAT(answers_of(back), ElementsAre(Answer{2, Error::ok}, Answer{3, Error::ok}));
  sync_once();
  EXPECT_THAT(answers_of(back), ElementsAre(Answer{4, Error::ok}, Answer{5, Error::ok}));
  exists(back, 6, "/none");
  EXPECT_THAT(answers_of(back), ElementsAre(Answer{6, Error::no_node}));
}

TEST_F(Reattached, ReadsWaitForTheWritesOfEachConnectionThatTheSessionHad) {
  configure("");
  TestPeer& first = connect();
  create(first, 1, "/a");
  LogBatch slow = coordinator_->take_batch();
  coordinator_->remove_peer(first);
  TestPeer& second = reattach(first.session_id);
  create(second, 2, "/b");
  coordinator_->remove_peer(second);
  TestPeer& third = reattach(first.session_id);
  exists(third, 3, "/b");
  coordinator_->on_durable(testing::synced(std::move(slow)));
  EXPECT_THAT(answers_of(third), IsEmpty());
  sync_once();
  EXPECT_THAT(answers_of(third), ElementsAre(Answer{3, Error::ok}));
}

TEST_F(Reattached, OthersWritesHoldUpNoReads) {
  configure("");
  TestPeer& gone = connect();
  create(connect(), 1, "/a");
  TestPeer& back = reattach(gone.session_id);
  exists(back, 2, "/a");
  EXPECT_THAT(answers_of(back), ElementsAre(Answer{2, Error::no_node}));
}

// With room for both in the pipeline, the read gets there while the write is at the log. (Nothing is dropped here.)
TEST_F(Reattached, ReadsThatCatchUpWithThrottledWritesWaitForThem) {
  configure("request_throttle_max_requests=2\nrequest_throttle_drop_stale=false\n");
  TestPeer& writer = connect();
  TestPeer& gone = connect();
  create(writer, 1, "/a");
  create(writer, 2, "/c");
  create(gone, 1, "/b");
  coordinator_->remove_peer(gone);
  TestPeer& back = reattach(gone.session_id);
  exists(back, 2, "/b");
  sync_once();
  EXPECT_THAT(answers_of(back), IsEmpty());
  sync_once();
  EXPECT_THAT(answers_of(back), ElementsAre(Answer{2, Error::ok}));
}

}  // namespace
}  // namespace zk::server
