#include "broker/group/consumer_assignors.h"

#include <algorithm>
#include <utility>

#include "broker/group/rack_exchange.h"

namespace broker::group {
namespace {

using Unassigned = std::vector<std::pair<base::Uuid, std::int32_t>>;

bool is_homogeneous(const AssignorInput& input) {
  const auto& first = *input.members.front().topics;
  return std::all_of(input.members.begin(), input.members.end(),
                     [&first](const AssignorMember& member) { return *member.topics == first; });
}

TargetAssignment without_empty(TargetAssignment target) {
  std::erase_if(target, [](const auto& member) { return member.second.empty(); });
  return target;
}

// What a member keeps of what it has: of topics that it subscribes to, and that exist.
Partitions still_valid(const AssignorMember& member, const AssignorInput& input) {
  Partitions kept;
  for (const auto& [topic_id, partitions] : member.current) {
    if (!member.topics->contains(topic_id)) continue;
    const std::int32_t count = input.partition_counts.at(topic_id);
    for (const std::int32_t partition : partitions) {
      if (partition >= 0 && partition < count) kept[topic_id].insert(partition);
    }
  }
  return kept;
}

// All members subscribe to the same topics.
class EqualShares {
 public:
  explicit EqualShares(const AssignorInput& input) : input_(input) {}

  TargetAssignment run() {
    std::set<std::pair<base::Uuid, std::int32_t>> taken;
    std::vector<Partitions> kept;
    for (const AssignorMember& member : input_.members) {
      kept.push_back(still_valid(member, input_));
      for (const auto& [topic_id, partitions] : kept.back()) {
        for (const std::int32_t partition : partitions) taken.emplace(topic_id, partition);
      }
    }
    std::int32_t total = 0;
    for (const base::Uuid& topic_id : *input_.members.front().topics) {
      const std::int32_t count = input_.partition_counts.at(topic_id);
      total += count;
      for (std::int32_t partition = 0; partition < count; ++partition) {
        if (!taken.contains({topic_id, partition})) unassigned_.emplace_back(topic_id, partition);
      }
    }
    const auto members = static_cast<std::int32_t>(input_.members.size());
    quota_ = total / members;
    extras_ = total % members;
    for (std::size_t i = 0; i < kept.size(); ++i) limit(i, std::move(kept[i]));
    fill();
    return without_empty(std::move(target_));
  }

 private:
  // The first members get one more than the quota. One that would have to be given it passes it on, as long as those
  // after it can take all that are left: who has it already shall keep it.
  void limit(std::size_t index, Partitions partitions) {
    std::int32_t room = quota_;
    bool has_extra = false;
    if (extras_ > 0) {
      ++room;
      has_extra = true;
    }
    for (auto& [topic_id, of_topic] : partitions) {
      for (auto it = of_topic.begin(); it != of_topic.end();) {
        if (room > 0) {
          --room;
          ++it;
        } else {
          unassigned_.emplace_back(topic_id, *it);
          it = of_topic.erase(it);
        }
      }
    }
    std::erase_if(partitions, [](const auto& topic) { return topic.second.empty(); });
    const auto left = static_cast<std::int32_t>(input_.members.size() - index) - 1;
    if (room > 0 && has_extra && left >= extras_) {
      --room;
      has_extra = false;
    }
    if (has_extra) --extras_;
    const std::string& id = input_.members[index].member_id;
    if (room > 0) unfilled_.emplace_back(id, room);
    target_[id] = std::move(partitions);
  }
  void fill() {
    std::size_t next = 0;
    for (const auto& [id, room] : unfilled_) {
      for (std::int32_t i = 0; i < room && next < unassigned_.size(); ++i, ++next) {
        target_[id][unassigned_[next].first].insert(unassigned_[next].second);
      }
    }
  }

  const AssignorInput& input_;
  std::int32_t quota_ = 0;
  std::int32_t extras_ = 0;  // members that may still get one more
  Unassigned unassigned_;
  std::vector<std::pair<std::string, std::int32_t>> unfilled_;
  TargetAssignment target_;
};

// Members subscribe to different topics.
class FairShares {
 public:
  explicit FairShares(const AssignorInput& input) : input_(input), sizes_(input.members.size()) {}

  TargetAssignment run() {
    for (std::size_t i = 0; i < input_.members.size(); ++i) {
      const AssignorMember& member = input_.members[i];
      for (const base::Uuid& topic_id : *member.topics) topics_[topic_id].subscribers.push_back(i);
    }
    for (auto& [topic_id, topic] : topics_) {
      topic.owners.assign(static_cast<std::size_t>(input_.partition_counts.at(topic_id)), kNobody);
    }
    for (std::size_t i = 0; i < input_.members.size(); ++i) keep(i);
    const std::vector<base::Uuid> order = topics_in_order();
    for (const base::Uuid& topic_id : order) assign_free(topics_.at(topic_id));
    constexpr int kRoundsMax = 16;  // each only comes nearer to balance
    for (int round = 0; round < kRoundsMax; ++round) {
      bool moved = false;
      for (const base::Uuid& topic_id : order) moved = balance(topics_.at(topic_id)) || moved;
      if (!moved) break;
    }
    return result();
  }

 private:
  static constexpr std::size_t kNobody = static_cast<std::size_t>(-1);
  struct Topic {
    std::vector<std::size_t> subscribers;
    std::vector<std::size_t> owners;  // by partition
  };
  using BySize = std::set<std::pair<std::int32_t, std::size_t>>;  // partitions of a member, member

  void keep(std::size_t member) {
    for (const auto& [topic_id, partitions] : still_valid(input_.members[member], input_)) {
      for (const std::int32_t partition : partitions) {
        std::size_t& owner = topics_.at(topic_id).owners[static_cast<std::size_t>(partition)];
        if (owner != kNobody) continue;
        owner = member;
        ++sizes_[member];
      }
    }
  }
  // Those with the most partitions for each subscriber first: they leave the least choice.
  std::vector<base::Uuid> topics_in_order() const {
    std::vector<base::Uuid> order;
    for (const auto& [topic_id, topic] : topics_) order.push_back(topic_id);
    std::stable_sort(order.begin(), order.end(), [this](const base::Uuid& a, const base::Uuid& b) {
      const Topic &left = topics_.at(a), &right = topics_.at(b);
      const std::size_t left_load = left.owners.size() * right.subscribers.size();
      const std::size_t right_load = right.owners.size() * left.subscribers.size();
      if (left_load != right_load) return left_load > right_load;
      return left.subscribers.size() < right.subscribers.size();
    });
    return order;
  }
  BySize by_size(const Topic& topic) const {
    BySize members;
    for (const std::size_t member : topic.subscribers) members.emplace(sizes_[member], member);
    return members;
  }
  void assign_free(Topic& topic) {
    BySize members = by_size(topic);
    for (std::size_t& owner : topic.owners) {
      if (owner != kNobody) continue;
      auto least = members.extract(members.begin());
      owner = least.value().second;
      ++sizes_[owner];
      ++least.value().first;
      members.insert(std::move(least));
    }
  }
  // From the largest subscriber that has one of this topic to the smallest, while that makes both more alike.
  bool balance(Topic& topic) {
    std::map<std::size_t, std::vector<std::size_t>> partitions_of;
    for (std::size_t partition = 0; partition < topic.owners.size(); ++partition) {
      partitions_of[topic.owners[partition]].push_back(partition);
    }
    BySize members = by_size(topic);
    BySize givers;
    for (const auto& [owner, partitions] : partitions_of) givers.emplace(sizes_[owner], owner);
    bool moved = false;
    while (!givers.empty()) {
      const auto [most, giver] = *givers.rbegin();
      const auto [least, taker] = *members.begin();
      if (most - least <= 1) break;
      std::vector<std::size_t>& given = partitions_of[giver];
      topic.owners[given.back()] = taker;
      partitions_of[taker].push_back(given.back());
      given.pop_back();
      for (const auto& [size, member] : {std::pair{most, giver}, {least, taker}}) {
        members.erase({size, member});
        givers.erase({size, member});
      }
      --sizes_[giver];
      ++sizes_[taker];
      for (const std::size_t member : {giver, taker}) {
        members.emplace(sizes_[member], member);
        if (!partitions_of[member].empty()) givers.emplace(sizes_[member], member);
      }
      moved = true;
    }
    return moved;
  }
  TargetAssignment result() const {
    TargetAssignment target;
    for (const auto& [topic_id, topic] : topics_) {
      for (std::size_t partition = 0; partition < topic.owners.size(); ++partition) {
        target[input_.members[topic.owners[partition]].member_id][topic_id].insert(static_cast<std::int32_t>(partition));
      }
    }
    return target;
  }

  const AssignorInput& input_;
  std::map<base::Uuid, Topic> topics_;
  std::vector<std::int32_t> sizes_;  // partitions of each member
};

bool comes_first(const AssignorMember* a, const AssignorMember* b) {
  if (a->instance_id && b->instance_id) return *a->instance_id < *b->instance_id;
  if (a->instance_id || b->instance_id) return a->instance_id.has_value();
  return a->member_id < b->member_id;
}

}  // namespace

TargetAssignment assign_uniform(const AssignorInput& input) {
  if (input.members.empty()) return {};
  const bool homogeneous = is_homogeneous(input);
  if (homogeneous && input.members.front().topics->empty()) return {};
  TargetAssignment target = homogeneous ? EqualShares(input).run() : FairShares(input).run();
  exchange_in_uniform(input, homogeneous, target);
  return target;
}

TargetAssignment assign_range(const AssignorInput& input) {
  std::vector<const AssignorMember*> members;
  for (const AssignorMember& member : input.members) members.push_back(&member);
  std::stable_sort(members.begin(), members.end(), comes_first);
  Subscribers subscribers;
  for (const AssignorMember* member : members) {
    for (const base::Uuid& topic_id : *member->topics) subscribers[topic_id].push_back(member);
  }
  TargetAssignment target;
  for (const auto& [topic_id, of_topic] : subscribers) {
    const std::int32_t count = input.partition_counts.at(topic_id);
    const auto shares = static_cast<std::int32_t>(of_topic.size());
    std::int32_t next = 0;
    for (std::int32_t i = 0; i < shares; ++i) {
      const std::int32_t end = next + count / shares + (i < count % shares ? 1 : 0);
      for (; next < end; ++next) target[of_topic[static_cast<std::size_t>(i)]->member_id][topic_id].insert(next);
    }
  }
  exchange_in_range(input, std::move(subscribers), target);
  return target;
}

TargetAssignment assign(std::string_view assignor, const AssignorInput& input) {
  return assignor == "range" ? assign_range(input) : assign_uniform(input);
}

}  // namespace broker::group
