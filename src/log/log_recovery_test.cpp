// The rules by which a partition's directory is opened, one by one: what is left over, what is missing, what has grown
// too far. Damage by crashes is in log_crash_test.cpp.
#include <gtest/gtest.h>

#include "base/faulty_file_system.h"
#include "log/inspect/verify.h"
#include "log/log_manager.h"
#include "log/log_split.h"
#include "log/testing/log_fixture.h"
#include "log/transaction_index.h"

namespace storage {
namespace {

using testing::LogFixture;
using testing::make_batch;

constexpr const char* kFirstLog = "/data/t-0/00000000000000000000.log";
constexpr std::int64_t kTwoToThe31 = std::int64_t{1} << 31;

class LogRecoveryTest : public LogFixture {
 protected:
  void write(const std::string& path, base::ByteView bytes) {
    auto file = files_.open(path, base::OpenMode::create);
    file->truncate(0);
    file->write_at(0, bytes);
  }
  // One batch for each offset, as they lie in a .log file.
  static base::Bytes batches_at(const std::vector<std::int64_t>& offsets) {
    base::Bytes all;
    for (std::int64_t offset : offsets) {
      base::Bytes batch = make_batch({std::to_string(offset)});
      protocol::set_base_offset(batch, offset);
      all.insert(all.end(), batch.begin(), batch.end());
    }
    return all;
  }
  void fill(int count, const testing::BatchFields& fields = {}) {
    for (int number = 0; number < count; ++number) append({"value-" + std::to_string(number)}, fields);
  }
  bool exists(const std::string& name) { return files_.exists("/data/t-0/" + name); }
};

// What a copy of a compacted log is given first can lie far behind the log's start. Like Kafka, a new segment begins there.
TEST_F(LogRecoveryTest, AnAppendFarBehindTheEndBeginsASegmentOfItsOwn) {
  constexpr std::int64_t kFar = 5'000'000'000;
  struct Case {
    std::vector<std::int64_t> before, after;
    std::vector<std::string> logs;
  };
  const std::vector<Case> cases = {
      {{}, {kFar, kFar + 1, kFar + 2}, {"00000000000000000000.log", "00000000005000000000.log"}},
      {{0, 1}, {kFar, kFar + 1, kFar + 2}, {"00000000000000000000.log", "00000000005000000000.log"}},
      {{0, 1}, {kTwoToThe31 - 1}, {"00000000000000000000.log"}},
      {{0, 1}, {kTwoToThe31}, {"00000000000000000000.log", "00000000002147483648.log"}},
  };
  config_.index_interval_bytes = 0;
  for (const Case& one : cases) {
    files_.remove_all("/data/t-0");
    open();
    EXPECT_TRUE(log().append_as_follower(batches_at(one.before)).ok());
    for (std::int64_t offset : one.after) ASSERT_TRUE(log().append_as_follower(batches_at({offset})).ok());
    std::vector<std::string> all;
    for (std::int64_t offset : one.before) all.push_back(std::to_string(offset));
    for (std::int64_t offset : one.after) all.push_back(std::to_string(offset));
    const auto expect_all = [&](const std::string& when) {
      EXPECT_EQ(all_values(), all) << when;
      EXPECT_EQ(log().log_start_offset(), 0);
      EXPECT_EQ(log().log_end_offset(), one.after.back() + 1);
      log().update_high_watermark(log().log_end_offset());
      EXPECT_EQ(read_values(one.after.back(), 1), std::vector<std::string>{all.back()}) << when;
      EXPECT_EQ(read_values(10, 1), std::vector<std::string>{std::to_string(one.after.front())}) << when;
      std::vector<std::string> logs;
      for (const std::string& name : names()) {
        if (name.ends_with(".log")) logs.push_back(name);
      }
      EXPECT_EQ(logs, one.logs) << when;
    };
    expect_all("appended");
    log().close();
    open({.clean_shutdown = true});
    expect_all("closed");
    inspect::verify(files_, "/data/t-0", {}, [](const inspect::Fault& fault) {
      ADD_FAILURE() << fault.file << ":" << fault.position << ": " << fault.what;
    });
    log_.reset();
    open();
    expect_all("recovered");
  }
  // No segment can hold these together.
  files_.remove_all("/data/t-0");
  open();
  EXPECT_EQ(log().append_as_follower(batches_at({0, kFar})).error, protocol::ErrorCode::corrupt_message);
  EXPECT_EQ(log().log_end_offset(), 0);
  // An empty segment takes what is larger than segment.bytes, but not what is too far away.
  config_.segment_bytes = static_cast<std::int64_t>(batches_at({kFar}).size()) - 1;
  open();
  ASSERT_TRUE(log().append_as_follower(batches_at({kFar})).ok());
  EXPECT_TRUE(exists("00000000005000000000.log"));
  EXPECT_EQ(all_values(), std::vector<std::string>{std::to_string(kFar)});
  files_.remove_all("/data/t-0");
  open();
  ASSERT_TRUE(log().append_as_follower(batches_at({kTwoToThe31 - 1})).ok());
  EXPECT_FALSE(exists("00000000002147483647.log"));
}

// As measured from Kafka 3.9.2 with the same bytes: the same segments, sizes and log end.
TEST_F(LogRecoveryTest, OverflowedSegmentsAreSplit) {
  struct Case {
    std::vector<std::int64_t> offsets;
    std::vector<std::string> logs;
  };
  const std::vector<Case> cases = {
      {{0, 1, kTwoToThe31 - 1, kTwoToThe31, kTwoToThe31 + 1, 3 * kTwoToThe31},
       {"00000000000000000000.log", "00000000002147483648.log", "00000000006442450944.log"}},
      {{0, 1, std::int64_t{1} << 40}, {"00000000000000000000.log", "00000001099511627776.log"}},
      {{kTwoToThe31 + 5, kTwoToThe31 + 6}, {"00000000002147483653.log"}},
      {{7, kTwoToThe31}, {"00000000000000000007.log"}},
  };
  for (const Case& one : cases) {
    files_.remove_all("/data/t-0");
    files_.create_directories("/data/t-0");
    base::Bytes bytes = batches_at(one.offsets);
    write(kFirstLog, bytes);
    open();
    std::vector<std::string> logs;
    for (const std::string& name : names()) {
      if (name.ends_with(".log")) logs.push_back(name);
      EXPECT_FALSE(name.ends_with(".cleaned") || name.ends_with(".swap")) << name;
    }
    EXPECT_EQ(logs, one.logs);
    EXPECT_EQ(log().log_end_offset(), one.offsets.back() + 1);
    EXPECT_EQ(log().size_bytes(), bytes.size());
    for (std::int64_t offset : one.offsets) {
      EXPECT_EQ(read_values(offset, 1), std::vector<std::string>{std::to_string(offset)});
    }
    EXPECT_EQ(append({"next"}).first_offset, one.offsets.back() + 1);
    // And once more as after a crash.
    open();
    EXPECT_EQ(log().log_end_offset(), one.offsets.back() + 2);
  }
}

// Offsets that go back, or a damaged batch in front of the overflow: the load ends, and nothing is named after damage.
TEST_F(LogRecoveryTest, ADamagedSegmentIsSplitOnce) {
  struct Case {
    std::vector<std::int64_t> offsets;
    bool last_is_damaged = false;
    std::int64_t log_end_offset = 0;
    std::size_t segment_count = 0;
  };
  const std::vector<Case> cases = {
      {{5, 5, kTwoToThe31 + 9}, false, kTwoToThe31 + 10, 2},
      {{5, kTwoToThe31 + 9, 4}, false, kTwoToThe31 + 10, 2},
      {{5, kTwoToThe31 + 9, 3 * kTwoToThe31}, true, kTwoToThe31 + 10, 2},
  };
  for (const Case& one : cases) {
    files_.remove_all("/data/t-0");
    files_.create_directories("/data/t-0");
    base::Bytes bytes = batches_at(one.offsets);
    if (one.last_is_damaged) bytes.back() ^= 1;
    write(kFirstLog, bytes);
    open();
    EXPECT_EQ(log().log_end_offset(), one.log_end_offset);
    EXPECT_EQ(log().segment_count(), one.segment_count);
  }
}

TEST_F(LogRecoveryTest, AfterACleanStopAnOverflowedSegmentIsServedAsItIs) {
  files_.create_directories("/data/t-0");
  write(kFirstLog, batches_at({0, kTwoToThe31 + 3}));
  write("/data/t-0/00000000000000000000.index", {});
  open({.clean_shutdown = true});
  EXPECT_EQ(log().segment_count(), 1u);
  EXPECT_EQ(log().log_end_offset(), kTwoToThe31 + 4);
  EXPECT_EQ(read_values(1), std::vector<std::string>{std::to_string(kTwoToThe31 + 3)});
}

TEST_F(LogRecoveryTest, ASplitThatCrashesAnywhereLosesNothing) {
  const std::vector<std::int64_t> offsets = {4, kTwoToThe31 + 4, kTwoToThe31 + 5, 3 * kTwoToThe31};
  base::FaultyFileSystem faulty(files_);
  std::uint64_t calls = 1'000;
  for (std::uint64_t call = 1; call <= calls; ++call) {
    files_.remove_all("/data");
    files_.create_directories("/data/t-0");
    write(kFirstLog, batches_at(offsets));
    files_.sync_everything();
    faulty.set_fault({.call = call, .persistent = true, .changes_only = true});
    PartitionFiles where{faulty, "/data/t-0"};
    try {
      EXPECT_EQ(split_segment(where, 0), (std::vector<std::int64_t>{4, kTwoToThe31 + 4, 3 * kTwoToThe31}));
      EXPECT_FALSE(faulty.fault_met());
    } catch (const std::system_error&) {
    }
    if (!faulty.fault_met()) break;
    ASSERT_LT(call, calls);
    files_.lose_power(call % 2 == 0 ? base::UnsyncedBytes::lost : base::UnsyncedBytes::kept);
    open();
    EXPECT_EQ(log().segment_count(), 3u) << call;
    std::vector<std::string> wanted;
    for (std::int64_t offset : offsets) wanted.push_back(std::to_string(offset));
    EXPECT_EQ(all_values(), wanted) << call;
  }
}

// An announced part below the unfinished one belongs to a swap that was complete.
TEST_F(LogRecoveryTest, SwapsBelowAnUnfinishedCleaningAreKept) {
  config_.segment_bytes = 200;
  open();
  fill(8);
  std::vector<std::string> before = all_values();
  log().close();
  log_.reset();
  base::Bytes first = base::read_file(files_, kFirstLog);
  write(std::string(kFirstLog) + ".swap", first);
  write("/data/t-0/00000000000000000000.index.swap", {});
  write("/data/t-0/00000000000000000004.log.cleaned", first);
  write("/data/t-0/00000000000000000004.timeindex.cleaned", first);
  write("/data/t-0/00000000000000000006.log.swap", first);
  write("/data/t-0/00000000000000000006.index.swap", first);
  open({.clean_shutdown = true});
  EXPECT_EQ(all_values(), before);
  EXPECT_EQ(files_.info("/data/t-0/00000000000000000000.index").size, 0u);
  for (const std::string& name : names()) {
    EXPECT_FALSE(name.ends_with(".cleaned") || name.ends_with(".swap")) << name;
  }
}

// All that lies in the range of an announced swap goes, snapshots too; what lies behind it stays.
TEST_F(LogRecoveryTest, AnAnnouncedSwapReplacesAllThatItCovers) {
  config_.segment_bytes = 200;
  open();
  fill(8);
  std::vector<std::string> before = all_values();
  log().close();
  log_.reset();
  ASSERT_TRUE(exists("00000000000000000002.snapshot"));
  ASSERT_TRUE(exists("00000000000000000004.snapshot"));
  base::Bytes merged = base::read_file(files_, kFirstLog);
  base::Bytes second = base::read_file(files_, "/data/t-0/00000000000000000002.log");
  merged.insert(merged.end(), second.begin(), second.end());
  write(std::string(kFirstLog) + ".swap", merged);
  open({.clean_shutdown = true});
  EXPECT_FALSE(exists("00000000000000000002.log"));
  EXPECT_FALSE(exists("00000000000000000002.index"));
  EXPECT_FALSE(exists("00000000000000000002.snapshot"));
  EXPECT_TRUE(exists("00000000000000000004.log"));
  EXPECT_TRUE(exists("00000000000000000000.index"));  // there was none to swap in: rebuilt
  EXPECT_EQ(all_values(), before);
}

// Cut short or not a batch: where it ends isn't known then. The segments that it was made from are all there while the first is.
TEST_F(LogRecoveryTest, AnAnnouncedSwapThatIsDamagedLeavesItsSources) {
  config_.segment_bytes = 200;
  open();
  fill(8);
  const std::vector<std::string> before = all_values();
  for (const std::uint8_t filler : {std::uint8_t{0}, std::uint8_t{0xff}}) {
    log().close();
    log_.reset();
    base::Bytes merged = base::read_file(files_, kFirstLog);
    merged.insert(merged.end(), 100, filler);
    write(std::string(kFirstLog) + ".swap", merged);
    write("/data/t-0/00000000000000000000.index.swap", {});
    open({.clean_shutdown = true});
    EXPECT_EQ(all_values(), before);
    for (const std::string& name : names()) EXPECT_FALSE(name.ends_with(".swap")) << name;
  }
}

TEST_F(LogRecoveryTest, ADamagedSwapIsRecoveredWhereASourceIsGone) {
  config_.segment_bytes = 200;
  open();
  fill(8);
  const std::vector<std::string> before = all_values();
  log().close();
  log_.reset();
  base::Bytes merged = base::read_file(files_, kFirstLog);
  const std::size_t good = merged.size();
  merged.insert(merged.end(), 100, 0xff);
  files_.remove(kFirstLog);
  write(std::string(kFirstLog) + ".swap", merged);
  write("/data/t-0/00000000000000000000.index.swap", {});
  open({.clean_shutdown = true});
  EXPECT_EQ(files_.info(kFirstLog).size, good);
  EXPECT_EQ(all_values(), before) << "what lies behind what can be read stays";
}

TEST_F(LogRecoveryTest, LoneIndexesAndDeletedSnapshotsGo) {
  open();
  fill(2);
  log().close();
  log_.reset();
  for (const char* name : {"00000000000000000099.index", "00000000000000000099.timeindex",
                           "00000000000000000099.txnindex", "00000000000000000001.snapshot.deleted",
                           "00000000000000000000.log.deleted"}) {
    write("/data/t-0/" + std::string(name), base::Bytes(24, 0));
  }
  open({.clean_shutdown = true});
  EXPECT_EQ(names(), (std::vector<std::string>{"00000000000000000000.index", "00000000000000000000.log",
                                               "00000000000000000000.timeindex", "00000000000000000002.snapshot",
                                               "leader-epoch-checkpoint"}));
  EXPECT_EQ(log().log_end_offset(), 2);
}

// Kafka makes a lost time index empty and doesn't look into the segment; retention then goes by the file's time.
TEST_F(LogRecoveryTest, ALostTimeIndexIsNotRebuiltAfterACleanStop) {
  config_.segment_bytes = 200;
  open();
  fill(8);
  log().close();
  log_.reset();
  files_.remove("/data/t-0/00000000000000000000.timeindex");
  base::Bytes damaged = base::read_file(files_, kFirstLog);
  damaged[100] ^= 1;  // would be cut if anybody looked
  write(kFirstLog, damaged);
  open({.clean_shutdown = true});
  EXPECT_EQ(log().log_start_offset(), 0);
  EXPECT_EQ(log().log_end_offset(), 8);
  EXPECT_EQ(files_.info(kFirstLog).size, damaged.size());
  append({"more"});
  log().close();
  open({.clean_shutdown = true});
  EXPECT_EQ(log().log_end_offset(), 9);
}

// As in Kafka the time of the file stands for those of the records then.
TEST_F(LogRecoveryTest, TimesAreFoundInSegmentsWithoutATimeIndex) {
  open();
  for (int number = 0; number < 4; ++number) {
    append({"a", "b"}, {.timestamp = 1000 + 10 * number});
    log().roll();
  }
  log().close();
  for (const char* name : {"00000000000000000002", "00000000000000000004"}) {
    files_.remove(std::string("/data/t-0/") + name + ".timeindex");
    files_.set_modified_ms(std::string("/data/t-0/") + name + ".log", 1025);
  }
  open({.clean_shutdown = true});
  auto offset_of = [&](std::int64_t time) { return log().list_offset(time, ReadIsolation::log_end)->offset; };
  EXPECT_EQ(offset_of(1005), 2);
  EXPECT_EQ(offset_of(1011), 3);
  EXPECT_EQ(offset_of(1012), 4);
  EXPECT_EQ(offset_of(1021), 5);
  EXPECT_EQ(offset_of(1025), 6);
  EXPECT_EQ(offset_of(1026), 6);
  EXPECT_EQ(offset_of(1032), -1);
}

// As a page that a disk lost. Without an error a move would take the log without what follows for all of it.
TEST_F(LogRecoveryTest, WhatIsBehindADamagedHeaderIsNotPassedOver) {
  for (const bool closed : {true, false}) {
    files_.remove_all("/data/t-0");
    open();
    fill(8);
    if (closed) log().roll();
    append({"value-8"});
    log().close();
    const std::uint64_t batch = base::read_file(files_, kFirstLog).size() / (closed ? 8 : 9);
    open({.clean_shutdown = true});
    files_.open(kFirstLog, base::OpenMode::read_write)->write_at(4 * batch, base::Bytes(100));
    for (const auto isolation : {ReadIsolation::log_end, ReadIsolation::transactions_committed}) {
      EXPECT_EQ(log().read(4, 1000, isolation, FirstBatch::whole).error(), protocol::ErrorCode::corrupt_message);
      EXPECT_EQ(log().read(7, 1000, isolation, FirstBatch::cut).error(), protocol::ErrorCode::corrupt_message);
    }
    EXPECT_EQ(read_values(0), (std::vector<std::string>{"value-0", "value-1", "value-2", "value-3"}));
    EXPECT_EQ(closed ? read_values(8) : std::vector<std::string>{"value-8"}, std::vector<std::string>{"value-8"});
    EXPECT_FALSE(directory_->offline());
  }
}

TEST_F(LogRecoveryTest, ASearchByTimeDoesNotPassDamageOver) {
  open();
  for (int number = 0; number < 8; ++number) append({"value"}, {.timestamp = 1000 + number});
  log().roll();
  append({"value"}, {.timestamp = 1008});
  log().flush();
  files_.open(kFirstLog, base::OpenMode::read_write)->write_at(files_.info(kFirstLog).size / 2, base::Bytes(17));
  EXPECT_EQ(log().list_offset(1003, ReadIsolation::log_end)->offset, 3);
  EXPECT_EQ(log().list_offset(1005, ReadIsolation::log_end).error(), protocol::ErrorCode::corrupt_message);
  EXPECT_EQ(log().list_offset(1008, ReadIsolation::log_end)->offset, 8);
}

// Else what is appended would have offsets that are there already, behind the damage.
TEST_F(LogRecoveryTest, ALastSegmentWithADamagedEndIsRecoveredAfterACleanStopToo) {
  for (const bool indexed : {false, true}) {
    files_.remove_all("/data/t-0");
    config_.index_interval_bytes = indexed ? 100 : 4096;
    open();
    fill(8);
    log().close();
    const std::uint64_t size = files_.info(kFirstLog).size;
    for (const std::uint64_t damaged : {7 * size / 8, size / 2, std::uint64_t{0}}) {
      const auto file = files_.open(kFirstLog, base::OpenMode::read_write);
      file->truncate(damaged);
      file->truncate(size);
      open({.clean_shutdown = true, .recovery_point = 8});
      const auto left = static_cast<std::int64_t>(damaged * 8 / size);
      EXPECT_EQ(log().log_end_offset(), left);
      EXPECT_EQ(log().recovery_point(), left);
      EXPECT_EQ(files_.info(kFirstLog).size, damaged);
      append({"more"});
      EXPECT_EQ(read_values(left), std::vector<std::string>{"more"});
      EXPECT_EQ(all_values().size(), static_cast<std::size_t>(left) + 1);
      log().close();
      open({.clean_shutdown = true});
      EXPECT_EQ(log().log_end_offset(), left + 1);
      log().close();
    }
  }
}

TEST_F(LogRecoveryTest, ADamagedTransactionIndexHasItsSegmentRecovered) {
  open();
  testing::BatchFields fields{.producer_id = 7, .producer_epoch = 0, .base_sequence = 0, .transactional = true};
  append({"aborted"}, fields);
  append_bytes(protocol::build_control_batch(7, 0, protocol::ControlType::abort, 0, clock_.wall_ms()), 0,
               protocol::AppendOrigin::coordinator);
  log().close();
  log_.reset();
  PartitionFiles where{files_, "/data/t-0"};
  auto entries = read_transaction_index(where, 0);
  ASSERT_EQ(entries.size(), 1u);
  write("/data/t-0/00000000000000000000.txnindex", base::Bytes(34, 0x11));
  open({.clean_shutdown = true});
  EXPECT_EQ(read_transaction_index(where, 0), entries);
  EXPECT_EQ(log().last_stable_offset(), 2);
}

TEST_F(LogRecoveryTest, RecoveryPointsBeyondTheLogOrBelowZeroAreHarmless) {
  config_.segment_bytes = 200;
  open();
  fill(8);
  std::vector<std::string> before = all_values();
  for (std::int64_t recovery_point : {std::int64_t{-5}, std::int64_t{3}, std::int64_t{8}, kTwoToThe31 * 10}) {
    open({.recovery_point = recovery_point});
    EXPECT_EQ(all_values(), before) << recovery_point;
    EXPECT_LE(log().recovery_point(), 8) << recovery_point;
  }
}

// All snapshots went with the recovery of a segment without an index, of which compaction has left nothing: that isn't a log
// without producers.
TEST_F(LogRecoveryTest, ProducersBehindAnEmptySegmentWithoutIndexAreKnown) {
  open();
  fill(3);
  log().roll();
  append({"x"}, {.producer_id = 7, .producer_epoch = 0, .base_sequence = 0, .transactional = true});
  log().close();
  files_.open(kFirstLog, base::OpenMode::read_write)->truncate(0);
  files_.remove("/data/t-0/00000000000000000000.index");
  open({.clean_shutdown = true});
  EXPECT_EQ(log().active_producers().size(), 1u);
  EXPECT_EQ(log().last_stable_offset(), 3);
}

// What a clean start costs doesn't depend on how much the log holds, but for one look at each segment's size.
TEST_F(LogRecoveryTest, ACleanStartTouchesOnlyTheLastSegment) {
  base::FaultyFileSystem counting(files_);
  auto calls_for = [&](int batches) {
    config_.segment_bytes = 200;
    files_.remove_all("/data/t-0");
    open();
    fill(batches);
    std::size_t segments = log().segment_count();
    log().close();
    log_.reset();
    counting.set_fault({});
    LogOptions options;
    options.topic_partition = {"t", 0};
    options.directory = "/data/t-0";
    options.log_directory = std::make_shared<LogDirectory>("/data");
    options.config = config_;
    options.clean_shutdown = true;
    options.recovery_point = batches;
    auto opened = Log::open(counting, clock_, options);
    EXPECT_EQ(opened->log_end_offset(), batches);
    std::uint64_t opening = counting.calls();
    opened->close();
    EXPECT_EQ(counting.calls(), opening) << "nothing changed, so there was nothing to close";
    return std::pair(opening, segments);
  };
  auto [few_calls, few] = calls_for(8);
  auto [many_calls, many] = calls_for(80);
  EXPECT_EQ(few, 4u);
  EXPECT_EQ(many, 40u);
  EXPECT_EQ(many_calls - few_calls, many - few);
}

}  // namespace
}  // namespace storage
