// Partitions that only note what the controller wants of them.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/metadata/partition_sink.h"

namespace broker::controller::testing {

class FakePartitions final : public metadata::PartitionSink {
 public:
  std::vector<protocol::ErrorCode> become_leader(const std::vector<metadata::LeaderState>& partitions) override {
    if (before) before();
    for (const metadata::LeaderState& each : partitions) {
      log.push_back((each.is_new ? "new " : "lead ") + each.topic + "-" + std::to_string(each.partition) + " epoch " +
                    std::to_string(each.leader_epoch) + "/" + std::to_string(each.partition_epoch));
      ids[each.topic] = each.topic_id;
    }
    std::vector<protocol::ErrorCode> codes;
    for (const metadata::LeaderState& each : partitions) {
      codes.push_back(on_failed_disk.contains(each.topic + "-" + std::to_string(each.partition))
                          ? protocol::ErrorCode::kafka_storage_error
                          : protocol::ErrorCode::none);
    }
    return codes;
  }
  std::vector<metadata::PartitionName> stop(const std::vector<metadata::PartitionName>& partitions,
                                            bool delete_logs) override {
    if (before) before();
    std::vector<metadata::PartitionName> kept;
    for (const auto& each : partitions) {
      const std::string name = each.topic + "-" + std::to_string(each.partition);
      log.push_back((delete_logs ? "delete " : "stop ") + name);
      if (delete_logs && on_failed_disk.contains(name)) kept.push_back(each);
    }
    return kept;
  }
  std::vector<std::string> take() { return std::exchange(log, {}); }

  std::function<void()> before;  // called first, on the control thread: may take its time, as disks do
  std::vector<std::string> log;
  std::map<std::string, base::Uuid> ids;
  std::set<std::string> on_failed_disk;
};

}  // namespace broker::controller::testing
