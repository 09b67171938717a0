#include "broker/controller/leadership.h"

#include <gtest/gtest.h>

#include <set>

namespace broker::controller {
namespace {

using Ids = std::vector<std::int32_t>;
using protocol::ErrorCode;

IsAlive alive(std::set<std::int32_t> brokers) {
  return [brokers = std::move(brokers)](std::int32_t id) { return brokers.contains(id); };
}

PartitionState state(std::int32_t leader, Ids isr, std::int32_t epoch = 4) {
  PartitionState result;
  result.leader = leader;
  result.isr = std::move(isr);
  result.leader_epoch = epoch;
  result.controller_epoch = 1;
  return result;
}

TEST(Leadership, NewPartitionIsLedByItsFirstLiveReplica) {
  const auto first = initial_state({3, 1, 2}, alive({1, 2}), 7);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->leader, 1);
  EXPECT_EQ(first->isr, (Ids{1, 2}));
  EXPECT_EQ(first->leader_epoch, 0);
  EXPECT_EQ(first->controller_epoch, 7);
  EXPECT_FALSE(initial_state({9}, alive({1}), 7));
  EXPECT_FALSE(initial_state({}, alive({1}), 7));
}

TEST(Leadership, LoneReplicaKeepsItsEpochOverARestart) {
  EXPECT_FALSE(state_after_broker_change(state(1, {1}), {1}, alive({1}), false, 9));
}

TEST(Leadership, AnotherOfTheIsrTakesOver) {
  const auto next = state_after_broker_change(state(1, {1, 3, 2}), {1, 2, 3}, alive({2, 3}), false, 9);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->leader, 2);
  EXPECT_EQ(next->isr, (Ids{3, 2}));
  EXPECT_EQ(next->leader_epoch, 5);
  EXPECT_EQ(next->controller_epoch, 9);
}

TEST(Leadership, OfflineKeepsTheIsrAndComesBackWithIt) {
  const auto offline = state_after_broker_change(state(1, {1}), {1, 2}, alive({2}), false, 9);
  ASSERT_TRUE(offline);
  EXPECT_EQ(offline->leader, -1);
  EXPECT_EQ(offline->isr, Ids{1});
  EXPECT_FALSE(state_after_broker_change(*offline, {1, 2}, alive({2}), false, 9));
  const auto back = state_after_broker_change(*offline, {1, 2}, alive({1, 2}), false, 9);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->leader, 1);
  EXPECT_EQ(back->leader_epoch, 6);
}

TEST(Leadership, UncleanOnlyWhereAllowed) {
  const auto next = state_after_broker_change(state(1, {1}), {1, 2}, alive({2}), true, 9);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->leader, 2);
  EXPECT_EQ(next->isr, Ids{2});
  EXPECT_TRUE(next->recovering);
}

TEST(Leadership, ElectionsOnDemand) {
  const auto kind = Election::preferred;
  EXPECT_EQ(elect(state(1, {1, 2}), {1, 2}, alive({1, 2}), kind, 9).error, ErrorCode::election_not_needed);
  EXPECT_EQ(elect(state(2, {2}), {1, 2}, alive({1, 2}), kind, 9).error, ErrorCode::preferred_leader_not_available);
  EXPECT_EQ(elect(state(2, {1, 2}), {1, 2}, alive({2}), kind, 9).error, ErrorCode::preferred_leader_not_available);
  const ElectionResult moved = elect(state(2, {1, 2}), {1, 2}, alive({1, 2}), kind, 9);
  EXPECT_EQ(moved.error, ErrorCode::none);
  EXPECT_EQ(moved.next.leader, 1);
  EXPECT_EQ(elect(state(1, {1}), {1}, alive({1}), Election::unclean, 9).error, ErrorCode::election_not_needed);
  EXPECT_EQ(elect(state(-1, {1}), {1, 2}, alive({2}), Election::unclean, 9).next.leader, 2);
  EXPECT_EQ(elect(state(-1, {1}), {1, 2}, alive({}), Election::unclean, 9).error,
            ErrorCode::eligible_leaders_not_available);
}

}  // namespace
}  // namespace broker::controller
