// Between the control side and the partitions: passes on who leads what, and tells the coordinators of groups and transactions
// about their own partitions and about topics that are gone. On the control thread.
#pragma once

#include <vector>

#include "broker/group/group_coordinator.h"
#include "broker/metadata/partition_sink.h"
#include "broker/partition/partition_manager.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::app {

class PartitionRouter final : public metadata::PartitionSink {
 public:
  PartitionRouter(partition::PartitionManager& partitions, group::GroupCoordinator& groups,
                  transaction::TransactionCoordinator& transactions)
      : partitions_(partitions), groups_(groups), transactions_(transactions) {}

  std::vector<protocol::ErrorCode> become_leader(const std::vector<metadata::LeaderState>& states) override;
  std::vector<metadata::PartitionName> stop(const std::vector<metadata::PartitionName>& names, bool delete_logs) override;

 private:
  partition::PartitionManager& partitions_;
  group::GroupCoordinator& groups_;
  transaction::TransactionCoordinator& transactions_;
};

}  // namespace broker::app
