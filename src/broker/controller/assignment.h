// Which brokers get the replicas of new partitions: Kafka's rules (its AdminUtils), rack-aware if every broker names a
// rack. Pure: the random start comes in as an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace broker::controller {

struct AssignableBroker {
  std::int32_t id = -1;
  std::optional<std::string> rack;
};

using Replicas = std::vector<std::int32_t>;  // the first is the preferred leader

// Replica lists of `partitions` partitions, the first of them being number `first_partition`. The leaders go round the
// brokers from `start`, and followers are spread by `shift`, so that no broker shares all its partitions with one
// other. Needs 1 <= replication_factor <= brokers, which must be sorted by id.
std::vector<Replicas> assign_replicas(const std::vector<AssignableBroker>& brokers, std::int32_t partitions,
                                      std::int32_t replication_factor, std::size_t start, std::size_t shift,
                                      std::int32_t first_partition = 0);

// Some name a rack and some don't: Kafka refuses to assign.
bool racks_incomplete(const std::vector<AssignableBroker>& brokers);

}  // namespace broker::controller
