// Which offsets of a classic group are over, in each of its states. The rules are those of Kafka 3.9.2's GroupMetadata.removeExpiredOffsets.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "broker/group/classic_group.h"
#include "broker/group/group_offsets.h"
#include "broker/group/testing/classic_sim.h"
#include "broker/group/testing/subscription.h"

namespace broker::group {
namespace {

using testing::bytes_of;
using testing::subscription_to_t;

constexpr std::int64_t kRetentionMs = 3'600'000;

class OffsetRetention : public ::testing::Test {
 protected:
  void commit(const std::string& topic, std::int64_t expire_after_ms = -1) {
    CommittedOffset value;
    value.offset = 1;
    value.commit_timestamp = sim.now.wall_ms;
    if (expire_after_ms >= 0) value.expire_timestamp = sim.now.wall_ms + expire_after_ms;
    offsets.replay(TopicPartition{topic, 0}, std::move(value), ++last_log_offset);
  }
  // Members go on meanwhile.
  void pass(std::int64_t ms) {
    for (constexpr std::int64_t kBeatMs = 5'000; ms > kBeatMs; ms -= kBeatMs) {
      sim.pass(kBeatMs);
      for (const std::string& id : members) EXPECT_EQ(sim.heartbeat(id), ErrorCode::none);
    }
    sim.pass(ms);
  }
  void stable(const base::Bytes& metadata, const std::string& protocol_type = "consumer") {
    JoinRequest join = sim.request();
    join.protocol_type = protocol_type;
    join.protocols = {{"range", metadata}};
    sim.join(std::move(join), "m");
    sim.pass(sim.limits.initial_rebalance_delay_ms);
    sim.sync("m", {{"m", bytes_of("all")}});
    sim.store_done();
    ASSERT_EQ(sim.group.state(), GroupState::stable);
    members = {"m"};
  }
  void leave() {
    members.clear();
    sim.act([&](Effects& effects) { sim.group.leave({{"m", std::nullopt}}, sim.now, effects); });
    ASSERT_EQ(sim.group.state(), GroupState::empty);
  }
  std::vector<std::string> expired() const {
    std::vector<std::string> topics;
    for (const TopicPartition& one : offsets.expired(sim.group, sim.now.wall_ms, kRetentionMs)) topics.push_back(one.topic);
    return topics;
  }
  using Topics = std::vector<std::string>;

  testing::Sim sim;
  GroupOffsets offsets;
  std::int64_t last_log_offset = 0;
  std::vector<std::string> members;
};

TEST_F(OffsetRetention, WithoutMembersEachCountsFromItsCommit) {
  commit("t");
  pass(kRetentionMs / 2);
  commit("u");
  pass(kRetentionMs / 2 - 1);
  EXPECT_EQ(expired(), Topics());
  pass(1);
  EXPECT_EQ(expired(), Topics{"t"});
  pass(kRetentionMs / 2);
  EXPECT_EQ(expired(), (Topics{"t", "u"}));
}

TEST_F(OffsetRetention, OfAGroupThatIsEmptyAllCountFromWhenItBecameEmpty) {
  stable(subscription_to_t({}));
  commit("t");
  commit("u");
  pass(2 * kRetentionMs);
  leave();
  EXPECT_EQ(expired(), Topics());
  pass(kRetentionMs - 1);
  EXPECT_EQ(expired(), Topics());
  pass(1);
  EXPECT_EQ(expired(), (Topics{"t", "u"}));
}

TEST_F(OffsetRetention, OfAStableGroupWhatNobodySubscribesToCountsFromItsCommit) {
  stable(subscription_to_t({}));
  commit("t");
  commit("u");
  pass(kRetentionMs - 1);
  EXPECT_EQ(expired(), Topics());
  pass(1);
  EXPECT_EQ(expired(), Topics{"u"});
}

TEST_F(OffsetRetention, NothingIsOverWhileAGroupRebalances) {
  stable(subscription_to_t({}));
  commit("u");
  pass(kRetentionMs);
  ASSERT_EQ(expired(), Topics{"u"});
  JoinRequest other = sim.request();
  other.protocols = {{"range", subscription_to_t({})}};
  sim.join(std::move(other), "n");
  ASSERT_EQ(sim.group.state(), GroupState::preparing_rebalance);
  EXPECT_EQ(expired(), Topics());
  JoinRequest again = sim.request("m");
  again.protocols = {{"range", subscription_to_t({})}};
  sim.join(std::move(again));
  ASSERT_EQ(sim.group.state(), GroupState::completing_rebalance);
  EXPECT_EQ(expired(), Topics());
}

TEST_F(OffsetRetention, NothingIsOverWhereNobodyKnowsWhatIsSubscribedTo) {
  stable(bytes_of("\x7f"));
  commit("u");
  pass(2 * kRetentionMs);
  EXPECT_EQ(expired(), Topics());
}

TEST_F(OffsetRetention, NothingIsOverInAStableGroupOfAnotherType) {
  stable(subscription_to_t({}), "connect");
  commit("u");
  pass(2 * kRetentionMs);
  EXPECT_EQ(expired(), Topics());
}

// Of clients before v5, who name it with the commit.
TEST_F(OffsetRetention, AnOwnRetentionCountsInEachState) {
  stable(subscription_to_t({}));
  commit("t", 1'000);
  commit("u", 1'000);
  commit("v", 2 * kRetentionMs);
  pass(1'000);
  EXPECT_EQ(expired(), Topics{"u"});
  leave();
  EXPECT_EQ(expired(), (Topics{"t", "u"}));
  pass(2 * kRetentionMs - 1'001);
  EXPECT_EQ(expired(), (Topics{"t", "u"}));
  pass(1);
  EXPECT_EQ(expired(), (Topics{"t", "u", "v"}));
}

}  // namespace
}  // namespace broker::group
