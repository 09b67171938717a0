#include "broker/partition/partition_manager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "base/memory_file_system.h"
#include "broker/partition/timed_wait.h"
#include "protocol/record_batch_builder.h"

namespace broker::partition {
namespace {

using protocol::ErrorCode;

constexpr std::int32_t kSelf = 3;

base::Bytes batch_of(int records) {
  protocol::RecordBatchBuilder builder;
  for (int i = 0; i < records; ++i) {
    protocol::NewRecord record;
    record.value = base::as_bytes("value");
    record.timestamp = 1000;
    builder.append(record);
  }
  return builder.build();
}

class PartitionManagerTest : public ::testing::Test {
 protected:
  PartitionManagerTest() {
    logs.open_directories();
    logs.check_identity(kSelf, "cluster");
    logs.load([](const std::string&) { return storage::LogConfig(); });
  }

  metadata::LeaderState state_of(const std::string& topic, base::Uuid topic_id, std::int32_t epoch = 0,
                                 std::vector<std::int32_t> isr = {kSelf}) {
    metadata::LeaderState state;
    state.topic = topic;
    state.topic_id = topic_id;
    state.leader_epoch = epoch;
    state.replicas = isr;
    state.isr = std::move(isr);
    return state;
  }
  ErrorCode lead(const metadata::LeaderState& state) { return manager.become_leader({state}).at(0); }
  storage::AppendResult append(Partition& partition, int records, std::int16_t acks = 1) {
    base::Bytes batch = batch_of(records);
    AppendOptions options;
    options.acks = acks;
    options.now_ms = 1000;
    return partition.append(batch, options);
  }
  FetchOutcome fetch(Partition& partition, std::int64_t offset) {
    FetchOptions options;
    options.offset = offset;
    options.max_bytes = 1 << 20;
    return partition.fetch(options);
  }

  base::MemoryFileSystem files;
  base::ManualClock clock;
  storage::LogManager logs{files, clock, {.log_dirs = {"/a", "/b"}}};
  std::vector<std::string> asked;  // for whose settings
  std::int64_t retention_ms = storage::LogConfig().retention_ms;
  std::int32_t min_insync_replicas = 1;
  PartitionManager manager{kSelf, logs, [this](const std::string& topic) {
                             asked.push_back(topic);
                             TopicSettings settings;
                             settings.log.retention_ms = retention_ms;
                             settings.min_insync_replicas = min_insync_replicas;
                             return settings;
                           }};
  base::Uuid id = base::Uuid::random();
};

TEST_F(PartitionManagerTest, FindsByNameAndById) {
  EXPECT_EQ(manager.find("t", 0), nullptr);
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  ASSERT_TRUE(partition);
  EXPECT_EQ(manager.find(id, 0), partition);
  EXPECT_EQ(manager.find("t", 1), nullptr);
  EXPECT_EQ(manager.find(base::Uuid::random(), 0), nullptr);
  EXPECT_EQ(partition->leader_epoch(), 0);
  EXPECT_EQ(manager.all().size(), 1u);
}

TEST_F(PartitionManagerTest, LeadingAgainKeepsThePartitionAndRaisesTheEpoch) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  append(*partition, 2);
  ASSERT_EQ(lead(state_of("t", id, 5)), ErrorCode::none);
  EXPECT_EQ(manager.find("t", 0), partition);
  EXPECT_EQ(partition->leader_epoch(), 5);
  EXPECT_EQ(append(*partition, 1).first_offset, 2);
  EXPECT_EQ(partition->epoch_end_offset(-1, 0)->end_offset, 2);
  EXPECT_EQ(partition->epoch_end_offset(-1, 5)->end_offset, 3);
  EXPECT_EQ(partition->epoch_end_offset(4, 5).error(), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(partition->epoch_end_offset(-2, 5).error(), ErrorCode::fenced_leader_epoch) << "only -1 knows no epoch";
  EXPECT_EQ(partition->epoch_end_offset(6, 5).error(), ErrorCode::unknown_leader_epoch);
}

TEST_F(PartitionManagerTest, StoppedPartitionsSayWhy) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  manager.stop({{"t", id, 0}}, false);
  EXPECT_EQ(manager.find("t", 0), nullptr);
  EXPECT_EQ(manager.find(id, 0), nullptr);
  EXPECT_EQ(append(*partition, 1).error, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(fetch(*partition, 0).error, ErrorCode::not_leader_or_follower);
  EXPECT_FALSE(partition->leader_epoch());
  // Back again, on the same log.
  ASSERT_EQ(lead(state_of("t", id, 1)), ErrorCode::none);
  manager.stop({{"t", id, 0}}, true);
  EXPECT_EQ(logs.find({"t", 0}), nullptr);
  manager.stop({{"t", id, 0}}, true);  // nothing left to stop
}

TEST_F(PartitionManagerTest, NewTopicOfTheSameNameStartsEmpty) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto old_partition = manager.find("t", 0);
  append(*old_partition, 3);
  base::Uuid next = base::Uuid::random();
  metadata::LeaderState state = state_of("t", next);
  state.is_new = true;
  ASSERT_EQ(lead(state), ErrorCode::none);
  EXPECT_EQ(manager.find(id, 0), nullptr);
  EXPECT_EQ(append(*manager.find(next, 0), 1).first_offset, 0);
  EXPECT_EQ(append(*old_partition, 1).error, ErrorCode::unknown_topic_or_partition);
}

// Another id alone is no new topic: nothing may be deleted for it. Kafka answers the same.
TEST_F(PartitionManagerTest, AnotherTopicIdDeletesNothing) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  append(*partition, 3);
  EXPECT_EQ(lead(state_of("t", base::Uuid::random(), 1)), ErrorCode::inconsistent_topic_id);
  EXPECT_EQ(manager.find("t", 0), partition);
  EXPECT_EQ(manager.find(id, 0), partition);
  EXPECT_EQ(append(*partition, 1).first_offset, 3);
}

TEST_F(PartitionManagerTest, NothingIsLedAfterTheShutdown) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  manager.shutdown();
  EXPECT_EQ(lead(state_of("t", id, 1)), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(lead(state_of("u", base::Uuid::random())), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(append(*partition, 1).error, ErrorCode::not_leader_or_follower);
  EXPECT_EQ(logs.find({"u", 0}), nullptr);
}

TEST_F(PartitionManagerTest, LeftoverLogOfADeletedTopicIsNotContinued) {
  ASSERT_TRUE(logs.get_or_create({"t", 0}, storage::LogConfig(), base::Uuid::random(), {}));
  EXPECT_EQ(lead(state_of("t", id)), ErrorCode::inconsistent_topic_id);
  EXPECT_EQ(manager.find("t", 0), nullptr);
  metadata::LeaderState state = state_of("t", id);
  state.is_new = true;
  EXPECT_EQ(lead(state), ErrorCode::none);
}

TEST_F(PartitionManagerTest, WithFollowersNothingIsCommittedYet) {
  ASSERT_EQ(lead(state_of("t", id, 0, {kSelf, 4})), ErrorCode::none);
  auto partition = manager.find("t", 0);
  storage::AppendResult result = append(*partition, 2, -1);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(fetch(*partition, 0).data.high_watermark, 0);
  EXPECT_EQ(fetch(*partition, 0).data.records.size, 0u);
  auto committed = partition->committed(result.log_end_offset);
  EXPECT_FALSE(committed.is_set());
  auto waiter = std::make_shared<FetchWaiter>(1);
  EXPECT_TRUE(partition->add_waiter(waiter, 0));
  // The follower leaves the ISR: what was appended is committed now.
  ASSERT_EQ(lead(state_of("t", id, 0, {kSelf})), ErrorCode::none);
  EXPECT_TRUE(committed.is_set());
  EXPECT_GT(fetch(*partition, 0).data.records.size, 0u);
  EXPECT_TRUE(partition->committed(2).is_set());
}

TEST_F(PartitionManagerTest, WaitForCommitEndsWithTimeOrLeadership) {
  ASSERT_EQ(lead(state_of("t", id, 0, {kSelf, 4})), ErrorCode::none);
  auto partition = manager.find("t", 0);
  append(*partition, 1);
  boost::asio::io_context loop;
  std::vector<ErrorCode> errors;
  auto keep = [&errors](const std::exception_ptr&, ErrorCode error) { errors.push_back(error); };
  boost::asio::co_spawn(loop, wait_for_commit(partition->committed(1), 10), keep);
  loop.run();
  boost::asio::co_spawn(loop, wait_for_commit(partition->committed(1), 60'000), keep);
  loop.restart();
  loop.poll();
  manager.stop({{"t", id, 0}}, false);
  loop.run();
  EXPECT_EQ(errors, (std::vector{ErrorCode::request_timed_out, ErrorCode::not_leader_or_follower}));
}

TEST_F(PartitionManagerTest, MinInsyncReplicasChangeLive) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  EXPECT_TRUE(append(*partition, 1, -1).ok());
  min_insync_replicas = 2;
  manager.topic_settings_changed("t");
  EXPECT_TRUE(append(*partition, 1, -1).ok()) << "it has one replica, and can't have more in sync";
  EXPECT_EQ(partition->min_insync_replicas(), 1);
  auto state = state_of("t", id);
  state.replicas = {kSelf, kSelf + 1, kSelf + 2};
  ASSERT_EQ(lead(state), ErrorCode::none);
  EXPECT_EQ(partition->min_insync_replicas(), 2);
  EXPECT_EQ(append(*partition, 1, -1).error, ErrorCode::not_enough_replicas);
  EXPECT_TRUE(append(*partition, 1, 1).ok());
  min_insync_replicas = 1;
  manager.topic_settings_changed("t");
  EXPECT_TRUE(append(*partition, 1, -1).ok());
  manager.topic_settings_changed("other");
}

// The broker's values are the defaults of all topics. However many logs there are, each topic is asked for once.
TEST_F(PartitionManagerTest, AllSettingsChangeLive) {
  std::vector<std::shared_ptr<Partition>> led;
  for (const std::int32_t number : {0, 1, 2}) {
    metadata::LeaderState state = state_of("t", id);
    state.partition = number;
    state.replicas = {kSelf, kSelf + 1};
    ASSERT_EQ(lead(state), ErrorCode::none);
    led.push_back(manager.find("t", number));
  }
  ASSERT_EQ(lead(state_of("u", base::Uuid::random())), ErrorCode::none);
  retention_ms = 77;
  min_insync_replicas = 2;
  asked.clear();
  manager.all_settings_changed();
  std::ranges::sort(asked);
  EXPECT_EQ(asked, (std::vector<std::string>{"t", "u"}));
  for (const auto& partition : led) EXPECT_EQ(partition->min_insync_replicas(), 2);
  for (const auto& log : logs.logs()) EXPECT_EQ(log->config().retention_ms, 77) << log->directory();
}

TEST_F(PartitionManagerTest, WaiterIsNotRegisteredIfItMissedSomething) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  auto waiter = std::make_shared<FetchWaiter>(1);
  append(*partition, 1);
  EXPECT_FALSE(partition->add_waiter(waiter, 0));
  EXPECT_TRUE(partition->add_waiter(waiter, 1));
  partition->remove_waiter(waiter);
  partition->remove_waiter(waiter);
  EXPECT_EQ(waiter.use_count(), 1);
  manager.stop({{"t", id, 0}}, false);
  EXPECT_FALSE(partition->add_waiter(waiter, 1));
}

// One appends as fast as it can, others wait for each record: nobody may miss one, and the high watermark never goes
// back.
TEST_F(PartitionManagerTest, AppendersAndWaitersOnManyThreads) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  constexpr std::int64_t kRecords = 400;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (std::int64_t n = 0; n < kRecords / 2; ++n) EXPECT_TRUE(append(*partition, 1).ok());
    });
  }
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      boost::asio::io_context loop;
      auto read_all = [&]() -> base::Task<void> {
        std::int64_t seen = 0;
        while (seen < kRecords) {
          FetchOutcome outcome = fetch(*partition, seen);
          EXPECT_GE(outcome.data.high_watermark, seen);
          if (outcome.data.high_watermark > seen) {
            seen = outcome.data.high_watermark;
            continue;
          }
          auto waiter = std::make_shared<FetchWaiter>(1);
          if (partition->add_waiter(waiter, seen)) co_await wait_for_data(waiter, 60'000);
          partition->remove_waiter(waiter);
        }
      };
      boost::asio::co_spawn(loop, read_all(), [](const std::exception_ptr& failure) { EXPECT_FALSE(failure); });
      loop.run();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(partition->log()->high_watermark(), kRecords);
}

TEST_F(PartitionManagerTest, DirectoriesAreDescribed) {
  metadata::LeaderState second = state_of("t", id);
  second.partition = 1;
  EXPECT_EQ(manager.become_leader({second, state_of("t", id)}), (std::vector{ErrorCode::none, ErrorCode::none}));
  append(*manager.find("t", 0), 5);
  auto directories = manager.describe_directories();
  ASSERT_EQ(directories.size(), 2u);
  EXPECT_EQ(directories[0].replicas.size() + directories[1].replicas.size(), 2u);
  std::int64_t bytes = 0;
  for (auto& directory : directories) {
    for (auto& replica : directory.replicas) bytes += replica.size_bytes;
  }
  EXPECT_EQ(bytes, static_cast<std::int64_t>(batch_of(5).size()));
}

TEST_F(PartitionManagerTest, ShutdownWakesEveryone) {
  ASSERT_EQ(lead(state_of("t", id)), ErrorCode::none);
  auto partition = manager.find("t", 0);
  boost::asio::io_context loop;
  auto waiter = std::make_shared<FetchWaiter>(1);
  ASSERT_TRUE(partition->add_waiter(waiter, 0));
  bool woken = false;
  boost::asio::co_spawn(loop, wait_for_data(waiter, 60'000), [&](const std::exception_ptr&) { woken = true; });
  loop.poll();
  EXPECT_FALSE(woken);
  manager.shutdown();
  loop.run();
  EXPECT_TRUE(woken);
}

}  // namespace
}  // namespace broker::partition
