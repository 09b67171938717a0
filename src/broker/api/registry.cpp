#include "broker/api/registry.h"

#include <algorithm>
#include <array>

#include "broker/api/handlers.h"
#include "broker/api/serve.h"
#include "protocol/messages/add_offsets_to_txn.h"
#include "protocol/messages/add_partitions_to_txn.h"
#include "protocol/messages/allocate_producer_ids.h"
#include "protocol/messages/alter_configs.h"
#include "protocol/messages/alter_partition_reassignments.h"
#include "protocol/messages/alter_replica_log_dirs.h"
#include "protocol/messages/api_versions.h"
#include "protocol/messages/consumer_group_describe.h"
#include "protocol/messages/consumer_group_heartbeat.h"
#include "protocol/messages/controlled_shutdown.h"
#include "protocol/messages/create_acls.h"
#include "protocol/messages/create_partitions.h"
#include "protocol/messages/create_topics.h"
#include "protocol/messages/delete_acls.h"
#include "protocol/messages/delete_groups.h"
#include "protocol/messages/delete_records.h"
#include "protocol/messages/delete_topics.h"
#include "protocol/messages/describe_acls.h"
#include "protocol/messages/describe_cluster.h"
#include "protocol/messages/describe_configs.h"
#include "protocol/messages/describe_groups.h"
#include "protocol/messages/describe_log_dirs.h"
#include "protocol/messages/describe_producers.h"
#include "protocol/messages/describe_topic_partitions.h"
#include "protocol/messages/describe_transactions.h"
#include "protocol/messages/elect_leaders.h"
#include "protocol/messages/end_txn.h"
#include "protocol/messages/fetch.h"
#include "protocol/messages/find_coordinator.h"
#include "protocol/messages/heartbeat.h"
#include "protocol/messages/incremental_alter_configs.h"
#include "protocol/messages/init_producer_id.h"
#include "protocol/messages/join_group.h"
#include "protocol/messages/leave_group.h"
#include "protocol/messages/list_config_resources.h"
#include "protocol/messages/list_groups.h"
#include "protocol/messages/list_offsets.h"
#include "protocol/messages/list_partition_reassignments.h"
#include "protocol/messages/list_transactions.h"
#include "protocol/messages/metadata.h"
#include "protocol/messages/offset_commit.h"
#include "protocol/messages/offset_delete.h"
#include "protocol/messages/offset_fetch.h"
#include "protocol/messages/offset_for_leader_epoch.h"
#include "protocol/messages/produce.h"
#include "protocol/messages/sasl_authenticate.h"
#include "protocol/messages/sasl_handshake.h"
#include "protocol/messages/sync_group.h"
#include "protocol/messages/txn_offset_commit.h"
#include "protocol/messages/write_txn_markers.h"

namespace broker::api {
namespace {

// NAME of the schema, first and last version served. A handler of that name stands in a file of that name.
#define SERVES(NAME, VERSION_MIN, VERSION_MAX)                                                    \
  Api {                                                                                           \
    static_cast<std::int16_t>(protocol::NAME##Request::kApiKey), #NAME, VERSION_MIN, VERSION_MAX, \
        &serve<protocol::NAME##Request, protocol::NAME##Response>                                 \
  }

// By key: one line each.
// clang-format off
constexpr std::array kServed = {
    SERVES(Produce, 0, 13),
    SERVES(Fetch, 0, 18),
    SERVES(ListOffsets, 0, 11),
    SERVES(Metadata, 0, 13),
    SERVES(ControlledShutdown, 0, 3),
    SERVES(OffsetCommit, 0, 10),
    SERVES(OffsetFetch, 0, 10),
    SERVES(FindCoordinator, 0, 6),
    SERVES(JoinGroup, 0, 9),
    SERVES(Heartbeat, 0, 4),
    SERVES(LeaveGroup, 0, 5),
    SERVES(SyncGroup, 0, 5),
    SERVES(DescribeGroups, 0, 6),
    SERVES(ListGroups, 0, 5),
    SERVES(SaslHandshake, 0, 1),
    SERVES(ApiVersions, 0, 4),
    SERVES(CreateTopics, 0, 7),
    SERVES(DeleteTopics, 0, 6),
    SERVES(DeleteRecords, 0, 2),
    SERVES(InitProducerId, 0, 5),
    SERVES(OffsetForLeaderEpoch, 0, 4),
    SERVES(AddPartitionsToTxn, 0, 5),
    SERVES(AddOffsetsToTxn, 0, 4),
    SERVES(EndTxn, 0, 5),
    SERVES(WriteTxnMarkers, 0, 2),
    SERVES(TxnOffsetCommit, 0, 5),
    SERVES(DescribeAcls, 0, 3),
    SERVES(CreateAcls, 0, 3),
    SERVES(DeleteAcls, 0, 3),
    SERVES(DescribeConfigs, 0, 4),
    SERVES(AlterConfigs, 0, 2),
    SERVES(AlterReplicaLogDirs, 0, 2),
    SERVES(DescribeLogDirs, 0, 5),
    SERVES(SaslAuthenticate, 0, 2),
    SERVES(CreatePartitions, 0, 3),
    SERVES(DeleteGroups, 0, 2),
    SERVES(ElectLeaders, 0, 2),
    SERVES(IncrementalAlterConfigs, 0, 1),
    SERVES(AlterPartitionReassignments, 0, 1),
    SERVES(ListPartitionReassignments, 0, 0),
    SERVES(OffsetDelete, 0, 0),
    SERVES(DescribeCluster, 0, 2),
    SERVES(DescribeProducers, 0, 0),
    SERVES(DescribeTransactions, 0, 0),
    SERVES(ListTransactions, 0, 2),
    SERVES(AllocateProducerIds, 0, 0),
    SERVES(ConsumerGroupHeartbeat, 0, 1),
    SERVES(ConsumerGroupDescribe, 0, 1),
    SERVES(ListConfigResources, 0, 1),
    SERVES(DescribeTopicPartitions, 0, 0),
};
// clang-format on

#undef SERVES

static_assert(std::is_sorted(kServed.begin(), kServed.end(), [](const Api& a, const Api& b) { return a.key < b.key; }));

}  // namespace

std::span<const Api> served_apis() { return kServed; }

const Api* find_served(std::int16_t key) {
  auto found = std::lower_bound(kServed.begin(), kServed.end(), key,
                                [](const Api& api, std::int16_t wanted) { return api.key < wanted; });
  return found != kServed.end() && found->key == key ? &*found : nullptr;
}

}  // namespace broker::api
