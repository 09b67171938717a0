// Paths and texts of Kafka's znodes, as Kafka 3.9 writes and reads them in ZooKeeper mode. Decoding is lenient where
// Kafka's is: unknown keys are ignored, older versions of a text are read. Nothing means that the text can't be
// understood. Plain functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::metadata::znodes {

using StringMap = std::map<std::string, std::string, std::less<>>;

inline constexpr std::string_view kController = "/controller";
inline constexpr std::string_view kControllerEpoch = "/controller_epoch";
inline constexpr std::string_view kBrokerIds = "/brokers/ids";
inline constexpr std::string_view kBrokerSequence = "/brokers/seqid";
inline constexpr std::string_view kTopics = "/brokers/topics";
inline constexpr std::string_view kClusterId = "/cluster/id";
inline constexpr std::string_view kDeleteTopics = "/admin/delete_topics";
inline constexpr std::string_view kPreferredElection = "/admin/preferred_replica_election";
inline constexpr std::string_view kReassignPartitions = "/admin/reassign_partitions";
inline constexpr std::string_view kConfigChanges = "/config/changes";
inline constexpr std::string_view kConfigChangePrefix = "/config/changes/config_change_";
inline constexpr std::string_view kProducerIdBlock = "/latest_producer_id_block";
inline constexpr std::string_view kFeature = "/feature";
inline constexpr std::string_view kIsrChanges = "/isr_change_notification";
inline constexpr std::string_view kLogDirEvents = "/log_dir_event_notification";

// Made by every broker at its start if missing, in this order.
const std::vector<std::string_view>& persistent_paths();

std::string broker_path(std::int32_t id);
std::string topic_path(std::string_view topic);
std::string partitions_path(std::string_view topic);
std::string partition_path(std::string_view topic, std::int32_t partition);
std::string state_path(std::string_view topic, std::int32_t partition);
std::string delete_topic_path(std::string_view topic);
// `type`: "topics", "brokers", …; `name` as in the path, "<default>" for the default.
std::string config_path(std::string_view type, std::string_view name);
// Any text as the name of one znode, and back: all but letters, digits, '_', '-' and inner dots as %XX.
std::string node_name(std::string_view text);
std::optional<std::string> text_of_node_name(std::string_view name);

// /brokers/ids/<id>, version 5. Host and port of its own are those of the first PLAINTEXT endpoint.
std::string encode_broker(const Broker& broker, std::int64_t timestamp_ms);
std::optional<Broker> decode_broker(std::int32_t id, std::string_view text);  // versions 1-5

// /brokers/topics/<topic>, version 3. Of the partitions only the replica lists are set.
struct TopicAssignment {
  base::Uuid id;  // zero: none written yet
  std::map<std::int32_t, Partition> partitions;
};
std::string encode_topic(const TopicAssignment& topic);
std::optional<TopicAssignment> decode_topic(std::string_view text);

// …/partitions/<p>/state
struct PartitionState {
  std::int32_t controller_epoch = 0;
  std::int32_t leader = -1;
  std::int32_t leader_epoch = 0;
  std::vector<std::int32_t> isr;
  bool recovering = false;  // "leader_recovery_state":1: elected from outside the ISR and not yet recovered
  bool operator==(const PartitionState&) const = default;
};
std::string encode_state(const PartitionState& state);
std::optional<PartitionState> decode_state(std::string_view text);

std::string encode_controller(std::int32_t broker_id, std::int64_t timestamp_ms);
std::optional<std::int32_t> decode_controller(std::string_view text);
// /log_dir_event_notification/log_dir_event_<seq>: a log directory of this broker failed.
std::string encode_log_dir_event(std::int32_t broker_id);
std::optional<std::int32_t> decode_log_dir_event(std::string_view text);

std::string encode_cluster_id(std::string_view id);
std::optional<std::string> decode_cluster_id(std::string_view text);

std::string encode_config(const StringMap& config);
std::optional<StringMap> decode_config(std::string_view text);

// The entity of a change: "topics/t1".
std::string encode_config_change(std::string_view entity_path);
std::optional<std::string> decode_config_change(std::string_view text);  // versions 1 and 2

struct ProducerIds {
  std::int32_t broker = -1;
  std::int64_t first = 0;
  std::int64_t last = 0;  // the last one that belongs to it
};
std::string encode_producer_ids(const ProducerIds& block);
std::optional<ProducerIds> decode_producer_ids(std::string_view text);

std::string feature_text();  // no finalized features, enabled

std::optional<std::vector<std::pair<std::string, std::int32_t>>> decode_partition_list(std::string_view text);

}  // namespace broker::metadata::znodes
