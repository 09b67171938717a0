// What becomes of a group whose record doesn't get into the log as something throws, say for want of memory.
#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "broker/coordinator/testing/forwarding_log.h"
#include "broker/coordinator/testing/simulation.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {
namespace {

using coordinator::testing::ForwardingLog;
using coordinator::testing::Simulation;

class ThrowingLog final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch,
                                        std::optional<std::uint64_t> guard) override {
    if (std::exchange(throws_next, false)) throw std::bad_alloc();
    return ForwardingLog::append(partition, std::move(batch), guard);
  }

  bool throws_next = false;
};

class GroupFailedWrites : public ::testing::Test {
 protected:
  GroupFailedWrites() { (void)world.run(groups.describe("g")); }
  ~GroupFailedWrites() override {
    groups.stop();
    world.poll();
  }
  static GroupLimits limits() {
    GroupLimits limits;
    limits.initial_rebalance_delay_ms = 0;
    return limits;
  }
  JoinResult join(const std::string& member_id) {
    JoinRequest request;
    request.group_id = "g";
    request.member_id = member_id;
    request.protocol_type = "consumer";
    request.protocols = {{"range", {}}};
    request.session_timeout_ms = request.rebalance_timeout_ms = 10'000;
    auto answer = std::make_shared<JoinResult>();
    world.start(groups.join(std::move(request)), [answer](JoinResult result) { *answer = std::move(result); });
    groups.run_timeouts();
    world.poll();
    return *answer;
  }
  SyncResult assign(const JoinResult& leader) {
    SyncRequest request;
    request.group_id = "g";
    request.member_id = leader.member_id;
    request.generation = leader.generation;
    request.assignments[leader.member_id] = base::Bytes(3, 'a');
    return world.run(groups.sync(std::move(request)));
  }

  Simulation world;
  ThrowingLog log{world.log};
  metadata::MetadataCache metadata;
  GroupCoordinator groups{log, world.clock, metadata, limits(), GroupCoordinator::Threads::none};
};

// Else everybody would wait for a second assignment, which doesn't count.
TEST_F(GroupFailedWrites, AnAssignmentThatIsNotWrittenIsMadeAnew) {
  JoinResult leader = join("");
  ASSERT_EQ(leader.generation, 1);
  log.throws_next = true;
  EXPECT_EQ(assign(leader).error, ErrorCode::unknown_server_error);
  MemberIdentity who;
  who.member_id = leader.member_id;
  EXPECT_EQ(world.run(groups.heartbeat("g", who, 1)), ErrorCode::rebalance_in_progress);
  leader = join(leader.member_id);
  EXPECT_EQ(leader.generation, 2);
  const SyncResult synced = assign(leader);
  EXPECT_EQ(synced.error, ErrorCode::none);
  EXPECT_EQ(synced.assignment, base::Bytes(3, 'a'));
}

}  // namespace
}  // namespace broker::group
