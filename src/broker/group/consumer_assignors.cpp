#include "broker/group/consumer_assignors.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "broker/group/rack_matching.h"

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

using Subscribers = std::map<base::Uuid, std::vector<const AssignorMember*>>;
using TopicPartition = std::pair<base::Uuid, std::int32_t>;

// The exchange of partitions for the sake of racks, after they are assigned without. Subscribers of topics are in the same order
// wherever they are the same.
class RackExchange {
 public:
  RackExchange(const AssignorInput& input, TargetAssignment& target) : input_(input), target_(target) { find_told(); }

  void match_uniform(bool homogeneous) {
    if (told_.empty()) return;
    Subscribers subscribers;
    for (const AssignorMember& member : input_.members) {
      for (const base::Uuid& topic_id : *member.topics) {
        if (!input_.unknown_racks.contains(topic_id)) subscribers[topic_id].push_back(&member);
      }
    }
    std::map<std::vector<const AssignorMember*>, std::vector<base::Uuid>> groups;
    for (auto& [topic_id, of_topic] : subscribers) groups[std::move(of_topic)].push_back(topic_id);
    open_targets();
    for (const auto& [members, topics] : groups) {
      if (!may_match(members, topics)) continue;
      begin(members);
      for (std::size_t owner = 0; owner < members.size(); ++owner) {
        const Partitions& owned = target_of(*members[owner]);
        for (const base::Uuid& topic_id : topics) {
          const auto of_topic = owned.find(topic_id);
          if (of_topic == owned.end()) continue;
          for (const std::int32_t partition : of_topic->second) add({{topic_id, partition}}, owner);
        }
      }
      // A topic that takes no part counts for the balance too.
      run(members, homogeneous && input_.unknown_racks.empty());
    }
    target_ = without_empty(std::move(target_));
  }
  void match_range(Subscribers subscribers) {
    if (told_.empty() && input_.unknown_racks.empty()) return;
    std::map<std::pair<std::vector<const AssignorMember*>, std::int32_t>, std::vector<base::Uuid>> groups;
    for (auto& [topic_id, members] : subscribers) {
      groups[{std::move(members), input_.partition_counts.at(topic_id)}].push_back(topic_id);
    }
    open_targets();
    for (const auto& [group, topics] : groups) {
      const auto& [members, count] = group;
      if (std::ranges::any_of(topics, [this](const base::Uuid& id) { return input_.unknown_racks.contains(id); })) {
        keep_current(members, topics, static_cast<std::size_t>(count));
        continue;
      }
      if (!may_match(members, topics)) continue;
      begin(members);
      for (std::size_t owner = 0; owner < members.size(); ++owner) {
        const Partitions& owned = target_of(*members[owner]);
        const auto of_topic = owned.find(topics.front());
        if (of_topic == owned.end()) continue;
        for (const std::int32_t partition : of_topic->second) {
          std::vector<TopicPartition> unit;
          for (const base::Uuid& topic_id : topics) unit.emplace_back(topic_id, partition);
          add(std::move(unit), owner);
        }
      }
      run(members, true);
    }
    target_ = without_empty(std::move(target_));
  }

 private:
  // In one look at all racks: most groups need no more.
  void find_told() {
    std::unordered_map<std::string_view, const void*> last_topics;
    for (const AssignorMember& member : input_.members) {
      if (!member.rack_id.empty()) last_topics.emplace(member.rack_id, nullptr);
    }
    if (last_topics.empty()) return;
    for (const auto& [topic_id, partitions] : input_.partition_racks) {
      for (const auto& racks : partitions) {
        for (const std::string& rack : racks) {
          const auto found = last_topics.find(rack);
          if (found == last_topics.end() || found->second == &partitions) continue;
          found->second = &partitions;
          told_[topic_id].insert(found->first);
        }
      }
    }
  }
  void open_targets() {
    for (const AssignorMember& member : input_.members) targets_.push_back(&target_[member.member_id]);
  }
  Partitions& target_of(const AssignorMember& member) {
    return *targets_[static_cast<std::size_t>(&member - input_.members.data())];
  }
  // Before anything is built: members may subscribe to as many sets of topics as they like.
  bool may_match(const std::vector<const AssignorMember*>& members, const std::vector<base::Uuid>& topics) const {
    if (members.size() < 2) return false;
    const std::vector<std::string>* first = nullptr;
    bool differ = false;
    std::set<std::string_view> told;
    for (const base::Uuid& topic_id : topics) {
      const auto of_topic = told_.find(topic_id);
      if (of_topic != told_.end()) told.insert(of_topic->second.begin(), of_topic->second.end());
      const auto partitions = input_.partition_racks.find(topic_id);
      if (differ || partitions == input_.partition_racks.end()) continue;
      if (first == nullptr && !partitions->second.empty()) first = &partitions->second.front();
      differ = std::ranges::any_of(partitions->second, [first](const auto& racks) { return racks != *first; });
    }
    return differ && !told.empty() &&
           std::ranges::any_of(members, [&told](const AssignorMember* member) { return told.contains(member->rack_id); });
  }

  void begin(const std::vector<const AssignorMember*>& members) {
    units_ = {};
    partitions_.clear();
    for (const AssignorMember* member : members) units_.member_racks.push_back(member->rack_id);
  }
  // A unit is one partition, or those that go together.
  void add(std::vector<TopicPartition> unit, std::size_t owner) {
    const std::vector<std::string>& of_first = racks_of(unit.front());
    std::vector<std::string_view> racks(of_first.begin(), of_first.end());
    for (std::size_t i = 1; i < unit.size(); ++i) {
      const std::vector<std::string>& others = racks_of(unit[i]);
      std::erase_if(racks, [&others](std::string_view rack) { return !std::ranges::binary_search(others, rack); });
    }
    units_.unit_racks.push_back(std::move(racks));
    units_.owners.push_back(owner);
    partitions_.push_back(std::move(unit));
  }
  void run(const std::vector<const AssignorMember*>& members, bool extras_may_move) {
    units_.extras_may_move = extras_may_move;
    const std::vector<std::size_t> owners = match_racks(units_);
    // Units that match in part may lose more than those that match wholly gain.
    if (matched(owners) <= matched(units_.owners)) return;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      if (owners[i] == units_.owners[i]) continue;
      for (const auto& [topic_id, partition] : partitions_[i]) {
        Partitions& giver = target_of(*members[units_.owners[i]]);
        giver[topic_id].erase(partition);
        if (giver[topic_id].empty()) giver.erase(topic_id);
        target_of(*members[owners[i]])[topic_id].insert(partition);
      }
    }
  }
  const std::vector<std::string>& racks_of(const TopicPartition& one) const {
    static const std::vector<std::string> kUnknown;
    const auto found = input_.partition_racks.find(one.first);
    return found == input_.partition_racks.end() ? kUnknown : found->second.at(static_cast<std::size_t>(one.second));
  }
  std::size_t matched(const std::vector<std::size_t>& owners) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const std::string_view rack = units_.member_racks[owners[i]];
      if (rack.empty()) continue;
      for (const TopicPartition& one : partitions_[i]) {
        if (std::ranges::binary_search(racks_of(one), rack)) ++count;
      }
    }
    return count;
  }

  // What was exchanged before a broker went away stays so, if it still is an outcome for these members.
  void keep_current(const std::vector<const AssignorMember*>& members, const std::vector<base::Uuid>& topics, std::size_t count) {
    static const std::set<std::int32_t> kNothing;
    const auto current_of = [](const AssignorMember& member, const base::Uuid& topic_id) -> const std::set<std::int32_t>& {
      const auto found = member.current.find(topic_id);
      return found == member.current.end() ? kNothing : found->second;
    };
    std::vector<bool> owned(count);
    std::size_t owned_count = 0;
    for (const AssignorMember* member : members) {
      const std::set<std::int32_t>& partitions = current_of(*member, topics.front());
      if (partitions.size() < count / members.size() || partitions.size() > (count + members.size() - 1) / members.size()) return;
      for (const base::Uuid& topic_id : topics) {
        if (current_of(*member, topic_id) != partitions) return;
      }
      for (const std::int32_t partition : partitions) {
        if (partition < 0 || std::cmp_greater_equal(partition, count) || owned[static_cast<std::size_t>(partition)]) return;
        owned[static_cast<std::size_t>(partition)] = true;
        ++owned_count;
      }
    }
    if (owned_count != count) return;
    for (const AssignorMember* member : members) {
      for (const base::Uuid& topic_id : topics) {
        const std::set<std::int32_t>& partitions = current_of(*member, topic_id);
        if (partitions.empty()) {
          target_of(*member).erase(topic_id);
        } else {
          target_of(*member)[topic_id] = partitions;
        }
      }
    }
  }

  const AssignorInput& input_;
  TargetAssignment& target_;
  std::map<base::Uuid, std::set<std::string_view>> told_;  // of each topic's racks those that some member tells
  std::vector<Partitions*> targets_;                       // of each member, in the input's order
  OwnedUnits units_;
  std::vector<std::vector<TopicPartition>> partitions_;  // by unit
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
  RackExchange(input, target).match_uniform(homogeneous);
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
  RackExchange(input, target).match_range(std::move(subscribers));
  return target;
}

TargetAssignment assign(std::string_view assignor, const AssignorInput& input) {
  return assignor == "range" ? assign_range(input) : assign_uniform(input);
}

}  // namespace broker::group
