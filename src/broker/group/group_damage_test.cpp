// A partition of __consumer_offsets of which something can't be read: the rest is served.
#include <gtest/gtest.h>

#include "broker/coordinator/testing/simulation.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_records.h"
#include "broker/metadata/cluster_metadata.h"
#include "protocol/record_batch_builder.h"

namespace broker::group {
namespace {

using coordinator::testing::Simulation;

class DamagedGroups : public ::testing::Test {
 protected:
  DamagedGroups() {
    while (partition_of(other, 50) != partition) other += "o";
  }

  void write(const std::string& group, std::int64_t offset,
             const coordinator::BatchSender& sender = coordinator::BatchSender()) {
    OffsetRecord record;
    record.group_id = group;
    record.partition.topic = "t";
    record.value.emplace().offset = offset;
    append(coordinator::build_batch({to_record(record)}, 1, sender));
  }
  void write_in_transaction(const std::string& group, std::int64_t offset) {
    coordinator::BatchSender sender;
    sender.base_sequence = 0;
    sender.producer_id = 7;
    sender.producer_epoch = 0;
    sender.transactional = true;
    write(group, offset, sender);
  }
  void end_transaction(protocol::ControlType type) { append(protocol::build_control_batch(7, 0, type, 0, 1)); }
  void append(base::Bytes batch) {
    ASSERT_TRUE(world.log.append(partition, std::move(batch), std::nullopt).has_value());
  }
  // As a consumer asks that reads committed transactions alone.
  std::string offset_of(const std::string& group) {
    std::vector<TopicPartition> partitions(1);
    partitions[0].topic = "t";
    const FetchOffsetsResult result = world.run(groups.fetch_offsets(group, std::move(partitions), true));
    if (result.error != ErrorCode::none) return std::string(protocol::name_of(result.error));
    const FetchedOffset& found = result.offsets.at(0);
    return found.error == ErrorCode::none ? std::to_string(found.value.offset) : std::string(protocol::name_of(found.error));
  }

  Simulation world;
  metadata::MetadataCache metadata;
  GroupCoordinator groups{world.log, world.clock, metadata, GroupLimits(), GroupCoordinator::Threads::none};
  const std::int32_t partition = partition_of("g", 50);
  std::string other = "o";
};

TEST_F(DamagedGroups, ABatchThatCannotBeReadCostsWhatItHeld) {
  write("g", 1);
  write(other, 1);
  write("g", 2);
  write(other, 2);
  world.log.break_batch(partition, 2);
  EXPECT_EQ(offset_of("g"), "1");
  EXPECT_EQ(offset_of(other), "2");
}

TEST_F(DamagedGroups, BytesThatAreNoBatchCostWhatTheyHeld) {
  write("g", 1);
  write("g", 2);
  write(other, 3);
  world.log.lose_batch(partition, 1);
  EXPECT_EQ(offset_of("g"), "1");
  EXPECT_EQ(offset_of(other), "3");
}

// Its marker may have been among them. For ever UNSTABLE_OFFSET_COMMIT would be of no use, and the producer's next marker
// might commit what was aborted.
TEST_F(DamagedGroups, ATransactionWhoseEndMayBeLostIsNotWaitedFor) {
  write("g", 1);
  write_in_transaction("g", 2);
  end_transaction(protocol::ControlType::abort);
  write_in_transaction(other, 3);
  end_transaction(protocol::ControlType::commit);
  world.log.lose_batch(partition, 2);
  EXPECT_EQ(offset_of("g"), "1");
  EXPECT_EQ(offset_of(other), "3");
}

TEST_F(DamagedGroups, NorOneWhoseMarkerCannotBeRead) {
  write("g", 1);
  write_in_transaction("g", 2);
  end_transaction(protocol::ControlType::commit);
  world.log.break_batch(partition, 2);
  EXPECT_EQ(offset_of("g"), "1");
}

TEST_F(DamagedGroups, WhatIsCommittedFromThenOnIsThereAfterTheNextLoad) {
  write("g", 1);
  world.log.break_batch(partition, 0);
  EXPECT_EQ(offset_of("g"), "-1");
  CommitRequest request;
  request.group_id = "g";
  OffsetCommit& commit = request.commits.emplace_back();
  commit.partition.topic = "t";
  commit.value.offset = 5;
  EXPECT_EQ(world.run(groups.commit_offsets(std::move(request))).at(0), ErrorCode::none);
  groups.partition_resigned(partition);
  EXPECT_EQ(offset_of("g"), "5");
}

}  // namespace
}  // namespace broker::group
