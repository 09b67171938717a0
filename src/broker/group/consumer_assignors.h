// Who of a consumer group shall own which partition: the server's assignors "uniform" and "range" of Kafka 4.3. Pure and
// deterministic: members are taken in the order of their ids. Other than Kafka's, 3.9.2's and later, they look at racks, by the rules of
// KIP-881 (rack_matching.h): balance, then racks, then stickiness. Without racks, or where they make no difference, the outcome
// is that of the assignors that don't look at them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/group/consumer_group_types.h"

namespace broker::group {

struct AssignorMember {
  std::string member_id;
  std::optional<std::string> instance_id;
  const std::set<base::Uuid>* topics = nullptr;  // subscribed, and existing; never null
  Partitions current;                            // the target so far
  std::string rack_id;                           // empty: none
};

struct AssignorInput {
  std::vector<AssignorMember> members;  // by id
  std::map<base::Uuid, std::int32_t> partition_counts;
  // Of each partition's replicas, sorted and without doubles. A topic may be missing: no racks are known.
  std::map<base::Uuid, std::vector<std::vector<std::string>>> partition_racks;
  // Topics that have none there as a replica's broker is away. Nothing of them is exchanged, and by "range" they stay as they
  // are, with those that are split like them, as long as that is an outcome: who restarts a broker moves no partitions.
  std::set<base::Uuid> unknown_racks;
};

using TargetAssignment = std::map<std::string, Partitions>;  // by member id; without those that get nothing

// All partitions of each subscribed topic go to its subscribers, so that no member has two more than another that could
// take one; as few as possible move. Racks: who has the one more may change if all members subscribe to the same; else partitions
// are exchanged among topics with the same subscribers, and each member has as many as without racks.
TargetAssignment assign_uniform(const AssignorInput& input);
// Each topic's partitions in as many stretches as it has subscribers, of equal length but for one, in the order of
// instance ids and then of member ids: co-partitioned topics are split alike. Not sticky. Racks: partitions are exchanged, those of
// topics with the same number of partitions and the same subscribers together, if all of them match then.
TargetAssignment assign_range(const AssignorInput& input);

TargetAssignment assign(std::string_view assignor, const AssignorInput& input);

}  // namespace broker::group
