// The power goes at each change of a file, under transactions, rolls, flushes and checkpoints of recovery points. What was
// flushed is there afterwards, and says the same to whoever reads: records, and which of them were aborted.
#include <gtest/gtest.h>

#include <array>

#include "log/testing/log_history.h"

namespace storage {
namespace {

using base::UnsyncedBytes;
using base::UnsyncedNames;

class LogPowerTest : public testing::LogHistoryTest {
 protected:
  void lose_power_at_each_change();
};

void LogPowerTest::lose_power_at_each_change() {
  config_.segment_bytes = 300;
  config_.index_interval_bytes = 50;
  constexpr std::array kModes = {
      std::pair(UnsyncedBytes::lost, UnsyncedNames::lost), std::pair(UnsyncedBytes::zeroed, UnsyncedNames::lost),
      std::pair(UnsyncedBytes::torn, UnsyncedNames::lost), std::pair(UnsyncedBytes::lost, UnsyncedNames::kept),
      std::pair(UnsyncedBytes::zeroed, UnsyncedNames::kept), std::pair(UnsyncedBytes::torn, UnsyncedNames::kept),
      std::pair(UnsyncedBytes::kept, UnsyncedNames::kept),
  };
  // Two of them at each call, in turn.
  for (std::uint64_t run = 0;; ++run) {
    const std::uint64_t call = run / 2 + 1;
    const auto [bytes, names] = kModes[(call + run % 2 * 3) % kModes.size()];
    start_anew();
    faulty_.set_fault({.call = call, .persistent = true, .half_written = true, .changes_only = true});
    const std::int64_t safe = work();
    const bool met = faulty_.fault_met();
    crash_and_start(bytes, names);
    const std::string what = "call " + std::to_string(call) + " bytes " + std::to_string(static_cast<int>(bytes)) +
                             " names " + std::to_string(static_cast<int>(names));
    const bool may_have_holes = config_.flush_messages > 1 && names == UnsyncedNames::kept;
    const auto expect_all = [&](const std::string& when) {
      may_have_holes ? expect_history_below(safe, when) : expect_history(safe, when);
      expect_whole(when);
    };
    expect_all(what);
    manager_->shutdown();
    start();
    expect_all(what + " after a clean stop");
    if (HasFailure()) return;
    if (met) continue;
    EXPECT_GT(call, 50u);
    EXPECT_GE(safe, 18);
    return;
  }
}

TEST_F(LogPowerTest, AFlushForEachMessage) {
  config_.flush_messages = 1;
  lose_power_at_each_change();
}

TEST_F(LogPowerTest, AFlushForEachMessageWithPreallocatedSegments) {
  config_.flush_messages = 1;
  config_.preallocate = true;
  lose_power_at_each_change();
}

TEST_F(LogPowerTest, AFlushNowAndThen) { lose_power_at_each_change(); }

TEST_F(LogPowerTest, AFlushNowAndThenWithPreallocatedSegments) {
  config_.preallocate = true;
  lose_power_at_each_change();
}

// The flush before the roll has reached the log's end, and the checkpoint says so; the indexes of what is rolled are young.
TEST_F(LogPowerTest, ARollBehindAFlushKeepsWhatWasAborted) {
  config_.flush_messages = 1;
  for (bool checkpoint_first : {true, false}) {
    for (bool closed_flushed : {true, false}) {
      for (auto names : {UnsyncedNames::lost, UnsyncedNames::kept}) {
        start_anew();
        sequences_.clear();
        for (int offset = 0; offset < 4; ++offset) {
          append(history_[static_cast<std::size_t>(offset)]);
          log_->flush();
        }
        if (checkpoint_first) manager_->checkpoint_recovery_points();
        log_->roll();
        if (closed_flushed) manager_->flush_closed_segments();
        if (!checkpoint_first) manager_->checkpoint_recovery_points();
        append(history_[4]);
        log_->flush();
        const std::string what = std::to_string(checkpoint_first) + std::to_string(closed_flushed) +
                                 std::to_string(static_cast<int>(names));
        crash_and_start(UnsyncedBytes::lost, names);
        expect_history(5, what);
        expect_whole(what);
      }
    }
  }
}

TEST_F(LogPowerTest, ACloseBehindAFlushKeepsWhatWasAborted) {
  config_.preallocate = true;
  config_.segment_bytes = 1 << 16;
  start_anew();
  for (int offset = 0; offset < 4; ++offset) append(history_[static_cast<std::size_t>(offset)]);
  log_->flush();
  log_->roll();
  manager_->shutdown();
  crash_and_start(UnsyncedBytes::lost, UnsyncedNames::lost);
  EXPECT_EQ(log_->recovery_point(), 4);
  expect_history(4, "closed");
  expect_whole("closed");
}

// The file of epochs is replaced at the first flush behind a new one's first batch. Should its name outlive its bytes, the older
// ones stay.
TEST_F(LogPowerTest, AnEpochThatBeginsKeepsTheOlderOnes) {
  start_anew();
  for (std::int32_t epoch = 0; epoch < 3; ++epoch) {
    append(history_[static_cast<std::size_t>(epoch)], epoch);
    log_->roll();
  }
  manager_->flush_closed_segments();
  manager_->checkpoint_recovery_points();
  std::int32_t epoch = 3;
  for (auto bytes : {UnsyncedBytes::lost, UnsyncedBytes::zeroed, UnsyncedBytes::torn}) {
    append(history_[3], epoch++);
    bool is_renamed = false;
    faulty_.set_before_change([&](std::string_view operation, const std::string& path) {
      is_renamed = operation == "sync" && path.ends_with("/leader-epoch-checkpoint");
      if (is_renamed) throw std::system_error(std::make_error_code(std::errc::io_error));
    });
    EXPECT_THROW(log_->flush_closed_segments(), std::system_error);
    EXPECT_TRUE(is_renamed);
    faulty_.set_before_change(nullptr);
    crash_and_start(bytes, UnsyncedNames::kept);
    EXPECT_EQ(log_->epoch_end_offset(0).end_offset, 1);
    EXPECT_EQ(log_->epoch_end_offset(1).end_offset, 2);
    EXPECT_EQ(log_->epoch_end_offset(2).end_offset, 3);
  }
}

// A log's first file of epochs and its topic id aren't synced before they get their names, but only before the recovery point moves.
TEST_F(LogPowerTest, OfTheFirstSmallFilesAPartMayBeLeft) {
  const TopicPartition name{"u", 0};
  for (auto bytes : {UnsyncedBytes::lost, UnsyncedBytes::zeroed, UnsyncedBytes::torn}) {
    for (bool with_record : {false, true}) {
      const std::string what = std::to_string(static_cast<int>(bytes)) + std::to_string(with_record);
      start_anew();
      std::shared_ptr<Log> log = *manager_->get_or_create(name, config_, base::Uuid::random(), {.is_new = true});
      log->start_leader_epoch(7);
      if (with_record) {
        AppendContext context;
        context.leader_epoch = 7;
        base::Bytes batch = testing::make_batch({"one"});
        ASSERT_TRUE(log->append_as_leader(batch, context).ok());
        faulty_.set_before_change([&](std::string_view operation, const std::string& path) {
          const bool is_late = operation == "sync" && path.ends_with("u-0/leader-epoch-checkpoint");
          if (is_late) throw std::system_error(std::make_error_code(std::errc::io_error));
        });
        EXPECT_THROW(log->flush(), std::system_error) << what;
        faulty_.set_before_change(nullptr);
      }
      log.reset();
      crash_and_start(bytes, UnsyncedNames::kept);
      for (const char* when : {" after the crash", " after a clean stop"}) {
        log = manager_->find(name);
        ASSERT_NE(log, nullptr) << what << when;
        EXPECT_FALSE(manager_->directories().front().offline) << what << when;
        if (log->log_end_offset() > 0) {
          EXPECT_EQ(log->latest_epoch(), 7) << what << when;
          EXPECT_EQ(log->epoch_end_offset(7).end_offset, 1) << what << when;
        }
        log.reset();
        log_.reset();
        manager_->shutdown();
        start();
      }
    }
  }
}

// Below the recovery point a start makes anew what lacks an index, and only once.
TEST_F(LogPowerTest, WhatAStartMadeAnewIsSafe) {
  start_anew();
  for (int offset = 0; offset < 8; ++offset) {
    append(history_[static_cast<std::size_t>(offset)]);
    if (offset % 3 == 0) log_->roll();
  }
  manager_->shutdown();
  files_.remove("/one/t-0/00000000000000000001.index");
  start();
  expect_history(8, "made anew");
  crash_and_start(UnsyncedBytes::lost, UnsyncedNames::kept);
  expect_history(8, "after the power loss");
  expect_whole("after the power loss");
}

// What a truncation takes away mustn't come back by its old name beside what is appended and flushed later.
TEST_F(LogPowerTest, WhatWasTruncatedStaysAway) {
  for (auto names : {UnsyncedNames::lost, UnsyncedNames::kept}) {
    start_anew();
    sequences_.clear();
    for (int offset = 0; offset < 8; ++offset) {
      append(history_[static_cast<std::size_t>(offset)]);
      if (offset == 3) log_->roll();
    }
    log_->flush();
    files_.sync_everything();
    ASSERT_EQ(manager_->truncate(*log_, 2), protocol::ErrorCode::none);
    append(history_[2]);
    log_->flush();
    crash_and_start(UnsyncedBytes::lost, names);
    EXPECT_EQ(log_->log_end_offset(), 3);
    expect_history(3, "truncated");
    expect_whole("truncated");
  }
}

// Nor the end of a segment, beneath one that began where it was cut.
TEST_F(LogPowerTest, WhatWasCutStaysAway) {
  for (auto names : {UnsyncedNames::lost, UnsyncedNames::kept}) {
    start_anew();
    sequences_.clear();
    for (int offset = 0; offset < 4; ++offset) append(history_[static_cast<std::size_t>(offset)]);
    log_->flush();
    files_.sync_everything();
    ASSERT_EQ(manager_->truncate(*log_, 2), protocol::ErrorCode::none);
    log_->roll();
    append(history_[2]);
    crash_and_start(UnsyncedBytes::lost, names);
    EXPECT_EQ(log_->log_end_offset(), 2);
    expect_history(2, "cut");
    expect_whole("cut");
  }
}

}  // namespace
}  // namespace storage
