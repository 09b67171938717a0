// How one member of a consumer group comes from what it has to what it shall have: first it gives up what others shall
// have, then it moves on to the target's epoch and gets what nobody has any more. As measured from Kafka 4.3. Pure.
#pragma once

#include <functional>

#include "broker/group/consumer_group_types.h"

namespace broker::group {

struct ReconciliationInput {
  std::int32_t target_epoch = 0;
  const Partitions& target;
  const std::set<base::Uuid>& subscribed_topics;  // the target of other topics is void
  bool subscription_changed = false;
  const std::optional<Partitions>& owned;  // what the member says it has; nothing: it doesn't say
  // Whether any member of the group has this partition, or hasn't given it up yet.
  std::function<bool(const base::Uuid& topic_id, std::int32_t partition)> is_owned;
};

// Nothing: the member is in a state that this broker doesn't know, and must come again with nothing in its hands.
std::optional<CurrentAssignment> next_assignment(const CurrentAssignment& member, const ReconciliationInput& input);

}  // namespace broker::group
