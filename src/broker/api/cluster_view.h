// What the answers about the cluster share: brokers as a listener's clients see them, how a partition is shown, and
// what a principal may do when nothing authorises. Pure functions over one metadata snapshot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/metadata/cluster_metadata.h"
#include "protocol/error.h"

namespace broker::api {

// Kafka's sets of operations (bit = operation code) without an authorizer.
constexpr std::int32_t kAllTopicOperations = 3576;
constexpr std::int32_t kAllClusterOperations = 8096;

// Null if the broker isn't alive or has no such listener.
const metadata::Endpoint* find_endpoint(const metadata::ClusterMetadata& cluster, std::int32_t broker,
                                        std::string_view listener);

struct ShownPartition {
  protocol::ErrorCode error = protocol::ErrorCode::none;
  std::int32_t leader = -1;
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> isr;
  std::vector<std::int32_t> offline_replicas;
};

// How clients on `listener` see a partition. Metadata v0 leaves unreachable replicas out and answers
// REPLICA_NOT_AVAILABLE; before v6 LISTENER_NOT_FOUND is told as LEADER_NOT_AVAILABLE.
ShownPartition show_partition(const metadata::ClusterMetadata& cluster, const metadata::Partition& partition,
                              std::string_view listener, std::int16_t metadata_version);

// UNKNOWN_TOPIC_OR_PARTITION, or INVALID_TOPIC_EXCEPTION where the name can't be one.
protocol::ErrorCode missing_topic_error(std::string_view name);

}  // namespace broker::api
