// What request handlers and coordinators may ask of the cluster's control side: topics, configs, producer ids,
// elections. Every call is a coroutine that resumes on its caller's event loop, returns when the znodes are written and
// (for topics led here) the partitions are live on this broker, and never blocks a loop. Thread-safe. The
// implementation (controller.cpp) is the ZooKeeper side; tests use a fake.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "base/uuid.h"
#include "protocol/error.h"

namespace broker::controller {

using StringMap = std::map<std::string, std::string, std::less<>>;

struct NewTopic {
  std::string name;
  std::int32_t partitions = -1;          // -1: num.partitions; must be -1 with an assignment
  std::int16_t replication_factor = -1;  // -1: default.replication.factor
  std::map<std::int32_t, std::vector<std::int32_t>> assignment;
  StringMap configs;
};

// An answer for one topic, partition or resource; the message is what Kafka 3.9.2 says.
struct Outcome {
  protocol::ErrorCode error = protocol::ErrorCode::none;
  std::optional<std::string> message;
};

struct TopicCreated : Outcome {
  base::Uuid topic_id;
  std::int32_t partitions = -1;
  std::int16_t replication_factor = -1;
};

struct NewPartitions {
  std::string topic;
  std::int32_t count = 0;                                             // the new total
  std::optional<std::vector<std::vector<std::int32_t>>> assignments;  // of the added ones
};

struct ProducerIdBlock {
  std::int64_t first = 0;
  std::int32_t size = 0;
};

// Configs of groups are Milena's own in a cluster with ZooKeeper: a Kafka 3.9 broker doesn't look at their folder, and must
// not be notified of them, as it could follow no other change after one that it doesn't know.
enum class ConfigEntityType { topic, broker, broker_default, group };

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
};

// Makes the config that is stored into the one that is to be; with an error it stays as it is. May be called more than once.
using ConfigEdit = std::function<Outcome(StringMap& config)>;

class Cluster {
 public:
  virtual ~Cluster() = default;

  // `timeout_ms`, as in Kafka: the time from when the change is written, that is, can't be taken back, to when clients see it, with a
  // leader for every partition of the topic, or the elected one. What takes longer is answered with REQUEST_TIMED_OUT, and so is all
  // that was begun if it isn't above zero. The change goes on.
  virtual base::Task<std::vector<TopicCreated>> create_topics(std::vector<NewTopic> topics, bool validate_only,
                                                              std::int32_t timeout_ms) = 0;
  virtual base::Task<std::vector<Outcome>> delete_topics(std::vector<std::string> topics, std::int32_t timeout_ms) = 0;
  virtual base::Task<std::vector<Outcome>> create_partitions(std::vector<NewPartitions> topics, bool validate_only,
                                                             std::int32_t timeout_ms) = 0;
  // Creates __consumer_offsets or __transaction_state with their own configs if missing.
  virtual base::Task<Outcome> ensure_internal_topic(std::string name) = 0;
  // Topic auto-creation by Metadata (auto.create.topics.enable).
  virtual base::Task<Outcome> auto_create_topic(std::string name) = 0;

  // Changes the stored config of an entity (name: topic, broker id as text, or group) and notifies all brokers through
  // /config/changes, of groups only this one. `edit` runs on another thread, on what is stored at that moment, so that no
  // other change is lost, and validates. Takes effect on this broker before the call returns.
  virtual base::Task<Outcome> change_config(ConfigEntityType type, std::string name, ConfigEdit edit) = 0;

  // Ids that nobody else gets. Also of a broker that isn't the controller. COORDINATOR_LOAD_IN_PROGRESS: not now, which clients of all
  // versions try again; UNKNOWN_SERVER_ERROR: none are left, or what is stored can't be read.
  virtual base::Task<protocol::Result<ProducerIdBlock>> allocate_producer_ids() = 0;
  // The same for a broker that asks the controller for them, which this one must be, and is registered with that epoch.
  virtual base::Task<protocol::Result<ProducerIdBlock>> allocate_producer_ids_for(std::int32_t broker_id, std::int64_t broker_epoch) = 0;
  // Preferred (unclean false) or unclean leader election; ELECTION_NOT_NEEDED where nothing changes.
  virtual base::Task<std::map<TopicPartition, Outcome>> elect_leaders(std::vector<TopicPartition> partitions,
                                                                      bool unclean, std::int32_t timeout_ms) = 0;

  // The stored overrides of an entity as last seen (empty if none). From memory; doesn't wait.
  virtual StringMap config_overrides(ConfigEntityType type, std::string_view name) const = 0;
  // The entities of a type that have overrides, by name. From memory, too.
  virtual std::vector<std::string> configured_entities(ConfigEntityType type) const = 0;
  virtual std::int64_t broker_epoch() const = 0;
};

}  // namespace broker::controller
