// Every file call of a log's life failing, in each way that a disk fails: no more is acknowledged, what was is there at the next
// start, the directory is whole then, and one line of the broker's log tells what happened.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <regex>

#include "log/testing/log_history.h"

namespace storage {
namespace {

using protocol::ErrorCode;

class LogLifeFaultTest : public testing::LogHistoryTest {
 protected:
  void SetUp() override {
    config_.segment_bytes = 300;
    config_.index_interval_bytes = 50;
  }
  void fail_each_call(const base::Fault& kind);
  void expect_told(const std::string& output, int error, const std::string& what) {
    const std::regex line(R"(ERROR Stopping serving logs in dir /one: ([a-z ]+) /one(/\S+)?: ([^.]*)\. )");
    std::vector<std::string> reasons;
    for (std::sregex_iterator at(output.begin(), output.end(), line), end; at != end; ++at) reasons.push_back((*at)[3]);
    EXPECT_EQ(reasons, std::vector<std::string>{std::strerror(error)}) << what << output;
  }
};

void LogLifeFaultTest::fail_each_call(const base::Fault& kind) {
  for (std::uint64_t call = 1;; ++call) {
    const std::string what = "call " + std::to_string(call);
    start_anew();
    base::Fault fault = kind;
    fault.call = call;
    faulty_.set_fault(fault);
    ::testing::internal::CaptureStdout();
    work();
    const std::int64_t in_the_log = log_->log_end_offset();
    EXPECT_NO_THROW(manager_->shutdown()) << what;
    const std::string output = ::testing::internal::GetCapturedStdout();
    if (HasFailure()) ADD_FAILURE() << output;  // it was caught as well
    const bool met = faulty_.fault_met();
    EXPECT_LE(in_the_log, acknowledged_ + 1) << what;
    // The last call of all syncs the marker's name.
    EXPECT_TRUE(met || files_.exists("/one/.kafka_cleanshutdown")) << what;
    if (met) {
      EXPECT_TRUE(manager_->any_offline()) << what;
      expect_told(output, kind.error, what);
    }
    crash_and_start(base::UnsyncedBytes::kept, base::UnsyncedNames::kept);
    expect_history(acknowledged_, what);
    EXPECT_LE(log_->log_end_offset(), acknowledged_ + 1) << what;
    expect_whole(what);
    if (HasFailure()) return;
    if (met) continue;
    EXPECT_EQ(acknowledged_, static_cast<std::int64_t>(history_.size()));
    EXPECT_GT(call, 200u);
    return;
  }
}

TEST_F(LogLifeFaultTest, AnErrorOnce) { fail_each_call({.error = EIO}); }
TEST_F(LogLifeFaultTest, AnErrorOnceInTheMiddleOfAWrite) { fail_each_call({.error = EIO, .half_written = true}); }
TEST_F(LogLifeFaultTest, AnErrorForEver) { fail_each_call({.error = EIO, .persistent = true, .half_written = true}); }
TEST_F(LogLifeFaultTest, NoSpaceOnce) { fail_each_call({.error = ENOSPC, .half_written = true, .changes_only = true}); }
TEST_F(LogLifeFaultTest, NoSpaceForEver) {
  fail_each_call({.error = ENOSPC, .persistent = true, .half_written = true, .changes_only = true});
}
TEST_F(LogLifeFaultTest, AnErrorOnceWithAFlushForEachMessage) {
  config_.flush_messages = 1;
  fail_each_call({.error = EIO, .half_written = true});
}
TEST_F(LogLifeFaultTest, AnErrorOnceWithPreallocatedSegments) {
  config_.preallocate = true;
  fail_each_call({.error = EIO, .half_written = true});
}

class LogReadFaultTest : public testing::LogFixture {
 protected:
  base::FileSystem& file_system() override { return faulty_; }
  base::FaultyFileSystem faulty_{files_};
};

// Connections may have taken all descriptors; they will be given back, and the disk is as good as before.
TEST_F(LogReadFaultTest, WhatTheProcessLacksForAReadIsNoFaultOfTheDisk) {
  config_.segment_bytes = 300;
  config_.index_interval_bytes = 50;
  open();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(append({"value " + std::to_string(i)}).ok());
  log().close();
  const auto ask = [this](int which) -> ErrorCode {
    if (which == 0) {
      const auto read = log().read(3, 1000, ReadIsolation::high_watermark, FirstBatch::whole);
      return read ? ErrorCode::none : read.error();
    }
    const auto found = log().list_offset(1'700'000'000'000, ReadIsolation::high_watermark);
    return found ? ErrorCode::none : found.error();
  };
  for (const int which : {0, 1}) {
    for (const int error : {EMFILE, ENFILE, ENOMEM}) {
      open({.clean_shutdown = true});
      faulty_.set_fault({.call = 1, .error = error});
      EXPECT_EQ(ask(which), ErrorCode::kafka_storage_error);
      ASSERT_TRUE(faulty_.fault_met());
      EXPECT_FALSE(directory_->offline()) << which << std::strerror(error);
      EXPECT_EQ(ask(which), ErrorCode::none);
      log().close();
    }
  }
}

}  // namespace
}  // namespace storage
