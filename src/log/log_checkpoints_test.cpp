// What the checkpoints of a log directory say after a crash is true of the logs that are there: a log that was made anew
// under a name, moved or cut inherits nothing from what was there before.
#include <gtest/gtest.h>

#include <thread>

#include "base/faulty_file_system.h"
#include "log/log_manager.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::bytes_of;
using testing::make_batch;
using testing::values_in;

const TopicPartition kName{"t", 0};

class LogCheckpointsTest : public ::testing::Test {
 protected:
  // As after a SIGKILL, if it ran before: what was written is there.
  void start() {
    log_.reset();
    manager_.reset();
    LogManagerConfig config;
    config.log_dirs = {"/one", "/two"};
    manager_ = std::make_unique<LogManager>(faulty_, clock_, config);
    manager_->open_directories();
    manager_->check_identity(1, "cluster");
    manager_->load([this](const std::string&) { return config_; });
    log_ = manager_->find(kName);
  }
  void make(const TopicPartition& name = kName) {
    log_ = *manager_->get_or_create(name, config_, std::nullopt, {.is_new = true, .directory = "/one"});
  }
  void append(int records) {
    for (int number = 0; number < records; ++number) {
      base::Bytes bytes = make_batch({"value-" + std::to_string(log_->log_end_offset())});
      ASSERT_TRUE(log_->append_as_leader(bytes, AppendContext{}).ok());
      log_->update_high_watermark(log_->log_end_offset());
    }
  }
  void copy(Log& from, Log& to) { copy(from, to, from.log_end_offset()); }
  void copy(Log& from, Log& to, std::int64_t end) {
    while (to.log_end_offset() < end) {
      auto read = from.read(to.log_end_offset(), 1, ReadIsolation::log_end, FirstBatch::whole);
      ASSERT_TRUE(to.append_as_follower(bytes_of(read->records)).ok());
    }
  }
  void exchange() {
    const auto exchanging = manager_->begin_exchange(manager_->find_future(kName));
    ASSERT_EQ(exchanging->swap(), ErrorCode::none);
    ASSERT_EQ(exchanging->finish(), ErrorCode::none);
  }
  // As the housekeeping does each minute.
  void checkpoint() {
    manager_->checkpoint_recovery_points();
    manager_->checkpoint_log_start_offsets();
    manager_->checkpoint_high_watermarks();
    for (const LogDirectoryInfo& directory : manager_->directories()) manager_->checkpoint_cleaner_offsets(directory.path);
  }
  // A log of 40 flushed records of which the first 30 are deleted, and checkpoints that say so.
  void leave_a_long_log() {
    make();
    append(40);
    ASSERT_EQ(*log_->delete_records(30), 30);
    log_->flush();
    log_->roll();
    manager_->flush_closed_segments();
    log_->set_first_dirty_offset(40);
    checkpoint();
  }
  void expect_whole(Log& log, std::int64_t records) {
    EXPECT_EQ(log.log_start_offset(), 0);
    EXPECT_EQ(log.log_end_offset(), records);
    for (std::int64_t number = 0; number < records; ++number) {
      auto read = log.read(number, 1, ReadIsolation::log_end, FirstBatch::whole);
      ASSERT_TRUE(read);
      EXPECT_EQ(values_in(bytes_of(read->records)), std::vector<std::string>{"value-" + std::to_string(number)});
    }
  }
  std::string text(const std::string& path) { return std::string(base::as_text(base::read_file(files_, path))); }

  base::MemoryFileSystem files_;
  base::FaultyFileSystem faulty_{files_};
  base::ManualClock clock_;
  LogConfig config_;
  std::unique_ptr<LogManager> manager_;
  std::shared_ptr<Log> log_;
};

TEST_F(LogCheckpointsTest, ALogMadeAnewAfterADeletionKeepsItsRecords) {
  for (int records : {10, 35, 50}) {
    files_.remove_all("/one");
    start();
    leave_a_long_log();
    ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
    make();
    append(records);
    start();
    expect_whole(*log_, records);
    EXPECT_EQ(log_->recovery_point(), 0);
    EXPECT_EQ(log_->first_dirty_offset(), std::nullopt);
    manager_->shutdown();
  }
}

// The broker dies before any checkpoint is written: the next one finds offsets of a log that isn't there.
TEST_F(LogCheckpointsTest, ALogMadeAnewAfterADeletionAndACrashKeepsItsRecords) {
  start();
  leave_a_long_log();
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  start();
  EXPECT_EQ(log_, nullptr);
  make();
  append(10);
  start();
  expect_whole(*log_, 10);
}

// Files that say 40 for a log which is gone must not let recovery pass over its namesake's segments.
TEST_F(LogCheckpointsTest, ALogMadeAnewIsRecoveredAfterAPowerLoss) {
  start();
  leave_a_long_log();
  files_.sync_everything();
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  config_.segment_bytes = 200;
  make();
  append(20);
  files_.sync_directory("/one");
  files_.sync_directory("/one/t-0");
  log_.reset();
  manager_.reset();
  files_.lose_power(base::UnsyncedBytes::zeroed);
  start();
  ASSERT_NE(log_, nullptr);
  EXPECT_EQ(log_->log_start_offset(), 0);
  EXPECT_EQ(log_->log_end_offset(), 0) << "nothing was flushed";
  append(5);
  expect_whole(*log_, 5);
}

// As many checkpoints as if one had been deleted, however many were.
TEST_F(LogCheckpointsTest, ManyLogsMadeAnewCostOneRewriting) {
  start();
  for (int partition = 0; partition < 50; ++partition) make({"t", partition});
  checkpoint();
  for (int partition = 0; partition < 50; ++partition) {
    ASSERT_EQ(manager_->remove({"t", partition}), ErrorCode::none);
  }
  int renames = 0;
  faulty_.set_before_change([&](std::string_view operation, const std::string& path) {
    if (operation == "rename" && path.find("offset-checkpoint") != std::string::npos) ++renames;
  });
  for (int partition = 0; partition < 50; ++partition) make({"t", partition});
  faulty_.set_before_change(nullptr);
  EXPECT_EQ(renames, 4);
}

TEST_F(LogCheckpointsTest, ACheckpointThatFailsTakesTheDirectoryOfflineAndNotTheNewLog) {
  start();
  leave_a_long_log();
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  faulty_.set_fault({.call = 1, .changes_only = true});
  log_ = *manager_->get_or_create(kName, config_, std::nullopt, {.is_new = true});
  EXPECT_EQ(log_->parent_directory(), "/two");
  EXPECT_TRUE(manager_->directories()[0].offline);
}

TEST_F(LogCheckpointsTest, ACopyInheritsNothingOfOneThatWasGivenUp) {
  for (bool crashed : {false, true}) {
    files_.remove_all("/one");
    files_.remove_all("/two");
    start();
    make();
    append(40);
    auto first = *manager_->get_or_create_future(kName, "/two");
    copy(*log_, *first);
    first->update_high_watermark(40);
    first->advance_log_start(30);
    first->flush();
    checkpoint();
    first.reset();
    ASSERT_EQ(manager_->remove_future(kName), ErrorCode::none);
    if (crashed) start();
    auto second = *manager_->get_or_create_future(kName, "/two");
    copy(*log_, *second, 20);
    second.reset();
    start();
    second = manager_->find_future(kName);
    EXPECT_EQ(second->log_start_offset(), 0);
    EXPECT_EQ(second->log_end_offset(), 20);
    EXPECT_EQ(second->recovery_point(), 0);
    copy(*log_, *second);
    exchange();
    expect_whole(*second, 40);
  }
}

// What a log leaves behind in the directory that it moves away from isn't there when it comes back.
TEST_F(LogCheckpointsTest, ALogThatMovesAwayAndBackInheritsNothing) {
  start();
  leave_a_long_log();
  const auto moved = *manager_->get_or_create_future(kName, "/two");
  moved->truncate_fully_and_start_at(30);
  copy(*log_, *moved);
  exchange();
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n0\n");
  EXPECT_EQ(text("/one/log-start-offset-checkpoint"), "0\n0\n");
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  make();
  append(5);
  start();
  expect_whole(*log_, 5);
  EXPECT_EQ(log_->first_dirty_offset(), std::nullopt);
}

// Somebody else makes a log in the directory that is left, between the last look at the old one and its end.
TEST_F(LogCheckpointsTest, ALogThatMovesAwayIsForgottenWhateverIsWrittenMeanwhile) {
  start();
  leave_a_long_log();
  const auto moved = *manager_->get_or_create_future(kName, "/two");
  moved->truncate_fully_and_start_at(30);
  copy(*log_, *moved);
  bool made = false;
  faulty_.set_before_change([&](std::string_view operation, const std::string& path) {
    const bool renamed = manager_->find(kName) == moved && !files_.exists("/one/t-0");
    if (operation != "sync directory" || path != "/one" || !renamed || made) return;
    made = true;
    std::thread([&] { make({"u", 0}); }).join();  // on this one it would take locks against their order
  });
  exchange();
  faulty_.set_before_change(nullptr);
  ASSERT_TRUE(made);
  log_ = moved;
  const auto back = *manager_->get_or_create_future(kName, "/one");
  back->truncate_fully_and_start_at(30);
  copy(*moved, *back);
  start();
  EXPECT_EQ(manager_->find_future(kName)->first_dirty_offset(), std::nullopt);
}

// The disk has lost what it said to be there. What comes in its place is neither flushed nor clean, from the start on.
TEST_F(LogCheckpointsTest, ALogThatLostFlushedRecordsIsCorrectedAtTheStart) {
  start();
  make();
  append(40);
  log_->set_first_dirty_offset(40);
  checkpoint();
  log_.reset();
  manager_->shutdown();
  manager_.reset();
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n1\nt 0 40\n");
  files_.remove("/one/.kafka_cleanshutdown");
  const auto file = files_.open("/one/t-0/00000000000000000000.log", base::OpenMode::read_write);
  file->truncate(file->size() / 2);
  start();
  ASSERT_EQ(log_->log_end_offset(), 20);
  EXPECT_EQ(log_->first_dirty_offset(), std::nullopt);
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n1\nt 0 0\n");
  EXPECT_EQ(text("/one/cleaner-offset-checkpoint"), "0\n0\n");
}

// Cut and written anew, it isn't what was flushed before.
TEST_F(LogCheckpointsTest, ATruncationTakesTheCheckpointsBack) {
  start();
  make();
  append(40);
  ASSERT_EQ(*log_->delete_records(30), 30);
  log_->flush();
  log_->roll();
  log_->flush();
  log_->set_first_dirty_offset(40);
  checkpoint();
  EXPECT_EQ(text("/one/log-start-offset-checkpoint"), "0\n1\nt 0 30\n");
  ASSERT_EQ(manager_->truncate(*log_, 35), ErrorCode::none);
  EXPECT_EQ(text("/one/log-start-offset-checkpoint"), "0\n1\nt 0 30\n");
  EXPECT_EQ(text("/one/cleaner-offset-checkpoint"), "0\n1\nt 0 35\n");
  append(2);
  start();
  EXPECT_LE(log_->recovery_point(), 35);
  EXPECT_EQ(log_->log_start_offset(), 30);
  EXPECT_EQ(log_->log_end_offset(), 37);
  checkpoint();
  ASSERT_EQ(manager_->truncate(*log_, 20), ErrorCode::none);
  EXPECT_EQ(text("/one/log-start-offset-checkpoint"), "0\n1\nt 0 20\n");
  append(3);
  start();
  EXPECT_EQ(log_->log_start_offset(), 20);
  EXPECT_EQ(log_->log_end_offset(), 23);
  ASSERT_EQ(manager_->truncate_fully(*log_, 7), ErrorCode::none);
  append(3);
  start();
  EXPECT_EQ(log_->log_start_offset(), 7);
  EXPECT_EQ(log_->log_end_offset(), 10);
  EXPECT_LE(log_->recovery_point(), 7);
}

TEST_F(LogCheckpointsTest, ACutWithinTheActiveSegmentAfterACleanStopTakesTheRecoveryPointBack) {
  start();
  make();
  append(40);
  log_.reset();
  manager_->shutdown();
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n1\nt 0 40\n");
  start();
  ASSERT_EQ(log_->recovery_point(), 40);
  ASSERT_EQ(manager_->truncate(*log_, 25), ErrorCode::none);
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n1\nt 0 0\n");
  append(20);
  start();
  EXPECT_LE(log_->recovery_point(), 25);
  EXPECT_EQ(log_->log_end_offset(), 45);
}

TEST_F(LogCheckpointsTest, ACopyCutAtTheStartTakesItsCheckpointsBack) {
  start();
  make();
  append(40);
  auto future = *manager_->get_or_create_future(kName, "/two");
  copy(*log_, *future);
  future->flush();
  future->roll();
  future->flush();
  future.reset();
  checkpoint();
  // The log is shorter than its copy.
  const std::uint64_t size = log_->read(0, 1 << 20, ReadIsolation::log_end, FirstBatch::whole)->records.size;
  log_.reset();
  manager_.reset();
  files_.open("/one/t-0/00000000000000000000.log", base::OpenMode::read_write)->truncate(size / 2);
  start();
  const std::int64_t end = log_->log_end_offset();
  future = manager_->find_future(kName);
  ASSERT_EQ(future->log_end_offset(), end);
  append(5);
  copy(*log_, *future);
  future.reset();
  start();
  EXPECT_LE(manager_->find_future(kName)->recovery_point(), end);
}

// Appends wait for these on event loops.
TEST_F(LogCheckpointsTest, NoAppendSyncsTheFileOfEpochs) {
  int syncs = 0;
  faulty_.set_before_change([&](std::string_view operation, const std::string& path) {
    if (operation == "sync" && path.find("leader-epoch-checkpoint.") != std::string::npos) ++syncs;
  });
  start();
  make();
  ASSERT_EQ(log_->start_leader_epoch(0), ErrorCode::none);
  append(5);
  EXPECT_EQ(syncs, 0);
  const auto append_in = [&](std::int32_t epoch) {
    base::Bytes bytes = make_batch({"value"});
    AppendContext context;
    context.leader_epoch = epoch;
    ASSERT_TRUE(log_->append_as_leader(bytes, context).ok());
    log_->update_high_watermark(log_->log_end_offset());
  };
  ASSERT_EQ(log_->start_leader_epoch(1), ErrorCode::none);
  EXPECT_EQ(syncs, 0);
  append_in(1);
  EXPECT_EQ(syncs, 0);
  manager_->flush_closed_segments();
  EXPECT_EQ(syncs, 1);
  for (std::int64_t start : {2, 8, 11}) {
    ASSERT_EQ(*log_->delete_records(start), start);
    append_in(1);
    log_->roll();
    EXPECT_EQ(log_->delete_old_segments(clock_.wall_ms()), start == 2 ? 0u : 1u);
    append_in(1);
    append_in(1);
    manager_->flush_closed_segments();
    log_->flush();
  }
  EXPECT_EQ(syncs, 1);
  // What a crash finds is older than the log's first segment.
  EXPECT_EQ(text("/one/t-0/leader-epoch-checkpoint"), "0\n2\n0 0\n1 5\n");
  start();
  EXPECT_EQ(log_->log_start_offset(), 10);
  EXPECT_EQ(log_->epoch_end_offset(0).end_offset, 10);
  log_->roll();
  log_.reset();
  manager_->shutdown();
  EXPECT_EQ(text("/one/t-0/leader-epoch-checkpoint"), "0\n1\n1 10\n");
}

TEST_F(LogCheckpointsTest, AThousandLogsWhoseLeadersComeBackSyncNothing) {
  constexpr int kLogs = 1000;
  start();
  for (int number = 0; number < kLogs; ++number) {
    make({"t", number});
    ASSERT_EQ(log_->start_leader_epoch(0), ErrorCode::none);
    append(2);
  }
  log_.reset();
  manager_->shutdown();
  start();
  // Retention has moved the starts.
  for (int number = 0; number < kLogs; ++number) ASSERT_TRUE(manager_->find({"t", number})->delete_records(1).has_value());
  checkpoint();
  int syncs = 0;
  faulty_.set_before_change([&](std::string_view operation, const std::string& path) {
    if (operation == "sync" && path.find("leader-epoch-checkpoint") != std::string::npos) ++syncs;
  });
  for (int number = 0; number < kLogs; ++number) {
    ASSERT_EQ(manager_->find({"t", number})->start_leader_epoch(1), ErrorCode::none);
  }
  manager_->flush_closed_segments();
  checkpoint();
  EXPECT_EQ(syncs, 0);
  base::Bytes bytes = make_batch({"value"});
  AppendContext context;
  context.leader_epoch = 1;
  ASSERT_TRUE(log_->append_as_leader(bytes, context).ok());
  EXPECT_EQ(syncs, 0);
  manager_->flush_closed_segments();
  EXPECT_GT(syncs, 0);
}

}  // namespace
}  // namespace storage
