// Groups that change between the protocols while members of both are in them: what stands in the way of it. How it goes is
// told in testdata/scripts/mixed.txt.
#include <gtest/gtest.h>

#include "broker/group/testing/mixed_world.h"

namespace broker::group {
namespace {

using testing::MixedWorld;

// A stable classic group of one.
constexpr const char* kOneClassic = R"(C joins
= generation 1 of range, C leads 1
C syncs C:0123
= 0123
)";

// A newer member has a group, and a classic one came.
constexpr const char* kMixed = R"(N joins
= epoch 2 0123
C joins
= generation 3 of range
C syncs
= -
N beats
= epoch 2 01
N beats
= epoch 3
C beats
= REBALANCE_IN_PROGRESS
C rejoins
= generation 3 of range
C syncs
= 23
C beats
= NONE
)";

// Of an admin, who removes members of either kind; the protocol is one that all have.
TEST(MixedGroup, DowngradeByLeaveGroup) {
  MixedWorld world;
  world.play("N joins\nC joins by range,roundrobin\nD joins by roundrobin,range\n");
  EXPECT_EQ(world.step("D leaves N"), "NONE NONE");
  EXPECT_EQ(world.step("group"), "classic PreparingRebalance");
  EXPECT_NE(world.step("records").find("\nclassic consumer 4 range led by one of them: C "), std::string::npos);
}

TEST(MixedGroup, Policies) {
  const auto outcome = [](MigrationPolicy policy) {
    MixedWorld world;
    world.limits.consumer.migration = policy;
    world.restart();
    std::string text;
    for (const char* line : {"N joins", "C joins", "N leaves", "group"}) text += world.step(line) + "; ";
    MixedWorld other;
    other.limits.consumer.migration = policy;
    other.restart();
    other.play(kOneClassic);
    text += "| ";
    for (const char* line : {"N joins", "C beats", "group"}) text += other.step(line) + "; ";
    return text;
  };
  const std::string with = "epoch 2 0123; generation 3 of range; epoch -1; ";
  const std::string downgraded = with + "classic PreparingRebalance; | ";
  const std::string stays = with + "newer Assigning 4/3; C at 3: - -> 23; | ";
  const std::string upgraded =
      "epoch 2 -; REBALANCE_IN_PROGRESS; newer Reconciling 2/2; C at 1: 0123 -> 01; N at 2: - -> 23; ";
  const std::string refused = "GROUP_ID_NOT_FOUND; NONE; classic Stable; ";
  EXPECT_EQ(outcome(MigrationPolicy::bidirectional), downgraded + upgraded);
  EXPECT_EQ(outcome(MigrationPolicy::downgrade), downgraded + refused);
  EXPECT_EQ(outcome(MigrationPolicy::upgrade), stays + upgraded);
  EXPECT_EQ(outcome(MigrationPolicy::disabled),
            "epoch 2 0123; INCONSISTENT_GROUP_PROTOCOL; epoch -1; newer Empty 3/2; | " + refused);
}

TEST(MixedGroup, TooManyMembersForTheOtherKind) {
  MixedWorld world;
  world.limits.consumer.classic_size_max = 1;
  world.restart();
  world.play(kMixed);
  world.play("D joins\nN leaves\n");
  EXPECT_TRUE(world.step("group").starts_with("newer Assigning")) << world.step("group");
  MixedWorld other;
  other.limits.consumer.size_max = 1;
  other.restart();
  other.play(kOneClassic);
  other.play("D joins\nC rejoins\nD told\n");
  EXPECT_EQ(other.step("N joins"), "GROUP_ID_NOT_FOUND");
}

TEST(MixedGroup, NobodyOfEitherKindComesIntoAFullGroup) {
  MixedWorld world;
  world.limits.consumer.size_max = 1;
  world.restart();
  EXPECT_EQ(world.step("N joins"), "epoch 2 0123");
  EXPECT_EQ(world.step("N2 joins"), "GROUP_MAX_SIZE_REACHED");
  EXPECT_EQ(world.step("C joins"), "GROUP_MAX_SIZE_REACHED");
  EXPECT_EQ(world.step("N joins"), "epoch 2 0123") << "who is in it may come back";
  EXPECT_EQ(world.step("group"), "newer Stable 2/2; N at 2: 0123 -> 0123");
}

// Nobody of the newer protocol speaks who would compute a target without those who left.
TEST(MixedGroup, ClassicMembersAmongThemselvesShareWhatBecomesFree) {
  MixedWorld silent;  // the newer member's session goes on
  silent.play("N joins\nN2 joins\nN beats\nN beats\nN2 beats\nC joins\nC syncs\n");
  silent.play("N beats\nN beats\nN2 beats\nN2 beats\nC beats\nC rejoins\nC syncs\n");
  EXPECT_TRUE(silent.step("group").starts_with("newer Stable 4/4")) << silent.step("group");
  ASSERT_EQ(silent.member("C").owned.size(), 1U);
  EXPECT_EQ(silent.step("C beats"), "NONE");
  EXPECT_EQ(silent.step("N2 leaves"), "epoch -1");
  EXPECT_EQ(silent.step("C beats"), "REBALANCE_IN_PROGRESS");
  EXPECT_EQ(silent.step(fmt::format("C rejoins keeping {}", *silent.member("C").owned.begin())), "generation 5 of range");
  EXPECT_EQ(silent.step("C syncs").size(), 2U) << "two of four";
  EXPECT_EQ(silent.step("C beats"), "NONE");
  MixedWorld gone;
  gone.limits.consumer.migration = MigrationPolicy::upgrade;
  gone.restart();
  gone.play(kMixed);
  EXPECT_EQ(gone.step("N leaves"), "epoch -1");
  EXPECT_EQ(gone.step("C beats"), "REBALANCE_IN_PROGRESS");
  EXPECT_EQ(gone.step("C rejoins keeping 23"), "generation 4 of range");
  EXPECT_EQ(gone.step("C syncs"), "0123");
  EXPECT_EQ(gone.step("C beats"), "NONE");
}

TEST(MixedGroup, ClassicMemberThatCameTooSoonForATargetIsToldLater) {
  MixedWorld world;
  world.limits.consumer.assignment_interval_ms = 1000;
  world.restart();
  EXPECT_EQ(world.step("N joins"), "epoch 2 0123");
  EXPECT_EQ(world.step("C joins"), "generation 2 of range");
  EXPECT_EQ(world.step("C syncs"), "-");
  world.pass(999);
  EXPECT_EQ(world.step("C beats"), "NONE");
  world.pass(1);
  EXPECT_EQ(world.step("C beats"), "REBALANCE_IN_PROGRESS");
  EXPECT_EQ(world.step("C rejoins"), "generation 3 of range");
  EXPECT_EQ(world.step("N beats"), "epoch 2 01");
  EXPECT_EQ(world.step("group"), "newer Reconciling 3/3; C at 3: - -> 23; N at 2: 0123 -> 01");
}

TEST(MixedGroup, OtherKindsOfClassicGroupsStayWhatTheyAre) {
  MixedWorld world;
  world.protocol_type = "connect";
  world.play(kOneClassic);
  EXPECT_EQ(world.step("N joins"), "GROUP_ID_NOT_FOUND");
  EXPECT_EQ(world.step("C beats"), "NONE");
  EXPECT_EQ(world.step("group"), "classic Stable");
  MixedWorld mixed;
  mixed.play("N joins\n");
  mixed.protocol_type = "connect";
  EXPECT_EQ(mixed.step("C joins"), "INCONSISTENT_GROUP_PROTOCOL");
  mixed.protocol_type = "consumer";
  EXPECT_EQ(mixed.step("C joins by range"), "generation 3 of range");
  EXPECT_EQ(mixed.step("D joins by roundrobin"), "INCONSISTENT_GROUP_PROTOCOL");
  EXPECT_EQ(mixed.step("D joins by roundrobin,range"), "generation 4 of roundrobin");
}

TEST(MixedGroup, NoUpgradeBeforeTheFirstGeneration) {
  MixedWorld world;
  world.limits.initial_rebalance_delay_ms = 3000;
  world.restart();
  EXPECT_EQ(world.step("C joins"), "waits");
  EXPECT_EQ(world.step("N joins"), "COORDINATOR_LOAD_IN_PROGRESS");
  world.pass(3000);
  EXPECT_EQ(world.step("C told"), "generation 1 of range, C leads 1");
  EXPECT_EQ(world.step("N joins"), "epoch 2 01");  // nothing was assigned yet
}

TEST(MixedGroup, WhatCannotBeWrittenHasNotHappened) {
  MixedWorld world;
  world.play(kOneClassic);
  world.log.append_error = ErrorCode::not_enough_replicas;
  EXPECT_EQ(world.step("N joins"), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(world.step("C beats"), "NONE");
  EXPECT_EQ(world.step("group"), "classic Stable");
  world.log.append_error = ErrorCode::none;
  EXPECT_EQ(world.step("N joins"), "epoch 2 -");
  world.log.append_error = ErrorCode::not_enough_replicas;
  EXPECT_EQ(world.step("D joins"), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(world.step("N leaves"), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(world.step("C leaves"), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(world.step("group"), "newer Reconciling 2/2; C at 1: 0123 -> 01; N at 2: - -> 23");
  world.log.append_error = ErrorCode::none;
  EXPECT_EQ(world.step("N leaves"), "epoch -1");
  EXPECT_EQ(world.step("group"), "classic PreparingRebalance");
}

}  // namespace
}  // namespace broker::group
