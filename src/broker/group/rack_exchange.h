// The last step of both assignors: what is assigned without a look at racks is exchanged among members, so that more partitions are at
// members in the racks of their replicas (rack_matching.h has the rules). Pure; it changes the target in place, which has no
// member without partitions before and after it.
#pragma once

#include <map>
#include <vector>

#include "broker/group/consumer_assignors.h"

namespace broker::group {

// Of each topic, in one order wherever they are the same; they point into the input's members.
using Subscribers = std::map<base::Uuid, std::vector<const AssignorMember*>>;

// `homogeneous`: all members subscribe to the same topics.
void exchange_in_uniform(const AssignorInput& input, bool homogeneous, TargetAssignment& target);
void exchange_in_range(const AssignorInput& input, Subscribers subscribers, TargetAssignment& target);

}  // namespace broker::group
