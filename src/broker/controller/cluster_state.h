// The controller's picture of the cluster: what it has read from and written to the znodes. Plain data for the control
// thread; snapshot() makes what the rest of the broker sees.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/controller/assignment.h"
#include "broker/controller/topic_rules.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/metadata/znodes.h"

namespace broker::controller {

struct KnownPartition {
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> adding_replicas;
  std::vector<std::int32_t> removing_replicas;
  std::vector<std::int32_t> offline_replicas;  // of living brokers, whose disk failed since they started
  std::optional<metadata::znodes::PartitionState> state;  // nothing: no replica has been alive yet
  std::int32_t state_version = 0;
  bool unread = false;  // ZooKeeper didn't let us read its state anew
};

struct KnownTopic {
  base::Uuid id;
  std::map<std::int32_t, KnownPartition> partitions;
  bool watched = false;                          // its znode has our watch
  bool deleting = false;                         // not shown any more
  std::shared_ptr<const metadata::Topic> shown;  // as in the last snapshot; reset on change

  KnownTopic() {}
  Assignment assignment() const;
  metadata::znodes::TopicAssignment to_znode() const;
};

class ClusterState {
 public:
  std::string cluster_id;
  std::int32_t controller_id = -1;
  std::map<std::int32_t, metadata::Broker> brokers;
  std::map<std::string, KnownTopic, std::less<>> topics;
  std::set<std::string, std::less<>> unread;  // names of topics in ZooKeeper that couldn't be read; of those in `topics`, not anew

  KnownTopic* topic(std::string_view name);
  KnownPartition* partition(std::string_view topic, std::int32_t number);
  // For writing to: the topic will be shown anew.
  KnownPartition* change(std::string_view topic, std::int32_t number);
  // Takes replica lists from the znode; partitions that are new there are added, their states unknown.
  void adopt(const std::string& name, const metadata::znodes::TopicAssignment& read);
  std::vector<std::string> colliding_topics(std::string_view name) const;
  bool is_alive(std::int32_t broker) const { return brokers.contains(broker); }

  // Kafka shows a partition only once it has a state.
  std::shared_ptr<const metadata::ClusterMetadata> snapshot();
};

}  // namespace broker::controller
