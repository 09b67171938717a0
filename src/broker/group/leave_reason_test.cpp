// What the log tells of members that leave, in the words of Kafka 3.9.2 and, of groups of the newer protocol, 4.3.1.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/group/classic_group.h"
#include "broker/group/testing/consumer_world.h"

namespace broker::group {
namespace {

MemberIdentity leaving(const std::string& member, std::optional<std::string> reason, std::optional<std::string> instance = std::nullopt) {
  MemberIdentity who;
  who.member_id = member;
  who.group_instance_id = std::move(instance);
  who.reason = std::move(reason);
  return who;
}

bool contains(const std::vector<std::string>& lines, const std::string& part) {
  return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

TEST(LeaveReason, OfAClassicMember) {
  const GroupLimits limits;
  ClassicGroup group("g", limits);
  Time now;
  WaiterId waiter = 0;
  Effects effects;
  const auto join = [&](const std::string& id, bool needs_id) {
    JoinRequest request;
    request.protocol_type = "consumer";
    request.protocols = {{"range", {}}};
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 1000;
    request.needs_known_member_id = needs_id;
    group.join(std::move(request), id, ++waiter, now, effects);
  };
  join("a", false);
  join("b", false);
  now.monotonic_ms = 3000;
  group.on_time(now, effects);
  ASSERT_EQ(group.state(), GroupState::completing_rebalance);
  join("c", true);
  effects = Effects();
  (void)group.leave({leaving("c", "bored"), leaving("a", "the consumer is being closed"), leaving("b", std::nullopt)}, now, effects);
  EXPECT_TRUE(contains(effects.log_lines, "Pending member with memberId=c has left group g through explicit `LeaveGroup` request"));
  EXPECT_TRUE(contains(effects.log_lines,
                       "Member a has left group g through explicit `LeaveGroup`; client reason: the consumer is being closed"));
  EXPECT_TRUE(contains(effects.log_lines, "(reason: Removing member a on LeaveGroup; client reason: the consumer is being closed)"));
  EXPECT_TRUE(contains(effects.log_lines, "Member b has left group g through explicit `LeaveGroup`; client reason: not provided"));
}

TEST(LeaveReason, OfAMemberAmongNewerOnes) {
  testing::World world;
  world.set_topic("t", 2);
  for (const char* id : {"a", "b"}) {
    ConsumerHeartbeat joins;
    joins.group_id = "g";
    joins.member_id = id;
    if (joins.member_id == "b") joins.instance_id = "i";
    joins.rebalance_timeout_ms = 20'000;
    joins.subscribed_topic_names = std::vector<std::string>{"t"};
    joins.owned.emplace();
    ASSERT_EQ(world.send(joins).error, ErrorCode::none);
  }
  LeaveResult result;
  const ConsumerDecision decision =
      world.group.classic_leave({leaving("a", std::nullopt), leaving("", "an admin wants it", "i")}, world.cluster(), result);
  EXPECT_TRUE(contains(decision.log_lines, "[GroupId g] Dynamic member a has left group through explicit `LeaveGroup` request; "
                                           "client reason: not provided"));
  EXPECT_TRUE(contains(decision.log_lines, "[GroupId g] Static member b with instance id i has left group through explicit "
                                           "`LeaveGroup` request; client reason: an admin wants it"));
}

}  // namespace
}  // namespace broker::group
