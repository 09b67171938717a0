#include "broker/group/group_coordinator.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <limits>
#include <thread>

#include "broker/group/group_records.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/coordinator/testing/memory_log.h"

namespace broker::group {
namespace {

base::Bytes bytes_of(std::string_view text) {
  const auto view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

// A call that runs until it must wait; its result comes later.
template <class T>
using Later = std::shared_ptr<std::optional<T>>;

class Coordinator : public ::testing::Test {
 protected:
  Coordinator() { (void)run(log.partition_count(true)); }
  ~Coordinator() override {
    groups->stop();
    drain();
  }

  void drain() {
    loop.restart();
    loop.poll();
  }
  template <class T>
  Later<T> start(base::Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    boost::asio::co_spawn(loop, std::move(task), [result](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      *result = std::move(value);
    });
    drain();
    return result;
  }
  template <class T>
  T run(base::Task<T> task) {
    auto result = start(std::move(task));
    if (!*result) throw std::runtime_error("still waiting");
    return std::move(**result);
  }
  void pass(std::int64_t ms) {
    for (; ms > 0; ms -= 500) {
      clock.advance_ms(500);
      groups->run_timeouts();
    }
    drain();
  }
  void restart() {
    groups->stop();
    drain();
    groups = std::make_unique<GroupCoordinator>(log, clock, metadata, limits, GroupCoordinator::Threads::none);
  }

  JoinRequest join_request(const std::string& group = "g", const std::string& member = "") {
    JoinRequest join;
    join.group_id = group;
    join.member_id = member;
    join.client_id = "c";
    join.client_host = "/127.0.0.1";
    join.protocol_type = "consumer";
    join.protocols = {{"range", *base::from_hex("000000000001000174ffffffff")}};  // topic "t"
    join.session_timeout_ms = 10'000;
    join.rebalance_timeout_ms = 30'000;
    return join;
  }
  std::string stable_member(const std::string& group = "g") {
    auto joining = start(groups->join(join_request(group)));
    pass(3000);
    SyncRequest sync;
    sync.group_id = group;
    sync.member_id = (*joining)->member_id;
    sync.generation = (*joining)->generation;
    sync.assignments[sync.member_id] = bytes_of("all");
    EXPECT_EQ(run(groups->sync(sync)).assignment, bytes_of("all"));
    return sync.member_id;
  }
  CommitRequest commit_request(std::int64_t offset, const std::string& member = "", std::int32_t generation = -1,
                               const std::string& topic = "t") {
    CommitRequest commit;
    commit.group_id = "g";
    commit.who.member_id = member;
    commit.generation = generation;
    OffsetCommit& one = commit.commits.emplace_back();
    one.partition.topic = topic;
    one.value.offset = offset;
    one.value.leader_epoch = 3;
    one.value.metadata = "m";
    return commit;
  }
  std::int64_t committed(const std::string& topic = "t", bool require_stable = false) {
    std::vector<TopicPartition> wanted(1);
    wanted[0].topic = topic;
    const FetchOffsetsResult result = run(groups->fetch_offsets("g", wanted, require_stable));
    EXPECT_EQ(result.error, ErrorCode::none);
    if (result.offsets.at(0).error != ErrorCode::none) return -1000 - static_cast<int>(result.offsets[0].error);
    return result.offsets[0].value.offset;
  }

  coordinator::testing::MemoryLog log;
  base::ManualClock clock;
  metadata::MetadataCache metadata;
  GroupLimits limits;
  boost::asio::io_context loop;
  std::unique_ptr<GroupCoordinator> groups =
      std::make_unique<GroupCoordinator>(log, clock, metadata, limits, GroupCoordinator::Threads::none);
  const std::int32_t partition_of_g = partition_of("g", 50);
};

TEST_F(Coordinator, TellsWhereItsGroupsStand) {
  const std::string member = stable_member();
  for (const char* topic : {"t", "s"}) {
    EXPECT_EQ(run(groups->commit_offsets(commit_request(42, member, 1, topic))), std::vector{ErrorCode::none});
  }
  std::vector<GroupProgress> seen;
  groups->visit_progress([&seen](const GroupProgress& each) { seen.push_back(each); });
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].group_id, "g");
  EXPECT_EQ(seen[0].state, "Stable");
  EXPECT_EQ(seen[0].members, 1U);
  ASSERT_EQ(seen[0].offsets.size(), 2U);
  EXPECT_EQ(seen[0].offsets[0].first.topic, "s");
  EXPECT_EQ(seen[0].offsets[1].second, 42);
}

TEST_F(Coordinator, StableGroupAndOffsetsSurviveARestart) {
  const std::string member = stable_member();
  EXPECT_TRUE(member.starts_with("c-"));
  EXPECT_EQ(member.size(), 2 + 36U);
  EXPECT_EQ(run(groups->commit_offsets(commit_request(42, member, 1))), std::vector{ErrorCode::none});
  restart();
  EXPECT_EQ(committed(), 42);
  MemberIdentity who;
  who.member_id = member;
  EXPECT_EQ(run(groups->heartbeat("g", who, 1)), ErrorCode::none);
  const GroupSummary summary = run(groups->describe("g"));
  EXPECT_EQ(summary.state, "Stable");
  EXPECT_EQ(summary.members.at(0).client_host, "/127.0.0.1");
  EXPECT_EQ(summary.members.at(0).assignment, bytes_of("all"));
  pass(10'000);
  EXPECT_EQ(run(groups->describe("g")).state, "Empty");
  restart();
  EXPECT_EQ(run(groups->describe("g")).state, "Empty");
  EXPECT_EQ(committed(), 42);
}

TEST_F(Coordinator, NothingIsAnsweredOrSeenBeforeItIsCommitted) {
  auto joining = start(groups->join(join_request()));
  pass(3000);
  log.commits_by_itself = false;
  SyncRequest sync;
  sync.group_id = "g";
  sync.member_id = (*joining)->member_id;
  sync.generation = 1;
  auto syncing = start(groups->sync(sync));
  EXPECT_FALSE(*syncing);
  EXPECT_EQ(run(groups->describe("g")).state, "CompletingRebalance");
  log.commit_all();
  drain();
  EXPECT_EQ((*syncing)->error, ErrorCode::none);
  auto committing = start(groups->commit_offsets(commit_request(7, sync.member_id, 1)));
  EXPECT_FALSE(*committing);
  EXPECT_EQ(committed(), -1);
  EXPECT_EQ(committed("t", true), -1000 - static_cast<int>(ErrorCode::unstable_offset_commit));
  log.commit_all();
  drain();
  EXPECT_EQ(**committing, std::vector{ErrorCode::none});
  EXPECT_EQ(committed("t", true), 7);
  auto failing = start(groups->commit_offsets(commit_request(8, sync.member_id, 1)));
  log.commit_all(ErrorCode::not_leader_or_follower);
  drain();
  EXPECT_EQ(**failing, std::vector{ErrorCode::not_coordinator});
  EXPECT_EQ(committed("t", true), 7);
}

// With flush.messages a record can be read once it is flushed; whoever was answered shall find it there. That it failed is
// told to nobody, as in Kafka 3.9.
TEST_F(Coordinator, WhatEmptiesOrDeletesAGroupIsCommittedWhenItIsAnswered) {
  MemberIdentity who;
  who.member_id = stable_member();
  run(groups->commit_offsets(commit_request(7, who.member_id, 1, "t")));
  run(groups->commit_offsets(commit_request(8, who.member_id, 1, "kept")));
  log.commits_by_itself = false;
  std::size_t batches = log.batch_count();
  auto leaving = start(groups->leave("g", {who}));
  EXPECT_EQ(log.batch_count(), ++batches);
  EXPECT_FALSE(*leaving);
  EXPECT_EQ(run(groups->describe("g")).state, "Empty");
  log.commit_all(ErrorCode::kafka_storage_error);
  drain();
  EXPECT_EQ((*leaving)->error, ErrorCode::none);
  EXPECT_EQ((*leaving)->members, std::vector{ErrorCode::none});

  TopicPartition partition;
  partition.topic = "t";
  auto deleting = start(groups->delete_offsets("g", {partition}));
  EXPECT_EQ(log.batch_count(), ++batches);
  EXPECT_FALSE(*deleting);
  log.commit_all();
  drain();
  EXPECT_EQ((*deleting)->partitions, std::vector{ErrorCode::none});

  auto gone = start(groups->delete_group("g"));
  EXPECT_EQ(log.batch_count(), ++batches);
  EXPECT_FALSE(*gone);
  log.commit_all();
  drain();
  EXPECT_EQ(**gone, ErrorCode::none);
}

TEST_F(Coordinator, OffsetsWithoutMembers) {
  CommitRequest commit = commit_request(5);
  commit.commits.push_back(commit.commits[0]);
  commit.commits[1].partition.partition = 1;
  commit.commits[1].value.metadata = std::string(4097, 'x');
  EXPECT_EQ(run(groups->commit_offsets(commit)), (std::vector{ErrorCode::none, ErrorCode::offset_metadata_too_large}));
  const auto header = protocol::read_batch_header(log.last_batch(partition_of_g));
  EXPECT_EQ(header->record_count, 1);
  EXPECT_EQ(header->base_sequence, 0);
  EXPECT_EQ(header->producer_id, -1);
  EXPECT_EQ(committed(), 5);
  EXPECT_EQ(run(groups->fetch_offsets("g", std::nullopt, false)).offsets.size(), 1U);
  EXPECT_TRUE(run(groups->fetch_offsets("other", std::nullopt, false)).offsets.empty());
  commit.commits[1].value.metadata.clear();
  for (int i = 0; i < 4096; ++i) commit.commits[1].value.metadata += "ü";
  EXPECT_EQ(run(groups->commit_offsets(commit)).at(1), ErrorCode::none) << "it is counted as Java does";
  commit.commits[1].value.metadata += "x";
  EXPECT_EQ(run(groups->commit_offsets(commit)).at(1), ErrorCode::offset_metadata_too_large);
  EXPECT_EQ(run(groups->commit_offsets(commit_request(6, "m", 3))), std::vector{ErrorCode::unknown_member_id});
  log.append_error = ErrorCode::message_too_large;
  EXPECT_EQ(run(groups->commit_offsets(commit_request(6))), std::vector{ErrorCode::invalid_commit_offset_size});
  EXPECT_EQ(committed(), 5);
}

TEST_F(Coordinator, OffsetsOfATransactionWaitForItsEnd) {
  const auto commit = [this](std::int64_t offset, std::int64_t producer_id) {
    CommitRequest request = commit_request(offset);
    request.producer.emplace().producer_id = producer_id;
    request.producer->producer_epoch = 3;
    return run(groups->commit_offsets(request));
  };
  run(groups->commit_offsets(commit_request(1)));
  EXPECT_EQ(commit(10, 7), std::vector{ErrorCode::none});
  const auto header = protocol::read_batch_header(log.last_batch(partition_of_g));
  EXPECT_TRUE(header->is_transactional());
  EXPECT_EQ(header->producer_id, 7);
  EXPECT_EQ(header->producer_epoch, 3);
  EXPECT_EQ(header->base_sequence, 0);
  constexpr std::int64_t kUnstable = -1000 - static_cast<int>(ErrorCode::unstable_offset_commit);
  EXPECT_EQ(committed(), 1);
  EXPECT_EQ(committed("t", true), kUnstable);
  groups->transaction_ended(8, partition_of_g, true);
  EXPECT_EQ(committed("t", true), kUnstable) << "another producer's";
  groups->transaction_ended(7, partition_of_g, true);
  EXPECT_EQ(committed("t", true), 10);
  commit(20, 7);
  groups->transaction_ended(7, partition_of_g, false);
  EXPECT_EQ(committed("t", true), 10);
  commit(30, 7);
  restart();
  EXPECT_EQ(committed("t", true), kUnstable) << "open still after a restart";
  groups->transaction_ended(7, partition_of_g, true);
  EXPECT_EQ(committed("t", true), 30);
  log.commit_error = ErrorCode::not_leader_or_follower;
  EXPECT_EQ(commit(40, 7), std::vector{ErrorCode::not_coordinator});
  EXPECT_EQ(committed("t", true), 30);
}

TEST_F(Coordinator, ATransactionCommitsForAMemberOrForNobody) {
  const std::string member = stable_member();
  CommitRequest request = commit_request(5, member, 1);
  request.producer.emplace().producer_id = 7;
  EXPECT_EQ(run(groups->commit_offsets(request)), std::vector{ErrorCode::none});
  request.generation = 2;
  EXPECT_EQ(run(groups->commit_offsets(request)), std::vector{ErrorCode::illegal_generation});
  request.who.member_id = "stranger";
  EXPECT_EQ(run(groups->commit_offsets(request)), std::vector{ErrorCode::unknown_member_id});
  request = commit_request(6);
  request.producer.emplace().producer_id = 7;
  EXPECT_EQ(run(groups->commit_offsets(request)), std::vector{ErrorCode::none}) << "as before KIP-447";
  request.group_id = "";
  EXPECT_EQ(run(groups->commit_offsets(request)), std::vector{ErrorCode::invalid_group_id});
}

TEST_F(Coordinator, UnknownGroups) {
  MemberIdentity who;
  who.member_id = "m";
  EXPECT_EQ(run(groups->heartbeat("g", who, 1)), ErrorCode::unknown_member_id);
  EXPECT_EQ(run(groups->heartbeat("", who, 1)), ErrorCode::invalid_group_id);
  EXPECT_EQ(run(groups->join(join_request("g", "m"))).error, ErrorCode::unknown_member_id);
  CommitRequest commit = commit_request(1, "m", 1);
  EXPECT_EQ(run(groups->commit_offsets(commit)), std::vector{ErrorCode::illegal_generation});
  commit.version = 10;  // Kafka 4 alone serves it
  EXPECT_EQ(run(groups->commit_offsets(commit)), std::vector{ErrorCode::group_id_not_found});
  EXPECT_EQ(run(groups->describe("g")).state, "Dead");
  EXPECT_EQ(run(groups->delete_group("g")), ErrorCode::group_id_not_found);
  EXPECT_EQ(run(groups->delete_offsets("g", std::vector<TopicPartition>(1))).error, ErrorCode::group_id_not_found);
  EXPECT_EQ(run(groups->leave("g", std::vector<MemberIdentity>(1, who))).members,
            std::vector{ErrorCode::unknown_member_id});
  JoinRequest short_session = join_request();
  short_session.session_timeout_ms = 5999;
  EXPECT_EQ(run(groups->join(short_session)).error, ErrorCode::invalid_session_timeout);
}

TEST_F(Coordinator, NotTheCoordinator) {
  auto joining = start(groups->join(join_request()));
  log.lead(partition_of_g, false);
  groups->partition_resigned(partition_of_g);
  drain();
  EXPECT_EQ((*joining)->error, ErrorCode::not_coordinator);
  EXPECT_EQ(run(groups->join(join_request())).error, ErrorCode::not_coordinator);
  EXPECT_TRUE(groups->list().groups.empty());
  log.lead(partition_of_g, true);
  groups->partition_elected(partition_of_g);
  auto again = start(groups->join(join_request()));
  pass(3000);
  EXPECT_EQ((*again)->error, ErrorCode::none);
}

TEST_F(Coordinator, GroupsAreListedAndDeleted) {
  const std::string member = stable_member();
  run(groups->commit_offsets(commit_request(1, member, 1)));
  ASSERT_EQ(groups->list().groups.size(), 1U);
  EXPECT_EQ(groups->list().groups[0].state, "Stable");
  EXPECT_EQ(run(groups->delete_group("g")), ErrorCode::non_empty_group);
  MemberIdentity who;
  who.member_id = member;
  EXPECT_EQ(run(groups->leave("g", {who})).error, ErrorCode::none);
  EXPECT_EQ(run(groups->delete_group("g")), ErrorCode::none);
  const auto header = protocol::read_batch_header(log.last_batch(partition_of_g));
  EXPECT_EQ(header->record_count, 2) << "tombstones of an offset and of the group";
  EXPECT_EQ(header->base_sequence, -1);
  EXPECT_TRUE(groups->list().groups.empty());
  restart();
  EXPECT_EQ(run(groups->describe("g")).state, "Dead");
}

TEST_F(Coordinator, OffsetsOfASubscribedTopicStay) {
  const std::string member = stable_member();
  run(groups->commit_offsets(commit_request(1, member, 1, "t")));
  run(groups->commit_offsets(commit_request(2, member, 1, "other")));
  std::vector<TopicPartition> both(2);
  both[0].topic = "t";
  both[1].topic = "other";
  const DeleteOffsetsResult result = run(groups->delete_offsets("g", both));
  EXPECT_EQ(result.partitions, (std::vector{ErrorCode::group_subscribed_to_topic, ErrorCode::none}));
  EXPECT_EQ(committed("t"), 1);
  EXPECT_EQ(committed("other"), -1);
  groups->topics_deleted({"t"});
  EXPECT_EQ(committed("t"), -1);
  restart();
  EXPECT_EQ(committed("t"), -1);
}

TEST_F(Coordinator, OffsetsExpire) {
  constexpr std::int64_t kWeek = 7LL * 24 * 3600 * 1000;
  const std::string member = stable_member();
  run(groups->commit_offsets(commit_request(1, member, 1)));
  MemberIdentity who;
  who.member_id = member;
  run(groups->leave("g", {who}));
  clock.advance_ms(kWeek - 700'000);
  groups->run_timeouts();
  EXPECT_EQ(committed(), 1);
  clock.advance_ms(700'000);
  groups->run_timeouts();
  EXPECT_EQ(committed(), -1);
  EXPECT_TRUE(groups->list().groups.empty()) << "empty and without offsets: gone";
  restart();
  EXPECT_EQ(run(groups->describe("g")).state, "Dead");
}

TEST_F(Coordinator, OwnRetentionCounts) {
  CommitRequest commit = commit_request(1);
  commit.commits[0].value.expire_timestamp = clock.wall_ms() + 1000;
  run(groups->commit_offsets(commit));
  clock.advance_ms(limits.offsets_retention_check_interval_ms);
  groups->run_timeouts();
  EXPECT_EQ(committed(), -1);
}

TEST_F(Coordinator, NothingExpiresWhereTheCheckIsNever) {
  limits.offsets_retention_check_interval_ms = std::numeric_limits<std::int64_t>::max();
  restart();
  CommitRequest commit = commit_request(1);
  commit.commits[0].value.expire_timestamp = clock.wall_ms() + 1000;
  run(groups->commit_offsets(commit));
  clock.advance_ms(7 * 24 * 3'600'000);
  groups->run_timeouts();
  EXPECT_EQ(committed(), 1);
}

// The expiry takes nothing with it that a transaction is about to commit.
TEST_F(Coordinator, OffsetsInATransactionDontExpire) {
  CommitRequest old = commit_request(1);
  old.commits[0].value.expire_timestamp = clock.wall_ms() + 1000;
  run(groups->commit_offsets(old));
  CommitRequest open = commit_request(10);
  open.producer.emplace().producer_id = 7;
  run(groups->commit_offsets(open));
  clock.advance_ms(limits.offsets_retention_check_interval_ms);
  groups->run_timeouts();
  EXPECT_EQ(committed(), 1);
  groups->transaction_ended(7, partition_of_g, true);
  EXPECT_EQ(committed("t", true), 10);
}

TEST_F(Coordinator, FiftyMembers) {
  std::vector<Later<JoinResult>> joining;
  for (int i = 0; i < 50; ++i) joining.push_back(start(groups->join(join_request())));
  pass(6000);
  std::string leader;
  for (const auto& one : joining) {
    ASSERT_TRUE(*one);
    EXPECT_EQ((*one)->generation, 1);
    leader = (*one)->leader;
  }
  std::vector<Later<SyncResult>> syncing;
  for (const auto& one : joining) {
    SyncRequest sync;
    sync.group_id = "g";
    sync.member_id = (*one)->member_id;
    sync.generation = 1;
    for (const JoinedMember& member : (*one)->members) sync.assignments[member.member_id] = bytes_of(member.member_id);
    EXPECT_EQ(!(*one)->members.empty(), sync.member_id == leader);
    syncing.push_back(start(groups->sync(sync)));
  }
  for (std::size_t i = 0; i < syncing.size(); ++i) {
    ASSERT_TRUE(*syncing[i]);
    EXPECT_EQ((*syncing[i])->assignment, bytes_of((*joining[i])->member_id));
  }
}

// With its own threads: many at once on groups of their own and on one together.
TEST(GroupCoordinatorThreads, ManyAtOnce) {
  coordinator::testing::MemoryLog log;
  base::SystemClock clock;
  const metadata::MetadataCache metadata;
  GroupLimits limits;
  limits.initial_rebalance_delay_ms = 0;
  GroupCoordinator groups(log, clock, metadata, limits);
  constexpr int kThreads = 4, kCommits = 200;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      boost::asio::io_context loop;
      auto work = [&](std::string group_id) -> base::Task<void> {
        (void)co_await log.partition_count(true);
        for (int i = 0; i < kCommits;) {
          CommitRequest commit;
          commit.group_id = i % 2 == 0 ? group_id : "shared";
          OffsetCommit& one = commit.commits.emplace_back();
          one.partition.topic = group_id;
          one.value.offset = i;
          const std::vector<ErrorCode> outcome = co_await groups.commit_offsets(std::move(commit));
          if (outcome[0] == ErrorCode::coordinator_load_in_progress) {
            std::this_thread::yield();
            continue;
          }
          if (outcome[0] != ErrorCode::none) ++failures;
          ++i;
        }
        JoinRequest join;
        join.group_id = group_id;
        join.client_id = "c";
        join.protocol_type = "consumer";
        join.protocols.emplace_back().name = "range";
        join.session_timeout_ms = 10'000;
        const JoinResult joined = co_await groups.join(std::move(join));
        if (joined.error != ErrorCode::none) ++failures;
      };
      boost::asio::co_spawn(loop, work("g" + std::to_string(t)), [](const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
      });
      loop.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(groups.list().groups.size(), kThreads + 1U);
}

}  // namespace
}  // namespace broker::group
