// What ConsumerGroupMetadataValue says of the topics that a group subscribes to: XXH3 as Kafka 4.3.1 takes it, so that a group
// that moves from one broker to the other needn't rebalance. Stateless.
#pragma once

#include <cstdint>
#include <vector>

#include "broker/metadata/cluster_metadata.h"

namespace broker::group {

// A hash of the id, name, number of partitions, and for each partition the racks of its replicas on living brokers.
std::int64_t hash_of_topic(const metadata::Topic& topic, const metadata::ClusterMetadata& cluster);
// Of the topics' hashes in the order of their names. 0: no topic.
std::int64_t hash_of_topics(const std::vector<std::int64_t>& hashes);

}  // namespace broker::group
