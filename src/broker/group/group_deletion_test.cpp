// What is deleted while something of it is on its way. What a restart finds in the log is what was in memory before it.
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "broker/coordinator/testing/simulation.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_records.h"
#include "broker/metadata/cluster_metadata.h"
#include "protocol/record_batch_builder.h"

namespace broker::group {
namespace {

constexpr std::int64_t kProducer = 7;

class GroupDeletion : public ::testing::Test {
 protected:
  GroupDeletion() { restart(); }
  ~GroupDeletion() override {
    groups->stop();
    world.poll();
  }

  void restart() {
    if (groups) groups->stop();
    world.poll();
    groups = std::make_unique<GroupCoordinator>(world.log, world.clock, metadata, GroupLimits(), GroupCoordinator::Threads::none);
  }
  static CommitRequest commit_of(const std::string& topic) {
    CommitRequest request;
    request.group_id = "g";
    OffsetCommit& one = request.commits.emplace_back();
    one.partition.topic = topic;
    one.value.offset = 5;
    return request;
  }
  ErrorCode commit(const std::string& topic) { return world.run(groups->commit_offsets(commit_of(topic))).at(0); }
  ErrorCode commit_in_transaction(const std::string& topic) {
    CommitRequest request = commit_of(topic);
    request.producer.emplace().producer_id = kProducer;
    request.producer->producer_epoch = 0;
    return world.run(groups->commit_offsets(std::move(request))).at(0);
  }
  // Its marker comes into the partition, of which the coordinator is told.
  void end_transaction() {
    coordinator::CoordinatorLog& log = world.log;
    ASSERT_TRUE(log.append(partition, protocol::build_control_batch(kProducer, 0, protocol::ControlType::commit, 0,
                                                                    world.clock.wall_ms())));
    groups->transaction_ended(kProducer, partition, true);
  }
  // The committed offsets' topics, and whether there is a group.
  std::string all() {
    std::string text = groups->list().groups.empty() ? "none" : "g:";
    for (const FetchedOffset& one : world.run(groups->fetch_offsets("g", std::nullopt, false)).offsets) text += " " + one.partition.topic;
    return text;
  }
  std::string all_after_a_restart() {
    restart();
    (void)all();  // loads
    return all();
  }

  coordinator::testing::Simulation world;
  metadata::MetadataCache metadata;
  std::unique_ptr<GroupCoordinator> groups;
  const std::int32_t partition = partition_of("g", 50);
};

TEST_F(GroupDeletion, TakesWhatATransactionIsAboutToCommit) {
  EXPECT_EQ(commit("t"), ErrorCode::none);
  EXPECT_EQ(commit_in_transaction("t"), ErrorCode::none);
  EXPECT_EQ(commit_in_transaction("u"), ErrorCode::none);
  EXPECT_EQ(world.run(groups->delete_group("g")), ErrorCode::none);
  end_transaction();
  EXPECT_EQ(all(), "none");
  EXPECT_EQ(all_after_a_restart(), "none");
}

TEST_F(GroupDeletion, OfAGroupThatIsOnlyATransaction) {
  EXPECT_EQ(commit_in_transaction("u"), ErrorCode::none);
  EXPECT_EQ(world.run(groups->delete_group("g")), ErrorCode::none);
  EXPECT_EQ(all_after_a_restart(), "none");
  end_transaction();
  EXPECT_EQ(all(), "none");
  EXPECT_EQ(all_after_a_restart(), "none");
}

TEST_F(GroupDeletion, TakesACommitOnItsWay) {
  world.log.commits_by_itself = false;
  std::optional<ErrorCode> committed, deleted;
  world.start(groups->commit_offsets(commit_of("t")), [&](std::vector<ErrorCode> answers) { committed = answers.at(0); });
  world.start(groups->delete_group("g"), [&](ErrorCode answer) { deleted = answer; });
  EXPECT_FALSE(committed || deleted);
  world.log.commits_by_itself = true;
  world.log.commit_all();
  world.poll();
  EXPECT_EQ(committed, ErrorCode::none);
  EXPECT_EQ(deleted, ErrorCode::none);
  EXPECT_EQ(all(), "none");
  EXPECT_EQ(all_after_a_restart(), "none");
}

TEST_F(GroupDeletion, OfOffsetsTakesThoseOfATransactionToo) {
  EXPECT_EQ(commit_in_transaction("t"), ErrorCode::none);
  EXPECT_EQ(commit_in_transaction("u"), ErrorCode::none);
  std::vector<TopicPartition> partitions(1);
  partitions[0].topic = "t";
  EXPECT_EQ(world.run(groups->delete_offsets("g", partitions)).partitions, std::vector{ErrorCode::none});
  end_transaction();
  EXPECT_EQ(all(), "g: u");
  EXPECT_EQ(all_after_a_restart(), "g: u");
}

TEST_F(GroupDeletion, OfATopicTakesItsOffsetsFromATransaction) {
  EXPECT_EQ(commit_in_transaction("t"), ErrorCode::none);
  EXPECT_EQ(commit_in_transaction("u"), ErrorCode::none);
  groups->topics_deleted({"t"});
  end_transaction();
  EXPECT_EQ(all(), "g: u");
  EXPECT_EQ(all_after_a_restart(), "g: u");
}

// As in Kafka 3.9.2, which looks through all groups then.
TEST_F(GroupDeletion, OfATopicTakesGroupsThatAreEmptyAnyway) {
  JoinRequest join;
  join.group_id = "g";
  join.client_id = "test";
  join.protocol_type = "consumer";
  join.protocols = {{"range", {}}};
  join.session_timeout_ms = 10'000;
  join.rebalance_timeout_ms = 10'000;
  join.needs_known_member_id = true;
  EXPECT_EQ(world.run(groups->join(join)).error, ErrorCode::member_id_required);
  EXPECT_EQ(all(), "g:");
  groups->topics_deleted({"t"});
  EXPECT_EQ(all(), "none");
  EXPECT_EQ(commit("u"), ErrorCode::none);
  groups->topics_deleted({"t"});
  EXPECT_EQ(all(), "g: u");
}

}  // namespace
}  // namespace broker::group
