// Crashes of the process and losses of power at any moment, damaged files, and every single file call failing: what
// was promised to be on disk must be there, the rest is a clean prefix, and the log goes on.
#include <gtest/gtest.h>

#include <cerrno>

#include "base/faulty_file_system.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::BatchFields;
using testing::LogFixture;
using testing::make_batch;

constexpr const char* kLog = "/data/t-0/00000000000000000000.log";

class LogCrashTest : public LogFixture {
 protected:
  // As a broker would: the recovery point is what a checkpoint had before.
  void reopen_after(base::UnsyncedBytes unsynced, std::int64_t recovery_point) {
    log_.reset();
    files_.lose_power(unsynced);
    files_.create_directories("/data");
    open({.recovery_point = recovery_point});
  }
  void expect_prefix_of(const std::vector<std::string>& appended, std::size_t at_least, const std::string& what) {
    std::vector<std::string> found = all_values();
    ASSERT_LE(found.size(), appended.size()) << what;
    EXPECT_GE(found.size(), at_least) << what;
    EXPECT_TRUE(std::equal(found.begin(), found.end(), appended.begin())) << what;
    EXPECT_EQ(log().log_end_offset() - log().log_start_offset(), static_cast<std::int64_t>(found.size())) << what;
    // And it goes on from there.
    AppendResult next = append({"next"});
    EXPECT_TRUE(next.ok()) << what;
    EXPECT_EQ(read_values(next.first_offset), std::vector<std::string>{"next"}) << what;
  }
  void write_at(const std::string& path, std::uint64_t position, const base::Bytes& bytes) {
    files_.open(path, base::OpenMode::create)->write_at(position, bytes);
  }
};

TEST_F(LogCrashTest, FlushedRecordsSurviveAPowerLoss) {
  using base::UnsyncedBytes;
  for (auto unsynced : {UnsyncedBytes::lost, UnsyncedBytes::zeroed, UnsyncedBytes::torn, UnsyncedBytes::kept}) {
    for (int flush_at = 0; flush_at < 24; ++flush_at) {
      files_.remove_all("/data");
      files_.create_directories("/data/t-0");
      files_.sync_everything();
      config_ = LogConfig{};
      config_.segment_bytes = 400;
      config_.index_interval_bytes = 50;
      open();
      std::vector<std::string> appended;
      std::int64_t flushed = 0;
      for (int number = 0; number < 24; ++number) {
        appended.push_back("value-" + std::to_string(number));
        ASSERT_TRUE(append({appended.back()}).ok());
        if (number == flush_at) {
          log().flush();
          flushed = log().recovery_point();
          EXPECT_EQ(flushed, number + 1);
        }
      }
      reopen_after(unsynced, flushed);
      expect_prefix_of(appended, static_cast<std::size_t>(flushed),
                       "flush " + std::to_string(flush_at) + " mode " + std::to_string(static_cast<int>(unsynced)));
    }
  }
}

TEST_F(LogCrashTest, ACleanCloseSurvivesAPowerLoss) {
  config_.segment_bytes = 400;
  files_.create_directories("/data/t-0");
  files_.sync_everything();
  open();
  for (int number = 0; number < 20; ++number)
    append({"v" + std::to_string(number)}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = number});
  std::vector<std::string> before = all_values();
  log().close();
  log_.reset();
  files_.lose_power();
  open({.clean_shutdown = true, .recovery_point = 20});
  EXPECT_EQ(all_values(), before);
  EXPECT_TRUE(append({"v19"}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 19}).duplicate);
}

// Topic id and first epoch aren't synced when they are written, but with the first flush.
TEST_F(LogCrashTest, ANewPartitionIsDurableAfterItsFirstFlush) {
  for (bool flushed : {false, true}) {
    files_.remove_all("/data");
    files_.create_directories("/data");
    files_.sync_everything();
    open();
    base::Uuid id = base::Uuid::random();
    log().set_topic_id(id);
    log().start_leader_epoch(4);
    append_bytes(make_batch({"a"}), 4);
    if (flushed) log().flush_closed_segments();
    reopen_after(base::UnsyncedBytes::lost, 0);
    EXPECT_EQ(log().topic_id().has_value(), flushed);
    EXPECT_EQ(log().log_end_offset(), 0);  // it isn't about the records
    EXPECT_EQ(append({"b"}).first_offset, 0);
  }
}

// A new log has the file at once; later a leader that appends nothing writes nothing, and any start drops its epoch. Where the
// file is still to be written, a recovery finds the epoch in the records.
TEST_F(LogCrashTest, ALeaderEpochIsWrittenBeforeTheRecoveryPointPassesItsFirstRecord) {
  const auto file = [&] {
    base::Bytes bytes = base::read_file(files_, "/data/t-0/leader-epoch-checkpoint");
    return std::string(base::as_text(bytes));
  };
  open();
  log().start_leader_epoch(1);
  EXPECT_EQ(file(), "0\n1\n1 0\n");
  append_bytes(make_batch({"a"}), 1);
  log().close();
  open({.clean_shutdown = true, .recovery_point = 1});
  log().start_leader_epoch(4);
  EXPECT_EQ(log().latest_epoch(), 4);
  EXPECT_EQ(log().epoch_end_offset(1).end_offset, 1);
  EXPECT_EQ(file(), "0\n1\n1 0\n");
  log().close();
  open({.clean_shutdown = true, .recovery_point = 1});
  EXPECT_EQ(log().latest_epoch(), 1);
  log().start_leader_epoch(5);
  append_bytes(make_batch({"b"}), 5);
  EXPECT_EQ(file(), "0\n1\n1 0\n");
  EXPECT_TRUE(log().has_closed_segments_to_flush()) << "this does it, within a second";
  reopen_after(base::UnsyncedBytes::kept, 1);
  EXPECT_EQ(file(), "0\n2\n1 0\n5 1\n");
  EXPECT_EQ(log().epoch_end_offset(1).end_offset, 1);
  log().start_leader_epoch(6);
  append_bytes(make_batch({"c"}), 6);
  log().flush_closed_segments();
  EXPECT_EQ(file(), "0\n3\n1 0\n5 1\n6 2\n");
  EXPECT_FALSE(log().has_closed_segments_to_flush());
  for (auto unsynced : {base::UnsyncedBytes::kept, base::UnsyncedBytes::lost}) {
    const std::int32_t epoch = *log().latest_epoch() + 1;
    log().start_leader_epoch(epoch);
    append_bytes(make_batch({"d"}), epoch);
    log().flush();
    reopen_after(unsynced, log().recovery_point());
    EXPECT_EQ(log().latest_epoch(), epoch);
    EXPECT_EQ(log().epoch_end_offset(1).end_offset, 1);
    EXPECT_EQ(log().epoch_end_offset(5).end_offset, 2);
  }
}

// Below the recovery point nothing is made anew, and without its index aborted data would look committed.
TEST_F(LogCrashTest, ATransactionIndexIsFlushedWithItsSegment) {
  for (bool flushed_before : {false, true}) {
    files_.remove_all("/data");
    files_.create_directories("/data");
    files_.sync_everything();
    open();
    append({"aborted"}, {.producer_id = 7, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
    if (flushed_before) log().flush();  // the segment's other names are on disk before the index is there
    append_bytes(protocol::build_control_batch(7, 0, protocol::ControlType::abort, 0, clock_.wall_ms()), 0,
                 protocol::AppendOrigin::coordinator);
    log().roll();
    log().flush_closed_segments();
    ASSERT_EQ(log().recovery_point(), 2);
    reopen_after(base::UnsyncedBytes::lost, 2);
    auto read = log().read(0, 1000, ReadIsolation::transactions_committed, FirstBatch::whole);
    ASSERT_TRUE(read) << flushed_before;
    EXPECT_EQ(read->aborted_transactions->size(), 1u) << flushed_before;
  }
}

TEST_F(LogCrashTest, DamagedTailsAreCut) {
  base::Bytes whole = make_batch({"never acknowledged"});
  protocol::set_base_offset(whole, 3);
  base::Bytes bad_crc = whole;
  bad_crc.back() ^= 1;
  base::Bytes torn_header(whole.begin(), whole.begin() + 30);
  base::Bytes torn_body(whole.begin(), whole.end() - 1);
  base::Bytes negative_length = whole;
  base::store_big_endian<std::int32_t>(negative_length.data() + 8, -5);
  base::Bytes negative_offset = whole;
  protocol::set_base_offset(negative_offset, -7);
  base::Bytes one_byte{0x7f};
  for (const base::Bytes& tail : {bad_crc, torn_header, torn_body, negative_length, negative_offset, one_byte,
                                  base::Bytes(5, 0), base::Bytes(5000, 0), base::Bytes(5000, 0xff)}) {
    files_.remove_all("/data/t-0");
    open();
    append({"a", "b"});
    append({"c"});
    std::uint64_t size = log().size_bytes();
    log_.reset();
    write_at(kLog, size, tail);
    open();
    EXPECT_EQ(files_.info(kLog).size, size);
    expect_prefix_of({"a", "b", "c"}, 3, std::to_string(tail.size()));
  }
}

TEST_F(LogCrashTest, DamageInTheMiddleDropsWhatFollows) {
  config_.segment_bytes = 200;
  open();
  std::vector<std::string> appended;
  for (int number = 0; number < 12; ++number) append({appended.emplace_back("value-" + std::to_string(number))});
  ASSERT_GT(log().segment_count(), 4u);
  log_.reset();
  auto bases = names();
  write_at("/data/t-0/00000000000000000004.log", 70, {0xde, 0xad});
  open({.recovery_point = 2});
  EXPECT_EQ(log().log_end_offset(), 4);
  expect_prefix_of(appended, 4, "middle");
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000006.log.deleted"));
  // Below the recovery point nobody looks.
  log_.reset();
  write_at(kLog, 70, {0xde, 0xad});
  open({.recovery_point = 4});
  EXPECT_EQ(log().log_end_offset(), 5);
}

TEST_F(LogCrashTest, IndexesAreRebuilt) {
  config_.segment_bytes = 1000;
  config_.index_interval_bytes = 100;
  for (bool clean : {false, true}) {
    files_.remove_all("/data/t-0");
    open();
    std::vector<std::string> appended;
    for (int number = 0; number < 40; ++number) {
      append({appended.emplace_back("value-" + std::to_string(number))}, {.timestamp = 1000 + number});
    }
    log().close();
    log_.reset();
    for (const std::string& name : names()) {
      if (name.ends_with(".index") && clean) files_.remove("/data/t-0/" + name);
      if (name.ends_with("index") && !clean) write_at("/data/t-0/" + name, 3, base::Bytes(1000, 0x5a));
    }
    open({.clean_shutdown = clean});
    for (int number = 0; number < 40; ++number) {
      EXPECT_EQ(read_values(number, 1), std::vector<std::string>{appended[static_cast<std::size_t>(number)]});
      EXPECT_EQ(log().list_offset(1000 + number, ReadIsolation::log_end)->offset, number);
    }
  }
}

// Kafka opens such an index as it is; it must not hide records from readers.
TEST_F(LogCrashTest, AGarbledIndexHidesNothing) {
  config_.index_interval_bytes = 100;
  open();
  for (int number = 0; number < 40; ++number) append({"value-" + std::to_string(number)});
  log().close();
  log_.reset();
  base::Bytes garbage(160);
  for (std::size_t at = 0; at < garbage.size(); ++at) garbage[at] = static_cast<std::uint8_t>(at % 8 < 4 ? 0 : at * 7);
  write_at("/data/t-0/00000000000000000000.index", 0, garbage);
  open({.clean_shutdown = true});
  EXPECT_EQ(log().log_end_offset(), 40);
  for (int number = 0; number < 40; ++number) {
    EXPECT_EQ(read_values(number, 1), std::vector<std::string>{"value-" + std::to_string(number)});
  }
}

TEST_F(LogCrashTest, DamagedSnapshotsGiveWayToTheLog) {
  config_.segment_bytes = 200;
  open();
  for (int number = 0; number < 9; ++number) {
    append({"v"}, {.producer_id = 4, .producer_epoch = 0, .base_sequence = number});
  }
  log().close();
  log_.reset();
  for (const std::string& name : names()) {
    if (name.ends_with(".snapshot")) write_at("/data/t-0/" + name, 8, {0xff, 0xff});
  }
  open({.clean_shutdown = true});
  EXPECT_TRUE(append({"v"}, {.producer_id = 4, .producer_epoch = 0, .base_sequence = 8}).duplicate);
  EXPECT_EQ(log().log_end_offset(), 9);
}

TEST_F(LogCrashTest, LogStartBeyondTheEndStartsAnew) {
  open();
  append({"a", "b"});
  log().close();
  open({.clean_shutdown = true, .log_start_offset = 100});
  EXPECT_EQ(log().log_start_offset(), 100);
  EXPECT_EQ(log().log_end_offset(), 100);
  EXPECT_EQ(append({"c"}).first_offset, 100);
}

TEST_F(LogCrashTest, LeftoversAreSortedOut) {
  config_.segment_bytes = 200;
  open();
  for (int number = 0; number < 8; ++number) append({"value-" + std::to_string(number)});
  std::vector<std::string> before = all_values();
  log().close();
  log_.reset();
  base::Bytes first = base::read_file(files_, kLog);
  write_at("/data/t-0/00000000000000000000.log.deleted", 0, first);
  write_at("/data/t-0/00000000000000000000.log.cleaned", 0, {1, 2, 3});
  write_at("/data/t-0/00000000000000000002.log.swap", 0, {1, 2, 3});
  write_at("/data/t-0/00000000000000000777.timeindex", 0, base::Bytes(12, 0));
  open({.clean_shutdown = true});
  EXPECT_EQ(all_values(), before);
  for (const std::string& name : names()) {
    EXPECT_FALSE(name.ends_with(".deleted") || name.ends_with(".cleaned") || name.ends_with(".swap")) << name;
  }
  // A swap that was announced takes the place of its sources.
  log().close();
  log_.reset();
  base::Bytes second = base::read_file(files_, "/data/t-0/00000000000000000002.log");
  first.insert(first.end(), second.begin(), second.end());
  write_at("/data/t-0/00000000000000000000.log.swap", 0, first);
  open({.clean_shutdown = true});
  EXPECT_FALSE(files_.exists("/data/t-0/00000000000000000002.log"));
  EXPECT_EQ(files_.info(kLog).size, first.size());
  EXPECT_EQ(all_values(), before);
}

// --- Every file call failing ---

class LogFaultTest : public LogCrashTest {
 protected:
  base::FileSystem& file_system() override { return faulty_; }

  // Appends with rolls, a flush, retention, truncation, and a close. Returns what was acknowledged and never dropped.
  std::vector<std::string> work() {
    std::vector<std::string> acknowledged;
    try {
      open();
      log().start_leader_epoch(1);
      log().set_topic_id(base::Uuid::random());
      for (int number = 0; number < 12; ++number) {
        std::string value = "value-" + std::to_string(number);
        BatchFields fields{.producer_id = 9, .producer_epoch = 0, .base_sequence = number};
        bool before = directory_->offline();
        AppendResult result = append({value}, fields);
        EXPECT_EQ(result.ok(), !directory_->offline()) << name_of(result.error);
        EXPECT_TRUE(!before || result.error == ErrorCode::kafka_storage_error);
        if (result.ok()) acknowledged.push_back(value);
        if (number == 6) log().flush();
      }
      log().flush_closed_segments();
      log().close();
    } catch (const std::system_error& error) {
      EXPECT_TRUE(faulty_.fault_met()) << error.what();
    }
    return acknowledged;
  }

  void fail_each_call(const base::Fault& kind) {
    config_.segment_bytes = 300;
    config_.index_interval_bytes = 50;
    faulty_.set_fault({});
    files_.remove_all("/data/t-0");
    EXPECT_EQ(work().size(), 12u);
    std::uint64_t calls = faulty_.calls();
    EXPECT_GT(calls, 50u);
    for (std::uint64_t call = 1; call <= calls; ++call) {
      files_.remove_all("/data/t-0");
      base::Fault fault = kind;
      fault.call = call;
      faulty_.set_fault(fault);
      std::vector<std::string> acknowledged = work();
      std::vector<std::string> all;
      for (int number = 0; number < 12; ++number) all.push_back("value-" + std::to_string(number));
      faulty_.set_fault({});
      // The next broker recovers. It may find one record that wasn't acknowledged, never fewer.
      open();
      expect_prefix_of(all, acknowledged.size(), "call " + std::to_string(call));
      EXPECT_LE(log().log_end_offset(), static_cast<std::int64_t>(acknowledged.size()) + 2) << call;
    }
  }

  void recovery_fails(base::Fault fault);  // at each call

  base::FaultyFileSystem faulty_{files_};
};

TEST_F(LogFaultTest, NoSpaceOnce) { fail_each_call({.error = ENOSPC, .half_written = true}); }
TEST_F(LogFaultTest, BrokenDiskForEver) { fail_each_call({.error = EIO, .persistent = true}); }

// The power goes at each call, and with it all that wasn't synced. What was acknowledged stays.
TEST_F(LogFaultTest, AFlushForEachMessageLosesNothingByAPowerLoss) {
  config_.segment_bytes = 300;
  config_.index_interval_bytes = 50;
  config_.flush_messages = 1;
  std::vector<std::string> all;
  for (int number = 0; number < 12; ++number) all.push_back("value-" + std::to_string(number));
  using base::UnsyncedBytes;
  for (auto unsynced : {UnsyncedBytes::lost, UnsyncedBytes::zeroed, UnsyncedBytes::torn, UnsyncedBytes::kept}) {
    for (std::uint64_t call = 1; call < 1000; ++call) {
      faulty_.set_fault({});
      files_.remove_all("/data");
      files_.create_directories("/data");
      files_.sync_everything();
      faulty_.set_fault({.call = call, .persistent = true, .half_written = true});
      const std::vector<std::string> acknowledged = work();
      const bool met = faulty_.fault_met();
      faulty_.set_fault({});
      reopen_after(unsynced, 0);
      expect_prefix_of(all, acknowledged.size(), "call " + std::to_string(call) + " mode " + std::to_string(static_cast<int>(unsynced)));
      if (met) continue;
      EXPECT_EQ(acknowledged.size(), 12u);
      EXPECT_GT(call, 50u);
      break;
    }
  }
}

TEST_F(LogFaultTest, RecoveryFailsAndIsRepeated) {
  recovery_fails({.error = EIO});
  recovery_fails({.error = EIO, .persistent = true});
  recovery_fails({.error = ENOSPC, .half_written = true, .changes_only = true});
}

void LogFaultTest::recovery_fails(base::Fault fault) {
  config_.segment_bytes = 300;
  config_.index_interval_bytes = 50;
  std::uint64_t calls = 1000;
  for (std::uint64_t call = 1; call <= calls; ++call) {
    ASSERT_LT(call, calls);
    faulty_.set_fault({});
    files_.remove_all("/data/t-0");
    open();
    std::vector<std::string> appended;
    for (int number = 0; number < 12; ++number) {
      // A producer with sequences, and at the end an open transaction.
      const BatchFields fields{.producer_id = 9 + number / 10, .producer_epoch = 0, .base_sequence = number % 10, .transactional = number >= 10};
      append({appended.emplace_back("value-" + std::to_string(number))}, fields);
    }
    log_.reset();
    std::string last;
    for (const std::string& name : names()) {
      if (name.ends_with(".log")) last = "/data/t-0/" + name;
    }
    write_at(last, files_.info(last).size, base::Bytes(100, 0));
    fault.call = call;
    faulty_.set_fault(fault);
    try {
      open();
    } catch (const std::system_error&) {
      EXPECT_TRUE(faulty_.fault_met());
    }
    if (!faulty_.fault_met()) break;
    faulty_.set_fault({});
    open();
    EXPECT_EQ(log().offsets().last_stable_offset, 10) << call;
    expect_prefix_of(appended, 12, "call " + std::to_string(call));
    EXPECT_TRUE(append({"again"}, {.producer_id = 9, .producer_epoch = 0, .base_sequence = 10}).ok()) << call;
  }
}

TEST_F(LogFaultTest, RetentionAndTruncationFail) {
  config_.segment_bytes = 200;
  for (std::uint64_t call = 1; call < 200; ++call) {
    faulty_.set_fault({});
    files_.remove_all("/data/t-0");
    open();
    std::vector<std::string> appended;
    for (int number = 0; number < 12; ++number) append({appended.emplace_back("value-" + std::to_string(number))});
    ASSERT_TRUE(log().delete_records(5).has_value());
    faulty_.set_fault({.call = call});
    try {
      log().delete_old_segments(clock_.wall_ms());
      log().truncate_to(10);
      log().run_deletes(clock_.monotonic_ms() + 100'000);
    } catch (const std::system_error&) {
      EXPECT_TRUE(directory_->offline());
    }
    bool met = faulty_.fault_met();
    faulty_.set_fault({});
    open({.log_start_offset = 5});
    std::vector<std::string> found = all_values();
    EXPECT_GE(log().log_start_offset(), 4) << call;
    for (std::int64_t number = 6; number < 10; ++number) {
      EXPECT_EQ(std::count(found.begin(), found.end(), "value-" + std::to_string(number)), 1) << call;
    }
    if (!met) break;
  }
}

}  // namespace
}  // namespace storage
