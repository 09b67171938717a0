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
  bool racks_differ() {  // of partitions, as far as members tell them
    std::set<std::set<std::string>> distinct;
    for (const auto& [id, partitions] : input.partition_racks) {
      if (!subscriptions.begin()->second.contains(id)) continue;
      for (const auto& of_partition : partitions) {
        std::set<std::string> told;
        for (const auto& [member, rack] : racks) {
          if (std::ranges::count(of_partition, rack) > 0) told.insert(rack);
        }
        distinct.insert(told);
      }
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

}  // namespace
}  // namespace broker::group
