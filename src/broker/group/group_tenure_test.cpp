// A partition of __consumer_offsets whose leadership goes between two steps of a request.
#include <gtest/gtest.h>

#include <utility>

#include "broker/coordinator/testing/interrupted_log.h"
#include "broker/coordinator/testing/simulation.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_records.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {
namespace {

using coordinator::testing::InterruptedLog;
using coordinator::testing::Simulation;

class GroupTenure : public ::testing::Test {
 protected:
  // An offset of "g".
  void write(std::int64_t offset) {
    OffsetRecord record;
    record.group_id = "g";
    record.partition.topic = "t";
    record.value.emplace().offset = offset;
    ASSERT_TRUE(world.log.append(partition, build_batch({to_record(record)}, 1), std::nullopt).has_value());
  }
  void resign() {
    world.log.lead(partition, false);
    groups.partition_resigned(partition);
  }
  void elect() {
    world.log.lead(partition, true);
    groups.partition_elected(partition);
  }
  std::int64_t offset() {
    std::vector<TopicPartition> partitions(1);
    partitions[0].topic = "t";
    return world.run(groups.fetch_offsets("g", std::move(partitions), false)).offsets.at(0).value.offset;
  }
  // The partition is there when the request looks for it, and gone then.
  template <class Ask>
  ErrorCode resigned_during(Ask ask) {
    log.after_reading = [this] { resign(); };
    const ErrorCode error = ask();
    EXPECT_TRUE(groups.list().groups.empty());
    elect();
    EXPECT_EQ(offset(), 1) << "what was loaded isn't hidden";
    resign();
    world.log.lead(partition, true);
    return error;
  }

  Simulation world;
  InterruptedLog log{world.log};
  metadata::MetadataCache metadata;
  GroupCoordinator groups{log, world.clock, metadata, GroupLimits(), GroupCoordinator::Threads::none};
  const std::int32_t partition = partition_of("g", 50);
};

TEST_F(GroupTenure, ACommitMakesNoGroupWhereItHasEnded) {
  write(1);
  EXPECT_EQ(resigned_during([this] {
              CommitRequest request;
              request.group_id = "g";
              request.commits.emplace_back().partition.topic = "u";
              return world.run(groups.commit_offsets(std::move(request))).at(0);
            }),
            ErrorCode::not_coordinator);
}

TEST_F(GroupTenure, AJoinMakesNoGroupWhereItHasEnded) {
  write(1);
  EXPECT_EQ(resigned_during([this] {
              JoinRequest request;
              request.group_id = "g";
              request.session_timeout_ms = 10'000;
              return world.run(groups.join(std::move(request))).error;
            }),
            ErrorCode::not_coordinator);
}

TEST_F(GroupTenure, AHeartbeatMakesNoGroupWhereItHasEnded) {
  write(1);
  EXPECT_EQ(resigned_during([this] {
              ConsumerHeartbeat request;
              request.group_id = "g";
              request.rebalance_timeout_ms = 10'000;
              request.subscribed_topic_names.emplace(1, "t");
              request.owned.emplace();
              return world.run(groups.consumer_heartbeat(std::move(request), 0)).error;
            }),
            ErrorCode::not_coordinator);
}

TEST_F(GroupTenure, TheNextOneServesTheRequestOnceItHasLoaded) {
  write(1);
  log.after_reading = [this] {
    resign();
    elect();
  };
  CommitRequest request;
  request.group_id = "g";
  request.commits.emplace_back().partition.topic = "u";
  EXPECT_EQ(world.run(groups.commit_offsets(std::move(request))).at(0), ErrorCode::none);
  EXPECT_EQ(offset(), 1);
}

TEST_F(GroupTenure, WhoAsksElectsNobodyWhoHasResigned) {
  write(1);
  log.after_leader_epoch = [this] { resign(); };
  (void)world.run(groups.fetch_offsets("g", std::nullopt, false));
  write(2);  // somebody else leads
  elect();
  EXPECT_EQ(offset(), 2);
}

}  // namespace
}  // namespace broker::group
