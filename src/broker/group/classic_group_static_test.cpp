// Static members (KIP-345) of a classic group: they come back to their place, or are waited for.
#include <gtest/gtest.h>

#include "broker/group/testing/classic_sim.h"

namespace broker::group {
namespace {

using testing::bytes_of;
using testing::Sim;

TEST(ClassicGroup, StaticMemberComesBackWithoutRebalance) {
  Sim sim;
  sim.make_stable({"m1", "m2"}, true);
  const WaiterId again = sim.join_static("i-m2", "m2b");
  EXPECT_FALSE(sim.joined.contains(again));
  ASSERT_EQ(sim.stores.size(), 1U);
  sim.store_done();
  EXPECT_EQ(sim.joined[again].error, ErrorCode::none);
  EXPECT_EQ(sim.joined[again].generation, 1);
  EXPECT_EQ(sim.joined[again].member_id, "m2b");
  EXPECT_EQ(sim.group.state(), GroupState::stable);
  EXPECT_EQ(sim.synced[sim.sync("m2b")].assignment, bytes_of("a-m2"));
  const auto fenced = sim.group.heartbeat({"m2", "i-m2"}, 1, sim.now);
  EXPECT_EQ(fenced, ErrorCode::fenced_instance_id);
}

TEST(ClassicGroup, StaticLeaderComesBackAsFollowerOrSkipsTheAssignment) {
  for (const bool can_skip : {false, true}) {
    Sim sim;
    sim.make_stable({"m1", "m2"}, true);
    const WaiterId again = sim.join_static("i-m1", "m1b", can_skip);
    sim.store_done();
    EXPECT_EQ(sim.joined[again].leader, can_skip ? "m1b" : "m1");
    EXPECT_EQ(sim.joined[again].skip_assignment, can_skip);
    EXPECT_EQ(sim.joined[again].members.size(), can_skip ? 2U : 0U);
  }
}

// It never synced, and comes back as late as that: what it waits for is its record.
TEST(ClassicGroup, AStaticMemberThatIsRemovedWhileItsRecordIsWrittenIsTold) {
  Sim sim;
  sim.join_static("i-m1", "m1");
  sim.join_static("i-m2", "m2");
  sim.pass(9000);
  ASSERT_EQ(sim.group.state(), GroupState::completing_rebalance);
  sim.sync("m1", {{"m1", bytes_of("a")}, {"m2", bytes_of("b")}});
  sim.store_done();
  ASSERT_EQ(sim.group.state(), GroupState::stable);
  for (int i = 0; i < 11; ++i) {
    sim.pass(5000);
    EXPECT_EQ(sim.group.heartbeat({"m1", "i-m1"}, 1, sim.now), ErrorCode::none);
    EXPECT_EQ(sim.group.heartbeat({"m2", "i-m2"}, 1, sim.now), ErrorCode::none);
  }
  const WaiterId again = sim.join_static("i-m2", "m2b");
  ASSERT_EQ(sim.stores.size(), 1U);
  sim.pass(6000);
  EXPECT_FALSE(sim.group.has_member("m2b"));
  sim.store_done();
  ASSERT_TRUE(sim.joined.contains(again));
  EXPECT_EQ(sim.joined[again].error, ErrorCode::unknown_member_id);
}

TEST(ClassicGroup, StaticRejoinThatCantBeWrittenIsUndone) {
  Sim sim;
  sim.make_stable({"m1", "m2"}, true);
  const WaiterId again = sim.join_static("i-m2", "m2b");
  sim.store_done(ErrorCode::not_coordinator);
  EXPECT_EQ(sim.joined[again].error, ErrorCode::not_coordinator);
  EXPECT_TRUE(sim.group.has_member("m2"));
  EXPECT_FALSE(sim.group.has_member("m2b"));
  EXPECT_EQ(sim.group.heartbeat({"m2", "i-m2"}, 1, sim.now), ErrorCode::none);
}

TEST(ClassicGroup, SecondProcessWithTheSameInstanceIdFencesTheFirst) {
  Sim sim;
  const WaiterId first = sim.join_static("i", "m1");
  const WaiterId second = sim.join_static("i", "m2");
  EXPECT_EQ(sim.joined[first].error, ErrorCode::fenced_instance_id);
  sim.pass(10'000);
  EXPECT_EQ(sim.joined[second].error, ErrorCode::none);
  EXPECT_EQ(sim.group.size(), 1U);
}

TEST(ClassicGroup, StaticMembersOutliveARebalanceUntilTheirSessionEnds) {
  Sim sim;
  sim.make_stable({"m1", "m2"}, true);
  JoinRequest changed = sim.request("m1");
  changed.group_instance_id = "i-m1";
  changed.protocols = {{"range", bytes_of("changed")}};
  changed.rebalance_timeout_ms = 5000;
  sim.join(changed);
  sim.pass(9000);
  EXPECT_EQ(sim.group.size(), 2U);
  sim.pass(60'000);
  EXPECT_FALSE(sim.group.has_member("m2"));
}

// Whatever rebalance timeout they asked for: what is due at once again and again would keep the thread of all groups' timeouts busy.
TEST(ClassicGroup, StaticMembersThatAreNotBackAreNotLookedForAllTheTime) {
  Sim sim;
  sim.join(sim.request(), "m1");
  JoinRequest one = sim.request();
  one.group_instance_id = "i";
  one.rebalance_timeout_ms = 0;
  one.session_timeout_ms = 1'800'000;
  sim.join(std::move(one), "m2");
  const auto on_time = [&](std::int64_t passed_ms) {
    sim.now.monotonic_ms += passed_ms;
    sim.act([&](Effects& effects) { sim.group.on_time(sim.now, effects); });
  };
  sim.pass(6000);
  ASSERT_EQ(sim.group.state(), GroupState::completing_rebalance);
  sim.sync("m1");
  sim.sync("m2");
  sim.store_done();
  sim.act([&](Effects& effects) { (void)sim.group.leave({{"m1", std::nullopt}}, sim.now, effects); });
  for (int i = 0; i < 3; ++i) {
    on_time(i * 1000);
    EXPECT_EQ(sim.group.state(), GroupState::preparing_rebalance);
    ASSERT_TRUE(sim.group.next_deadline());
    EXPECT_EQ(*sim.group.next_deadline(), sim.now.monotonic_ms + 1000);
  }
}

// It ran out while the record was written, which didn't count.
TEST(ClassicGroup, AStaticMemberThatWaitedLongHasASessionAgain) {
  Sim sim;
  sim.make_stable({"m1", "m2"}, true);
  const WaiterId again = sim.join_static("i-m2", "m2b");
  for (int i = 0; i < 3; ++i) {
    sim.pass(5000);
    EXPECT_EQ(sim.group.heartbeat({"m1", "i-m1"}, 1, sim.now), ErrorCode::none);
  }
  sim.store_done();
  EXPECT_EQ(sim.joined[again].error, ErrorCode::none);
  EXPECT_TRUE(sim.group.deadline_of("m2b"));
  sim.pass(10'000);
  EXPECT_FALSE(sim.group.has_member("m2b"));
}

}  // namespace
}  // namespace broker::group
