// Groups of the newer protocol through the coordinator: what is written is what a restart finds.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "broker/coordinator/testing/memory_log.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {
namespace {

class ConsumerCoordinator : public ::testing::Test {
 protected:
  ConsumerCoordinator() {
    (void)run(log.partition_count(true));
    topic_id.bytes.fill('t');
    auto topic = std::make_shared<metadata::Topic>();
    topic->name = "t";
    topic->id = topic_id;
    for (std::int32_t i = 0; i < 2; ++i) topic->partitions[i].replicas = {1};
    auto cluster = std::make_shared<metadata::ClusterMetadata>();
    cluster->brokers[1].id = 1;
    cluster->topics["t"] = cluster->topics_by_id[topic_id] = topic;
    metadata.set(cluster);
  }
  ~ConsumerCoordinator() override { groups->stop(); }

  template <class T>
  T run(base::Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&result](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      result = std::move(value);
    });
    loop.restart();
    loop.poll();
    if (!result) throw std::runtime_error("still waiting");
    return std::move(*result);
  }
  void restart() {
    groups->stop();
    groups = std::make_unique<GroupCoordinator>(log, clock, metadata, limits, GroupCoordinator::Threads::none);
  }
  void pass(std::int64_t ms) {
    clock.advance_ms(ms);
    groups->run_timeouts();
  }

  ConsumerHeartbeat join_request(const std::string& member = "a") {
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = member;
    request.rebalance_timeout_ms = 10'000;
    request.subscribed_topic_names = std::vector<std::string>{"t"};
    request.owned.emplace();
    request.client_id = "c";
    request.client_host = "/127.0.0.1";
    return request;
  }
  ConsumerHeartbeatResult join(const std::string& member = "a") {
    return run(groups->consumer_heartbeat(join_request(member), 1));
  }
  ConsumerHeartbeatResult beat(std::int32_t epoch, const std::string& member = "a") {
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = member;
    request.member_epoch = epoch;
    request.client_id = "c";
    request.client_host = "/127.0.0.1";
    return run(groups->consumer_heartbeat(std::move(request), 1));
  }
  ErrorCode commit(std::int64_t offset, const std::string& member, std::int32_t epoch, std::int16_t version = 9) {
    CommitRequest request;
    request.group_id = "g";
    request.who.member_id = member;
    request.generation = epoch;
    request.version = version;
    OffsetCommit& one = request.commits.emplace_back();
    one.partition.topic = "t";
    one.value.offset = offset;
    return run(groups->commit_offsets(std::move(request))).at(0);
  }
  FetchOffsetsResult fetch(std::optional<std::string> member = std::nullopt, std::int32_t epoch = -1) {
    FetchingMember who;
    who.member_id = std::move(member);
    who.epoch = epoch;
    return run(groups->fetch_offsets("g", std::nullopt, false, std::move(who)));
  }
  JoinRequest classic_join() {
    JoinRequest request;
    request.group_id = "g";
    request.client_id = "c";
    request.protocol_type = "consumer";
    request.protocols = {{"range", *base::from_hex("000000000001000174ffffffff")}};
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 30'000;
    return request;
  }

  coordinator::testing::MemoryLog log;
  base::ManualClock clock;
  metadata::MetadataCache metadata;
  GroupLimits limits;
  base::Uuid topic_id;
  boost::asio::io_context loop;
  std::unique_ptr<GroupCoordinator> groups =
      std::make_unique<GroupCoordinator>(log, clock, metadata, limits, GroupCoordinator::Threads::none);
};

TEST_F(ConsumerCoordinator, EpochsAndOffsetsOutliveARestart) {
  const ConsumerHeartbeatResult joined = join();
  EXPECT_EQ(joined.error, ErrorCode::none);
  EXPECT_EQ(joined.member_epoch, 2);
  EXPECT_EQ(joined.heartbeat_interval_ms, 5000);
  EXPECT_EQ(joined.assignment, (Partitions{{topic_id, {0, 1}}}));
  EXPECT_EQ(commit(5, "a", 2), ErrorCode::none);
  for (int turn = 0; turn < 2; ++turn) {
    const ConsumerGroupSummary summary = run(groups->describe_consumer("g"));
    EXPECT_EQ(summary.state, "Stable");
    EXPECT_EQ(summary.group_epoch, 2);
    ASSERT_EQ(summary.members.size(), 1u);
    EXPECT_EQ(summary.members[0].assignment, (Partitions{{topic_id, {0, 1}}}));
    EXPECT_EQ(beat(2).member_epoch, 2);
    EXPECT_EQ(beat(3).error, ErrorCode::fenced_member_epoch);
    ASSERT_EQ(fetch("a", 2).offsets.size(), 1u);
    EXPECT_EQ(fetch("a", 2).offsets[0].value.offset, 5);
    restart();
  }
  pass(1);  // loads, and gives everybody the whole session timeout
  EXPECT_EQ(beat(2).error, ErrorCode::none);
  pass(44'999);
  EXPECT_EQ(run(groups->describe_consumer("g")).state, "Stable");
  pass(1);
  EXPECT_EQ(run(groups->describe_consumer("g")).state, "Empty");
  EXPECT_EQ(beat(2).error, ErrorCode::unknown_member_id);
  restart();
  EXPECT_EQ(run(groups->describe_consumer("g")).state, "Empty");
  EXPECT_EQ(run(groups->describe_consumer("g")).group_epoch, 3);
  EXPECT_EQ(fetch().offsets.at(0).value.offset, 5);
}

TEST_F(ConsumerCoordinator, OnlyMembersOfTheirEpochCommitAndFetch) {
  (void)join();
  EXPECT_EQ(commit(1, "a", 3), ErrorCode::stale_member_epoch);
  EXPECT_EQ(commit(1, "a", 1), ErrorCode::stale_member_epoch);
  EXPECT_EQ(commit(1, "b", 2), ErrorCode::unknown_member_id);
  EXPECT_EQ(commit(1, "", -1), ErrorCode::unknown_member_id);
  EXPECT_EQ(commit(1, "a", 2, 8), ErrorCode::unsupported_version);
  EXPECT_EQ(fetch("a", 1).error, ErrorCode::stale_member_epoch);
  EXPECT_EQ(fetch("b", 2).error, ErrorCode::unknown_member_id);
  EXPECT_EQ(fetch().error, ErrorCode::none);
  EXPECT_EQ(beat(-1).member_epoch, -1);
  EXPECT_EQ(commit(1, "a", 2), ErrorCode::unknown_member_id);
  EXPECT_EQ(commit(1, "", -1), ErrorCode::none);  // a tool, once nobody is there
}

TEST_F(ConsumerCoordinator, ListedDescribedAndDeleted) {
  EXPECT_EQ(run(groups->describe_consumer("g")).error, ErrorCode::group_id_not_found);
  (void)join();
  EXPECT_EQ(commit(1, "a", 2), ErrorCode::none);
  EXPECT_TRUE(groups->list().groups.at(0).is_consumer);
  EXPECT_EQ(groups->list().groups.at(0).state, "Stable");
  EXPECT_EQ(run(groups->describe("g")).state, "Dead");  // it is no classic one
  EXPECT_EQ(run(groups->delete_group("g")), ErrorCode::non_empty_group);
  EXPECT_EQ(run(groups->delete_offsets("g", {{"t", 0}})).partitions.at(0), ErrorCode::group_subscribed_to_topic);
  (void)beat(-1);
  EXPECT_EQ(run(groups->delete_group("g")), ErrorCode::none);
  EXPECT_TRUE(groups->list().groups.empty());
  restart();
  EXPECT_TRUE(fetch().offsets.empty());
  EXPECT_TRUE(groups->list().groups.empty());
  EXPECT_EQ(join().member_epoch, 2);
}

TEST_F(ConsumerCoordinator, EmptyGroupsChangeTheirKind) {
  limits.consumer.migration = MigrationPolicy::disabled;  // which is of groups with members alone
  restart();
  EXPECT_EQ(commit(7, "", -1, 8), ErrorCode::none);  // a classic group that only stores offsets
  EXPECT_EQ(join().member_epoch, 2);
  EXPECT_EQ(run(groups->join(classic_join())).error, ErrorCode::inconsistent_group_protocol);
  EXPECT_EQ(fetch().offsets.at(0).value.offset, 7);
  restart();
  EXPECT_EQ(fetch().offsets.at(0).value.offset, 7);
  EXPECT_EQ(beat(2).error, ErrorCode::none);
  (void)beat(-1);

  base::Task<JoinResult> joining = groups->join(classic_join());
  boost::asio::co_spawn(loop, std::move(joining), [](const std::exception_ptr&, JoinResult) {});
  loop.restart();
  loop.poll();
  EXPECT_FALSE(groups->list().groups.at(0).is_consumer);
  EXPECT_EQ(join().error, ErrorCode::group_id_not_found);  // it is a classic group now, and has a member
  restart();
  loop.restart();
  loop.poll();
  EXPECT_EQ(fetch().offsets.at(0).value.offset, 7);
  EXPECT_FALSE(groups->list().groups.at(0).is_consumer);
}

// An operator who reads of a conversion looks for the classic group, so there must have been one.
TEST_F(ConsumerCoordinator, OnlyAClassicGroupIsSaidToBeConverted) {
  const auto said = [&] {
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(join().error, ErrorCode::none);
    return ::testing::internal::GetCapturedStdout();
  };
  const std::string line = "[GroupId g] Converted the classic group to a consumer group.";
  EXPECT_EQ(said().find(line), std::string::npos) << "brand-new";
  EXPECT_EQ(beat(-1).error, ErrorCode::none);
  ASSERT_EQ(run(groups->delete_group("g")), ErrorCode::none);
  EXPECT_EQ(commit(5, "", -1, 8), ErrorCode::none);
  EXPECT_NE(said().find(line), std::string::npos) << "it had offsets";
}

TEST_F(ConsumerCoordinator, WhatCannotBeWrittenHasNotHappened) {
  log.append_error = ErrorCode::not_enough_replicas;
  EXPECT_EQ(join().error, ErrorCode::coordinator_not_available);
  log.append_error = ErrorCode::none;
  EXPECT_EQ(run(groups->describe_consumer("g")).error, ErrorCode::group_id_not_found);
  EXPECT_EQ(join().member_epoch, 2);
  log.append_error = ErrorCode::not_leader_or_follower;
  EXPECT_EQ(join("b").error, ErrorCode::not_coordinator);
  pass(45'000);  // can't be fenced yet
  EXPECT_EQ(run(groups->describe_consumer("g")).members.size(), 1u);
  log.append_error = ErrorCode::none;
  pass(1000);
  EXPECT_EQ(run(groups->describe_consumer("g")).state, "Empty");
}

// Whose first answer takes too long asks again, on another connection.
TEST_F(ConsumerCoordinator, WhoAsksAgainIsToldNothingThatIsNotCommitted) {
  (void)join();
  log.commits_by_itself = false;
  int answers = 0;
  for (int i = 0; i < 2; ++i) {
    boost::asio::co_spawn(loop, groups->consumer_heartbeat(join_request("b"), 1),
                          [&answers](const std::exception_ptr&, const ConsumerHeartbeatResult& result) {
                            EXPECT_EQ(result.error, ErrorCode::none);
                            ++answers;
                          });
    loop.restart();
    loop.poll();
    EXPECT_EQ(answers, 0);
  }
  log.commits_by_itself = true;
  log.commit_all();
  loop.restart();
  loop.poll();
  EXPECT_EQ(answers, 2);
}

TEST_F(ConsumerCoordinator, WhoIsTurnedAwayLeavesNoGroup) {
  ConsumerHeartbeat request = join_request();
  request.subscribed_topic_regex = "(";
  EXPECT_EQ(run(groups->consumer_heartbeat(request, 1)).error, ErrorCode::invalid_regular_expression);
  log.append_error = ErrorCode::not_enough_replicas;
  EXPECT_EQ(join().error, ErrorCode::coordinator_not_available);
  log.append_error = ErrorCode::none;
  EXPECT_TRUE(groups->list().groups.empty());
  EXPECT_EQ(run(groups->delete_group("g")), ErrorCode::group_id_not_found);

  EXPECT_EQ(commit(7, "", -1, 8), ErrorCode::none);
  EXPECT_EQ(run(groups->consumer_heartbeat(request, 1)).error, ErrorCode::invalid_regular_expression);
  EXPECT_EQ(fetch().offsets.at(0).value.offset, 7) << "this one was there before";
}

// Groups without members stay for as long as their offsets do.
TEST_F(ConsumerCoordinator, NoGroupHoldsOldMetadata) {
  (void)join();
  (void)beat(-1);
  const std::weak_ptr<const metadata::ClusterMetadata> old = metadata.get();
  metadata.set(std::make_shared<metadata::ClusterMetadata>(*metadata.get()));
  EXPECT_TRUE(old.expired());
}

TEST_F(ConsumerCoordinator, AGroupMayHaveTimesOfItsOwn) {
  EXPECT_EQ(join().heartbeat_interval_ms, 5000);
  groups->set_times("g", ConsumerGroupTimes{60'000, 7000});
  groups->set_times("other", ConsumerGroupTimes{1, 1});
  EXPECT_EQ(beat(2).heartbeat_interval_ms, 7000);
  pass(59'999);
  EXPECT_EQ(run(groups->describe_consumer("g")).state, "Stable");
  pass(1);
  EXPECT_EQ(run(groups->describe_consumer("g")).state, "Empty");
  EXPECT_EQ(join().heartbeat_interval_ms, 7000);
  groups->set_times("g", std::nullopt);
  EXPECT_EQ(beat(4).heartbeat_interval_ms, 5000);
  pass(45'000);
  EXPECT_EQ(run(groups->describe_consumer("g")).state, "Empty");
}

TEST_F(ConsumerCoordinator, OffWhileAnotherBrokerWouldDropIt) {
  EXPECT_TRUE(groups->serves_consumer_groups());
  auto two = std::make_shared<metadata::ClusterMetadata>(*metadata.get());
  two->brokers[2].id = 2;
  metadata.set(two);
  EXPECT_FALSE(groups->serves_consumer_groups());
  EXPECT_EQ(join().error, ErrorCode::unsupported_version);
  limits.consumer.enabled = false;
  two = std::make_shared<metadata::ClusterMetadata>(*metadata.get());
  two->brokers.erase(2);
  metadata.set(two);
  restart();
  EXPECT_EQ(join().error, ErrorCode::unsupported_version);
}

TEST_F(ConsumerCoordinator, OffsetsExpireOnceNobodySubscribes) {
  (void)join();
  EXPECT_EQ(commit(1, "a", 2), ErrorCode::none);
  for (int hour = 0; hour < 24 * 8; ++hour) {
    for (int i = 0; i < 120; ++i) {
      clock.advance_ms(30'000);
      EXPECT_EQ(beat(2).error, ErrorCode::none);
    }
    groups->run_timeouts();
  }
  EXPECT_EQ(fetch().offsets.size(), 1u);
  (void)beat(-1);
  pass(600'000);
  EXPECT_TRUE(fetch().offsets.empty());
  EXPECT_TRUE(groups->list().groups.empty());
  restart();
  EXPECT_EQ(run(groups->describe_consumer("g")).error, ErrorCode::group_id_not_found);
}

}  // namespace
}  // namespace broker::group
