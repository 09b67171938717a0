// What those who look after a log do with its files doesn't hold up those who use it: its lock is free meanwhile.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/faulty_file_system.h"
#include "base/testing/gate.h"
#include "base/without_waiting.h"
#include "log/log_compaction.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using testing::LogFixture;

constexpr std::int64_t kTime = 1'700'000'000'000;

class LogWaitingTest : public LogFixture {
 protected:
  base::FileSystem& file_system() override { return faulty_; }

  // Segments of one record each, the times of which are a second apart; then a start that has looked at none of them.
  void leave_segments(int count) {
    open();
    for (int number = 0; number < count; ++number) {
      append({"value"}, {.timestamp = kTime + number * 1'000});
      if (number + 1 < count) log().roll();
    }
    log().close();
    open({.clean_shutdown = true});
  }
  // The first reads find nothing in memory.
  void find_files_cold() {
    faulty_.set_before_read([this] {
      if (!base::WithoutWaiting::is_active()) {
        ++waited_;
      } else if (refused_ < refusals_) {
        ++refused_;
        throw base::WouldWait("no such file", static_cast<std::uint64_t>(refused_ % places_), 1);
      }
    });
  }

  base::testing::Gate disk_;
  base::FaultyFileSystem faulty_{files_};
  std::atomic<int> waited_ = 0;
  std::atomic<int> refused_ = 0;
  int refusals_ = 3;
  int places_ = 1'000;  // that they go round
};

TEST_F(LogWaitingTest, ARenameOfRetentionThatHangsHoldsNobodyUp) {
  leave_segments(5);
  LogConfig config = log().config();
  config.retention_bytes = 10;
  log().set_config(config);
  faulty_.set_before_change([this](std::string_view operation, const std::string& path) {
    if (operation == "rename" && path.ends_with(".log")) disk_.pass();
  });
  std::jthread deleting([this] { EXPECT_EQ(log().delete_old_segments(kTime), 4u); });
  const base::testing::OpensAtTheEnd at_the_end(disk_);
  disk_.wait_for_arrivals(1);
  EXPECT_TRUE(append({"more"}).ok());
  EXPECT_EQ(log().log_start_offset(), 4);
  EXPECT_EQ(read_values(4), (std::vector<std::string>{"value", "more"}));
  EXPECT_EQ(*log().delete_records(5), 5);
  EXPECT_EQ(log().delete_old_segments(kTime), 0u) << "one at a time";
  disk_.open();
  deleting.join();
  faulty_.set_before_change(nullptr);
  clock_.advance_ms(60'000);
  log().run_deletes(clock_.monotonic_ms());
  for (const std::string& name : names()) {
    const auto parsed = parse_file_name(name);
    EXPECT_GE(parsed ? parsed->offset : 4, 4) << name;
  }
}

TEST_F(LogWaitingTest, RetentionByTimeReadsWithTheLockReleased) {
  leave_segments(5);
  LogConfig config = log().config();
  config.retention_ms = 1'000;
  log().set_config(config);
  find_files_cold();
  EXPECT_EQ(log().delete_old_segments(kTime + 3'500), 3u);
  EXPECT_EQ(refused_, 3);
  EXPECT_EQ(waited_, 0);
}

// As on a file system that keeps nothing in memory.
TEST_F(LogWaitingTest, WhatIsNeverInMemoryIsWaitedFor) {
  leave_segments(5);
  LogConfig config = log().config();
  config.retention_ms = 1'000;
  log().set_config(config);
  places_ = 1;
  refusals_ = 1'000;
  find_files_cold();
  EXPECT_EQ(log().delete_old_segments(kTime + 3'500), 3u);
  EXPECT_LE(refused_, 10);
  EXPECT_GT(waited_, 0);
}

// As of files that push each other out of a machine's memory.
TEST_F(LogWaitingTest, WhatIsForgottenAsFastAsItIsReadIsWaitedFor) {
  leave_segments(5);
  LogConfig config = log().config();
  config.min_compaction_lag_ms = 1;
  log().set_config(config);
  places_ = 2;
  refusals_ = 1'000;
  find_files_cold();
  EXPECT_EQ(log().cleaning_facts()->segments.at(3).largest_timestamp, kTime + 3'000);
  EXPECT_LE(refused_, 10);
  EXPECT_GT(waited_, 0);
}

TEST_F(LogWaitingTest, TheCleanersLookReadsWithTheLockReleased) {
  leave_segments(5);
  LogConfig config = log().config();
  config.min_compaction_lag_ms = 1;
  config.max_compaction_lag_ms = 1;
  log().set_config(config);
  find_files_cold();
  const auto facts = log().cleaning_facts();
  EXPECT_EQ(facts->segments.at(3).largest_timestamp, kTime + 3'000);
  EXPECT_EQ(facts->segments.at(3).first_batch_timestamp, kTime + 3'000);
  EXPECT_EQ(refused_, 3);
  EXPECT_EQ(waited_, 0);
}

TEST_F(LogWaitingTest, HoweverManyPlacesAreColdTheyAreReadWithTheLockReleased) {
  leave_segments(5);
  LogConfig config = log().config();
  config.min_compaction_lag_ms = 1;
  log().set_config(config);
  refusals_ = 500;
  find_files_cold();
  EXPECT_EQ(log().cleaning_facts()->segments.at(3).largest_timestamp, kTime + 3'000);
  EXPECT_EQ(refused_, 500);
  EXPECT_EQ(waited_, 0);
}

TEST_F(LogWaitingTest, ASearchByTimeTouchesNoSegmentBehindTheOneItFinds) {
  constexpr int kSegments = 100;
  leave_segments(kSegments);
  faulty_.set_fault({});
  EXPECT_EQ(log().list_offset(kTime, ReadIsolation::high_watermark)->offset, 0);
  EXPECT_LT(faulty_.calls(), kSegments);
}

// The first segment that has such a time may have it below the log's start alone.
TEST_F(LogWaitingTest, ASearchByTimeGoesOnBehindASegmentThatHasNothing) {
  open();
  for (std::int64_t second : {9, 1, 2}) append({"value"}, {.timestamp = kTime + second * 1'000});
  log().roll();
  append({"value"}, {.timestamp = kTime + 3'000});
  log().roll();
  for (std::int64_t second : {5, 6}) append({"value"}, {.timestamp = kTime + second * 1'000});
  ASSERT_EQ(*log().delete_records(1), 1);
  const auto found = log().list_offset(kTime + 5'500, ReadIsolation::high_watermark);
  EXPECT_EQ(found->offset, 5);
  EXPECT_EQ(found->timestamp, kTime + 6'000);
  EXPECT_EQ(log().list_offset(kTime + 6'500, ReadIsolation::high_watermark)->offset, -1);
}

}  // namespace
}  // namespace storage
