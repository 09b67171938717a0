#include "broker/controller/assignment.h"

#include <algorithm>
#include <map>
#include <set>

namespace broker::controller {
namespace {

std::size_t follower_index(std::size_t first, std::size_t shift, std::size_t number, std::size_t brokers) {
  return (first + 1 + (shift + number) % (brokers - 1)) % brokers;
}

// One broker of each rack in turn.
std::vector<AssignableBroker> alternate_racks(const std::vector<AssignableBroker>& brokers) {
  std::map<std::string, std::vector<AssignableBroker>> racks;
  for (const AssignableBroker& broker : brokers) racks[*broker.rack].push_back(broker);
  std::vector<AssignableBroker> alternated;
  for (std::size_t round = 0; alternated.size() < brokers.size(); ++round) {
    for (const auto& [rack, members] : racks) {
      if (round < members.size()) alternated.push_back(members[round]);
    }
  }
  return alternated;
}

class Assigner {
 public:
  Assigner(std::vector<AssignableBroker> brokers, std::size_t racks) : brokers_(std::move(brokers)), racks_(racks) {}

  Replicas assign(std::size_t first, std::size_t shift, std::int32_t replication_factor) const {
    Replicas replicas = {brokers_[first].id};
    std::set<std::string> racks_used;
    if (racks_ > 0) racks_used.insert(*brokers_[first].rack);
    std::size_t number = 0;
    while (replicas.size() < static_cast<std::size_t>(replication_factor)) {
      const std::size_t spread = racks_ > 0 ? shift * racks_ : shift;
      const AssignableBroker& next = brokers_[follower_index(first, spread, number++, brokers_.size())];
      if (std::find(replicas.begin(), replicas.end(), next.id) != replicas.end()) continue;
      if (racks_ > 0) {
        if (racks_used.contains(*next.rack) && racks_used.size() < racks_) continue;
        racks_used.insert(*next.rack);
      }
      replicas.push_back(next.id);
    }
    return replicas;
  }

 private:
  std::vector<AssignableBroker> brokers_;
  std::size_t racks_;  // 0: not rack-aware
};

}  // namespace

bool racks_incomplete(const std::vector<AssignableBroker>& brokers) {
  const auto named = std::count_if(brokers.begin(), brokers.end(), [](const auto& each) { return bool(each.rack); });
  return named != 0 && static_cast<std::size_t>(named) != brokers.size();
}

std::vector<Replicas> assign_replicas(const std::vector<AssignableBroker>& brokers, std::int32_t partitions,
                                      std::int32_t replication_factor, std::size_t start, std::size_t shift,
                                      std::int32_t first_partition) {
  const bool rack_aware = !brokers.empty() && brokers.front().rack && !racks_incomplete(brokers);
  std::set<std::string> racks;
  if (rack_aware) {
    for (const AssignableBroker& broker : brokers) racks.insert(*broker.rack);
  }
  const Assigner assigner(rack_aware ? alternate_racks(brokers) : brokers, racks.size());
  std::vector<Replicas> assignment;
  for (std::int32_t i = 0; i < partitions; ++i) {
    const auto number = static_cast<std::size_t>(first_partition + i);
    if (number > 0 && number % brokers.size() == 0) ++shift;
    assignment.push_back(assigner.assign((number + start) % brokers.size(), shift, replication_factor));
  }
  return assignment;
}

}  // namespace broker::controller
