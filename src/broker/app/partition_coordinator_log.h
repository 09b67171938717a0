// A coordinator's way to its internal topic: CoordinatorLog over the partitions that this broker leads. Owned by the app;
// set_cluster() comes before the first request.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "broker/controller/cluster.h"
#include "broker/coordinator/coordinator_log.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/partition/partition_manager.h"

namespace broker::app {

class PartitionCoordinatorLog final : public coordinator::CoordinatorLog {
 public:
  PartitionCoordinatorLog(std::string_view topic, const base::Clock& clock, partition::PartitionManager& partitions,
                          metadata::MetadataCache& metadata)
      : topic_(topic), clock_(clock), partitions_(partitions), metadata_(metadata) {}
  void set_cluster(controller::Cluster& cluster) { cluster_ = &cluster; }

  base::Task<std::int32_t> partition_count(bool create) override;
  std::optional<std::int32_t> leader_epoch(std::int32_t partition) const override;
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch,
                                        std::optional<std::uint64_t> verification_guard) override;
  Appended append_and_look(std::int32_t partition, base::Bytes batch, std::optional<std::uint64_t> verification_guard) override;
  std::uint64_t start_verification(std::int32_t partition, std::int64_t producer_id,
                                   std::int16_t producer_epoch) override;
  void cancel_verification(std::int32_t partition, std::int64_t producer_id, std::uint64_t guard) override;
  base::Task<protocol::ErrorCode> await_committed(std::int32_t partition, std::int64_t end_offset) override;
  bool is_committed(std::int32_t partition, std::int64_t end_offset) const override;
  protocol::Result<std::int64_t> read_all(std::int32_t partition, const coordinator::BatchesVisitor& visit,
                                          const coordinator::DamageVisitor& damaged) override;

 private:
  std::int32_t known_partition_count() const;

  const std::string topic_;
  const base::Clock& clock_;
  partition::PartitionManager& partitions_;
  metadata::MetadataCache& metadata_;
  controller::Cluster* cluster_ = nullptr;
};

}  // namespace broker::app
