// A partition of __consumer_offsets whose leadership goes between two steps of a request.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
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
  // An offset of a group.
  void write(std::int64_t offset, const std::string& group = "g") {
    OffsetRecord record;
    record.group_id = group;
    record.partition.topic = "t";
    record.value.emplace().offset = offset;
    const std::int32_t where = partition_of(group, 50);
    ASSERT_TRUE(world.log.append(where, build_batch({to_record(record)}, 1), std::nullopt).has_value());
  }
  void resign(std::int32_t where) {
    world.log.lead(where, false);
    groups.partition_resigned(where);
  }
  void resign() { resign(partition); }
  void elect(std::int32_t where) {
    world.log.lead(where, true);
    groups.partition_elected(where);
  }
  void elect() { elect(partition); }
  std::int64_t offset(const std::string& group = "g") {
    std::vector<TopicPartition> partitions(1);
    partitions[0].topic = "t";
    return world.run(groups.fetch_offsets(group, std::move(partitions), false)).offsets.at(0).value.offset;
  }
  // What `ask` tells of a partition that was there when it looked, and has gone since.
  template <class Ask>
  ErrorCode moved_away(Ask ask) {
    world.log.lead(partition, true);
    EXPECT_EQ(offset(), 1);
    log.after_leader_epoch = [this] { resign(); };
    return ask();
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

TEST_F(GroupTenure, WhoAsksAsItEndsIsSentAway) {
  write(1);
  MemberIdentity who;
  who.member_id = "m";
  EXPECT_EQ(moved_away([&] { return world.run(groups.heartbeat("g", who, 1)); }), ErrorCode::not_coordinator);
  EXPECT_EQ(moved_away([&] { return world.run(groups.leave("g", {who})).error; }), ErrorCode::not_coordinator);
  EXPECT_EQ(moved_away([&] { return world.run(groups.describe("g")).error; }), ErrorCode::not_coordinator);
  EXPECT_EQ(moved_away([&] { return world.run(groups.describe_consumer("g")).error; }), ErrorCode::not_coordinator);
  EXPECT_EQ(moved_away([&] { return world.run(groups.delete_group("g")); }), ErrorCode::not_coordinator);
  EXPECT_EQ(moved_away([&] { return world.run(groups.delete_offsets("g", {{"t", 0}})).error; }), ErrorCode::not_coordinator);
  // That nothing is committed would be believed.
  EXPECT_EQ(moved_away([&] { return world.run(groups.fetch_offsets("g", std::nullopt, false)).error; }),
            ErrorCode::not_coordinator);
}

TEST_F(GroupTenure, AMemberThatAsksAsItEndsIsSentAway) {
  write(1);
  JoinRequest join;
  join.group_id = "g";
  join.member_id = "m";
  join.session_timeout_ms = 10'000;
  EXPECT_EQ(moved_away([&] { return world.run(groups.join(join)).error; }), ErrorCode::not_coordinator);
  SyncRequest sync;
  sync.group_id = "g";
  sync.member_id = "m";
  EXPECT_EQ(moved_away([&] { return world.run(groups.sync(sync)).error; }), ErrorCode::not_coordinator);
  CommitRequest commit;
  commit.group_id = "g";
  commit.generation = 1;
  commit.commits.emplace_back().partition.topic = "t";
  EXPECT_EQ(moved_away([&] { return world.run(groups.commit_offsets(commit)).at(0); }), ErrorCode::not_coordinator);
  ConsumerHeartbeat heartbeat;
  heartbeat.group_id = "g";
  heartbeat.member_id = "m";
  heartbeat.member_epoch = 1;
  EXPECT_EQ(moved_away([&] { return world.run(groups.consumer_heartbeat(heartbeat, 0)).error; }), ErrorCode::not_coordinator);
}

// Two groups whose offsets are too old: while those of one are deleted, the other's partition goes and comes anew.
TEST_F(GroupTenure, WhatIsLeftOfItDeletesNothing) {
  const std::int32_t of_h = partition_of("h", 50);
  ASSERT_NE(partition, of_h);
  write(1, "g");
  write(1, "h");
  EXPECT_EQ(offset("g"), 1);
  EXPECT_EQ(offset("h"), 1);
  std::string other;
  log.after_append = [&](std::int32_t first) {
    other = first == partition ? "h" : "g";
    resign(partition_of(other, 50));
    elect(partition_of(other, 50));
  };
  constexpr std::int64_t kHourMs = 3'600'000;
  world.clock.advance_ms(24 * 8 * kHourMs);
  groups.run_timeouts();
  ASSERT_FALSE(other.empty());
  EXPECT_EQ(offset(other), 1) << "until the next time";
  resign(partition_of(other, 50));
  elect(partition_of(other, 50));
  EXPECT_EQ(offset(other), 1) << "and so says the log";
}

// Else a new topic of that name would begin where the old one was left.
TEST_F(GroupTenure, ATopicThatIsDeletedWhileItLoadsTakesItsOffsets) {
  write(1);
  log.after_reading = [this] { groups.topics_deleted({"t"}); };
  EXPECT_EQ(offset(), -1);
  resign();
  elect();
  EXPECT_EQ(offset(), -1);
}

// What is deleted at the end of the load was there before it. Another partition's group has offsets of the new topic by then.
TEST_F(GroupTenure, ATopicThatIsMadeAnewWhileItLoadsKeepsItsOffsetsElsewhere) {
  ASSERT_NE(partition, partition_of("h", 50));
  write(1, "g");
  EXPECT_EQ(offset("h"), -1) << "loaded";
  std::optional<ErrorCode> committed;
  log.after_reading = [&] {
    groups.topics_deleted({"t"});
    CommitRequest request;
    request.group_id = "h";
    OffsetCommit& commit = request.commits.emplace_back();
    commit.partition.topic = "t";
    commit.value.offset = 2;
    boost::asio::io_context other_loop;
    boost::asio::co_spawn(other_loop, groups.commit_offsets(std::move(request)),
                          [&](const std::exception_ptr&, const std::vector<ErrorCode>& answers) { committed = answers.at(0); });
    other_loop.poll();
  };
  EXPECT_EQ(offset("g"), -1);
  ASSERT_EQ(committed, ErrorCode::none);
  EXPECT_EQ(offset("h"), 2);
  resign(partition_of("h", 50));
  elect(partition_of("h", 50));
  EXPECT_EQ(offset("h"), 2) << "and so says the log";
}

// The topic gets more partitions. As in Kafka, groups stay where they are as long as the broker runs, and so do the offsets
// that their transactions commit.
TEST_F(GroupTenure, GroupsStayWhereTheyAreWhenTheTopicGrows) {
  ASSERT_NE(partition_of("g", 50), partition_of("g", 60));
  write(1);
  EXPECT_EQ(offset(), 1);
  log.partitions = 60;
  EXPECT_EQ(world.run(groups.partition_for("g")), partition);
  EXPECT_EQ(world.run(groups.partition_count_or_create()), 50);
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
