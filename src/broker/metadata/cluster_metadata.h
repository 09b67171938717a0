// What this broker knows of the cluster: brokers, topics, partition states. An immutable snapshot; MetadataCache swaps
// it, so readers take a shared_ptr once and see one consistent picture (they hold it across co_await at will).
// Written by the controller side alone (from znodes today; from UpdateMetadata of a foreign controller later).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/uuid.h"

namespace broker::metadata {

struct Endpoint {
  std::string listener;           // "PLAINTEXT": the listener's name, not its security protocol
  std::string security_protocol;  // "PLAINTEXT"
  std::string host;
  std::int32_t port = -1;
};

struct Broker {
  std::int32_t id = -1;
  std::int64_t epoch = -1;  // czxid of /brokers/ids/<id>
  std::vector<Endpoint> endpoints;
  std::optional<std::string> rack;
};

struct Partition {
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> adding_replicas;
  std::vector<std::int32_t> removing_replicas;
  std::vector<std::int32_t> isr;
  std::vector<std::int32_t> offline_replicas;  // of living brokers, whose disk failed
  std::int32_t leader = -1;                    // -1: none
  std::int32_t leader_epoch = 0;
  std::int32_t partition_epoch = 0;  // version of the state znode
};

struct Topic {
  std::string name;
  base::Uuid id;  // zero for a topic made before topic ids
  std::map<std::int32_t, Partition> partitions;
};

struct ClusterMetadata {
  std::string cluster_id;
  std::int32_t controller_id = -1;
  std::map<std::int32_t, Broker> brokers;  // the live ones
  std::map<std::string, std::shared_ptr<const Topic>, std::less<>> topics;
  std::unordered_map<base::Uuid, std::shared_ptr<const Topic>> topics_by_id;
  // Topics that exist, and of which a partition, or all, isn't in `topics`: ZooKeeper doesn't let this broker read it, what it reads is
  // damaged, or the partition has had no leader yet. What is neither in here nor in `topics` doesn't exist.
  std::set<std::string, std::less<>> unread_topics;

  const Topic* topic(std::string_view name) const {
    auto found = topics.find(name);
    return found == topics.end() ? nullptr : found->second.get();
  }
  const Topic* topic(const base::Uuid& id) const {
    auto found = topics_by_id.find(id);
    return found == topics_by_id.end() ? nullptr : found->second.get();
  }
};

// Thread-safe holder of the newest snapshot; never null. A mutex, since libstdc++ 12's atomic<shared_ptr> is a spin
// lock that ThreadSanitizer can't follow.
class MetadataCache {
 public:
  std::shared_ptr<const ClusterMetadata> get() const {
    std::lock_guard lock(mutex_);
    return current_;
  }
  void set(std::shared_ptr<const ClusterMetadata> next) {
    std::lock_guard lock(mutex_);
    current_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ClusterMetadata> current_ = std::make_shared<const ClusterMetadata>();
};

inline constexpr std::string_view kOffsetsTopic = "__consumer_offsets";
inline constexpr std::string_view kTransactionsTopic = "__transaction_state";

bool is_known_internal_topic(std::string_view name);
inline bool is_internal_topic(std::string_view name) {
  return name.starts_with("__") && is_known_internal_topic(name);
}

}  // namespace broker::metadata
