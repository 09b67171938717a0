// The group coordinator's way to __consumer_offsets: GroupLog over the partitions that this broker leads. Owned by the
// app; set_cluster() comes before the first request.
#pragma once

#include <string_view>

#include "broker/controller/cluster.h"
#include "broker/group/group_log.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/partition/partition_manager.h"

namespace broker::app {

class PartitionGroupLog final : public group::GroupLog {
 public:
  static constexpr std::string_view kTopic = "__consumer_offsets";

  PartitionGroupLog(partition::PartitionManager& partitions, metadata::MetadataCache& metadata)
      : partitions_(partitions), metadata_(metadata) {}
  void set_cluster(controller::Cluster& cluster) { cluster_ = &cluster; }

  base::Task<std::int32_t> partition_count(bool create) override;
  std::optional<std::int32_t> leader_epoch(std::int32_t partition) const override;
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch) override;
  base::Task<protocol::ErrorCode> await_committed(std::int32_t partition, std::int64_t end_offset) override;
  protocol::Result<std::int64_t> read_all(std::int32_t partition,
                                          const std::function<void(base::ByteView batches)>& visit) override;

 private:
  std::int32_t known_partition_count() const;

  partition::PartitionManager& partitions_;
  metadata::MetadataCache& metadata_;
  controller::Cluster* cluster_ = nullptr;
};

}  // namespace broker::app
