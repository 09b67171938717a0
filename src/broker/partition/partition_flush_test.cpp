// flush.messages: what waits for its fsync isn't acknowledged and isn't seen, and nothing else waits for it.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <system_error>
#include <thread>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "base/testing/gate.h"
#include "broker/partition/partition_manager.h"
#include "protocol/record_batch_builder.h"

namespace broker::partition {
namespace {

using protocol::ErrorCode;

constexpr std::int32_t kSelf = 3;

// An event loop; once told so, whoever is woken goes on at once, on the thread that wakes it.
struct OnWakingThread {
  boost::asio::io_context* loop;
  std::atomic<bool>* at_once;

  bool operator==(const OnWakingThread&) const noexcept = default;
  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept { return *loop; }
  static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) noexcept {
    return boost::asio::execution::blocking.never;
  }
  OnWakingThread require(boost::asio::execution::blocking_t::never_t) const noexcept { return *this; }
  template <class Function>
  void execute(Function function) const {
    if (*at_once) {
      function();
    } else {
      boost::asio::post(*loop, std::move(function));
    }
  }
};

class PartitionFlushTest : public ::testing::Test {
 protected:
  PartitionFlushTest() { files.create_directories("/a"); }
  ~PartitionFlushTest() override { hung.open(); }

  void start() {
    logs.emplace(faulty, clock, storage::LogManagerConfig{.log_dirs = {"/a"}});
    logs->open_directories();
    logs->check_identity(kSelf, "cluster");
    logs->load([this](const std::string&) { return settings.log; });
    manager.emplace(kSelf, *logs, [this](const std::string& topic) {
      TopicSettings of_topic = settings;
      if (topic == "unflushed") of_topic.log.flush_messages = storage::LogConfig::kUnlimited;
      return of_topic;
    });
  }
  std::shared_ptr<Partition> lead(const std::string& topic, std::vector<std::int32_t> isr = {kSelf}) {
    metadata::LeaderState state;
    state.topic = topic;
    state.replicas = isr;
    state.isr = std::move(isr);
    EXPECT_EQ(manager->become_leader({state}).at(0), ErrorCode::none);
    return manager->find(topic, 0);
  }
  static storage::AppendResult append(Partition& partition, const std::string& value) {
    protocol::RecordBatchBuilder builder;
    protocol::NewRecord record;
    record.value = base::as_bytes(value);
    record.timestamp = 1000;
    builder.append(record);
    base::Bytes batch = builder.build();
    AppendOptions options;
    options.now_ms = 1000;
    return partition.append(batch, options);
  }
  static FetchOutcome fetch(Partition& partition, std::int64_t offset) {
    FetchOptions options;
    options.offset = offset;
    options.max_bytes = 1 << 20;
    return partition.fetch(options);
  }
  ErrorCode wait(const base::OneShot<ErrorCode>& done) {
    auto result = boost::asio::co_spawn(waiting, done.wait(), boost::asio::use_future);
    waiting.restart();
    waiting.run();
    return result.get();
  }
  void hang() {
    faulty.set_before_sync([this] { hung.pass(); });
  }

  base::MemoryFileSystem files;
  base::FaultyFileSystem faulty{files};
  base::ManualClock clock;
  TopicSettings settings = [] {
    TopicSettings flushed;
    flushed.log.flush_messages = 1;
    return flushed;
  }();
  base::testing::Gate hung;
  boost::asio::io_context waiting;  // goes after the threads that answer to it
  std::optional<storage::LogManager> logs;
  std::optional<PartitionManager> manager;
};

TEST_F(PartitionFlushTest, NothingElseWaitsForAnFsyncThatHangs) {
  start();
  auto partition = lead("t");
  auto other = lead("unflushed");
  hang();
  const storage::AppendResult first = append(*partition, "a");
  ASSERT_TRUE(first.ok() && first.flush_due);
  hung.wait_for_arrivals(1);
  const auto flushed = partition->flushed(1);
  const auto committed = partition->committed(1);
  auto consumer = std::make_shared<FetchWaiter>(1);
  ASSERT_TRUE(partition->add_waiter(consumer, 0));

  // The same partition takes more and answers its readers, who don't see what isn't on disk.
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(append(*partition, "b").flush_due);
  EXPECT_EQ(fetch(*partition, 0).data.high_watermark, 0);
  EXPECT_EQ(fetch(*partition, 0).data.records.size, 0u);
  EXPECT_FALSE(flushed.is_set());
  EXPECT_FALSE(committed.is_set());
  // Another one has nothing to do with it.
  const storage::AppendResult unflushed = append(*other, "c");
  EXPECT_FALSE(unflushed.flush_due);
  EXPECT_TRUE(other->committed(1).is_set());
  EXPECT_GT(fetch(*other, 0).data.records.size, 0u);

  const auto last = partition->committed(11);
  hung.open();
  EXPECT_EQ(wait(flushed), ErrorCode::none);
  EXPECT_EQ(wait(committed), ErrorCode::none);
  EXPECT_EQ(wait(last), ErrorCode::none);
  EXPECT_EQ(fetch(*partition, 0).data.high_watermark, 11);
  boost::asio::io_context loop;
  auto woken = boost::asio::co_spawn(loop, consumer->wait(), boost::asio::use_future);
  loop.run();
  EXPECT_TRUE(woken.get());
}

// The eleven appends of above as a count: those that came during the first flush share the second.
TEST_F(PartitionFlushTest, AppendsDuringAFlushShareTheNext) {
  start();
  auto partition = lead("t");
  append(*partition, "names of new files need more syncs");
  ASSERT_EQ(wait(partition->flushed(1)), ErrorCode::none);
  hang();
  append(*partition, "a");
  hung.wait_for_arrivals(1);
  for (int i = 0; i < 10; ++i) append(*partition, "b");
  hung.open();
  EXPECT_EQ(wait(partition->flushed(12)), ErrorCode::none);
  EXPECT_EQ(hung.arrivals(), 2);
}

// As many partitions as there are threads, of which each has something new at the end of each of its flushes.
TEST_F(PartitionFlushTest, PartitionsThatAreAlwaysDueLeaveRoomForOthers) {
  constexpr int kRoundsMax = 10'000;
  start();
  std::vector<std::shared_ptr<Partition>> busy;
  for (std::size_t i = 0; i < FlushThreads::kThreadsPerDirectory; ++i) busy.push_back(lead("t" + std::to_string(i)));
  auto other = lead("other");
  for (auto& each : busy) {
    append(*each, "names of new files need more syncs");
    ASSERT_EQ(wait(each->flushed(1)), ErrorCode::none);
  }
  std::atomic<int> rounds = 0;
  faulty.set_before_sync([&] {
    hung.pass();
    if (other->log()->high_watermark() > 0 || ++rounds >= kRoundsMax) return;
    for (auto& each : busy) append(*each, "b");
  });
  for (auto& each : busy) append(*each, "a");
  hung.wait_for_arrivals(static_cast<int>(busy.size()));
  append(*other, "c");
  const auto flushed = other->flushed(1);
  hung.open();
  EXPECT_EQ(wait(flushed), ErrorCode::none);
  for (auto& each : busy) EXPECT_EQ(wait(each->flushed(each->log()->log_end_offset())), ErrorCode::none);
  EXPECT_LT(rounds, kRoundsMax);
  manager.reset();  // with the flushes that use what is above
}

// It comes when a flush has moved the high watermark and is about to end, and another flush writes it.
TEST_F(PartitionFlushTest, WhatComesAsAFlushEndsIsCommittedToo) {
  start();
  auto partition = lead("t");
  hang();
  append(*partition, "a");
  hung.wait_for_arrivals(1);
  boost::asio::io_context loop;
  std::atomic<bool> at_once = false;
  auto consumer = std::make_shared<FetchWaiter>(1);
  ASSERT_TRUE(partition->add_waiter(consumer, 0));
  base::OneShot<ErrorCode> appended, committed;
  auto late = [&]() -> base::Task<void> {
    co_await consumer->wait();
    EXPECT_TRUE(append(*partition, "b").flush_due);
    partition->log()->flush();
    committed = partition->committed(2);
    appended.set(ErrorCode::none);
  };
  boost::asio::co_spawn(OnWakingThread{&loop, &at_once}, late(), boost::asio::detached);
  loop.poll();
  at_once = true;
  hung.open();
  EXPECT_EQ(wait(appended), ErrorCode::none);
  EXPECT_EQ(wait(committed), ErrorCode::none);
  EXPECT_EQ(partition->log()->high_watermark(), 2);
  manager.reset();  // with the thread that was woken on
}

TEST_F(PartitionFlushTest, WithoutAThreadItsAppendFailsAndTheNextTriesAgain) {
  start();
  const auto log = lead("t")->log();
  int threads_missing = 2;
  auto threads = std::make_shared<FlushThreads>([&](std::function<void()> body) {
    if (--threads_missing >= 0) throw std::system_error(EAGAIN, std::generic_category());
    return std::thread(std::move(body));
  });
  auto partition = std::make_shared<Partition>(kSelf, base::Uuid(), log, threads);
  metadata::LeaderState state;
  state.replicas = state.isr = {kSelf};
  ASSERT_EQ(partition->become_leader(state), ErrorCode::none);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(append(*partition, "a").error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(log->high_watermark(), 0);
  EXPECT_TRUE(append(*partition, "a").flush_due);
  EXPECT_EQ(wait(partition->committed(3)), ErrorCode::none);

  // With one there it does it all.
  threads_missing = 1000;
  hang();
  append(*partition, "b");
  hung.wait_for_arrivals(1);
  auto more = std::make_shared<Partition>(kSelf, base::Uuid(), lead("more")->log(), threads);
  ASSERT_EQ(more->become_leader(state), ErrorCode::none);
  EXPECT_TRUE(append(*more, "c").flush_due);
  const auto committed = more->committed(1);
  hung.open();
  EXPECT_EQ(wait(committed), ErrorCode::none);
  EXPECT_EQ(wait(partition->committed(4)), ErrorCode::none);
  threads->stop();
}

TEST_F(PartitionFlushTest, ARollIsFlushedAside) {
  settings.log.flush_messages = storage::LogConfig::kUnlimited;
  settings.log.segment_bytes = 200;
  start();
  auto partition = lead("t");
  while (partition->log()->segment_count() < 3) append(*partition, "a");
  hang();
  std::thread flusher([this] { logs->flush_closed_segments(); });
  hung.wait_for_arrivals(1);
  while (partition->log()->segment_count() < 5) EXPECT_TRUE(append(*partition, "b").ok());
  EXPECT_GT(fetch(*partition, 0).data.records.size, 0u);
  EXPECT_EQ(partition->log()->recovery_point(), 0);
  hung.open();
  flusher.join();
  EXPECT_GT(partition->log()->recovery_point(), 0);
}

TEST_F(PartitionFlushTest, AFollowerThatIsBehindDelaysAcksOfAllOnly) {
  start();
  auto partition = lead("t", {kSelf, 4});
  hang();
  append(*partition, "a");
  const auto flushed = partition->flushed(1);
  const auto committed = partition->committed(1);
  hung.open();
  EXPECT_EQ(wait(flushed), ErrorCode::none);
  EXPECT_FALSE(committed.is_set());
}

TEST_F(PartitionFlushTest, AFlushThatFailsIsNoAcknowledgement) {
  start();
  auto partition = lead("t");
  hang();
  append(*partition, "a");
  hung.wait_for_arrivals(1);
  const auto flushed = partition->flushed(1);
  const auto committed = partition->committed(1);
  faulty.set_fault({.call = 1, .persistent = true, .changes_only = true});
  hung.open();
  EXPECT_EQ(wait(flushed), ErrorCode::kafka_storage_error);
  EXPECT_EQ(wait(committed), ErrorCode::kafka_storage_error);
  EXPECT_EQ(partition->log()->high_watermark(), 0);
  EXPECT_TRUE(logs->directories().at(0).offline);
  EXPECT_EQ(append(*partition, "b").error, ErrorCode::kafka_storage_error);
}

TEST_F(PartitionFlushTest, WhoeverWaitsIsToldThatThePartitionIsStopped) {
  start();
  auto partition = lead("t");
  hang();
  append(*partition, "a");
  const auto flushed = partition->flushed(1);
  manager->stop({{"t", {}, 0}}, false);
  EXPECT_EQ(wait(flushed), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(wait(partition->flushed(1)), ErrorCode::not_leader_or_follower);
}

// The power goes at each change of a file, while three partitions are written to. What was acknowledged stays.
TEST_F(PartitionFlushTest, WhatWasAcknowledgedSurvivesAPowerLoss) {
  settings.log.segment_bytes = 300;
  for (std::uint64_t call = 1; call < 1000; ++call) {
    manager.reset();
    logs.reset();
    files.remove_all("/a");
    files.create_directories("/a");
    files.sync_everything();
    faulty.set_fault({});
    start();
    std::vector<std::shared_ptr<Partition>> partitions{lead("t0"), lead("t1"), lead("t2")};
    faulty.set_fault({.call = call, .persistent = true, .half_written = true, .changes_only = true});
    std::vector<std::int64_t> acknowledged(partitions.size());
    for (int i = 0; i < 5; ++i) {
      std::vector<base::OneShot<ErrorCode>> answers;
      for (auto& partition : partitions) {
        const storage::AppendResult result = append(*partition, "value");
        answers.push_back(result.ok() ? partition->flushed(result.last_offset + 1) : base::OneShot<ErrorCode>());
        if (!result.ok()) answers.back().set(result.error);
      }
      for (std::size_t which = 0; which < partitions.size(); ++which) {
        if (faulty.fault_met()) manager->directory_failed("/a");  // as the app does
        if (wait(answers[which]) == ErrorCode::none) acknowledged[which] = i + 1;
      }
    }
    const bool met = faulty.fault_met();
    partitions.clear();
    manager.reset();
    logs.reset();
    faulty.set_fault({});
    files.lose_power(base::UnsyncedBytes::lost);
    start();
    for (std::size_t which = 0; which < acknowledged.size(); ++which) {
      auto log = logs->find({"t" + std::to_string(which), 0});
      EXPECT_GE(log ? log->log_end_offset() : 0, acknowledged[which]) << "call " << call;
    }
    if (met) continue;
    EXPECT_EQ(acknowledged, std::vector<std::int64_t>(3, 5));
    EXPECT_GT(call, 50u);
    break;
  }
}

}  // namespace
}  // namespace broker::partition
