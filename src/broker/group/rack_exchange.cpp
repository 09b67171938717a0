#include "broker/group/rack_exchange.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "broker/group/rack_matching.h"

namespace broker::group {
namespace {

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
    drop_empty();
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
    drop_empty();
  }

 private:
  void drop_empty() {
    std::erase_if(target_, [](const auto& member) { return member.second.empty(); });
  }
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

}  // namespace

void exchange_in_uniform(const AssignorInput& input, bool homogeneous, TargetAssignment& target) {
  RackExchange(input, target).match_uniform(homogeneous);
}

void exchange_in_range(const AssignorInput& input, Subscribers subscribers, TargetAssignment& target) {
  RackExchange(input, target).match_range(std::move(subscribers));
}

}  // namespace broker::group
