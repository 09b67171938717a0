// What every handler of data requests asks first: the partition, or Kafka's reason why it can't be used here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "broker/api/request_context.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/partition/partition_manager.h"
#include "protocol/error.h"

namespace broker::api {

struct FoundPartition {
  std::shared_ptr<partition::Partition> partition;  // null: see error
  protocol::ErrorCode error = protocol::ErrorCode::none;
};

// NOT_LEADER_OR_FOLLOWER if the cluster has it, UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID if not.
FoundPartition find_partition(const RequestContext& context, std::string_view topic, std::int32_t partition);
FoundPartition find_partition(const RequestContext& context, const base::Uuid& topic_id, std::int32_t partition);
// The cluster doesn't have it.
inline bool is_unknown(protocol::ErrorCode error) {
  return error == protocol::ErrorCode::unknown_topic_or_partition || error == protocol::ErrorCode::unknown_topic_id;
}

// Who leads it, for clients that take the hint with NOT_LEADER_OR_FOLLOWER and the epoch errors.
struct LeaderHint {
  std::int32_t leader_id = -1;
  std::int32_t leader_epoch = -1;
  std::optional<std::string> host;  // of the leader, on the listener of the request
  std::int32_t port = -1;
  std::optional<std::string> rack;
};
bool wants_leader_hint(protocol::ErrorCode error);
LeaderHint leader_hint(const RequestContext& context, std::string_view topic, const base::Uuid& topic_id,
                       std::int32_t partition);

// Adds the hint's node to a response's node_endpoints, once.
template <class Endpoints>
void add_node_endpoint(Endpoints& endpoints, const LeaderHint& hint) {
  if (!hint.host) return;
  for (const auto& each : endpoints) {
    if (each.node_id == hint.leader_id) return;
  }
  auto& added = endpoints.emplace_back();
  added.node_id = hint.leader_id;
  added.host = *hint.host;
  added.port = hint.port;
  added.rack = hint.rack;
}

}  // namespace broker::api
