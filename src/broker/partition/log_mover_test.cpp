#include "broker/partition/log_mover.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <thread>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "base/testing/gate.h"
#include "protocol/record_batch_builder.h"

namespace broker::partition {
namespace {

using protocol::ErrorCode;
using Step = LogMover::Step;

constexpr std::int32_t kSelf = 3;
const storage::TopicPartition kName{"t", 0};

class LogMoverTest : public ::testing::Test {
 protected:
  LogMoverTest() {
    logs.on_directory_failure([this](const std::string& directory) { failed.push_back(directory); });
    logs.open_directories();
    logs.check_identity(kSelf, "cluster");
    logs.load([](const std::string&) { return storage::LogConfig(); });
    manager.on_move([this](const storage::TopicPartition& name) { told.push_back(name); });
    state.topic = "t";
    state.topic_id = base::Uuid::random();
    state.leader_epoch = 4;
    state.replicas = state.isr = {kSelf};
    state.is_new = true;
    EXPECT_EQ(manager.become_leader({state}).at(0), ErrorCode::none);
    home = logs.find(kName)->parent_directory();
    away = home == "/a" ? "/b" : "/a";
  }

  static AppendOptions options() {
    AppendOptions made;
    made.acks = 1;
    made.now_ms = 1000;
    return made;
  }
  void append(int records, std::size_t value_bytes = 5, const std::string& topic = "t") {
    protocol::RecordBatchBuilder builder;
    std::string value(value_bytes, 'v');
    for (int i = 0; i < records; ++i) {
      protocol::NewRecord record;
      record.value = base::as_bytes(value);
      record.timestamp = 1000;
      builder.append(record);
    }
    base::Bytes batch = builder.build();
    EXPECT_TRUE(manager.find(topic, 0)->append(batch, options()).ok());
  }
  Step step() { return mover.step(kName, bytes); }
  static ErrorCode answer(const base::OneShot<ErrorCode>& done) {
    boost::asio::io_context waiting;
    auto result = boost::asio::co_spawn(waiting, done.wait(), boost::asio::use_future);
    waiting.run();
    return result.get();
  }
  FetchOutcome fetch(std::int64_t offset) {
    FetchOptions wanted;
    wanted.offset = offset;
    wanted.max_bytes = 1 << 20;
    return manager.find("t", 0)->fetch(wanted);
  }

  base::testing::Gate disk;
  base::MemoryFileSystem files;
  base::FaultyFileSystem faulty{files};
  base::ManualClock clock;
  std::vector<std::string> failed;
  storage::LogManager logs{faulty, clock, {.log_dirs = {"/a", "/b"}}};
  PartitionManager manager{kSelf, logs, [](const std::string&) { return TopicSettings(); }};
  LogMover mover{clock, logs, manager, 1};
  std::vector<storage::TopicPartition> told;
  metadata::LeaderState state;
  std::string home;
  std::string away;
  std::uint64_t bytes = 0;
};

// Each attempt to exchange it syncs the copy.
TEST_F(LogMoverTest, ASmallSegmentIsNotTheEnd) {
  for (int number = 0; number < 20; ++number) {
    append(1);
    manager.find("t", 0)->log()->roll();
  }
  append(1);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  int syncs = 0;
  faulty.set_before_sync([&] { ++syncs; });
  for (int number = 0; number < 20; ++number) {
    EXPECT_EQ(step(), Step::copied);
    EXPECT_GT(bytes, 0u);
  }
  EXPECT_EQ(syncs, 0);
  EXPECT_EQ(step(), Step::done);
  EXPECT_EQ(manager.find("t", 0)->log()->parent_directory(), away);
}

TEST_F(LogMoverTest, MovesWhileRecordsComeIn) {
  for (int number = 0; number < 3; ++number) append(1, 600'000);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  EXPECT_EQ(told, std::vector<storage::TopicPartition>{kName});
  EXPECT_EQ(step(), Step::copied);
  EXPECT_GT(bytes, 600'000u);
  append(2);
  EXPECT_EQ(step(), Step::copied);
  EXPECT_EQ(step(), Step::copied);
  EXPECT_EQ(manager.find("t", 0)->log()->parent_directory(), home);
  EXPECT_EQ(step(), Step::done);
  EXPECT_EQ(step(), Step::given_up);
  auto log = manager.find("t", 0)->log();
  EXPECT_EQ(log, logs.find(kName));
  EXPECT_EQ(log->parent_directory(), away);
  EXPECT_EQ(log->offsets().high_watermark, 5);
  EXPECT_EQ(log->latest_epoch(), 4);
  append(1);
  EXPECT_EQ(fetch(5).data.records.size > 0, true);
  EXPECT_EQ(fetch(0).data.log_end_offset, 6);
}

TEST_F(LogMoverTest, ALogStartWithinABatchIsKept) {
  append(10, 10'000);
  append(1);
  ASSERT_EQ(*manager.find("t", 0)->delete_records(7), 7);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  EXPECT_EQ(step(), Step::copied);
  EXPECT_EQ(step(), Step::done);
  storage::LogOffsets offsets = logs.find(kName)->offsets();
  EXPECT_EQ(offsets.log_start_offset, 7);
  EXPECT_EQ(offsets.log_end_offset, 11);
  EXPECT_EQ(fetch(6).error, ErrorCode::offset_out_of_range);
  EXPECT_GT(fetch(7).data.records.size, 0u);
}

// The errors are those of Kafka 3.9.2.
TEST_F(LogMoverTest, WhatCannotMove) {
  EXPECT_EQ(manager.move_to(kName, "/nowhere", true), ErrorCode::log_dir_not_found);
  EXPECT_EQ(manager.move_to(kName, home, true), ErrorCode::none);
  EXPECT_TRUE(logs.futures().empty());
  EXPECT_EQ(manager.move_to({"t", 7}, away, false), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(manager.move_to({"t", 8}, away, true), ErrorCode::replica_not_available);
  // But it is where that one will be made.
  state.partition = 8;
  EXPECT_EQ(manager.become_leader({state}).at(0), ErrorCode::none);
  EXPECT_EQ(logs.find({"t", 8})->parent_directory(), away);
}

// The name of the copy's directory would be longer than a file system takes, which isn't the directory's failure.
TEST_F(LogMoverTest, TopicsWithLongNamesDoNotMove) {
  state.topic = std::string(214, 'x');
  EXPECT_EQ(manager.become_leader({state}).at(0), ErrorCode::none);
  EXPECT_EQ(manager.move_to({state.topic, 0}, away, true), ErrorCode::invalid_topic_exception);
  EXPECT_EQ(manager.move_to({state.topic, 0}, "/nowhere", true), ErrorCode::invalid_topic_exception);
  EXPECT_EQ(manager.move_to({std::string(213, 'x'), 0}, away, true), ErrorCode::replica_not_available);
  EXPECT_EQ(manager.move_to({std::string(213, 'x'), 10}, away, true), ErrorCode::invalid_topic_exception);
}

// Each flush of the copy takes long enough for the next append.
TEST_F(LogMoverTest, AMoveEndsWhileAppendsGoOn) {
  append(1);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  const auto partition = manager.find("t", 0);
  const auto old = partition->log();
  int pieces = 0;
  faulty.set_before_change([&](std::string_view operation, const std::string& path) {
    if (!path.starts_with(away) || !path.ends_with(".log")) return;
    const bool sometimes = operation == "write" && ++pieces % 3 != 0;
    if (operation != "sync" && !sometimes) return;
    // Whoever appends is another thread: this one may hold the copy's lock.
    std::thread([&] {
      if (partition->log() == old) append(1);
    }).join();
  });
  Step outcome = Step::copied;
  for (int steps = 0; steps < 9 && outcome != Step::done; ++steps) outcome = step();
  EXPECT_EQ(outcome, Step::done);
  EXPECT_EQ(partition->log()->log_end_offset(), old->log_end_offset());
}

TEST_F(LogMoverTest, ADamagedLogDoesNotMove) {
  for (int number = 0; number < 20; ++number) append(1);  // more than a log remembers without a look at its file
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  const std::string path = home + "/t-0/00000000000000000000.log";
  files.open(path, base::OpenMode::read_write)->write_at(files.info(path).size / 4, base::Bytes(20));
  Step outcome = Step::copied;
  while (outcome == Step::copied) outcome = step();
  EXPECT_EQ(outcome, Step::given_up);
  EXPECT_TRUE(failed.empty());
  EXPECT_EQ(logs.find(kName)->parent_directory(), home);
  EXPECT_TRUE(logs.futures().empty()) << "it isn't tried again, and the log is cleaned as before";
}

TEST_F(LogMoverTest, AMoveBackGivesTheCopyUp) {
  append(1, 100'000);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  EXPECT_EQ(step(), Step::copied);
  auto described = manager.describe_directories();
  const auto& other = described[home == "/a" ? 1 : 0];
  ASSERT_EQ(other.replicas.size(), 1u);
  EXPECT_TRUE(other.replicas[0].is_future);
  EXPECT_EQ(other.replicas[0].offset_lag, 0);
  append(3);
  EXPECT_EQ(manager.describe_directories()[home == "/a" ? 1 : 0].replicas[0].offset_lag, 3);
  ASSERT_EQ(manager.move_to(kName, home, true), ErrorCode::none);
  EXPECT_EQ(step(), Step::given_up);
  EXPECT_EQ(logs.find(kName)->parent_directory(), home);
}

TEST_F(LogMoverTest, AFailedTargetEndsTheMoveAlone) {
  append(1);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  faulty.set_fault({.call = 1, .error = ENOSPC, .persistent = true, .changes_only = true});
  EXPECT_EQ(step(), Step::given_up);
  faulty.set_fault({});
  EXPECT_EQ(failed, std::vector<std::string>{away});
  append(1);
  EXPECT_EQ(manager.move_to(kName, away, true), ErrorCode::kafka_storage_error);
}

TEST_F(LogMoverTest, AFailedDirectoryIsAnswered) {
  append(1);
  faulty.set_fault({.call = 1, .changes_only = true});
  protocol::RecordBatchBuilder builder;
  protocol::NewRecord record;
  record.value = base::as_bytes("x");
  builder.append(record);
  base::Bytes batch = builder.build();
  EXPECT_EQ(manager.find("t", 0)->append(batch, options()).error, ErrorCode::kafka_storage_error);
  faulty.set_fault({});
  ASSERT_EQ(failed, std::vector<std::string>{home});
  manager.directory_failed(home);
  EXPECT_EQ(fetch(0).error, ErrorCode::kafka_storage_error);
  // The controller asks again: no empty log takes the place of the lost one.
  state.is_new = false;
  state.leader_epoch = 5;
  EXPECT_EQ(manager.become_leader({state}).at(0), ErrorCode::kafka_storage_error);
  state.partition = 1;
  EXPECT_EQ(manager.become_leader({state}).at(0), ErrorCode::kafka_storage_error);
  EXPECT_TRUE(manager.is_offline("t", 1));
  // Nor can it be deleted.
  const auto kept = manager.stop({{"t", state.topic_id, 0}, {"t", state.topic_id, 1}}, true);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[1].partition, 1);
  EXPECT_TRUE(manager.is_offline("t", 0));
  EXPECT_TRUE(manager.is_offline("t", 1));
  state.is_new = true;
  EXPECT_EQ(manager.become_leader({state}).at(0), ErrorCode::none);
  EXPECT_FALSE(manager.is_offline("t", 1));
  EXPECT_TRUE(manager.stop({{"t", state.topic_id, 1}}, true).empty());
  EXPECT_EQ(manager.become_leader({state}).at(0), ErrorCode::none);
  auto described = manager.describe_directories();
  EXPECT_EQ(described[home == "/a" ? 0 : 1].error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(described[home == "/a" ? 1 : 0].replicas.size(), 1u);
}

// Only acknowledgements wait for a sync of the disk that the partition moves to; not whoever appends, nor readers, nor others.
class LogMoverHangs : public LogMoverTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void hang_in(const std::string& hangs_in) {
    faulty.set_before_change([this, hangs_in](std::string_view operation, const std::string& path) {
      const bool exchanged = logs.find(kName)->parent_directory() == away;
      // The directory of the partition is synced before the rename, the one of the log after it.
      const bool here = operation == "sync directory" ? path == away : path.starts_with(away);
      if (exchanged && here && operation == hangs_in) disk.pass();
    });
  }
  void move() {
    while (true) {
      const Step outcome = step();
      if (outcome == Step::done || outcome == Step::given_up) return;
      std::this_thread::yield();
    }
  }
  // What another partition in the directory that is left needs goes on.
  void lead_another() {
    metadata::LeaderState other = state;
    other.topic = "u";
    other.topic_id = base::Uuid::random();
    logs.prefer_directory({"u", 0}, home);
    EXPECT_EQ(manager.become_leader({other}).at(0), ErrorCode::none);
    append(1, 5, "u");
  }
};

TEST_P(LogMoverHangs, ADiskThatHangsInTheExchangeHoldsNobodyUp) {
  append(2);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  hang_in(GetParam());
  std::jthread moving([this] { move(); });
  const base::testing::OpensAtTheEnd at_the_end(disk);
  disk.wait_for_arrivals(1);
  const auto partition = manager.find("t", 0);
  append(1);
  EXPECT_EQ(partition->log()->log_end_offset(), 3);
  EXPECT_EQ(fetch(0).data.high_watermark, 2);
  const auto flushed = partition->flushed(3), committed = partition->committed(3);
  EXPECT_FALSE(flushed.is_set() || committed.is_set());
  lead_another();
  disk.open();
  moving.join();
  EXPECT_TRUE(flushed.is_set() && committed.is_set());
  EXPECT_EQ(fetch(0).data.high_watermark, 3);
  EXPECT_EQ(logs.find(kName)->directory(), away + "/t-0");
}

INSTANTIATE_TEST_SUITE_P(InEachCall, LogMoverHangs, ::testing::Values("sync", "sync directory"), [](const auto& each) {
  std::string name = each.param;
  std::erase(name, ' ');
  return name;
});

// The rename itself holds up whoever uses this partition, but nobody else.
TEST_F(LogMoverHangs, ADiskThatHangsInTheRenameHoldsNoOtherPartitionUp) {
  append(2);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  hang_in("rename");
  std::jthread moving([this] { move(); });
  const base::testing::OpensAtTheEnd at_the_end(disk);
  disk.wait_for_arrivals(1);
  lead_another();
  disk.open();
  moving.join();
  append(1);
  EXPECT_EQ(fetch(0).data.high_watermark, 3);
  EXPECT_EQ(logs.find(kName)->directory(), away + "/t-0");
}

// A target that fails before the rename costs what was appended since the swap, which nobody was told to be there.
TEST_F(LogMoverTest, ATargetThatFailsInTheExchangeLeavesTheOldLog) {
  append(3);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  const auto before = manager.find("t", 0);
  const auto old = before->log();
  base::OneShot<ErrorCode> committed;
  faulty.set_before_change([&](std::string_view operation, const std::string& path) {
    if (!path.starts_with(away) || operation != "sync" || before->log() == old) return;
    faulty.set_before_change(nullptr);
    append(2);
    committed = before->committed(5);
    EXPECT_EQ(*before->delete_records(1), 1);
    faulty.set_fault({.call = 1, .changes_only = true});
  });
  while (step() == Step::copied) {}
  EXPECT_EQ(failed, std::vector<std::string>{away});
  EXPECT_EQ(logs.find(kName), old);
  manager.directory_failed(away);
  EXPECT_EQ(answer(committed), ErrorCode::kafka_storage_error);
  EXPECT_EQ(answer(before->committed(5)), ErrorCode::kafka_storage_error);
  const auto after = manager.find("t", 0);
  EXPECT_NE(after, before);
  EXPECT_EQ(after->log(), old);
  EXPECT_EQ(after->leader_epoch(), 4);
  EXPECT_EQ(old->log_start_offset(), 1);
  EXPECT_EQ(old->log_end_offset(), 3);
  append(1);
  EXPECT_TRUE(after->committed(4).is_set());
  EXPECT_EQ(fetch(1).data.high_watermark, 4);
  EXPECT_EQ(step(), Step::given_up);
  EXPECT_EQ(manager.move_to(kName, away, true), ErrorCode::kafka_storage_error);
}

// Those of which nobody knows what the next start would find aren't led any more.
TEST_F(LogMoverTest, ATargetThatFailsInTheRenameTakesThePartitionWithIt) {
  append(1);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  faulty.set_before_change([&](std::string_view operation, const std::string& path) {
    if (!path.starts_with(away) || operation != "rename" || logs.find(kName)->parent_directory() == home) return;
    faulty.set_before_change(nullptr);
    faulty.set_fault({.call = 1, .changes_only = true});
  });
  while (step() == Step::copied) {}
  EXPECT_EQ(failed, std::vector<std::string>{away});
  manager.directory_failed(away);
  EXPECT_EQ(fetch(0).error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(logs.find(kName), nullptr);
}

// A crash before the rename goes on with the old log, which mustn't show what was answered to be deleted.
TEST_F(LogMoverHangs, RecordsDeletedInTheExchangeAreDeletedInTheOldLogToo) {
  append(2);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  const auto old = logs.find(kName);
  hang_in("sync");
  std::jthread moving([this] { move(); });
  const base::testing::OpensAtTheEnd at_the_end(disk);
  disk.wait_for_arrivals(1);
  EXPECT_EQ(*manager.find("t", 0)->delete_records(1), 1);
  EXPECT_EQ(old->log_start_offset(), 1);
  logs.checkpoint_log_start_offsets(home);
  EXPECT_EQ(base::as_text(base::read_file(files, home + "/log-start-offset-checkpoint")), "0\n1\nt 0 1\n");
}

TEST_F(LogMoverTest, TheThreadsDoItToo) {
  append(3);
  mover.add(kName);  // nothing to move yet: given up at once
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  mover.resume();
  mover.add(kName);
  while (logs.find(kName)->parent_directory() == home) std::this_thread::yield();
  mover.stop();
  EXPECT_EQ(logs.find(kName)->log_end_offset(), 3);
}

// The failure has ended the move by then, but its thread hasn't noted so yet.
TEST_F(LogMoverTest, AMoveThatIsAskedForAgainWhileItFailsGoesOn) {
  append(3);
  ASSERT_EQ(manager.move_to(kName, away, true), ErrorCode::none);
  const auto failed_once = std::make_shared<std::atomic<bool>>(false);
  faulty.set_before_read([this, failed_once] {
    if (failed_once->exchange(true)) return;
    mover.add(kName);
    throw std::runtime_error("thrown by the test");
  });
  mover.add(kName);
  while (logs.find(kName)->parent_directory() == home) std::this_thread::yield();
  mover.stop();
  EXPECT_TRUE(*failed_once);
  EXPECT_EQ(logs.find(kName)->log_end_offset(), 3);
}

TEST(RateLimit, HoldsBackAfterEachPiece) {
  RateLimit limit;
  EXPECT_EQ(limit.next_at_ms(1'000, 1'000'000), 1'000);
  limit.set_bytes_per_second(1'000'000);
  EXPECT_EQ(limit.next_at_ms(1'000, 500'000), 1'500);
  EXPECT_EQ(limit.next_at_ms(1'500, 1'000'000), 2'500);
  EXPECT_EQ(limit.next_at_ms(9'000, 100'000), 9'100);  // what wasn't used isn't saved up
  limit.set_bytes_per_second(0);
  EXPECT_GT(limit.next_at_ms(9'000, 10), 9'100);
}

}  // namespace
}  // namespace broker::partition
