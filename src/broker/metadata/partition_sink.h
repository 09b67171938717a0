// Where the controller side tells a broker what to do with its partitions. Implemented by broker/partition's
// PartitionManager; tests of the controller use a fake. Called on the control thread only, one call at a time, and may
// block on disks there. When a call returns, the partitions serve (or refuse) produce and fetch requests accordingly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "protocol/error.h"

namespace broker::metadata {

struct LeaderState {
  std::string topic;
  base::Uuid topic_id;
  std::int32_t partition = 0;
  std::int32_t leader_epoch = 0;
  std::int32_t partition_epoch = 0;  // version of the state znode
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> isr;
  bool is_new = false;  // just created: no log of an earlier topic of that name may be continued
};

struct PartitionName {
  std::string topic;
  base::Uuid topic_id;
  std::int32_t partition = 0;
};

class PartitionSink {
 public:
  virtual ~PartitionSink() = default;
  // This broker leads these from now on: makes missing logs, sets epochs. Also called again for partitions that it
  // leads already, with new epochs, replicas or ISR, or with nothing new (then a no-op). The topic's config overrides
  // are in the ConfigStore before this call. Answers one code for each, in order: KAFKA_STORAGE_ERROR where the log dir
  // failed, INCONSISTENT_TOPIC_ID where the log on disk belongs to another topic id.
  virtual std::vector<protocol::ErrorCode> become_leader(const std::vector<LeaderState>& partitions) = 0;
  // No longer led here: requests get NOT_LEADER_OR_FOLLOWER, waiting ones are woken with it. With `delete_logs` the
  // topic is gone: UNKNOWN_TOPIC_OR_PARTITION, and the logs are renamed and deleted in the background. Answers those whose
  // log is (or may be) still there, as its disk is offline: as long as that is so, the topic must not be forgotten.
  virtual std::vector<PartitionName> stop(const std::vector<PartitionName>& partitions, bool delete_logs) = 0;
};

}  // namespace broker::metadata
