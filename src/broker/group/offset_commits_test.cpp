// How commits of offsets are answered: by codes that are there, or by a coroutine that waits for them.
#include <gtest/gtest.h>

#include <new>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/coordinator/testing/forwarding_log.h"
#include "broker/coordinator/testing/interrupted_log.h"
#include "broker/coordinator/testing/simulation.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {
namespace {

using Codes = std::vector<ErrorCode>;
using Waiting = base::Task<Codes>;

class OffsetCommits : public ::testing::Test {
 protected:
  ~OffsetCommits() override {
    groups.stop();
    world.poll();
  }
  // Of three partitions, of which the second has too much metadata.
  static CommitRequest commit_of(std::int64_t offset) {
    CommitRequest request;
    request.group_id = "g";
    for (std::int32_t partition = 0; partition < 3; ++partition) {
      OffsetCommit& one = request.commits.emplace_back();
      one.partition = {"t", partition};
      one.value.offset = offset + partition;
      one.value.commit_timestamp = -1;
      if (partition == 1) one.value.metadata = std::string(5000, 'm');
    }
    return request;
  }
  static Codes codes_with(ErrorCode of_those_taken) {
    return {of_those_taken, ErrorCode::offset_metadata_too_large, of_those_taken};
  }
  void know_the_partitions() { (void)world.run(groups.describe("g")); }
  // Until `records are committed`.
  std::optional<Codes>& wait_for(CommitAnswer answer) {
    waited_for.reset();
    world.start(std::get<Waiting>(std::move(answer)), [this](Codes codes) { waited_for = std::move(codes); });
    EXPECT_FALSE(waited_for);
    return waited_for;
  }
  std::vector<std::int64_t> committed() {
    std::vector<std::int64_t> offsets;
    for (const FetchedOffset& one : world.run(groups.fetch_offsets("g", std::nullopt, false)).offsets) {
      offsets.push_back(one.value.offset);
    }
    return offsets;
  }

  coordinator::testing::Simulation world;
  metadata::MetadataCache metadata;
  GroupCoordinator groups{world.log, world.clock, metadata, GroupLimits(), GroupCoordinator::Threads::none};
  std::optional<Codes> waited_for;
};

TEST_F(OffsetCommits, TheFirstAsksHowManyPartitionsThereAre) {
  CommitAnswer answer = groups.begin_commit(commit_of(10));
  ASSERT_TRUE(std::holds_alternative<Waiting>(answer));
  EXPECT_EQ(world.run(std::get<Waiting>(std::move(answer))), codes_with(ErrorCode::none));
  EXPECT_EQ(committed(), (std::vector<std::int64_t>{10, 12}));
}

TEST_F(OffsetCommits, WhatTheAppendCommitsIsAnsweredAtOnce) {
  know_the_partitions();
  CommitAnswer answer = groups.begin_commit(commit_of(10));
  ASSERT_TRUE(std::holds_alternative<Codes>(answer));
  EXPECT_EQ(std::get<Codes>(answer), codes_with(ErrorCode::none));
  EXPECT_EQ(committed(), (std::vector<std::int64_t>{10, 12}));
  world.log.append_error = ErrorCode::not_leader_or_follower;
  answer = groups.begin_commit(commit_of(20));
  EXPECT_EQ(std::get<Codes>(answer), codes_with(ErrorCode::not_coordinator));
  EXPECT_EQ(committed(), (std::vector<std::int64_t>{10, 12}));
}

TEST_F(OffsetCommits, OfAGroupThatWasHereAreRefused) {
  know_the_partitions();
  (void)groups.begin_commit(commit_of(10));
  const std::int32_t partition = *world.run(groups.partition_for("g"));
  const std::size_t batches = world.log.batch_count();
  world.log.lead(partition, false);
  groups.partition_resigned(partition);
  EXPECT_EQ(std::get<Codes>(groups.begin_commit(commit_of(20))), Codes(3, ErrorCode::not_coordinator));
  world.log.lead(partition, true);
  groups.partition_elected(partition);
  EXPECT_EQ(std::get<Codes>(groups.begin_commit(commit_of(30))), codes_with(ErrorCode::none));
  EXPECT_EQ(world.log.batch_count(), batches + 1);
  groups.stop();
  EXPECT_EQ(std::get<Codes>(groups.begin_commit(commit_of(40))), Codes(3, ErrorCode::coordinator_not_available));
}

TEST_F(OffsetCommits, OthersWaitAndEndWithTheOutcome) {
  know_the_partitions();
  world.log.commits_by_itself = false;
  const std::optional<Codes>& codes = wait_for(groups.begin_commit(commit_of(10)));
  world.log.commit_all();
  world.poll();
  EXPECT_EQ(codes, codes_with(ErrorCode::none));
  EXPECT_EQ(committed(), (std::vector<std::int64_t>{10, 12}));
  wait_for(groups.begin_commit(commit_of(20)));
  world.log.commit_all(ErrorCode::not_enough_replicas);
  world.poll();
  EXPECT_EQ(codes, codes_with(ErrorCode::coordinator_not_available));
  EXPECT_EQ(committed(), (std::vector<std::int64_t>{10, 12}));
}

TEST_F(OffsetCommits, OfATransactionWaitForNothingButItsMarkerDecides) {
  know_the_partitions();
  CommitRequest request = commit_of(10);
  request.producer.emplace().producer_id = 7;
  CommitAnswer answer = groups.begin_commit(request);
  ASSERT_TRUE(std::holds_alternative<Codes>(answer));
  EXPECT_EQ(std::get<Codes>(answer), codes_with(ErrorCode::none));
  EXPECT_TRUE(committed().empty());
  groups.transaction_ended(7, *world.run(groups.partition_for("g")), true);
  EXPECT_EQ(committed(), (std::vector<std::int64_t>{10, 12}));
}

// As without memory: what nobody waits for any more must not look as if it were on its way.
class ThrowingLog final : public coordinator::testing::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  base::Task<ErrorCode> await_committed(std::int32_t partition, std::int64_t end_offset) override {
    if (throws) throw std::bad_alloc();
    co_return co_await ForwardingLog::await_committed(partition, end_offset);
  }
  bool throws = false;
};

TEST_F(OffsetCommits, AreNotOnTheirWayForEverWhereSomethingThrows) {
  ThrowingLog log(world.log);
  GroupCoordinator coordinator(log, world.clock, metadata, GroupLimits(), GroupCoordinator::Threads::none);
  (void)world.run(coordinator.commit_offsets(commit_of(5)));
  world.log.commits_by_itself = false;
  log.throws = true;
  EXPECT_THROW((void)world.run(coordinator.commit_offsets(commit_of(10))), std::bad_alloc);
  const std::vector<TopicPartition> asked = {{"t", 0}};
  const FetchOffsetsResult fetched = world.run(coordinator.fetch_offsets("g", asked, true));
  ASSERT_EQ(fetched.offsets.size(), 1U);
  EXPECT_EQ(fetched.offsets[0].error, ErrorCode::none);
  EXPECT_EQ(fetched.offsets[0].value.offset, 5);
  coordinator.stop();
}

// All members of a group come through its lock: who appends doesn't hold it, but what comes in between sees a commit on its way.
TEST_F(OffsetCommits, AreAppendedBehindTheLockOfTheGroup) {
  coordinator::testing::InterruptedLog log(world.log);
  GroupCoordinator coordinator(log, world.clock, metadata, GroupLimits(), GroupCoordinator::Threads::none);
  (void)world.run(coordinator.describe("g"));
  std::vector<ErrorCode> between;
  log.after_append = [&](std::int32_t) {
    const std::vector<TopicPartition> asked = {{"t", 0}, {"t", 1}};
    for (const FetchedOffset& one : world.run(coordinator.fetch_offsets("g", asked, true)).offsets) between.push_back(one.error);
  };
  (void)world.run(coordinator.commit_offsets(commit_of(10)));
  EXPECT_EQ(between, (std::vector<ErrorCode>{ErrorCode::unstable_offset_commit, ErrorCode::none}));
  coordinator.stop();
}

}  // namespace
}  // namespace broker::group
