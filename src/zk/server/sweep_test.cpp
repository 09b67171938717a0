// Containers and nodes with a time to live that go while writes are on their way to the disk.
#include <gtest/gtest.h>

#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using testing::PeerReply;
using testing::TestPeer;
using tree::Error;
using tree::OpCode;

constexpr std::int64_t kTtlMs = 1000;
constexpr std::int32_t kTtlFlag = 5;

class Sweep : public testing::CoordinatorFixture {
 protected:
  Sweep() {
    configure("extendedTypesEnabled=true\nznode.container.checkIntervalMs=1000\n");
    peer_ = &connect();
    proto::CreateTTLRequest request;
    request.path = "/ttl";
    request.acl.push_back(testing::kOpen.front());
    request.flags = kTtlFlag;
    request.ttl = kTtlMs;
    EXPECT_EQ(ask(*peer_, OpCode::create_ttl, request).error, Error::ok);
  }
  void sweep() {
    clock_.advance_ms(kTtlMs + 1);
    coordinator_->on_tick();
  }
  bool is_there() { return coordinator_->state().tree().find("/ttl") != nullptr; }

  TestPeer* peer_ = nullptr;
};

TEST_F(Sweep, TakesWhatIsOutdated) {
  sweep();
  sync();
  EXPECT_FALSE(is_there());
}

// The set is answered with OK, so that the node lives on for its time. (ZooKeeper 3.9.4 may delete it right behind the answer.)
TEST_F(Sweep, LeavesANodeThatIsJustBeingWritten) {
  proto::SetDataRequest request;
  request.path = "/ttl";
  request.version = -1;
  testing::send(*coordinator_, *peer_, 100, OpCode::set_data, request);
  sweep();
  sync();
  EXPECT_EQ(peer_->take().front().error, Error::ok);
  EXPECT_TRUE(is_there());
  sweep();
  sync();
  EXPECT_FALSE(is_there());
}

}  // namespace
}  // namespace zk::server
