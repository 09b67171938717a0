// Groups that change between the protocols while members of both are in them. Below each line stands what comes of it; the
// answers and records are those that Kafka 4.3.1 gives (compat-tests/consumer-groups/mixed.txt).
#include <gtest/gtest.h>

#include "broker/group/testing/mixed_world.h"

namespace broker::group {
namespace {

using testing::MixedMember;
using testing::MixedWorld;

void expect_played(MixedWorld& world, const std::string& script) { EXPECT_EQ(world.play(script), script); }

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

constexpr const char* kUpgrade = R"(records
= classic consumer 1 range led by C: C 0123
N joins
= epoch 2 -
records
= classic gone
= member C classic 10000 range
= epoch 1
= target C 0123
= target-epoch 1
= current C 1 after 1 stable: 0@1 1@1 2@1 3@1 leaves -
= member N newer
= epoch 2
= target C 01
= target N 23
= target-epoch 2
= current N 2 after 0 unreleased: - leaves -
group
= newer Reconciling 2/2; C at 1: 0123 -> 01; N at 2: - -> 23
C syncs
= REBALANCE_IN_PROGRESS
C beats
= REBALANCE_IN_PROGRESS
C commits 0 at 1
= NONE
C commits 0 at 2
= ILLEGAL_GENERATION
C rejoins
= generation 1 of range
C syncs
= 01
C beats
= REBALANCE_IN_PROGRESS
N beats
= epoch 2
C rejoins keeping 01
= generation 2 of range
records
= offset 0
= member C classic 10000 range
= current C 1 after 1 unrevoked: 0@1 1@1 leaves 2@1 3@1
= current N 2 after 2 unreleased: - leaves -
= member C classic 10000 range
= current C 2 after 1 stable: 0@1 1@1 leaves -
C syncs
= 01
C beats
= NONE
N beats
= epoch 2 23
records
= current N 2 after 2 stable: 2@2 3@2 leaves -
group
= newer Stable 2/2; C at 2: 01 -> 01; N at 2: 23 -> 23
C commits 0 at 1
= NONE
C commits 3 at 1
= ILLEGAL_GENERATION
C commits 0 at 3
= ILLEGAL_GENERATION
C commits 0 at 3 in a transaction
= ILLEGAL_GENERATION
N commits 3 at 2 in a transaction
= NONE
restart
C beats
= NONE
group
= newer Stable 2/2; C at 2: 01 -> 01; N at 2: 23 -> 23
C leaves
= NONE NONE
records
= offset 0
= offset 3
= current C gone
= target C gone
= member C gone
= epoch 3
N beats
= epoch 3 0123
group
= newer Stable 3/3; N at 3: 0123 -> 0123
)";

TEST(MixedGroup, Upgrade) {
  MixedWorld world;
  world.play(kOneClassic);
  expect_played(world, kUpgrade);
}

TEST(MixedGroup, Downgrade) {
  MixedWorld world;
  expect_played(world, kMixed);
  (void)world.step("records");
  expect_played(world, R"(group
= newer Stable 3/3; C at 3: 23 -> 23; N at 3: 01 -> 01
N leaves
= epoch -1
records
= current C gone
= current N gone
= target C gone
= target N gone
= target-epoch gone
= member C gone
= member N gone
= subscription-metadata gone
= epoch gone
= classic consumer 3 range led by C: C 23
group
= classic PreparingRebalance
C beats
= REBALANCE_IN_PROGRESS
C commits 3 at 3
= NONE
restart
C beats
= NONE
group
= classic Stable
C rejoins
= generation 4 of range, C leads 1
C syncs C:0123
= 0123
group
= classic Stable
N beats
= GROUP_ID_NOT_FOUND
N joins
= epoch 5 -
group
= newer Reconciling 5/5; C at 4: 0123 -> 01; N at 5: - -> 23
)");
}

// Of an admin, who removes members of either kind; the protocol is one that all have.
TEST(MixedGroup, DowngradeByLeaveGroup) {
  MixedWorld world;
  world.play("N joins\nC joins by range,roundrobin\nD joins by roundrobin,range\n");
  EXPECT_EQ(world.step("D leaves N"), "NONE NONE");
  EXPECT_EQ(world.step("group"), "classic PreparingRebalance");
  EXPECT_NE(world.step("records").find("\nclassic consumer 4 range led by one of them: C "), std::string::npos);
}

TEST(MixedGroup, DowngradeByTimeout) {
  MixedWorld world;
  world.play(kMixed);
  (void)world.step("records");
  for (int beats = 0; beats < 9; ++beats) {
    EXPECT_EQ(world.step("group"), "newer Stable 3/3; C at 3: 23 -> 23; N at 3: 01 -> 01");
    world.pass(5000);
    (void)world.step("C beats");
  }
  expect_played(world, R"(group
= classic PreparingRebalance
records
= current C gone
= current N gone
= target C gone
= target N gone
= target-epoch gone
= member C gone
= member N gone
= subscription-metadata gone
= epoch gone
= classic consumer 3 range led by C: C 23
C beats
= REBALANCE_IN_PROGRESS
)");
}

constexpr const char* kStaticMembers = R"(C joins as i
= generation 1 of range, C leads 1
C syncs C:0123
= 0123
N1 joins
= epoch 2 -
N2 joins as i
= epoch 2 01
records
= classic consumer 1 range led by C: C 0123
= classic gone
= member C classic 10000 range
= epoch 1
= target C 0123
= target-epoch 1
= current C 1 after 1 stable: 0@1 1@1 2@1 3@1 leaves -
= member N1 newer
= epoch 2
= target C 01
= target N1 23
= target-epoch 2
= current C gone
= current N1 2 after 0 unreleased: - leaves -
= target C gone
= member C gone
= member N2 classic 10000 range
= target N2 01
= current N2 0 after 0 stable: 0@1 1@1 2@1 3@1 leaves -
= member N2 newer
= current N2 2 after 0 stable: 0@1 1@1 leaves -
C beats
= FENCED_INSTANCE_ID
C rejoins
= FENCED_INSTANCE_ID
C commits 0 at 1
= UNKNOWN_MEMBER_ID
N1 leaves
= epoch -1
N2 beats
= epoch 3 0123
records
= current N1 gone
= target N1 gone
= member N1 gone
= epoch 3
= target N2 0123
= target-epoch 3
= current N2 3 after 2 stable: 0@1 1@1 2@3 3@3 leaves -
D joins as i
= generation 3 of range
records
= current N2 gone
= target N2 gone
= member D newer
= member N2 gone
= target D 0123
= current D 0 after 0 stable: 0@1 1@1 2@3 3@3 leaves -
= member D classic 10000 range
= current D 3 after 0 stable: 0@1 1@1 2@3 3@3 leaves -
= current D gone
= target D gone
= target-epoch gone
= member D gone
= subscription-metadata gone
= epoch gone
= classic consumer 3 range led by D: D 0123
group
= classic Stable
D syncs
= 0123
D beats
= NONE
N2 beats
= GROUP_ID_NOT_FOUND
N3 joins as i
= epoch 3 0123
N3 leaves for now
= epoch -2
E joins as j
= generation 4 of range
records
= classic gone
= member D classic 10000 range
= epoch 3
= target D 0123
= target-epoch 3
= current D 3 after 3 stable: 0@3 1@3 2@3 3@3 leaves -
= current D gone
= target D gone
= member D gone
= member N3 classic 10000 range
= target N3 0123
= current N3 0 after 0 stable: 0@3 1@3 2@3 3@3 leaves -
= member N3 newer
= current N3 -2 after 0 stable: 0@0 1@0 2@0 3@0 leaves -
= current N3 3 after 0 stable: 0@3 1@3 2@3 3@3 leaves -
= member E classic 10000 range
= epoch 4
= target E 23
= target N3 01
= target-epoch 4
= current E 4 after 0 unreleased: - leaves -
F joins as i
= generation 4 of range
records
= current N3 gone
= target N3 gone
= member F newer
= member N3 gone
= target F 01
= current F 0 after 0 stable: 0@0 1@0 2@0 3@0 leaves -
= member F classic 10000 range
= current E gone
= current F 4 after 0 stable: 0@0 1@0 leaves -
= current F gone
= target E gone
= target F gone
= target-epoch gone
= member E gone
= member F gone
= subscription-metadata gone
= epoch gone
= classic consumer 4 range led by one of them: E 23 F 01
group
= classic Stable
F syncs
= 01
)";

TEST(MixedGroup, StaticMembersChangeTheirProtocol) {
  MixedWorld world;
  expect_played(world, kStaticMembers);
}

constexpr const char* kNeverSyncs = R"(N joins
= epoch 2 0123
C joins
= generation 3 of range
N beats
= epoch 2 01
N beats
= epoch 3
pass 9000
C beats
= REBALANCE_IN_PROGRESS
N beats
= epoch 3
pass 9000
C beats
= REBALANCE_IN_PROGRESS
N beats
= epoch 3
pass 9000
C beats
= REBALANCE_IN_PROGRESS
N beats
= epoch 3
pass 2999
group
= newer Reconciling 3/3; C at 3: - -> 23; N at 3: 01 -> 01
pass 1
group
= newer Assigning 4/3; N at 3: 01 -> 01
)";

constexpr const char* kNeverRejoins = R"(N beats
= epoch 4 0123
C joins
= generation 5 of range
C syncs
= -
N beats
= epoch 4 01
C beats
= NONE
N beats
= epoch 5
C beats
= REBALANCE_IN_PROGRESS
pass 9000
N beats
= epoch 5
C beats
= REBALANCE_IN_PROGRESS
pass 9000
N beats
= epoch 5
C beats
= REBALANCE_IN_PROGRESS
pass 9000
N beats
= epoch 5
C beats
= REBALANCE_IN_PROGRESS
pass 2999
group
= newer Reconciling 5/5; C at 5: - -> 23; N at 5: 01 -> 01
pass 1
group
= newer Assigning 6/5; N at 5: 01 -> 01
)";

constexpr const char* kIsSilent = R"(N beats
= epoch 6 0123
C joins
= generation 7 of range
C syncs
= -
pass 9999
group
= newer Reconciling 7/7; C at 7: - -> 23; N at 6: 0123 -> 01
pass 1
group
= newer Assigning 8/7; N at 6: 0123 -> 01
)";

TEST(MixedGroup, WhoStaysAwayIsFenced) {
  MixedWorld world;
  expect_played(world, kNeverSyncs);
  expect_played(world, kNeverRejoins);
  expect_played(world, kIsSilent);
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

// Members that wait in a rebalance are told to join again, and find a group of the newer protocol.
TEST(MixedGroup, UpgradeAmidARebalance) {
  MixedWorld world;
  world.play(kOneClassic);
  (void)world.step("records");
  expect_played(world, R"(D joins
= waits
N joins
= epoch 2 -
D told
= REBALANCE_IN_PROGRESS
records
= classic gone
= member C classic 10000 range
= member somebody classic 10000 range
= epoch 1
= target C 0123
= target somebody -
= target-epoch 1
= current C 1 after 1 stable: 0@1 1@1 2@1 3@1 leaves -
= current somebody 1 after 1 stable: - leaves -
= member N newer
= epoch 2
= target C 01
= target N 2
= target somebody 3
= target-epoch 2
= current N 2 after 0 unreleased: - leaves -
D joins
= generation 3 of range
C beats
= REBALANCE_IN_PROGRESS
C rejoins keeping 0123
= generation 1 of range
group
= newer Reconciling 3/3; C at 1: 0123 -> 0; D at 3: - -> 1; N at 2: - -> 2; somebody at 1: - -> 3
)");
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
