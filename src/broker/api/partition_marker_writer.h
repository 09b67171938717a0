// Writes the markers that end transactions into the partitions that this broker leads, and tells the group coordinator
// about those of its own topic. Owned by the app. Thread-safe.
#pragma once

#include "base/clock.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/partition/partition_manager.h"
#include "broker/transaction/transaction_ports.h"

namespace broker::api {

class PartitionMarkerWriter final : public transaction::MarkerWriter {
 public:
  PartitionMarkerWriter(const base::Clock& clock, partition::PartitionManager& partitions,
                        metadata::MetadataCache& metadata, group::GroupCoordinator& groups)
      : clock_(clock), partitions_(partitions), metadata_(metadata), groups_(groups) {}

  base::Task<std::vector<protocol::ErrorCode>> write(transaction::TransactionMarker marker,
                                                     std::vector<transaction::TopicPartition> partitions) override;

 private:
  protocol::ErrorCode error_of_missing(const transaction::TopicPartition& partition) const;

  const base::Clock& clock_;
  partition::PartitionManager& partitions_;
  metadata::MetadataCache& metadata_;
  group::GroupCoordinator& groups_;
};

}  // namespace broker::api
