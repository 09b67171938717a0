#include "broker/group/group_offsets.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace broker::group {
namespace {

const TopicPartition kPartition{"t", 0};

std::vector<OffsetCommit> commit_of(std::int64_t offset) {
  OffsetCommit commit;
  commit.partition = kPartition;
  commit.value.offset = offset;
  return {commit};
}

// As somebody who reads the log would see it: a tombstone counts for what stands before it, and for nothing behind it.
TEST(GroupOffsets, ATombstoneOvertakesACommitOnItsWay) {
  GroupOffsets offsets;
  offsets.replay(kPartition, commit_of(1)[0].value, 10);
  auto second = offsets.begin(commit_of(2));
  offsets.remove(kPartition);
  offsets.removed_at(kPartition, 12);
  auto third = offsets.begin(commit_of(3));
  offsets.commit(std::move(second), commit_of(2), 11);
  EXPECT_EQ(offsets.find(kPartition), nullptr);
  EXPECT_TRUE(offsets.is_unstable(kPartition));
  offsets.commit(std::move(third), commit_of(3), 13);
  ASSERT_NE(offsets.find(kPartition), nullptr);
  EXPECT_EQ(offsets.find(kPartition)->offset, 3);
  EXPECT_FALSE(offsets.is_unstable(kPartition));
}

TEST(GroupOffsets, ATombstoneIsForgottenWithTheLastCommitBeforeIt) {
  GroupOffsets offsets;
  offsets.removed_at(kPartition, 12);
  offsets.commit(offsets.begin(commit_of(2)), commit_of(2), 11);
  EXPECT_NE(offsets.find(kPartition), nullptr) << "nothing was on its way";
}

TEST(GroupOffsets, TheLogDecidesWhichCommitIsTheLast) {
  GroupOffsets offsets;
  auto second = offsets.begin(commit_of(2));
  offsets.commit(offsets.begin(commit_of(3)), commit_of(3), 12);
  EXPECT_EQ(offsets.find(kPartition)->offset, 3);
  EXPECT_TRUE(offsets.is_unstable(kPartition)) << "who wants what is stable waits for the other one";
  offsets.commit(std::move(second), commit_of(2), 11);
  EXPECT_EQ(offsets.find(kPartition)->offset, 3);
  EXPECT_FALSE(offsets.is_unstable(kPartition));
}

TEST(GroupOffsets, ACommitIsBehindThoseOfOthersForItsPartition) {
  GroupOffsets offsets;
  EXPECT_FALSE(offsets.begin(commit_of(1), 7).is_behind_others());
  std::vector<OffsetCommit> elsewhere = commit_of(2);
  elsewhere[0].partition.partition = 1;
  EXPECT_FALSE(offsets.begin(elsewhere, 8).is_behind_others());
  EXPECT_FALSE(offsets.begin(commit_of(3), 7).is_behind_others()) << "the same member's";
  EXPECT_TRUE(offsets.begin(commit_of(4), 8).is_behind_others());
  EXPECT_FALSE(offsets.begin(commit_of(5), 8).is_behind_others()) << "those of the other are in the log by now";
}

TEST(GroupOffsets, WhatIsOnItsWayIsKnownButNotCommitted) {
  GroupOffsets offsets;
  std::vector<OffsetCommit> twice = commit_of(2);
  twice.push_back(commit_of(3)[0]);
  auto begun = offsets.begin(twice);
  EXPECT_EQ(offsets.find(kPartition), nullptr);
  EXPECT_TRUE(offsets.all().empty());
  EXPECT_TRUE(offsets.positions().empty());
  EXPECT_EQ(offsets.all_known().size(), 1U);
  EXPECT_TRUE(offsets.knows(kPartition));
  EXPECT_FALSE(offsets.empty());
  offsets.abandon(std::move(begun));
  EXPECT_FALSE(offsets.knows(kPartition));
  EXPECT_TRUE(offsets.empty());
  offsets.commit(offsets.begin(twice), twice, 20);
  EXPECT_EQ(offsets.find(kPartition)->offset, 3);
  EXPECT_FALSE(offsets.is_unstable(kPartition));
}

TEST(GroupOffsets, NothingExpiresThatIsOnItsWayOrInATransaction) {
  GroupOffsets offsets;
  const auto nobody = [](const std::string&) { return false; };
  offsets.replay(kPartition, commit_of(1)[0].value, 10);
  EXPECT_EQ(offsets.expired(nobody, 1'000'000, 10).size(), 1U);
  auto begun = offsets.begin(commit_of(2));
  EXPECT_TRUE(offsets.expired(nobody, 1'000'000, 10).empty());
  offsets.abandon(std::move(begun));
  offsets.replay_transactional(7, kPartition, commit_of(3)[0].value, 11);
  EXPECT_TRUE(offsets.expired(nobody, 1'000'000, 10).empty());
  offsets.end_transaction(7, false);
  EXPECT_EQ(offsets.expired(nobody, 1'000'000, 10).size(), 1U);
}

// Clients before v2 name the time of a commit themselves.
TEST(GroupOffsets, NothingExpiresThatWasCommittedAtTheEndOfTime) {
  GroupOffsets offsets;
  OffsetCommit commit = commit_of(1)[0];
  commit.value.commit_timestamp = std::numeric_limits<std::int64_t>::max();
  offsets.replay(kPartition, commit.value, 10);
  EXPECT_TRUE(offsets.expired([](const std::string&) { return false; }, 1'000'000, 10).empty());
  const GroupLimits limits;
  const ClassicGroup nobody("g", limits);
  EXPECT_TRUE(offsets.expired(nobody, 1'000'000, 10).empty());
}

// Nor does a damaged record overflow.
TEST(GroupOffsets, WhatWasCommittedBeforeAllTimeHasExpired) {
  GroupOffsets offsets;
  OffsetCommit commit = commit_of(1)[0];
  commit.value.commit_timestamp = std::numeric_limits<std::int64_t>::min();
  offsets.replay(kPartition, commit.value, 10);
  EXPECT_EQ(offsets.expired([](const std::string&) { return false; }, 1'000'000, 10).size(), 1U);
  const GroupLimits limits;
  const ClassicGroup nobody("g", limits);
  EXPECT_EQ(offsets.expired(nobody, 1'000'000, 10).size(), 1U);
}

OffsetRecordView record_of(const std::string& topic, std::int32_t partition, std::int64_t offset) {
  OffsetRecordView record;
  record.partition.topic = topic;
  record.partition.partition = partition;
  record.offset = offset;
  return record;
}

// Wherever the one before was: what is behind it, the same one again, one far away, a new one in between or at the ends.
TEST(GroupOffsets, ReplayedInAnyOrder) {
  GroupOffsets offsets;
  GroupOffsets::Place place;
  std::map<TopicPartition, std::int64_t> expected;
  std::int64_t log_offset = 0;
  const auto replay = [&](const std::string& topic, std::int32_t partition) {
    offsets.replay(place, record_of(topic, partition, log_offset + 100), log_offset);
    expected[TopicPartition{topic, partition}] = log_offset++ + 100;
  };
  for (int round = 0; round < 2; ++round) {
    for (const int partition : {5, 6, 7, 7, 5, 6, 1, 9, 8, 0}) {
      for (const char* topic : {"b", "a", "c"}) replay(topic, partition);
    }
    for (int partition = 0; partition < 10; ++partition) replay("a", partition);
  }
  for (const TopicPartition& one : {TopicPartition{"c", 9}, TopicPartition{"a", 9}}) {  // the last of all, and the last replayed
    offsets.remove(one);
    place.forget();
    expected.erase(one);
    replay("c", 8);
  }
  replay("a", 9);
  ASSERT_EQ(offsets.all().size(), expected.size());
  for (const auto& [partition, offset] : expected) EXPECT_EQ(offsets.find(partition)->offset, offset) << partition.topic << partition.partition;
}

TEST(GroupOffsets, AnOlderRecordReplacesNothing) {
  GroupOffsets offsets;
  GroupOffsets::Place place;
  offsets.replay(place, record_of("t", 0, 2), 20);
  offsets.replay(place, record_of("t", 0, 1), 10);
  EXPECT_EQ(offsets.find(kPartition)->offset, 2);
}

}  // namespace
}  // namespace broker::group
