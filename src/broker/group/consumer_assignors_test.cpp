#include "broker/group/consumer_assignors.h"

#include <gtest/gtest.h>

#include <random>

namespace broker::group {
namespace {

base::Uuid id_of(char name) {
  base::Uuid id;
  id.bytes.fill(static_cast<std::uint8_t>(name));
  return id;
}

class Group {
 public:
  void topic(char name, std::int32_t partitions) { input_.partition_counts[id_of(name)] = partitions; }
  void member(const std::string& name, const std::string& topics, std::optional<std::string> instance = std::nullopt) {
    std::set<base::Uuid>& ids = subscriptions_[name];
    ids.clear();
    for (const char one : topics) ids.insert(id_of(one));
    instances_[name] = std::move(instance);
  }
  void leave(const std::string& name) { subscriptions_.erase(name); }
  const TargetAssignment& assign_by(std::string_view assignor) {
    input_.members.clear();
    for (const auto& [name, topics] : subscriptions_) {
      AssignorMember& member = input_.members.emplace_back();
      member.member_id = name;
      member.instance_id = instances_[name];
      member.topics = &topics;
      if (target_.contains(name)) member.current = target_[name];
    }
    target_ = assign(assignor, input_);
    return target_;
  }
  std::string text(const std::string& member) {
    std::string text;
    for (const auto& [id, partitions] : target_[member]) {
      for (const std::int32_t partition : partitions) {
        text += std::string(text.empty() ? "" : " ") + static_cast<char>(id.bytes[0]) + std::to_string(partition);
      }
    }
    return text;
  }
  const std::map<std::string, std::set<base::Uuid>>& subscriptions() const { return subscriptions_; }
  const std::map<base::Uuid, std::int32_t>& counts() const { return input_.partition_counts; }

 private:
  AssignorInput input_;
  std::map<std::string, std::set<base::Uuid>> subscriptions_;
  std::map<std::string, std::optional<std::string>> instances_;
  TargetAssignment target_;
};

// Records may be damaged, or of a topic that had more.
TEST(Assignors, WhatATopicDoesntHaveIsNobodys) {
  const std::set<base::Uuid> both = {id_of('t'), id_of('u')};
  const std::set<base::Uuid> one = {id_of('t')};
  for (const std::set<base::Uuid>* second : {&both, &one}) {
    AssignorInput input;
    input.partition_counts = {{id_of('t'), 2}, {id_of('u'), 1}};
    for (const std::string name : {"a", "b"}) {
      AssignorMember& member = input.members.emplace_back();
      member.member_id = name;
      member.topics = name == "a" ? &both : second;
    }
    input.members[0].current[id_of('t')] = {-1, 2};
    std::multiset<std::int32_t> owned;
    for (const auto& [member, topics] : assign_uniform(input)) {
      for (const auto& [id, partitions] : topics) owned.insert(partitions.begin(), partitions.end());
    }
    EXPECT_EQ(owned, (std::multiset<std::int32_t>{0, 0, 1}));
  }
}

TEST(Assignors, UniformMovesAsLittleAsPossible) {
  Group group;
  group.topic('t', 6);
  group.member("a", "t");
  group.assign_by("uniform");
  group.member("b", "t");
  group.assign_by("uniform");
  EXPECT_EQ(group.text("a"), "t0 t1 t2");
  EXPECT_EQ(group.text("b"), "t3 t4 t5");
  group.member("c", "t");
  group.assign_by("uniform");
  EXPECT_EQ(group.text("a"), "t0 t1");
  EXPECT_EQ(group.text("b"), "t3 t4");
  EXPECT_EQ(group.text("c"), "t2 t5");
  group.leave("b");
  group.assign_by("uniform");
  EXPECT_EQ(group.text("a"), "t0 t1 t3");
  EXPECT_EQ(group.text("c"), "t2 t4 t5");
  // The one more goes to the last, and stays with whoever has it.
  group.topic('t', 7);
  group.assign_by("uniform");
  EXPECT_EQ(group.text("c"), "t2 t4 t5 t6");
  group.member("0", "t");
  group.assign_by("uniform");
  EXPECT_EQ(group.text("0"), "t5 t6");
  EXPECT_EQ(group.text("a"), "t0 t1 t3");
  EXPECT_EQ(group.text("c"), "t2 t4");
}

TEST(Assignors, UniformIsEvenAmongTheSubscribersOfEachTopic) {
  Group group;
  group.topic('t', 4);
  group.topic('u', 2);
  group.member("a", "t");
  group.member("b", "tu");
  group.assign_by("uniform");
  EXPECT_EQ(group.text("a"), "t0 t1 t2");
  EXPECT_EQ(group.text("b"), "t3 u0 u1");
  group.member("c", "u");
  group.assign_by("uniform");
  EXPECT_EQ(group.text("a"), "t0 t1 t2");
  EXPECT_EQ(group.text("b"), "t3 u0");
  EXPECT_EQ(group.text("c"), "u1");
}

TEST(Assignors, RangeSplitsTopicsAlike) {
  Group group;
  group.topic('t', 5);
  group.topic('u', 5);
  group.member("a", "tu");
  group.member("b", "tu", "0");
  group.member("c", "t");
  group.assign_by("range");
  EXPECT_EQ(group.text("b"), "t0 t1 u0 u1 u2");  // those with an instance id come first
  EXPECT_EQ(group.text("a"), "t2 t3 u3 u4");
  EXPECT_EQ(group.text("c"), "t4");
}

// Whatever the members and their past: each partition that somebody subscribes to has one owner, who subscribes to it.
TEST(Assignors, EveryPartitionHasOneSubscriber) {
  std::mt19937 random(7);
  for (int turn = 0; turn < 300; ++turn) {
    Group group;
    const std::string topics = "tuvw";
    for (const char topic : topics) group.topic(topic, static_cast<std::int32_t>(random() % 9));
    for (int change = 0; change < 8; ++change) {
      const std::string name(1, static_cast<char>('a' + random() % 5));
      if (random() % 4 == 0) {
        group.leave(name);
      } else {
        group.member(name, turn % 2 == 0 ? topics : topics.substr(random() % 3, 1 + random() % 3));
      }
      const std::string_view assignor = random() % 3 == 0 ? "range" : "uniform";
      const TargetAssignment& target = group.assign_by(assignor);
      std::map<std::pair<base::Uuid, std::int32_t>, std::string> owners;
      std::size_t least = 1000, most = 0;
      for (const auto& [member, subscribed] : group.subscriptions()) {
        std::size_t count = 0;
        const auto found = target.find(member);
        if (found != target.end()) {
          for (const auto& [id, partitions] : found->second) {
            EXPECT_TRUE(subscribed.contains(id));
            for (const std::int32_t partition : partitions) {
              EXPECT_TRUE(owners.try_emplace({id, partition}, member).second);
              ++count;
            }
          }
        }
        least = std::min(least, count);
        most = std::max(most, count);
      }
      std::size_t wanted = 0;
      for (const auto& [id, count] : group.counts()) {
        for (const auto& [member, subscribed] : group.subscriptions()) {
          if (!subscribed.contains(id)) continue;
          wanted += static_cast<std::size_t>(count);
          break;
        }
      }
      EXPECT_EQ(owners.size(), wanted);
      if (turn % 2 == 0 && assignor == "uniform" && !group.subscriptions().empty()) {
        EXPECT_LE(most - least, 1u);
      }
    }
  }
}

}  // namespace
}  // namespace broker::group
