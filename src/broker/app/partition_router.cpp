#include "broker/app/partition_router.h"

#include <set>
#include <string>

#include "broker/metadata/cluster_metadata.h"

namespace broker::app {

using metadata::kOffsetsTopic;
using metadata::kTransactionsTopic;

std::vector<protocol::ErrorCode> PartitionRouter::become_leader(const std::vector<metadata::LeaderState>& states) {
  std::vector<protocol::ErrorCode> codes = partitions_.become_leader(states);
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (codes[i] != protocol::ErrorCode::none) continue;
    if (states[i].topic == kOffsetsTopic) groups_.partition_elected(states[i].partition);
    if (states[i].topic == kTransactionsTopic) transactions_.partition_elected(states[i].partition);
  }
  return codes;
}

std::vector<metadata::PartitionName> PartitionRouter::stop(const std::vector<metadata::PartitionName>& names,
                                                           bool delete_logs) {
  std::vector<metadata::PartitionName> kept = partitions_.stop(names, delete_logs);
  std::set<std::string> deleted;
  for (const metadata::PartitionName& name : names) {
    if (name.topic == kOffsetsTopic) {
      groups_.partition_resigned(name.partition);
    } else if (name.topic == kTransactionsTopic) {
      transactions_.partition_resigned(name.partition);
    } else if (delete_logs) {
      deleted.insert(name.topic);
    }
  }
  if (!deleted.empty()) groups_.topics_deleted(deleted);
  return kept;
}

}  // namespace broker::app
