// The cleaner over all logs of a broker: which it takes, the checkpoint, what it leaves alone, threads.
#include "log/cleaner/log_cleaner.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <thread>

#include "base/faulty_file_system.h"
#include "log/testing/compaction_fixture.h"

namespace storage {
namespace {

using testing::KeyedConsumer;
using testing::make_keyed_batch;

class LogCleanerTest : public ::testing::Test {
 protected:
  LogCleanerTest() {
    config_.cleanup_delete = false;
    config_.cleanup_compact = true;
    config_.segment_bytes = 500;
    start();
  }

  void start() {
    cleaner_.reset();
    manager_.reset();
    LogManagerConfig config;
    config.log_dirs = {"/one", "/two"};
    manager_ = std::make_unique<LogManager>(faulty_, clock_, config);
    manager_->open_directories();
    manager_->check_identity(1, "AAAAAAAAAAAAAAAAAAAAAA");
    manager_->load([&](const std::string&) { return config_; });
    for (const auto& log : manager_->logs()) log->update_high_watermark(log->log_end_offset());
    cleaner_ = std::make_unique<LogCleaner>(*manager_, clock_, cleaner_config_);
  }
  std::shared_ptr<Log> log(const std::string& topic, const std::string& directory = "/one") {
    return *manager_->get_or_create({topic, 0}, config_, std::nullopt, {.is_new = true, .directory = directory});
  }
  void fill(Log& log, int count, int keys = 3) {
    for (int i = 0; i < count; ++i) {
      base::Bytes batch = make_keyed_batch({{"key" + std::to_string(i % keys), "value" + std::to_string(i)}});
      AppendContext context;
      context.now_ms = clock_.wall_ms();
      ASSERT_TRUE(log.append_as_leader(batch, context).ok());
      log.update_high_watermark(log.log_end_offset());
    }
  }
  std::string checkpoint(const std::string& directory) {
    std::string path = directory + "/cleaner-offset-checkpoint";
    if (!files_.exists(path)) return "none";
    return std::string(base::as_text(base::read_file(files_, path)));
  }
  int clean_all() {
    int count = 0;
    while (cleaner_->clean_one()) ++count;
    return count;
  }

  base::MemoryFileSystem files_;
  base::FaultyFileSystem faulty_{files_};
  base::ManualClock clock_;
  LogConfig config_;
  LogCleanerConfig cleaner_config_;
  std::unique_ptr<LogManager> manager_;
  std::unique_ptr<LogCleaner> cleaner_;
};

TEST_F(LogCleanerTest, TheDirtiestFirstAndTheCheckpoint) {
  fill(*log("half"), 60);
  log("half")->roll();
  EXPECT_EQ(clean_all(), 1);
  EXPECT_EQ(checkpoint("/one"), "0\n1\nhalf 0 60\n");
  EXPECT_EQ(checkpoint("/two"), "none");
  fill(*log("half"), 30);
  fill(*log("all", "/two"), 30);
  log("all")->roll();
  log("half")->roll();
  EXPECT_TRUE(cleaner_->clean_one());
  EXPECT_EQ(checkpoint("/two"), "0\n1\nall 0 30\n");
  EXPECT_EQ(checkpoint("/one"), "0\n1\nhalf 0 60\n");
  EXPECT_EQ(clean_all(), 1);
  EXPECT_EQ(checkpoint("/one"), "0\n1\nhalf 0 90\n");
  manager_->shutdown();
  start();
  EXPECT_EQ(log("half")->first_dirty_offset(), 90);
  EXPECT_EQ(clean_all(), 0);
  // Below it nothing is looked at, and a little dirt isn't worth it.
  config_.min_cleanable_dirty_ratio = 0.99;
  log("half")->set_config(config_);
  fill(*log("half"), 20);
  EXPECT_EQ(clean_all(), 0);
}

TEST_F(LogCleanerTest, ABrokenOrForeignCheckpointBeginsAnew) {
  fill(*log("a"), 60);
  manager_->shutdown();
  for (const char* text : {"garbage", "0\n1\na 0 1000\n", "0\n1\na 0 -5\n", "0\n1\nother 3 12\n"}) {
    base::write_file_atomically(files_, "/one/cleaner-offset-checkpoint", base::as_bytes(text));
    start();
    EXPECT_EQ(clean_all(), 1) << text;
    EXPECT_GT(log("a")->first_dirty_offset(), 40);
    manager_->shutdown();
  }
}

TEST_F(LogCleanerTest, LogsThatArentCompactedAreLeftAlone) {
  config_.cleanup_compact = false;
  config_.cleanup_delete = true;
  auto plain = log("plain");
  fill(*plain, 60);
  std::uint64_t size = plain->size_bytes();
  EXPECT_EQ(clean_all(), 0);
  EXPECT_EQ(plain->size_bytes(), size);
  config_.cleanup_compact = true;  // its config is altered
  manager_->set_topic_config("plain", config_);
  EXPECT_EQ(clean_all(), 1);
  EXPECT_LT(plain->size_bytes(), size);
}

TEST_F(LogCleanerTest, RetentionOfCompactedLogsIsTheCleaners) {
  config_.cleanup_delete = true;
  config_.retention_bytes = 600;
  config_.retention_ms = -1;
  auto both = log("both");
  fill(*both, 60, 1000);
  manager_->run_retention();
  EXPECT_EQ(both->log_start_offset(), 0);
  cleaner_->delete_old_segments();
  EXPECT_GT(both->log_start_offset(), 0);
  EXPECT_LT(both->size_bytes(), 1300u);
  // The checkpoint, if there was one, lies before the log now; the cleaning begins where the log does.
  both->set_first_dirty_offset(1);
  clean_all();
  EXPECT_GT(*both->first_dirty_offset(), both->log_start_offset());
}

TEST_F(LogCleanerTest, ACorruptLogStopsNobodyElse) {
  fill(*log("bad"), 60);
  fill(*log("good"), 60);
  std::string path = "/one/bad-0/00000000000000000000.log";
  base::Bytes before = base::read_file(files_, path);
  before[70] ^= 1;
  files_.open(path, base::OpenMode::read_write)->write_at(0, before);
  EXPECT_EQ(clean_all(), 2);
  EXPECT_EQ(cleaner_->uncleanable_partitions(),
            (std::map<std::string, std::set<TopicPartition>>{{"/one", {{"bad", 0}}}}));
  EXPECT_EQ(base::read_file(files_, path), before);
  EXPECT_FALSE(log("bad")->first_dirty_offset());
  EXPECT_TRUE(log("good")->first_dirty_offset());
  // Made anew, the topic is cleaned like any other.
  EXPECT_EQ(manager_->remove({"bad", 0}), protocol::ErrorCode::none);
  fill(*log("bad"), 60);
  EXPECT_EQ(clean_all(), 1);
  EXPECT_TRUE(cleaner_->uncleanable_partitions().empty());
}

TEST_F(LogCleanerTest, ADeletedTopicLeavesTheCheckpoint) {
  fill(*log("a"), 60);
  fill(*log("b"), 60);
  clean_all();
  manager_->remove({"a", 0});
  EXPECT_EQ(checkpoint("/one").substr(0, 8), "0\n1\nb 0 ");
}

TEST_F(LogCleanerTest, AFailingDiskTakesItsDirectoryOffline) {
  fill(*log("a", "/one"), 60);
  fill(*log("b", "/two"), 200);
  faulty_.set_fault({.call = 5, .changes_only = true});
  while (cleaner_->clean_one()) {
  }
  faulty_.set_fault({});
  int online = 0;
  for (const LogDirectoryInfo& directory : manager_->directories()) online += directory.offline ? 0 : 1;
  EXPECT_EQ(online, 1);
  EXPECT_EQ(manager_->logs().size(), 1u);
  EXPECT_TRUE(manager_->logs()[0]->first_dirty_offset());
}

TEST_F(LogCleanerTest, ThreadsCleanEverything) {
  config_.min_cleanable_dirty_ratio = 0;
  cleaner_config_.threads = 3;
  cleaner_config_.backoff_ms = 1;
  start();
  std::vector<std::shared_ptr<Log>> logs;
  for (int i = 0; i < 12; ++i) logs.push_back(log("t" + std::to_string(i), i % 2 == 0 ? "/one" : "/two"));
  cleaner_->start();
  cleaner_->start();
  for (int round = 0; round < 5; ++round) {
    for (const auto& one : logs) fill(*one, 40);
    cleaner_config_.dedupe_buffer_bytes += 1;
    cleaner_->reconfigure(cleaner_config_);
  }
  for (const auto& one : logs) one->roll();
  for (const auto& one : logs) {
    while (one->first_dirty_offset() != 200) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  cleaner_->stop();
  for (const auto& one : logs) EXPECT_EQ(KeyedConsumer(*one, true).read_all().size(), 3u);
  manager_->shutdown();
}

// Each look at a log asks for the time.
class CountingClock final : public base::Clock {
 public:
  std::int64_t wall_ms() const override {
    ++asked;
    return 1'700'000'000'000;
  }
  std::int64_t monotonic_ms() const override { return 1'700'000'000'000; }
  mutable std::atomic<int> asked = 0;
};

TEST_F(LogCleanerTest, ABackoffForEverEnds) {
  fill(*log("a"), 1);
  CountingClock clock;
  cleaner_config_.backoff_ms = std::numeric_limits<std::int64_t>::max();
  LogCleaner cleaner(*manager_, clock, cleaner_config_);
  cleaner.start();
  while (clock.asked == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // of which one that spins makes use
  cleaner.stop();
  EXPECT_LE(clock.asked, 2) << "one look, which may ask twice";
}

TEST_F(LogCleanerTest, AThrottledCleaningStopsAtOnce) {
  cleaner_config_.io_bytes_per_second_max = 1;
  start();
  auto slow = log("slow");
  fill(*slow, 60);
  cleaner_->start();
  // With a rest in between: a cleaner that finds the log taken comes back only after its backoff.
  while (CleaningSession::try_begin(slow)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::thread truncation([&] { slow->truncate_to(50); });  // doesn't wait for an hour either
  truncation.join();
  cleaner_->stop();
  EXPECT_EQ(slow->log_end_offset(), 50);
  EXPECT_FALSE(slow->first_dirty_offset());
}

TEST_F(LogCleanerTest, ALogIsLeftAloneWhileItIsCopied) {
  fill(*log("moving"), 60);
  ASSERT_TRUE(manager_->get_or_create_future({"moving", 0}, "/two").has_value());
  EXPECT_EQ(clean_all(), 0);
  EXPECT_EQ(manager_->remove_future({"moving", 0}), protocol::ErrorCode::none);
  EXPECT_EQ(clean_all(), 1);
}

TEST_F(LogCleanerTest, ACopyWaitsForTheCleaningThatRuns) {
  fill(*log("moving"), 60);
  auto session = CleaningSession::try_begin(log("moving"));
  ASSERT_TRUE(session);
  std::atomic<bool> made = false;
  std::thread mover([&] {
    EXPECT_TRUE(manager_->get_or_create_future({"moving", 0}, "/two").has_value());
    made = true;
  });
  while (!session->unwanted()) std::this_thread::yield();
  EXPECT_FALSE(made);
  EXPECT_TRUE(manager_->find_future({"moving", 0})) << "no other cleaning begins in between";
  session.reset();
  mover.join();
  EXPECT_EQ(clean_all(), 0);
}

TEST_F(LogCleanerTest, ATruncationTakesTheCheckpointOnDiskBack) {
  fill(*log("a"), 60);
  log("a")->roll();
  EXPECT_EQ(clean_all(), 1);
  ASSERT_EQ(checkpoint("/one"), "0\n1\na 0 60\n");
  EXPECT_EQ(manager_->truncate(*log("a"), 60), protocol::ErrorCode::none);  // nothing there
  EXPECT_EQ(checkpoint("/one"), "0\n1\na 0 60\n");
  EXPECT_EQ(manager_->truncate(*log("a"), 58), protocol::ErrorCode::none);
  EXPECT_EQ(log("a")->log_end_offset(), 58);
  EXPECT_EQ(checkpoint("/one"), "0\n1\na 0 58\n");
  // A crash now, once the log has grown again: the new records are dirty.
  fill(*log("a"), 30);
  log("a")->roll();
  start();
  EXPECT_EQ(log("a")->first_dirty_offset(), 58);
}

TEST_F(LogCleanerTest, DisabledItDoesNothing) {
  cleaner_config_.enabled = false;
  start();
  fill(*log("a"), 60);
  cleaner_->start();
  cleaner_->stop();
  EXPECT_EQ(checkpoint("/one"), "none");
}

}  // namespace
}  // namespace storage
