// What several groups write in one turn of an event loop.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/coordinator/testing/simulation.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_records.h"
#include "broker/metadata/cluster_metadata.h"
#include "protocol/record.h"

namespace broker::group {
namespace {

constexpr std::int32_t kPartition = 7;

class GroupJoining : public ::testing::Test {
 protected:
  GroupJoining() {
    for (int i = 0; names.size() < 3; ++i) {
      const std::string name = "g" + std::to_string(i);
      if (partition_of(name, 50) == kPartition) names.push_back(name);
    }
    for (const std::string& name : names) (void)world.run(groups.describe(name));
  }
  ~GroupJoining() override {
    groups.stop();
    world.poll();
  }

  static GroupLimits limits() {
    GroupLimits limits;
    limits.initial_rebalance_delay_ms = 0;
    return limits;
  }
  // Of one that leads its group alone, and is about to say who has what.
  SyncRequest joined(const std::string& group) {
    JoinRequest request;
    request.group_id = group;
    request.protocol_type = "consumer";
    request.protocols = {{"range", {}}};
    request.session_timeout_ms = request.rebalance_timeout_ms = 10'000;
    auto answer = std::make_shared<JoinResult>();
    world.start(groups.join(std::move(request)), [answer](JoinResult result) { *answer = std::move(result); });
    groups.run_timeouts();
    world.poll();
    EXPECT_EQ(answer->generation, 1);
    SyncRequest sync;
    sync.group_id = group;
    sync.member_id = answer->member_id;
    sync.generation = answer->generation;
    sync.assignments[sync.member_id] = base::Bytes(3, 'a');
    return sync;
  }
  // Not before the next turn.
  template <class T, class Done>
  void begin(base::Task<T> task, Done done) {
    boost::asio::co_spawn(world.loop, std::move(task), [done](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      done(std::move(value));
    });
  }
  void begin_sync(const std::string& group, const SyncRequest& request) {
    begin(groups.sync(request), [this, group](SyncResult result) { synced[group] = std::move(result); });
  }
  // "g3 g3-offset" of a batch.
  std::vector<std::string> batches_since(std::size_t first) {
    std::vector<std::string> all;
    coordinator::testing::MemoryLog& log = world.log;
    log.for_each_batch(kPartition, [&](base::ByteView batch) {
      std::string text;
      protocol::RecordReader reader(batch);
      protocol::Record record;
      while (reader.next(record)) {
        const StoredRecord stored = read_group_record(record);
        if (const auto* group = std::get_if<GroupRecord>(&stored)) text += group->group_id + " ";
        if (const auto* offset = std::get_if<OffsetRecord>(&stored)) text += offset->group_id + "-offset ";
      }
      all.push_back(text);
    });
    return {all.begin() + static_cast<std::ptrdiff_t>(first), all.end()};
  }

  coordinator::testing::Simulation world;
  metadata::MetadataCache metadata;
  GroupCoordinator groups{world.log, world.clock, metadata, limits(), GroupCoordinator::Threads::none,
                          GroupCoordinator::Joining::always};
  std::vector<std::string> names;  // all of them in the same partition
  std::map<std::string, SyncResult> synced;
};

TEST_F(GroupJoining, AssignmentsAndCommitsAreOneBatch) {
  std::map<std::string, SyncRequest> requests;
  for (const std::string& name : names) requests[name] = joined(name);
  const std::size_t before = world.log.batch_count();
  CommitRequest commit;
  commit.group_id = names[1];
  commit.who.member_id = requests[names[1]].member_id;
  commit.generation = 1;
  commit.commits.emplace_back().partition.topic = "t";
  std::optional<ErrorCode> committed;
  for (const std::string& name : names) begin_sync(name, requests[name]);
  world.poll();
  EXPECT_EQ(batches_since(before), std::vector<std::string>{names[0] + " " + names[1] + " " + names[2] + " "});
  for (const std::string& name : names) {
    EXPECT_EQ(synced.at(name).error, ErrorCode::none);
    EXPECT_EQ(synced.at(name).assignment, base::Bytes(3, 'a'));
  }
  // Each group's own in the order of what it decided.
  MemberIdentity who;
  who.member_id = commit.who.member_id;
  begin(groups.commit_offsets(commit), [&](std::vector<ErrorCode> errors) { committed = errors.at(0); });
  begin(groups.leave(names[1], {who}), [](LeaveResult) {});
  world.poll();
  EXPECT_EQ(batches_since(before + 1), std::vector<std::string>{names[1] + "-offset " + names[1] + " "});
  EXPECT_EQ(committed, ErrorCode::none);
  EXPECT_EQ(world.run(groups.describe(names[1])).state, "Empty");
}

TEST_F(GroupJoining, AnErrorIsEverybodys) {
  std::map<std::string, SyncRequest> requests;
  for (const std::string& name : names) requests[name] = joined(name);
  const std::size_t before = world.log.batch_count();
  for (const std::string& name : names) begin_sync(name, requests[name]);
  world.log.append_error = ErrorCode::not_enough_replicas;
  world.poll();
  for (const std::string& name : names) {
    EXPECT_EQ(synced.at(name).error, ErrorCode::coordinator_not_available);
    EXPECT_EQ(world.run(groups.describe(name)).state, "PreparingRebalance");
  }
  EXPECT_EQ(world.log.batch_count(), before);
}

// Its event loop may end before its turn does.
TEST_F(GroupJoining, AStopLeavesNobodyWaiting) {
  const SyncRequest request = joined(names[0]);
  const std::size_t before = world.log.batch_count();
  begin_sync(names[0], request);
  world.loop.restart();
  (void)world.loop.poll_one();  // up to the end of the turn
  groups.stop();
  EXPECT_EQ(world.log.batch_count(), before + 1);
  world.poll();
  EXPECT_EQ(synced.at(names[0]).error, ErrorCode::not_coordinator);
}

// What was decided when the partition goes is in the log before another tenure can begin.
TEST_F(GroupJoining, NothingIsLeftOverForTheNextTenure) {
  const SyncRequest request = joined(names[0]);
  const std::size_t before = world.log.batch_count();
  begin_sync(names[0], request);
  world.loop.restart();
  (void)world.loop.poll_one();  // up to the end of the turn
  EXPECT_TRUE(synced.empty());
  EXPECT_EQ(world.log.batch_count(), before);
  groups.partition_resigned(kPartition);
  EXPECT_EQ(world.log.batch_count(), before + 1);
  world.poll();
  EXPECT_EQ(world.log.batch_count(), before + 1);
  EXPECT_EQ(synced.at(names[0]).error, ErrorCode::not_coordinator);
  groups.partition_elected(kPartition);
  EXPECT_EQ(world.run(groups.describe(names[0])).state, "Stable");
}

// Those that don't come back with their ids are remembered for as long as they like.
TEST_F(GroupJoining, OfALongClientIdAMemberIdHasAPart) {
  JoinRequest request;
  request.group_id = names[0];
  request.client_id = std::string(32'000, 'c');
  request.needs_known_member_id = true;
  request.protocol_type = "consumer";
  request.protocols = {{"range", {}}};
  request.session_timeout_ms = request.rebalance_timeout_ms = 10'000;
  const JoinResult told = world.run(groups.join(std::move(request)));
  EXPECT_EQ(told.error, ErrorCode::member_id_required);
  EXPECT_EQ(told.member_id.substr(0, 100), std::string(100, 'c'));
  EXPECT_EQ(told.member_id.size(), 255u + 37u);
}

}  // namespace
}  // namespace broker::group
