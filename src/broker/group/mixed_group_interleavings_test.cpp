// Random members of both protocols in one group that changes its kind again and again, and what must hold whatever they do.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "broker/group/testing/mixed_world.h"

namespace broker::group {
namespace {

using testing::MixedMember;
using testing::MixedWorld;

constexpr std::int32_t kPartitions = 5;

// Classic members are cooperative: they keep what they have until they are told otherwise. Who leads leaves everything with
// those who have it.
class RandomMembers {
 public:
  RandomMembers(unsigned seed, bool stays_newer) : random_(seed) {
    world.limits.consumer.assignment_interval_ms = seed % 2 == 0 ? 0 : 1000;
    if (stays_newer) world.limits.consumer.migration = MigrationPolicy::upgrade;
    world.restart();
    world.set_partitions(kPartitions);
  }
  void step() {
    const std::string name = std::string(random_() % 2 == 0 ? "C" : "N") + static_cast<char>('1' + random_() % 3);
    switch (random_() % 14) {
      case 0:
        leave(name);
        break;
      case 1:
        world.pass(static_cast<std::int64_t>(random_() % 3000));
        break;
      case 2:
        if (random_() % 10 == 0) world.restart();
        break;
      default:
        act(name);
    }
    check(name);
  }
  // Everybody who is there goes on for a while.
  void calm_down() {
    for (int round = 0; round < 80; ++round) {
      world.pass(1000);
      for (auto& [name, one] : states_) {
        if (one.there) act(name);
        check(name);
      }
    }
  }
  void newer_ones_leave() {
    for (const char* name : {"N1", "N2", "N3"}) leave(name);
  }
  std::size_t owned() {
    std::size_t count = 0;
    for (auto& [name, one] : states_) count += one.there ? world.member(name).owned.size() : 0;
    return count;
  }
  std::size_t there() const {
    return static_cast<std::size_t>(std::ranges::count_if(states_, [](const auto& one) { return one.second.there; }));
  }
  MixedWorld world;

 private:
  struct State {
    bool there = false;
    bool waits = false;  // for an answer to JoinGroup
    bool rejoins = false;
  };
  static std::string text_of(const std::set<std::int32_t>& numbers) {
    std::string text;
    for (const std::int32_t number : numbers) text += std::to_string(number);
    return text.empty() ? "-" : text;
  }

  // No partition has two owners that may commit for it.
  void check(const std::string& last) {
    std::map<std::int32_t, std::string> owners;
    for (const auto& [name, state] : states_) {
      const MixedMember one = world.member(name);
      for (const std::int32_t partition : one.owned) {
        const std::string commit = name + " commits " + std::to_string(partition) + " at " + std::to_string(one.epoch);
        const std::string answer = world.step(commit);
        if (answer != "NONE" && answer != "REBALANCE_IN_PROGRESS") continue;
        EXPECT_TRUE(owners.try_emplace(partition, name).second)
            << partition << " of " << name << " and " << owners[partition] << " after " << last;
      }
    }
  }
  void leave(const std::string& name) {
    if (!states_[name].there || states_[name].waits) return;
    (void)world.step(name + " leaves");
    world.member(name).owned.clear();
    states_[name] = State();
  }
  void act(const std::string& name) { name[0] == 'N' ? act_newer(name) : act_classic(name); }
  void act_newer(const std::string& name) {
    State& state = states_[name];
    const std::string answer = world.step(name + (state.there ? " beats" : " joins"));
    state.there = answer.starts_with("epoch");
    if (!state.there) world.member(name).owned.clear();
  }
  void act_classic(const std::string& name) {
    State& state = states_[name];
    if (state.waits) return joined(name, world.step(name + " told"));
    if (!state.there) return joined(name, world.step(name + " joins"));
    const std::string keeps = text_of(world.member(name).owned);
    if (state.rejoins) return joined(name, world.step(name + " rejoins keeping " + keeps));
    const std::string answer = world.step(name + " beats");
    if (answer == "REBALANCE_IN_PROGRESS") {
      state.rejoins = true;
    } else if (answer != "NONE") {
      lost(name);
    }
  }
  void joined(const std::string& name, const std::string& answer) {
    State& state = states_[name];
    state.there = true;
    state.waits = answer == "waits";
    state.rejoins = true;
    if (answer == "UNKNOWN_MEMBER_ID") return lost(name);
    if (!answer.starts_with("generation")) return;
    std::string sync = name + " syncs";
    if (answer.find(name + " leads") != std::string::npos) sync += shares();
    const std::string given = world.step(sync);
    state.rejoins = given == "REBALANCE_IN_PROGRESS";
    if (given == "UNKNOWN_MEMBER_ID" || given == "ILLEGAL_GENERATION") lost(name);
  }
  // " C1:02 C2:134"
  std::string shares() {
    std::map<std::string, std::set<std::int32_t>> shares;
    std::set<std::int32_t> free;
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) free.insert(partition);
    for (const std::string& name : world.joined_names()) {
      shares[name] = world.member(name).owned;
      for (const std::int32_t partition : shares[name]) free.erase(partition);
    }
    for (const std::int32_t partition : free) {
      auto& smallest = *std::ranges::min_element(shares, {}, [](const auto& share) { return share.second.size(); });
      smallest.second.insert(partition);
    }
    std::string text;
    for (const auto& [name, share] : shares) text += " " + name + ":" + text_of(share);
    return text;
  }
  void lost(const std::string& name) {
    world.member(name) = MixedMember();
    states_[name] = State();
  }

  std::mt19937 random_;
  std::map<std::string, State> states_;
};

TEST(MixedGroup, AnyOrderKeepsOneOwner) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    const bool leaves_classic_ones = seed % 3 == 0;  // in a group of the newer protocol
    RandomMembers members(seed, leaves_classic_ones);
    for (int number = 0; number < 200; ++number) members.step();
    if (leaves_classic_ones) members.newer_ones_leave();
    members.calm_down();
    if (members.there() == 0) continue;
    EXPECT_EQ(members.owned(), static_cast<std::size_t>(kPartitions)) << members.world.step("group");
    EXPECT_NE(members.world.step("group").find("Stable"), std::string::npos) << members.world.step("group");
  }
}

}  // namespace
}  // namespace broker::group
