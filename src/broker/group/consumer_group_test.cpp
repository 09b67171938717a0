// Members of a group of the newer protocol that come, go, subscribe and commit, as scripts (testing/consumer_script.h).
#include "broker/group/consumer_group.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/group/testing/consumer_script.h"

namespace broker::group {
namespace {

using testing::Script;
using testing::World;
using testing::expect_script;

TEST(ConsumerGroup, OneAfterTheOtherJoinsAndLeaves) {
  expect_script(R"(
topic t 3
a joins t
= epoch 2: t-0 t-1 t-2
group
= Stable 2/2 uniform; a 2: t-0 t-1 t-2 -> t-0 t-1 t-2
b joins t
= epoch 3: nothing
group
= Reconciling 3/3 uniform; a 2: t-0 t-1 t-2 -> t-0 t-1; b 3: nothing -> t-2
b beats
= epoch 3
a beats
= epoch 2: t-0 t-1
b beats
= epoch 3
a beats
= epoch 3
b beats
= epoch 3: t-2
group
= Stable 3/3 uniform; a 3: t-0 t-1 -> t-0 t-1; b 3: t-2 -> t-2
a leaves
= epoch -1
group
= Assigning 4/3 uniform; b 3: t-2 -> t-2
b beats
= epoch 4: t-0 t-1 t-2
b leaves
= epoch -1
group
= Empty 5/4 uniform
)");
}

TEST(ConsumerGroup, NobodyGetsWhatAnotherClingsTo) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
b joins t
= epoch 3: nothing
a clings
= epoch 2: t-0
a clings
= epoch 2
b beats
= epoch 3
pass 10000
b beats
= epoch 3
pass 10000
= a is fenced
b beats
= epoch 4: t-0 t-1
a beats
= UNKNOWN_MEMBER_ID
)");
}

TEST(ConsumerGroup, SilentMembersAreFenced) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
pass 44999
a beats
= epoch 2
pass 45000
= a is fenced
a beats
= UNKNOWN_MEMBER_ID
a commits t-0 at 2
= UNKNOWN_MEMBER_ID
a joins t
= epoch 4: t-0 t-1
)");
}

TEST(ConsumerGroup, StaticMembersComeBackToWhatTheyHad) {
  expect_script(R"(
topic t 2
a joins t as one
= epoch 2: t-0 t-1
b joins t as one
= UNRELEASED_INSTANCE_ID
a leaves for now
= epoch -2
group
= Reconciling 2/2 uniform; a -2: t-0 t-1 -> t-0 t-1
b joins t as one
= epoch 2: t-0 t-1
a beats
= FENCED_INSTANCE_ID
a leaves
= FENCED_INSTANCE_ID
group
= Stable 2/2 uniform; b 2: t-0 t-1 -> t-0 t-1
b leaves for now
= epoch -2
pass 45000
= b is fenced
b leaves
= UNKNOWN_MEMBER_ID
)");
}

// Kafka 4.3.1 gives it its rebalance timeout after a load, though not before.
TEST(ConsumerGroup, OneThatIsAwayIsWaitedForAfterALoadAsBefore) {
  Script script;
  (void)script.run("topic t 4\na joins t as one\nb joins t\na clings\na leaves for now\n");
  const ConsumerGroupSummary summary = script.world.group.summary();
  ASSERT_EQ(summary.members.at(0).member_epoch, kStaticLeaveEpoch);
  EXPECT_EQ(script.world.reloaded().next_deadline(), script.world.now().monotonic_ms + 45'000);
}

TEST(ConsumerGroup, EpochsFence) {
  Script script;
  const std::string text = R"(topic t 2
a joins t
= epoch 2: t-0 t-1
b joins t
= epoch 3: nothing
a beats
= epoch 2: t-0
a beats
= epoch 3
)";
  EXPECT_EQ(script.run(text), text);
  ConsumerHeartbeat request;
  request.group_id = "g";
  request.member_id = "a";
  request.client_id = "c";
  request.client_host = "/127.0.0.1";
  request.member_epoch = 4;
  EXPECT_EQ(script.world.send(request).error, ErrorCode::fenced_member_epoch);
  // The previous epoch will do for one whose answer got lost, if it has nothing that isn't its own.
  request.member_epoch = 2;
  EXPECT_EQ(script.world.send(request).error, ErrorCode::fenced_member_epoch);
  base::Uuid t;
  t.bytes.fill('t');
  request.owned = Partitions{{t, {0, 1}}};
  EXPECT_EQ(script.world.send(request).error, ErrorCode::fenced_member_epoch);
  request.owned = Partitions{{t, {0}}};
  EXPECT_EQ(script.world.send(request).member_epoch, 3);
  request.member_epoch = 0;
  EXPECT_EQ(script.world.send(request).error, ErrorCode::invalid_request);  // joins with something in its hands
}

TEST(ConsumerGroup, CommitsOfAnOlderEpochForWhatStayed) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
b joins t
= epoch 3: nothing
a beats
= epoch 2: t-0
a commits t-1 at 2
= NONE
a beats
= epoch 3
a commits t-0 at 2
= NONE
a commits t-1 at 2
= STALE_MEMBER_EPOCH
a commits t-0 at 4
= STALE_MEMBER_EPOCH
a commits t-1 at 3
= NONE
b beats
= epoch 3: t-1
b commits t-1 at 2
= STALE_MEMBER_EPOCH
)");
}

TEST(ConsumerGroup, RangeIsWhatTheMajorityAsksFor) {
  expect_script(R"(
topic t 3
topic u 3
a joins t u with range
= epoch 2: t-0 t-1 t-2 u-0 u-1 u-2
b joins t u with range
= epoch 3: nothing
a beats
= epoch 2: t-0 t-1 u-0 u-1
a beats
= epoch 3
b beats
= epoch 3: t-2 u-2
group
= Stable 3/3 range; a 3: t-0 t-1 u-0 u-1 -> t-0 t-1 u-0 u-1; b 3: t-2 u-2 -> t-2 u-2
c joins t with sticky
= UNSUPPORTED_ASSIGNOR
)");
}

// All of a topic's name must match.
TEST(ConsumerGroup, ExpressionsMeanTheTopicsThatThereAre) {
  expect_script(R"(
topic t 1
topic u 1
topic at 1
topic ta 1
topic av 1
a joins matching t|v.*
= epoch 2: t-0
topic v 2
a beats
= epoch 3: t-0 v-0 v-1
topic t 0
a beats
= epoch 3: v-0 v-1
a beats
= epoch 4
b joins matching (
= INVALID_REGULAR_EXPRESSION
a subscribes u matching
= epoch 4: nothing
a beats
= epoch 5: u-0
)");
}

// Else a member that changes its mind again and again leaves more and more of them to be looked for, in memory and in the log.
TEST(ConsumerGroup, ExpressionsThatNobodyHasAreForgotten) {
  World world;
  world.set_topic("t", 1);
  std::map<std::string, std::int32_t> epochs;
  const auto send = [&](const std::string& member, std::optional<std::string> regex) {
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = member;
    request.client_id = "c";
    request.member_epoch = regex ? epochs[member] : kLeaveEpoch;
    request.rebalance_timeout_ms = 20'000;
    request.owned.emplace();
    request.subscribed_topic_regex = std::move(regex);
    const ConsumerHeartbeatResult result = world.send(request);
    EXPECT_EQ(result.error, ErrorCode::none);
    epochs[member] = result.member_epoch;
  };
  using Expressions = std::vector<std::string>;
  const auto of = [](const ConsumerGroup& group) {
    Expressions all;
    for (const ConsumerGroupRecord& record : group.tombstones()) {
      if (const auto* one = std::get_if<RegexRecord>(&record)) all.push_back(one->regex);
    }
    return all;
  };
  const auto known = [&] {
    EXPECT_EQ(of(world.group), of(world.reloaded()));
    return of(world.group);
  };
  send("a", "t.*");
  send("b", "t.*");
  EXPECT_EQ(known(), Expressions{"t.*"});
  send("a", "u.*");
  EXPECT_EQ(known(), (Expressions{"t.*", "u.*"})) << "the other one still has it";
  send("b", "v.*");
  EXPECT_EQ(known(), (Expressions{"u.*", "v.*"}));
  send("b", "u.*");
  EXPECT_EQ(known(), Expressions{"u.*"});
  send("b", "");
  send("a", std::nullopt);
  EXPECT_EQ(known(), Expressions());
}

TEST(ConsumerGroup, MorePartitionsAreFound) {
  expect_script(R"(
topic t 1
a joins t
= epoch 2: t-0
topic t 2
a beats
= epoch 3: t-0 t-1
topic w 2
a beats
= epoch 3
)");
}

TEST(ConsumerGroup, TargetsAreComputedOnceAnInterval) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
pass 500
b joins t
= epoch 2: nothing
group
= Assigning 3/2 uniform; a 2: t-0 t-1 -> t-0 t-1; b 2: nothing -> nothing
pass 500
a beats
= epoch 2: t-0
a beats
= epoch 3
b beats
= epoch 3: t-1
)",
                1000);
}

// The interval isn't over before the clock has come so far again.
TEST(ConsumerGroup, TargetsDontWaitForAWallClockThatWasSetBack) {
  expect_script(R"(
topic t 2
a joins t
= epoch 2: t-0 t-1
clock is set back 100000
b joins t
= epoch 3: nothing
a beats
= epoch 2: t-0
a beats
= epoch 3
b beats
= epoch 3: t-1
pass 500
c joins t
= epoch 3: nothing
group
= Assigning 4/3 uniform; a 3: t-0 -> t-0; b 3: t-1 -> t-1; c 3: nothing -> nothing
)",
                1000);
}

// What a damaged record may say.
TEST(ConsumerGroup, TheLastEpochStays) {
  World world;
  constexpr std::int32_t kLast = std::numeric_limits<std::int32_t>::max();
  world.group.apply(GroupEpochRecord{GroupEpoch{kLast, 0}}, world.now());
  world.group.apply(MemberMetadataRecord{"m", ConsumerMemberMetadata()}, world.now());
  world.pass(world.limits.session_timeout_ms);
  EXPECT_TRUE(world.group.empty());
  EXPECT_EQ(world.group.epoch(), kLast);
}

// Kafka 4.3.1 takes it, too, but knows the member by the old name as well until it reads its log again, and that name is lost for all
// others when the member has gone.
TEST(ConsumerGroup, AMemberThatTakesAnotherInstanceGivesUpItsOwn) {
  expect_script(R"(
topic t 2
a joins t as i
= epoch 2: t-0 t-1
a joins t as j
= epoch 2: t-0 t-1
b joins t as i
= epoch 3: nothing
a beats
= epoch 2: t-0
a leaves
= epoch -1
b leaves
= epoch -1
c joins t as i
= epoch 6: t-0 t-1
d joins t as j
= epoch 7: nothing
)");
}

// Of all that a heartbeat may say, what is new is written, and nothing else.
TEST(ConsumerGroup, ASignOfLifeIsNoMoreThanThat) {
  World world;
  world.set_topic("t", 2);
  ConsumerHeartbeat joins;
  joins.group_id = "g";
  joins.member_id = "m";
  joins.instance_id = "i";
  joins.client_id = "c";
  joins.client_host = "/127.0.0.1";
  joins.rebalance_timeout_ms = 20'000;
  joins.subscribed_topic_names = std::vector<std::string>{"t"};
  joins.subscribed_topic_regex = "u.*";
  joins.server_assignor = "range";
  joins.rack_id = "r";
  joins.owned.emplace();
  const ConsumerHeartbeatResult joined = world.send(joins);
  ASSERT_EQ(joined.error, ErrorCode::none);

  ConsumerHeartbeat all = joins;
  all.member_epoch = joined.member_epoch;
  all.owned = joined.assignment;
  ConsumerHeartbeat beat;
  beat.group_id = "g";
  beat.member_id = "m";
  beat.member_epoch = joined.member_epoch;
  beat.client_id = "c";
  beat.client_host = "/127.0.0.1";
  const auto decide = [&](const ConsumerHeartbeat& request) { return world.group.heartbeat(request, world.cluster(), world.now()); };
  for (const ConsumerHeartbeat& request : {beat, all}) {
    const ConsumerDecision decision = decide(request);
    EXPECT_TRUE(decision.records.empty());
    EXPECT_EQ(decision.result.error, ErrorCode::none);
    EXPECT_EQ(decision.result.member_epoch, joined.member_epoch);
    EXPECT_EQ(decision.result.heartbeat_interval_ms, joined.heartbeat_interval_ms);
    EXPECT_EQ(decision.result.assignment.has_value(), request.owned.has_value()) << "told again to who says everything";
    EXPECT_EQ(decision.heard_from, "m");
  }
  using Change = void (*)(ConsumerHeartbeat&);
  for (const Change change : std::initializer_list<Change>{[](ConsumerHeartbeat& one) { one.client_id = "d"; },
                                                           [](ConsumerHeartbeat& one) { one.client_host = "/::1"; },
                                                           [](ConsumerHeartbeat& one) { one.rack_id = "s"; },
                                                           [](ConsumerHeartbeat& one) { one.rebalance_timeout_ms = 1; },
                                                           [](ConsumerHeartbeat& one) { one.server_assignor = "uniform"; },
                                                           [](ConsumerHeartbeat& one) { one.subscribed_topic_names->push_back("u"); },
                                                           [](ConsumerHeartbeat& one) { one.subscribed_topic_regex = ""; }}) {
    ConsumerHeartbeat request = all;
    change(request);
    const ConsumerDecision decision = decide(request);
    ASSERT_FALSE(decision.records.empty());
    EXPECT_TRUE(std::holds_alternative<MemberMetadataRecord>(decision.records.front()));
  }
  all.subscribed_topic_names->push_back("t");
  EXPECT_TRUE(decide(all).records.empty()) << "the same twice is the same";
  beat.instance_id = "j";
  EXPECT_EQ(decide(beat).result.error, ErrorCode::unknown_member_id);
  beat.instance_id = "i";
  beat.member_epoch = joined.member_epoch + 1;
  EXPECT_EQ(decide(beat).result.error, ErrorCode::fenced_member_epoch);
  world.set_topic("t", 3);
  EXPECT_FALSE(decide(all).records.empty());
}

}  // namespace
}  // namespace broker::group
