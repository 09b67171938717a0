// Racks in both assignors, and in a group.
#include "broker/group/rack_matching.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "broker/group/consumer_assignors.h"
#include "broker/group/testing/consumer_world.h"

namespace broker::group {
namespace {

base::Uuid id_of(char name) {
  base::Uuid id;
  id.bytes.fill(static_cast<std::uint8_t>(name));
  return id;
}

// Topics are named by letters; racks of partitions are written "ab c": the first one's a and b, the second one's c.
struct RackGroup {
  std::map<std::string, std::set<base::Uuid>> subscriptions;
  std::map<std::string, std::string> racks;
  AssignorInput input;
  TargetAssignment target;

  void topic(char name, const std::string& of_partitions) {
    auto& partitions = input.partition_racks[id_of(name)];
    partitions.assign(1, {});
    for (const char rack : of_partitions) {
      if (rack == ' ') {
        partitions.emplace_back();
      } else {
        partitions.back().push_back(std::string(1, rack));
      }
    }
    input.partition_counts[id_of(name)] = static_cast<std::int32_t>(partitions.size());
  }
  void member(const std::string& name, const std::string& topics, const std::string& rack) {
    for (const char topic : topics) subscriptions[name].insert(id_of(topic));
    racks[name] = rack;
  }
  TargetAssignment computed(std::string_view assignor, bool with_racks = true) {
    input.members.clear();
    for (const auto& [name, topics] : subscriptions) {
      AssignorMember& one = input.members.emplace_back();
      one.member_id = name;
      one.topics = &topics;
      if (with_racks) one.rack_id = racks[name];
      if (target.contains(name)) one.current = target[name];
    }
    return assign(assignor, input);
  }
  std::string text(std::string_view assignor) {
    target = computed(assignor);
    std::string text;
    for (const auto& [member, topics] : target) {
      text += (text.empty() ? "" : "; ") + member + ":";
      for (const auto& [id, partitions] : topics) {
        for (const std::int32_t partition : partitions) text += std::string(" ") + static_cast<char>(id.bytes[0]) + std::to_string(partition);
      }
    }
    return text;
  }
  bool matches(const std::string& member, const base::Uuid& topic, std::int32_t partition) {
    return std::ranges::count(input.partition_racks[topic][static_cast<std::size_t>(partition)], racks[member]) > 0;
  }
  bool racks_differ() {  // of partitions
    std::set<std::vector<std::string>> distinct;
    for (const auto& [id, partitions] : input.partition_racks) {
      if (subscriptions.begin()->second.contains(id)) distinct.insert(partitions.begin(), partitions.end());
    }
    return distinct.size() > 1;
  }
  std::size_t matched(const TargetAssignment& of) {
    std::size_t count = 0;
    for (const auto& [member, topics] : of) {
      for (const auto& [id, partitions] : topics) {
        for (const std::int32_t partition : partitions) count += matches(member, id, partition) ? 1 : 0;
      }
    }
    return count;
  }
};

std::vector<std::size_t> sizes_of(const RackGroup& group, const TargetAssignment& target, bool sorted) {
  std::vector<std::size_t> sizes;
  for (const auto& [member, topics] : group.subscriptions) {
    sizes.push_back(0);
    const auto found = target.find(member);
    if (found == target.end()) continue;
    for (const auto& [id, partitions] : found->second) sizes.back() += partitions.size();
  }
  if (sorted) std::ranges::sort(sizes);
  return sizes;
}

TEST(RackMatching, BringsPartitionsToTheirRacks) {
  RackGroup group;
  group.topic('t', "b a b a");
  group.member("1", "t", "a");
  group.member("2", "t", "b");
  EXPECT_EQ(group.text("uniform"), "1: t1 t3; 2: t0 t2");
  EXPECT_EQ(group.text("uniform"), "1: t1 t3; 2: t0 t2") << "and there they stay";
  EXPECT_EQ(group.text("range"), "1: t1 t3; 2: t0 t2");
}

TEST(RackMatching, BalanceComesFirst) {
  RackGroup group;
  group.topic('t', "a a a a b");
  group.member("1", "t", "a");
  group.member("2", "t", "b");
  const std::string balanced = group.text("uniform");
  EXPECT_EQ(group.matched(group.target), 4u) << balanced;
  EXPECT_EQ(group.target["1"][id_of('t')].size(), 3u) << "the one more is where it matches";
}

TEST(RackMatching, ChainsOfExchangesMatchOneMore) {
  RackGroup group;
  group.topic('t', "ab bc a");
  group.member("1", "t", "a");
  group.member("2", "t", "b");
  group.member("3", "t", "c");
  EXPECT_EQ(group.text("uniform"), "1: t2; 2: t0; 3: t1");
}

TEST(RackMatching, CopartitionedTopicsGoTogether) {
  RackGroup group;
  group.topic('t', "b a");
  group.topic('u', "b a");
  group.topic('v', "a b c");
  group.member("1", "tuv", "a");
  group.member("2", "tuv", "b");
  EXPECT_EQ(group.text("range"), "1: t1 u1 v0; 2: t0 u0 v1 v2");
  group.topic('u', "ab ab");  // still matches together
  EXPECT_EQ(group.text("range"), "1: t1 u1 v0; 2: t0 u0 v1 v2");
  group.topic('u', "a b");  // doesn't: as without racks
  EXPECT_EQ(group.text("range"), "1: t0 u0 v0; 2: t1 u1 v1 v2");
}

TEST(RackMatching, NothingChangesWhereRacksMakeNoDifference) {
  for (const std::string racks : {"ab ab ab", "a a a", "x y xy", "  "}) {
    RackGroup group;
    group.topic('t', racks);
    group.member("1", "t", "a");
    group.member("2", "t", "b");
    group.member("3", "t", "");
    group.member("4", "t", "c");
    for (const std::string_view assignor : {"range", "uniform"}) {
      EXPECT_EQ(group.computed(assignor), group.computed(assignor, false)) << racks;
    }
  }
}

TEST(RackMatching, OtherRacksThanTheMembersMakeThePartitionsDiffer) {
  RackGroup group;
  group.topic('t', "a ab a");
  group.member("1", "t", "c");
  group.member("2", "t", "a");
  EXPECT_EQ(group.text("uniform"), "1: t0; 2: t1 t2") << "the one more is where it matches, as by Kafka's rule";
}

TEST(RackMatching, NothingIsExchangedOfATopicWhoseRacksAreUnknown) {
  RackGroup group;
  group.topic('t', "b a");
  group.topic('u', "b a b");
  group.member("1", "tu", "a");
  group.member("2", "tu", "b");
  for (const std::string_view assignor : {"range", "uniform"}) {
    group.input.unknown_racks.clear();
    group.input.partition_racks[id_of('t')] = {{"b"}, {"a"}};
    group.target.clear();
    const std::string before = group.text(assignor);
    group.input.unknown_racks = {id_of('t')};
    group.input.partition_racks.erase(id_of('t'));
    EXPECT_EQ(group.text(assignor), before) << "it stays";
    group.target.clear();
    TargetAssignment without = group.computed(assignor, false);
    TargetAssignment with = group.computed(assignor);
    for (const char* member : {"1", "2"}) EXPECT_EQ(with[member][id_of('t')], without[member][id_of('t')]) << assignor;
    if (assignor == "uniform") {
      EXPECT_EQ(sizes_of(group, with, false), sizes_of(group, without, false)) << "it counts for the balance";
    }
  }
  group.input.unknown_racks = {id_of('t')};
  group.target = {{"1", {{id_of('t'), {0, 1}}}}};  // no outcome of "range"
  EXPECT_EQ(group.computed("range").at("1").at(id_of('t')), std::set<std::int32_t>{0});
}

// With fewer partitions than members: those who have none keep none, also if "range" without racks would give them one.
TEST(RackMatching, WhatStaysIsOfOneMemberAlone) {
  RackGroup group;
  group.topic('t', "b c");
  for (const char* rack : {"a", "b", "c"}) group.member(rack, "t", rack);
  const std::string before = group.text("range");
  TargetAssignment with_racks = group.computed("range");
  EXPECT_EQ(with_racks["b"][id_of('t')], std::set<std::int32_t>{0});
  EXPECT_EQ(with_racks["c"][id_of('t')], std::set<std::int32_t>{1});
  group.input.unknown_racks = {id_of('t')};
  group.input.partition_racks.erase(id_of('t'));
  EXPECT_EQ(group.text("range"), before);
}

// What takes long here would take for ever with more: chains of exchanges are found for all units of a round together.
TEST(RackMatching, ManyUnitsInManyRacks) {
  std::mt19937 random(7);
  std::vector<std::string> names;
  for (int i = 0; i < 2000; ++i) names.push_back("rack" + std::to_string(i));
  OwnedUnits units;
  constexpr std::size_t kMembers = 2000, kUnits = 20'000, kRacks = 30;
  // A half of them tells racks that no unit has, and the rest crowds into a few.
  for (std::size_t i = 0; i < kMembers; ++i) units.member_racks.push_back(names[i % 2 == 0 ? i : random() % (1 + random() % kRacks)]);
  for (std::size_t i = 0; i < kUnits; ++i) {
    std::set<std::string_view> racks;
    for (int replica = 0; replica < 4; ++replica) racks.insert(names[random() % kRacks]);
    units.unit_racks.emplace_back(racks.begin(), racks.end());
    units.owners.push_back(i % kMembers);
  }
  const auto matched_by = [&units](const std::vector<std::size_t>& owners) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < owners.size(); ++i) count += std::ranges::count(units.unit_racks[i], units.member_racks[owners[i]]) > 0 ? 1 : 0;
    return count;
  };
  for (const bool extras_may_move : {false, true}) {
    units.extras_may_move = extras_may_move;
    const std::vector<std::size_t> owners = match_racks(units);
    std::vector<std::size_t> sizes(kMembers);
    for (const std::size_t owner : owners) ++sizes[owner];
    EXPECT_EQ(sizes, std::vector<std::size_t>(kMembers, kUnits / kMembers));
    EXPECT_GT(matched_by(owners), kUnits * 45 / 100);
  }
}

// Tries all owners.
std::size_t most_matches(RackGroup& group, const std::vector<std::pair<base::Uuid, std::int32_t>>& partitions,
                         std::map<std::string, std::size_t>& sizes, std::size_t next) {
  if (next == partitions.size()) {
    std::size_t least = 100, most = 0;
    for (const auto& [member, size] : sizes) least = std::min(least, size), most = std::max(most, size);
    return most - least <= 1 ? 1 : 0;  // 0: not balanced
  }
  std::size_t best = 0;
  for (auto& [member, size] : sizes) {
    ++size;
    const std::size_t rest = most_matches(group, partitions, sizes, next + 1);
    --size;
    if (rest == 0) continue;
    best = std::max(best, rest + (group.matches(member, partitions[next].first, partitions[next].second) ? 1 : 0));
  }
  return best;
}

std::multiset<std::size_t> sizes_of_topic(const TargetAssignment& target, char topic) {
  std::multiset<std::size_t> sizes;
  for (const auto& [member, topics] : target) {
    const auto found = topics.find(id_of(topic));
    if (found != topics.end()) sizes.insert(found->second.size());
  }
  return sizes;
}

RackGroup random_group(std::mt19937& random, bool homogeneous) {
  RackGroup group;
  for (const char topic : {'t', 'u', 'v'}) {
    std::string racks;
    const auto count = 1 + random() % 3;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) racks += ' ';
      for (const char rack : {'a', 'b', 'c', 'd'}) racks += random() % 3 == 0 ? std::string(1, rack) : "";
    }
    group.topic(topic, racks);
  }
  const auto members = 1 + random() % 4;
  for (std::size_t i = 0; i < members; ++i) {
    const std::string topics = homogeneous ? "tuv" : std::string("tuv").substr(random() % 2, 1 + random() % 3);
    group.member(std::string(1, static_cast<char>('1' + i)), topics, random() % 5 == 0 ? "" : std::string(1, "abcd"[random() % 4]));
  }
  return group;
}

TEST(RackMatching, WhateverTheRacks) {
  std::mt19937 random(1);
  for (int turn = 0; turn < 400; ++turn) {
    RackGroup group = random_group(random, turn % 2 == 0);
    const std::set<base::Uuid>& first = group.subscriptions.begin()->second;
    const bool homogeneous = std::ranges::all_of(group.subscriptions, [&first](const auto& one) { return one.second == first; });
    for (const std::string_view assignor : {"range", "uniform"}) {
      const TargetAssignment without = group.computed(assignor, false);
      const TargetAssignment with = group.computed(assignor);
      if (assignor == "uniform") {
        EXPECT_EQ(sizes_of(group, with, homogeneous), sizes_of(group, without, homogeneous));
      } else {
        for (const char topic : {'t', 'u', 'v'}) EXPECT_EQ(sizes_of_topic(with, topic), sizes_of_topic(without, topic));
      }
      EXPECT_GE(group.matched(with), group.matched(without));
      if (group.matched(with) == group.matched(without)) {
        EXPECT_EQ(with, without);
      }
      std::set<std::pair<base::Uuid, std::int32_t>> owned;
      std::set<base::Uuid> topics;
      for (const auto& [member, of_member] : with) {
        for (const auto& [id, partitions] : of_member) {
          EXPECT_TRUE(group.subscriptions[member].contains(id));
          EXPECT_FALSE(partitions.empty());
          for (const std::int32_t partition : partitions) EXPECT_TRUE(owned.emplace(id, partition).second);
        }
      }
      std::size_t all = 0;
      for (const auto& [member, of_member] : group.subscriptions) topics.insert(of_member.begin(), of_member.end());
      for (const base::Uuid& id : topics) all += static_cast<std::size_t>(group.input.partition_counts[id]);
      EXPECT_EQ(owned.size(), all);
      group.target = with;
      EXPECT_EQ(group.computed(assignor), with) << "stable";
      if (!homogeneous || assignor == "range") continue;
      std::map<std::string, std::size_t> sizes;
      for (const auto& [member, subscribed] : group.subscriptions) sizes[member] = 0;
      const std::vector<std::pair<base::Uuid, std::int32_t>> partitions(owned.begin(), owned.end());
      if (partitions.size() > 6) continue;
      if (group.racks_differ()) {
        EXPECT_EQ(group.matched(with) + 1, most_matches(group, partitions, sizes, 0));
      }
    }
  }
}

TEST(RackMatching, AChangeOfBrokersRacksRebalances) {
  testing::World world;
  world.set_topic("t", 2);
  world.place("t", {{1, "b"}, {2, "a"}});
  const auto join = [&world](const std::string& member, const std::string& rack) {
    ConsumerHeartbeat joins;
    joins.group_id = "g";
    joins.member_id = member;
    joins.rebalance_timeout_ms = 20'000;
    joins.subscribed_topic_names = std::vector<std::string>{"t"};
    joins.rack_id = rack;
    joins.owned.emplace();
    EXPECT_EQ(world.send(joins).error, ErrorCode::none);
  };
  const auto target_of = [&world](std::size_t member) {
    return world.text_of(world.group.summary().members.at(member).target_assignment);
  };
  join("1", "a");
  world.pass(world.limits.assignment_interval_ms);
  join("2", "b");
  EXPECT_EQ(target_of(0), " t-1");
  EXPECT_EQ(target_of(1), " t-0");
  world.place("t", {{1, "a"}, {2, "b"}});
  world.pass(world.limits.assignment_interval_ms);
  const std::int32_t epoch = world.group.summary().group_epoch;
  ConsumerHeartbeat beat;
  beat.group_id = "g";
  beat.member_id = "2";
  beat.member_epoch = epoch;
  EXPECT_EQ(world.send(beat).error, ErrorCode::none);
  EXPECT_EQ(world.group.summary().group_epoch, epoch + 1);
  EXPECT_EQ(target_of(0), " t-0");
  EXPECT_EQ(target_of(1), " t-1");
}

TEST(RackMatching, ABrokersRestartMovesNothing) {
  for (const std::string assignor : {"uniform", "range"}) {
    testing::World world;
    world.set_topic("t", 2);
    world.place("t", {{1, "a"}, {2, "b"}});
    world.place("t", {{3, "a"}});
    world.replicate("t", {{1, 2}, {3}});  // t-0: a and b; t-1: a
    std::int32_t epoch = 0;
    const auto beat_of = [&](const std::string& member, const std::string& rack) {
      ConsumerHeartbeat beat;
      beat.group_id = "g";
      beat.member_id = member;
      beat.member_epoch = epoch;
      if (epoch == 0) {
        beat.rebalance_timeout_ms = 20'000;
        beat.subscribed_topic_names = std::vector<std::string>{"t"};
        beat.server_assignor = assignor;
        beat.rack_id = rack;
        beat.owned.emplace();
      }
      EXPECT_EQ(world.send(beat).error, ErrorCode::none);
      world.pass(world.limits.assignment_interval_ms);
    };
    const auto targets = [&world] {
      std::string text;
      for (const auto& member : world.group.summary().members) text += world.text_of(member.target_assignment) + ";";
      return text;
    };
    beat_of("1", "a");
    beat_of("2", "b");
    EXPECT_EQ(targets(), " t-1; t-0;");
    epoch = world.group.summary().group_epoch;
    world.stop_broker(2);  // by what is left, all are in a
    beat_of("2", "b");
    EXPECT_EQ(world.group.summary().group_epoch, epoch + 1);
    EXPECT_EQ(targets(), " t-1; t-0;") << assignor;
  }
}

}  // namespace
}  // namespace broker::group
