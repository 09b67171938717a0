// Who of a consumer group shall own which partition: the server's assignors "uniform" and "range" of Kafka 4.3. Pure and
// deterministic: members are taken in the order of their ids. Like Kafka's since 4.0, they don't look at racks.
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
};

struct AssignorInput {
  std::vector<AssignorMember> members;  // by id
  std::map<base::Uuid, std::int32_t> partition_counts;
};

using TargetAssignment = std::map<std::string, Partitions>;  // by member id; without those that get nothing

// All partitions of each subscribed topic go to its subscribers, so that no member has two more than another that could
// take one; as few as possible move.
TargetAssignment assign_uniform(const AssignorInput& input);
// Each topic's partitions in as many stretches as it has subscribers, of equal length but for one, in the order of
// instance ids and then of member ids: co-partitioned topics are split alike. Not sticky.
TargetAssignment assign_range(const AssignorInput& input);

TargetAssignment assign(std::string_view assignor, const AssignorInput& input);

}  // namespace broker::group
