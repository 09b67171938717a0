// Every golden response that Kafka 3.9.2's own classes can read: the error codes that its errorCounts() found in it.
#include "broker/api/error_counts.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <tuple>

#include "base/bytes.h"
#include "protocol/codec/codec.h"
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

const std::string kSource = MILENA_SOURCE_DIR "/src/";

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char letter : line) {
    if (letter == '\t') {
      cells.emplace_back();
    } else {
      cells.back() += letter;
    }
  }
  return cells;
}

std::string unzipped(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  std::string text;
  char buffer[65536];
  for (int size = 0; (size = gzread(file, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  gzclose(file);
  return text;
}

// "NONE=2,NOT_COORDINATOR=1", in the order of the codes.
using Count = std::function<std::string(base::ByteView bytes, std::int16_t version)>;

template <class Response>
std::string counts_in(base::ByteView bytes, std::int16_t version) {
  Response response;
  const protocol::Decoded decoded = protocol::decode(response, version, bytes);
  if (!decoded) return decoded.error;
  std::map<std::string, int> counts;
  visit_error_codes(response, version, [&counts](protocol::ErrorCode code) {
    ++counts[std::string(protocol::name_of(code))];
  });
  std::string text;
  for (const auto& [name, count] : counts) text += (text.empty() ? "" : ",") + name + "=" + std::to_string(count);
  return text;
}

std::map<std::string, Count> counters() {
  std::map<std::string, Count> all;
#define COUNTS(NAME) all[#NAME "Response"] = counts_in<protocol::NAME##Response>
  COUNTS(Produce);
  COUNTS(Fetch);
  COUNTS(ListOffsets);
  COUNTS(Metadata);
  COUNTS(ControlledShutdown);
  COUNTS(OffsetCommit);
  COUNTS(OffsetFetch);
  COUNTS(FindCoordinator);
  COUNTS(JoinGroup);
  COUNTS(Heartbeat);
  COUNTS(LeaveGroup);
  COUNTS(SyncGroup);
  COUNTS(DescribeGroups);
  COUNTS(ListGroups);
  COUNTS(SaslHandshake);
  COUNTS(ApiVersions);
  COUNTS(CreateTopics);
  COUNTS(DeleteTopics);
  COUNTS(DeleteRecords);
  COUNTS(InitProducerId);
  COUNTS(OffsetForLeaderEpoch);
  COUNTS(AddPartitionsToTxn);
  COUNTS(AddOffsetsToTxn);
  COUNTS(EndTxn);
  COUNTS(WriteTxnMarkers);
  COUNTS(TxnOffsetCommit);
  COUNTS(DescribeAcls);
  COUNTS(CreateAcls);
  COUNTS(DeleteAcls);
  COUNTS(DescribeConfigs);
  COUNTS(AlterConfigs);
  COUNTS(AlterReplicaLogDirs);
  COUNTS(DescribeLogDirs);
  COUNTS(SaslAuthenticate);
  COUNTS(CreatePartitions);
  COUNTS(DeleteGroups);
  COUNTS(ElectLeaders);
  COUNTS(IncrementalAlterConfigs);
  COUNTS(AlterPartitionReassignments);
  COUNTS(ListPartitionReassignments);
  COUNTS(OffsetDelete);
  COUNTS(DescribeCluster);
  COUNTS(DescribeProducers);
  COUNTS(DescribeTransactions);
  COUNTS(ListTransactions);
  COUNTS(AllocateProducerIds);
  COUNTS(ConsumerGroupHeartbeat);
  COUNTS(ConsumerGroupDescribe);
  COUNTS(DescribeTopicPartitions);
#undef COUNTS
  return all;
}

TEST(ErrorCounts, AsKafkaCountsThem) {
  using Key = std::tuple<std::string, std::string, std::string>;  // message, version, instance
  std::map<Key, std::string> expected;
  std::istringstream rows(unzipped(kSource + "broker/api/testdata/error-counts-3.9.2.tsv.gz"));
  for (std::string line; std::getline(rows, line);) {
    if (line.starts_with('#')) continue;
    const auto cells = split(line);
    expected[{cells[0], cells[1], cells[2]}] = cells[3];
  }
  const auto all = counters();
  std::map<std::string, int> compared;
  for (const char* name : {"messages-4.3.1.tsv.gz", "messages-3.9.2-extra.tsv.gz"}) {
    std::istringstream messages(unzipped(kSource + "protocol/testdata/" + name));
    for (std::string line; std::getline(messages, line);) {
      const auto cells = split(line);
      const auto count = all.find(cells[0]);
      const auto found = cells.size() > 5 ? expected.find({cells[0], cells[3], cells[4]}) : expected.end();
      if (count == all.end() || found == expected.end()) continue;
      // Kafka's client takes the last partition's error for one of the whole response here; its broker doesn't.
      if (cells[0] == "OffsetFetchResponse" && cells[3] < "2" && cells[4] == "f") continue;
      const auto version = static_cast<std::int16_t>(std::stoi(cells[3]));
      EXPECT_EQ(count->second(*base::from_hex(cells[5]), version), found->second)
          << cells[0] << " v" << version << " " << cells[4] << " " << cells[6];
      ++compared[cells[0]];
    }
  }
  EXPECT_EQ(compared.size(), 41u);
}

}  // namespace
}  // namespace broker::api
