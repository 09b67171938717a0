// When the answers to a batch of writes leave.
#include "zk/server/testing/coordinator_fixture.h"

namespace zk::server {
namespace {

using namespace testing;

class AnswersTest : public CoordinatorFixture {
 protected:
  AnswersTest() { configure(""); }
  void send_create(TestPeer& peer, const std::string& path) {
    proto::CreateRequest request;
    request.path = path;
    request.acl = kOpen;
    send(*coordinator_, peer, 1, OpCode::create, request);
  }
  bool has(const std::string& path) { return coordinator_->state().tree().find(path) != nullptr; }
};

TEST_F(AnswersTest, TheFirstLeavesBeforeTheOthersAreMade) {
  TestPeer& first = connect();
  TestPeer& second = connect();
  TestPeer& third = connect();
  std::vector<std::string> flushed;
  auto note = [&](TestPeer& peer, const std::string& name) {
    peer.on_flush = [this, &flushed, &peer, name] {
      flushed.push_back(name + (has("/first") ? " 1" : "") + (has("/second") ? " 2" : "") + (has("/third") ? " 3" : ""));
      EXPECT_EQ(peer.take().size(), 1U);
    };
  };
  note(first, "first");
  note(second, "second");
  note(third, "third");
  send_create(first, "/first");
  send_create(second, "/second");
  send_create(third, "/third");
  LogBatch batch = coordinator_->take_batch();
  EXPECT_EQ(batch.count, 3U);
  coordinator_->flush_dirty();
  EXPECT_TRUE(flushed.empty());  // nothing before it is on disk
  coordinator_->on_durable(synced(std::move(batch)));
  coordinator_->flush_dirty();
  EXPECT_EQ(flushed, (std::vector<std::string>{"first 1", "second 1 2 3", "third 1 2 3"}));
}

}  // namespace
}  // namespace zk::server
