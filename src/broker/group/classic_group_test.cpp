// A group on a clock of its own: what Kafka's members live through. Static ones have a file of their own.
#include <gtest/gtest.h>

#include "broker/group/testing/classic_sim.h"

namespace broker::group {
namespace {

using testing::bytes_of;
using testing::Sim;

TEST(ClassicGroup, FirstMemberWaitsTheInitialDelayAndLeads) {
  Sim sim;
  const WaiterId join = sim.join(sim.request(), "m1");
  sim.pass(2999);
  EXPECT_TRUE(sim.joined.empty());
  sim.pass(1);
  ASSERT_TRUE(sim.joined.contains(join));
  const JoinResult& result = sim.joined[join];
  EXPECT_EQ(result.error, ErrorCode::none);
  EXPECT_EQ(result.generation, 1);
  EXPECT_EQ(result.leader, "m1");
  EXPECT_EQ(result.protocol_name, "range");
  ASSERT_EQ(result.members.size(), 1U);
  EXPECT_EQ(result.members[0].metadata, bytes_of("m"));

  const WaiterId sync = sim.sync("m1", {{"m1", bytes_of("all")}});
  EXPECT_TRUE(sim.synced.empty()) << "only after the record is committed";
  ASSERT_EQ(sim.stores.size(), 1U);
  EXPECT_EQ(sim.stores[0].value.generation, 1);
  EXPECT_EQ(sim.stores[0].value.leader, "m1");
  ASSERT_EQ(sim.stores[0].value.members.size(), 1U);
  EXPECT_EQ(sim.stores[0].value.members[0].assignment, bytes_of("all"));
  sim.store_done();
  EXPECT_EQ(sim.synced[sync].assignment, bytes_of("all"));
  EXPECT_EQ(sim.group.state(), GroupState::stable);
  EXPECT_EQ(sim.heartbeat("m1"), ErrorCode::none);
}

TEST(ClassicGroup, InitialDelayGrowsWithEachNewMember) {
  Sim sim;
  sim.join(sim.request(), "m1");
  sim.pass(2000);
  sim.join(sim.request(), "m2");
  sim.pass(2000);
  EXPECT_TRUE(sim.joined.empty());
  sim.pass(2000);
  EXPECT_EQ(sim.joined.size(), 2U);
  EXPECT_EQ(sim.group.size(), 2U);
}

TEST(ClassicGroup, InitialDelayEndsWithTheRebalanceTimeout) {
  Sim sim;
  JoinRequest first = sim.request();
  first.rebalance_timeout_ms = 7000;
  sim.join(first, "m0");
  for (int i = 1; i < 10 && sim.joined.empty(); ++i) {
    JoinRequest next = sim.request();
    next.rebalance_timeout_ms = 7000;
    sim.join(next, "m" + std::to_string(i));
    sim.pass(1000);
  }
  EXPECT_EQ(sim.now.monotonic_ms, 57'000);
  EXPECT_EQ(sim.group.state(), GroupState::completing_rebalance);
}

TEST(ClassicGroup, NewMembersAreToldTheirIdFirst) {
  Sim sim;
  JoinRequest first = sim.request();
  first.needs_known_member_id = true;
  const WaiterId told = sim.join(first, "m1");
  EXPECT_EQ(sim.joined[told].error, ErrorCode::member_id_required);
  EXPECT_EQ(sim.joined[told].member_id, "m1");
  EXPECT_EQ(sim.group.size(), 0U);
  const WaiterId again = sim.join(sim.request("m1"));
  sim.pass(3000);
  EXPECT_EQ(sim.joined[again].generation, 1);
  // One that never comes back is forgotten after its session timeout, and doesn't hold up others for ever.
  sim.join(first, "ghost");
  sim.join(sim.request("m1"));
  EXPECT_EQ(sim.group.state(), GroupState::completing_rebalance);
  sim.pass(10'000);
  const WaiterId late = sim.join(sim.request("ghost"));
  EXPECT_EQ(sim.joined[late].error, ErrorCode::unknown_member_id);
}

TEST(ClassicGroup, PendingMemberHoldsUpTheRebalance) {
  Sim sim;
  sim.make_stable({"m1"});
  JoinRequest unknown = sim.request();
  unknown.needs_known_member_id = true;
  sim.join(unknown, "m2");
  JoinRequest changed = sim.request("m1");
  changed.protocols = {{"range", bytes_of("changed")}};
  const WaiterId m1 = sim.join(changed);
  EXPECT_FALSE(sim.joined.contains(m1));
  sim.join(sim.request("m2"));
  EXPECT_EQ(sim.joined[m1].generation, 2);
}

TEST(ClassicGroup, NewMemberMakesTheOthersRejoin) {
  Sim sim;
  sim.make_stable({"m1"});
  const WaiterId m2 = sim.join(sim.request(), "m2");
  EXPECT_EQ(sim.group.state(), GroupState::preparing_rebalance);
  EXPECT_EQ(sim.heartbeat("m1"), ErrorCode::rebalance_in_progress);
  const WaiterId m1 = sim.join(sim.request("m1"));
  EXPECT_EQ(sim.joined[m1].generation, 2);
  EXPECT_EQ(sim.joined[m1].members.size(), 2U);
  EXPECT_EQ(sim.joined[m2].members.size(), 0U);
  EXPECT_EQ(sim.joined[m2].leader, "m1");
}

TEST(ClassicGroup, WhoDoesntRejoinIsLeftOut) {
  Sim sim;
  sim.make_stable({"m1", "m2"});
  const WaiterId m3 = sim.join(sim.request(), "m3");
  sim.join(sim.request("m1"));
  for (int i = 0; i < 12; ++i) {
    sim.pass(5000);
    if (sim.group.has_member("m2") && !sim.joined.contains(m3)) {
      EXPECT_EQ(sim.heartbeat("m2"), ErrorCode::rebalance_in_progress);
    }
  }
  EXPECT_EQ(sim.joined[m3].generation, 2);
  EXPECT_FALSE(sim.group.has_member("m2"));
  EXPECT_EQ(sim.group.heartbeat({"m2", std::nullopt}, 1, sim.now), ErrorCode::unknown_member_id);
}

TEST(ClassicGroup, SilentMemberIsRemovedAndAnEmptyGroupIsWritten) {
  Sim sim;
  sim.make_stable({"m1"});
  sim.pass(9999);
  EXPECT_EQ(sim.group.size(), 1U);
  EXPECT_EQ(sim.heartbeat("m1"), ErrorCode::none);
  sim.pass(10'000);
  EXPECT_EQ(sim.group.state(), GroupState::empty);
  EXPECT_EQ(sim.group.generation(), 2);
  ASSERT_EQ(sim.stores.size(), 1U);
  const StoredGroup& stored = sim.stores[0].value;
  EXPECT_EQ(stored.generation, 2);
  EXPECT_EQ(stored.protocol_type, "consumer");
  EXPECT_FALSE(stored.protocol);
  EXPECT_FALSE(stored.leader);
  EXPECT_TRUE(stored.members.empty());
  EXPECT_EQ(stored.current_state_timestamp, sim.now.wall_ms);
}

TEST(ClassicGroup, ProtocolsAreVotedFor) {
  Sim sim;
  const auto join_with = [&](const std::string& id, std::vector<GroupProtocol> protocols) {
    JoinRequest one = sim.request();
    one.protocols = std::move(protocols);
    return sim.join(std::move(one), id);
  };
  join_with("m1", {{"a", {}}, {"b", {}}});
  join_with("m2", {{"b", {}}, {"a", {}}});
  join_with("m3", {{"b", {}}, {"c", {}}, {"a", {}}});
  const WaiterId stranger = join_with("m4", {{"c", {}}});
  EXPECT_EQ(sim.joined[stranger].error, ErrorCode::inconsistent_group_protocol);
  JoinRequest other_type = sim.request();
  other_type.protocol_type = "connect";
  EXPECT_EQ(sim.joined[sim.join(other_type, "m6")].error, ErrorCode::inconsistent_group_protocol);
  const WaiterId last = join_with("m5", {{"a", {}}, {"b", {}}});
  sim.pass(60'000);
  EXPECT_TRUE(sim.joined[last].protocol_name == "a" || sim.joined[last].protocol_name == "b");
}

TEST(ClassicGroup, WhereEverybodyHasLeftANewcomerMayHaveOtherProtocols) {
  Sim sim;
  sim.join(sim.request(), "m1");
  sim.act([&](Effects& effects) { (void)sim.group.leave({{"m1", std::nullopt}}, sim.now, effects); });
  ASSERT_EQ(sim.group.state(), GroupState::preparing_rebalance);
  JoinRequest other = sim.request();
  other.protocols = {{"sticky", bytes_of("m")}};
  const WaiterId join = sim.join(std::move(other), "m2");
  sim.pass(60'000);
  EXPECT_EQ(sim.joined[join].error, ErrorCode::none);
  EXPECT_EQ(sim.joined[join].protocol_name, "sticky");
}

// Else the second would be in the log behind the first, and be what a load finds.
TEST(ClassicGroup, TheFirstAssignmentOfAGenerationCounts) {
  Sim sim;
  sim.join(sim.request(), "m1");
  sim.pass(3000);
  const WaiterId first = sim.sync("m1", {{"m1", bytes_of("a")}});
  const WaiterId second = sim.sync("m1", {{"m1", bytes_of("b")}});
  EXPECT_EQ(sim.stores.size(), 1U);
  sim.store_done();
  EXPECT_EQ(sim.synced[first].error, ErrorCode::rebalance_in_progress);
  EXPECT_EQ(sim.synced[second].assignment, bytes_of("a"));
  sim.join(sim.request("m1"));
  const WaiterId next = sim.sync("m1", {{"m1", bytes_of("c")}});
  ASSERT_EQ(sim.stores.size(), 1U);
  sim.store_done();
  EXPECT_EQ(sim.synced[next].assignment, bytes_of("c"));
}

TEST(ClassicGroup, LargestSize) {
  Sim sim;
  sim.limits.size_max = 2;
  sim.join(sim.request(), "m1");
  sim.join(sim.request(), "m2");
  EXPECT_EQ(sim.joined[sim.join(sim.request(), "m3")].error, ErrorCode::group_max_size_reached);
  sim.pass(10'000);
  EXPECT_EQ(sim.group.size(), 2U);
  EXPECT_EQ(sim.joined[sim.join(sim.request(), "m3")].error, ErrorCode::group_max_size_reached);
}

TEST(ClassicGroup, WhoNeverSyncsIsRemoved) {
  Sim sim;
  sim.join(sim.request(), "m1");
  const WaiterId m2 = sim.join(sim.request(), "m2");
  sim.pass(6000);
  ASSERT_TRUE(sim.joined.contains(m2));
  const WaiterId sync = sim.sync("m2");
  for (int i = 0; i < 11; ++i) {
    sim.pass(5000);
    sim.heartbeat("m1");
  }
  EXPECT_FALSE(sim.synced.contains(sync));
  sim.pass(5000);
  EXPECT_FALSE(sim.group.has_member("m1")) << "it lived, but sent no SyncGroup for the rebalance timeout";
  EXPECT_EQ(sim.synced[sync].error, ErrorCode::rebalance_in_progress);
}

TEST(ClassicGroup, LeaveInBatch) {
  Sim sim;
  sim.make_stable({"m1", "m2", "m3"}, true);
  LeaveResult result;
  sim.act([&](Effects& effects) {
    result = sim.group.leave({{"", "i-m1"}, {"m2", "i-m2"}, {"m3", "i-m1"}, {"ghost", std::nullopt}, {"", "nobody"}},
                             sim.now, effects);
  });
  EXPECT_EQ(result.error, ErrorCode::none);
  const std::vector<ErrorCode> expected = {ErrorCode::none, ErrorCode::none, ErrorCode::unknown_member_id,
                                           ErrorCode::unknown_member_id, ErrorCode::unknown_member_id};
  EXPECT_EQ(result.members, expected);
  EXPECT_EQ(sim.group.size(), 1U);
  EXPECT_EQ(sim.group.state(), GroupState::preparing_rebalance);
}

TEST(ClassicGroup, LastOneToLeaveEmptiesTheGroupAtOnce) {
  Sim sim;
  sim.make_stable({"m1"});
  sim.act([&](Effects& effects) { (void)sim.group.leave({{"m1", std::nullopt}}, sim.now, effects); });
  EXPECT_EQ(sim.group.state(), GroupState::empty);
  EXPECT_EQ(sim.stores.size(), 1U);
}

TEST(ClassicGroup, RejoiningWithoutChanges) {
  Sim sim;
  sim.make_stable({"m1", "m2"});
  const WaiterId follower = sim.join(sim.request("m2"));
  EXPECT_EQ(sim.joined[follower].generation, 1);
  EXPECT_EQ(sim.group.state(), GroupState::stable);
  sim.join(sim.request("m1"));
  EXPECT_EQ(sim.group.state(), GroupState::preparing_rebalance) << "a leader asks for a rebalance so";
}

TEST(ClassicGroup, SyncIsChecked) {
  Sim sim;
  sim.make_stable({"m1"});
  EXPECT_EQ(sim.synced[sim.sync("ghost")].error, ErrorCode::unknown_member_id);
  EXPECT_EQ(sim.synced[sim.sync("m1", {}, 7)].error, ErrorCode::illegal_generation);
  SyncRequest request;
  request.member_id = "m1";
  request.generation = 1;
  request.protocol_name = "other";
  sim.act([&](Effects& effects) { sim.group.sync(request, 999, sim.now, effects); });
  EXPECT_EQ(sim.synced[999].error, ErrorCode::inconsistent_group_protocol);
}

TEST(ClassicGroup, AssignmentThatCantBeWrittenStartsAnew) {
  Sim sim;
  sim.join(sim.request(), "m1");
  sim.join(sim.request(), "m2");
  sim.pass(6000);
  const WaiterId m2 = sim.sync("m2");
  const WaiterId m1 = sim.sync("m1", {{"m1", bytes_of("a")}});
  sim.store_done(ErrorCode::coordinator_not_available);
  EXPECT_EQ(sim.synced[m1].error, ErrorCode::coordinator_not_available);
  EXPECT_EQ(sim.synced[m2].error, ErrorCode::coordinator_not_available);
  EXPECT_EQ(sim.group.state(), GroupState::preparing_rebalance);
}

TEST(ClassicGroup, MemberThatJoinsDuringTheWriteCancelsTheGeneration) {
  Sim sim;
  sim.join(sim.request(), "m1");
  sim.pass(3000);
  const WaiterId m1 = sim.sync("m1", {{"m1", bytes_of("a")}});
  sim.join(sim.request(), "m2");
  EXPECT_EQ(sim.synced[m1].error, ErrorCode::rebalance_in_progress);
  sim.store_done();
  EXPECT_EQ(sim.group.state(), GroupState::preparing_rebalance);
}

TEST(ClassicGroup, CommitsNeedMembership) {
  Sim sim;
  EXPECT_EQ(sim.group.check_commit({"", std::nullopt}, -1, sim.now), ErrorCode::none);
  EXPECT_EQ(sim.group.check_commit({"m1", std::nullopt}, 1, sim.now), ErrorCode::unknown_member_id);
  sim.make_stable({"m1"});
  EXPECT_EQ(sim.group.check_commit({"", std::nullopt}, -1, sim.now), ErrorCode::unknown_member_id);
  EXPECT_EQ(sim.group.check_commit({"m1", std::nullopt}, 1, sim.now), ErrorCode::none);
  EXPECT_EQ(sim.group.check_commit({"m1", std::nullopt}, 0, sim.now), ErrorCode::illegal_generation);
  sim.join(sim.request(), "m2");
  EXPECT_EQ(sim.group.check_commit({"m1", std::nullopt}, 1, sim.now), ErrorCode::none) << "while the group rebalances";
  sim.join(sim.request("m1"));
  EXPECT_EQ(sim.group.check_commit({"m1", std::nullopt}, 2, sim.now), ErrorCode::rebalance_in_progress);
}

TEST(ClassicGroup, UnloadAnswersAllWhoWait) {
  Sim sim;
  const WaiterId m1 = sim.join(sim.request(), "m1");
  sim.act([&](Effects& effects) { sim.group.unload(effects); });
  EXPECT_EQ(sim.joined[m1].error, ErrorCode::not_coordinator);
  EXPECT_FALSE(sim.group.next_deadline());
  EXPECT_EQ(sim.joined[sim.join(sim.request(), "m2")].error, ErrorCode::coordinator_not_available);
}

TEST(ClassicGroup, ReplayedGroupGoesOn) {
  Sim before;
  before.make_stable({"m1", "m2"}, true);
  before.join_static("i-m2", "m2b");
  const StoredGroup stored = before.stores.at(0).value;
  Sim after;
  after.act([&](Effects& effects) { after.group.replay(stored, after.now, effects); });
  EXPECT_EQ(after.group.state(), GroupState::stable);
  EXPECT_EQ(after.group.generation(), 1);
  EXPECT_EQ(after.heartbeat("m1"), ErrorCode::none);
  EXPECT_EQ(after.synced[after.sync("m2b")].assignment, bytes_of("a-m2"));
  after.pass(10'000);
  EXPECT_EQ(after.group.state(), GroupState::empty);
}

TEST(ClassicGroup, AfterTheLastGenerationComesTheFirst) {
  Sim sim;
  StoredGroup stored;
  stored.protocol_type = "consumer";
  stored.generation = std::numeric_limits<std::int32_t>::max();
  stored.members.emplace_back().member_id = "gone";
  Effects effects;
  sim.group.replay(stored, sim.now, effects);
  sim.pass(1);
  EXPECT_EQ(sim.group.state(), GroupState::empty);
  EXPECT_EQ(sim.group.generation(), 1);
}

TEST(ClassicGroup, SubscriptionsAreRead) {
  // Version 0, topics "in" and "out", no user data.
  EXPECT_EQ(read_subscription_topics(*base::from_hex("0000000000020002696e00036f7574ffffffff")),
            (std::vector<std::string>{"in", "out"}));
  EXPECT_FALSE(read_subscription_topics(*base::from_hex("0000000000020002696e00ff6f7574")));
  EXPECT_FALSE(read_subscription_topics(*base::from_hex("00007fffffff")));
  EXPECT_FALSE(read_subscription_topics({}));
}

}  // namespace
}  // namespace broker::group
