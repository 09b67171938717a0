// What members of the classic protocol say to each other inside of JoinGroup and SyncGroup, which a group of the newer
// protocol that has such members must read and write itself: the consumer protocol's subscriptions and assignments.
// A version that is newer than the newest known is read and written as that one, as Kafka does. Stateless.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"
#include "broker/group/consumer_group_types.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {

using NamedPartitions = std::map<std::string, std::set<std::int32_t>>;  // by topic name

struct EmbeddedSubscription {
  std::set<std::string> topics;
  NamedPartitions owned;               // since v1
  std::optional<std::string> rack_id;  // since v3; never empty
};
struct EmbeddedAssignment {
  NamedPartitions partitions;
  bool has_user_data = false;  // an assignor of the client's own, who needs it
};

// Nothing: malformed.
std::optional<EmbeddedSubscription> read_subscription(base::ByteView bytes);
std::optional<EmbeddedAssignment> read_assignment(base::ByteView bytes);
// In the version of this subscription.
base::Bytes write_assignment(const NamedPartitions& partitions, base::ByteView subscription);

// Topics that the cluster doesn't have are left out.
Partitions with_ids(const NamedPartitions& partitions, const metadata::ClusterMetadata& cluster);
NamedPartitions with_names(const Partitions& partitions, const metadata::ClusterMetadata& cluster);

}  // namespace broker::group
