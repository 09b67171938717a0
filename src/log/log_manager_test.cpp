#include "log/log_manager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <mutex>
#include <regex>
#include <set>
#include <thread>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "base/testing/gate.h"
#include "base/testing/temp_dir.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::bytes_of;
using testing::make_batch;
using testing::values_in;

LogConfig default_config(const std::string&) { return {}; }

AppendResult append(Log& log, const std::vector<std::string>& values) {
  base::Bytes bytes = make_batch(values);
  AppendResult result = log.append_as_leader(bytes, AppendContext{});
  log.update_high_watermark(log.log_end_offset());
  return result;
}

TEST(LogManagerOnDisk, KeepsLogsOverACleanRestart) {
  base::testing::TempDir temp;
  base::SystemClock clock;
  base::Uuid id = base::Uuid::random();
  LogManagerConfig config;
  config.log_dirs = {temp / "one", temp / "two"};
  {
    LogManager manager(base::real_file_system(), clock, config);
    MetaProperties found = manager.open_directories();
    EXPECT_FALSE(found.broker_id);
    manager.check_identity(7, "cluster");
    manager.load(default_config);
    for (int partition = 0; partition < 4; ++partition) {
      auto log = manager.get_or_create({"topic-a", partition}, {}, id, {.is_new = true});
      ASSERT_TRUE(log.has_value());
      EXPECT_TRUE(append(**log, {"a", "b"}).ok());
      EXPECT_EQ((*log)->parent_directory(), temp / (partition % 2 == 0 ? "one" : "two"));
    }
    EXPECT_EQ(manager.get_or_create({"topic-a", 0}, {}, base::Uuid::random(), {}).error(),
              ErrorCode::inconsistent_topic_id);
    manager.shutdown();
  }
  LogManager manager(base::real_file_system(), clock, config);
  MetaProperties found = manager.open_directories();
  EXPECT_EQ(found.broker_id, 7);
  EXPECT_EQ(found.cluster_id, "cluster");
  EXPECT_THROW(manager.check_identity(8, "cluster"), std::runtime_error);
  EXPECT_THROW(manager.check_identity(7, "other"), std::runtime_error);
  manager.check_identity(7, "cluster");
  manager.load(default_config);
  EXPECT_EQ(manager.logs().size(), 4u);
  auto log = manager.find({"topic-a", 3});
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->topic_id(), id);
  EXPECT_EQ(log->high_watermark(), 2);
  auto read = log->read(0, 1000, ReadIsolation::high_watermark, FirstBatch::whole);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(values_in(bytes_of(read->records)), (std::vector<std::string>{"a", "b"}));
  EXPECT_GE(read->records.file->native_handle(), 0);
}

class LogManagerTest : public ::testing::Test {
 protected:
  LogManager& start(std::vector<std::string> dirs = {"/one", "/two"}, int recovery_threads = 1) {
    manager_.reset();
    LogManagerConfig config;
    config.recovery_threads_per_data_dir = recovery_threads;
    config.log_dirs = std::move(dirs);
    manager_ = std::make_unique<LogManager>(faulty_, clock_, config);
    manager_->on_directory_failure([this](const std::string& path) { failed_.push_back(path); });
    manager_->open_directories();
    manager_->check_identity(1, "cluster");
    manager_->load(default_config);
    return *manager_;
  }
  std::shared_ptr<Log> log(const std::string& topic, const std::string& directory = {}) {
    auto made = manager_->get_or_create({topic, 0}, {}, std::nullopt, {.is_new = true, .directory = directory});
    return made ? *made : nullptr;
  }
  std::string text(const std::string& path) { return std::string(base::as_text(base::read_file(files_, path))); }
  void write(const std::string& path, std::string_view content) {
    auto file = files_.open(path, base::OpenMode::create);
    file->truncate(0);
    file->write_at(0, base::as_bytes(content));
  }

  base::MemoryFileSystem files_;
  base::FaultyFileSystem faulty_{files_};
  base::ManualClock clock_;
  std::vector<std::string> failed_;
  std::unique_ptr<LogManager> manager_;
};

TEST_F(LogManagerTest, WritesCheckpointsAndMarker) {
  start({"/one"});
  append(*log("a"), {"x", "y"});
  append(*log("b"), {"x", "y", "z"});
  EXPECT_TRUE(log("b")->delete_records(1).has_value());
  manager_->checkpoint_high_watermarks();
  manager_->checkpoint_recovery_points();
  manager_->checkpoint_log_start_offsets();
  EXPECT_EQ(text("/one/replication-offset-checkpoint"), "0\n2\na 0 2\nb 0 3\n");
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n2\na 0 0\nb 0 0\n");
  EXPECT_EQ(text("/one/log-start-offset-checkpoint"), "0\n1\nb 0 1\n");
  EXPECT_FALSE(files_.exists("/one/.kafka_cleanshutdown"));
  manager_->shutdown();
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n2\na 0 2\nb 0 3\n");
  EXPECT_TRUE(files_.exists("/one/.kafka_cleanshutdown"));
  start({"/one"});
  EXPECT_FALSE(files_.exists("/one/.kafka_cleanshutdown"));
  EXPECT_EQ(manager_->find({"b", 0})->log_start_offset(), 1);
  EXPECT_EQ(manager_->find({"b", 0})->high_watermark(), 3);
}

TEST_F(LogManagerTest, ACrashKeepsHighWatermarksFromTheCheckpoint) {
  start({"/one"});
  append(*log("a"), {"x", "y"});
  append(*log("a"), {"z"});
  log("a")->update_high_watermark(2);
  manager_->checkpoint_high_watermarks();
  start({"/one"});
  EXPECT_EQ(manager_->find({"a", 0})->high_watermark(), 2);
  EXPECT_EQ(manager_->find({"a", 0})->log_end_offset(), 3);
  write("/one/replication-offset-checkpoint", "0\n1\na 0 99\n");
  start({"/one"});
  EXPECT_EQ(manager_->find({"a", 0})->high_watermark(), 3);
}

TEST_F(LogManagerTest, DeletesInTwoSteps) {
  start({"/one"});
  append(*log("a"), {"x"});
  auto held = manager_->find({"a", 0});
  auto slice = held->read(0, 100, ReadIsolation::log_end, FirstBatch::whole);
  EXPECT_EQ(manager_->remove({"a", 0}), ErrorCode::none);
  EXPECT_EQ(manager_->remove({"a", 0}), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(manager_->find({"a", 0}), nullptr);
  EXPECT_EQ(append(*held, {"y"}).error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(values_in(bytes_of(slice->records)), std::vector<std::string>{"x"});
  ASSERT_NE(log("a"), nullptr);  // made anew at once
  EXPECT_EQ(log("a")->log_end_offset(), 0);
  auto deleted = [&] {
    std::size_t count = 0;
    for (const std::string& name : files_.list("/one")) count += name.ends_with("-delete") ? 1 : 0;
    return count;
  };
  EXPECT_EQ(deleted(), 1u);
  start({"/one"});  // a crash: the rest of the deletion is picked up again
  EXPECT_EQ(manager_->logs().size(), 1u);
  clock_.advance_ms(59'999);
  manager_->run_deletes();
  EXPECT_EQ(deleted(), 1u);
  clock_.advance_ms(1);
  manager_->run_deletes();
  EXPECT_EQ(deleted(), 0u);
  EXPECT_TRUE(failed_.empty());
}

TEST_F(LogManagerTest, OneUserPerDirectory) {
  start({"/one"});
  LogManagerConfig config;
  config.log_dirs = {"/one"};
  LogManager second(files_, clock_, config);
  EXPECT_THROW(second.open_directories(), std::runtime_error);
  manager_->shutdown();
  LogManager third(files_, clock_, config);
  third.open_directories();
}

TEST_F(LogManagerTest, DirectoriesMustAgree) {
  files_.create_directories("/one");
  files_.create_directories("/two");
  write("/one/meta.properties", "version=0\nbroker.id=1\ncluster.id=a\n");
  write("/two/meta.properties", "version=0\nbroker.id=1\ncluster.id=b\n");
  EXPECT_THROW(start(), std::runtime_error);
  write("/two/meta.properties", "version=0\nbroker.id=2\ncluster.id=a\n");
  EXPECT_THROW(start(), std::runtime_error);
}

TEST_F(LogManagerTest, ForeignDirectoriesStopTheStart) {
  files_.create_directories("/one/lost+found");
  EXPECT_THROW(start(), std::runtime_error);
  files_.remove_all("/one/lost+found");
  files_.create_directories("/one/remote-log-index-cache");
  files_.create_directories("/one/t-0.0123456789abcdef0123456789abcdef-stray");
  write("/one/some.file", "x");
  start();
  EXPECT_TRUE(manager_->logs().empty());
}

// What a broker on its way to KRaft, and back, has of the controllers' log. As Kafka of ZooKeeper mode, nobody looks into it.
TEST_F(LogManagerTest, TheLogOfKRaftControllersIsLeftAlone) {
  const std::string directory = "/one/__cluster_metadata-0";
  files_.create_directories(directory);
  write(directory + "/00000000000000000000.log", "theirs");
  write(directory + "/00000000000000000007-0000000001.checkpoint.deleted", "theirs");
  const std::vector<std::string> names = files_.list(directory);
  start();
  EXPECT_TRUE(manager_->logs().empty());
  manager_->shutdown();
  EXPECT_EQ(files_.list(directory), names);
  EXPECT_EQ(files_.info(directory + "/00000000000000000000.log").size, 6u);
}

TEST_F(LogManagerTest, APartitionInTwoPlacesStopsTheStart) {
  files_.create_directories("/one/t-0");
  files_.create_directories("/two/t-0");
  EXPECT_THROW(start(), std::runtime_error);
}

TEST_F(LogManagerTest, DamagedCheckpoints) {
  start({"/one", "/two"});
  append(*log("a", "/one"), {"x"});
  append(*log("b", "/two"), {"x"});
  manager_->shutdown();
  write("/one/recovery-point-offset-checkpoint", "rubbish");
  write("/one/log-start-offset-checkpoint", "rubbish");
  start();
  EXPECT_EQ(manager_->logs().size(), 2u);
  manager_->shutdown();
  write("/one/replication-offset-checkpoint", "rubbish");
  start();
  EXPECT_EQ(manager_->find({"a", 0}), nullptr);
  EXPECT_NE(manager_->find({"b", 0}), nullptr);
  EXPECT_EQ(failed_, std::vector<std::string>{"/one"});
  EXPECT_TRUE(manager_->directories()[0].offline);
  EXPECT_FALSE(manager_->directories()[1].offline);
}

TEST_F(LogManagerTest, AFailedDirectoryGoesOfflineAlone) {
  start();
  auto first = log("a", "/one");
  auto second = log("b", "/two");
  append(*first, {"x"});
  append(*second, {"x"});
  faulty_.set_fault({.call = 1, .error = ENOSPC, .changes_only = true});
  EXPECT_EQ(append(*first, {"y"}).error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(failed_, std::vector<std::string>{"/one"});
  EXPECT_EQ(append(*first, {"y"}).error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(first->read(0, 10, ReadIsolation::log_end, FirstBatch::whole).error(), ErrorCode::kafka_storage_error);
  EXPECT_EQ(manager_->find({"a", 0}), nullptr);
  EXPECT_TRUE(append(*second, {"y"}).ok());
  EXPECT_EQ(log("c")->parent_directory(), "/two");
  EXPECT_EQ(log("d", "/one"), nullptr);
  manager_->shutdown();
  EXPECT_FALSE(files_.exists("/one/.kafka_cleanshutdown"));
  EXPECT_TRUE(files_.exists("/two/.kafka_cleanshutdown"));
  EXPECT_EQ(failed_.size(), 1u);
}

TEST_F(LogManagerTest, NoDirectoryAtAllStopsTheStart) {
  faulty_.set_fault({.call = 1, .error = EACCES, .persistent = true});
  EXPECT_THROW(start(), std::runtime_error);
}

// Whatever call of the start fails: it ends with a message, or some directory is offline, and the next start finds all.
TEST_F(LogManagerTest, EveryCallOfTheStartFailing) {
  start();
  append(*log("a", "/one"), {"x"});
  append(*log("b", "/two"), {"x"});
  manager_.reset();
  for (std::uint64_t call = 1;; ++call) {
    faulty_.set_fault({.call = call});
    failed_.clear();
    bool threw = false;
    try {
      start();
    } catch (const std::runtime_error&) {
      threw = true;
    }
    manager_.reset();
    bool met = faulty_.fault_met();
    EXPECT_EQ(met, threw || !failed_.empty()) << call;
    faulty_.set_fault({});
    start();
    ASSERT_EQ(manager_->logs().size(), 2u) << call;
    EXPECT_EQ(manager_->find({"a", 0})->log_end_offset(), 1) << call;
    manager_.reset();
    if (!met) break;
  }
}

TEST_F(LogManagerTest, EveryCallOfTheShutdownFailing) {
  for (std::uint64_t call = 1;; ++call) {
    files_.remove_all("/one");
    start({"/one"});
    append(*log("a"), {"x"});
    faulty_.set_fault({.call = call, .changes_only = true});
    manager_->shutdown();
    bool met = faulty_.fault_met();
    bool marked = files_.exists("/one/.kafka_cleanshutdown");
    faulty_.set_fault({});
    start({"/one"});
    EXPECT_EQ(manager_->find({"a", 0})->log_end_offset(), 1) << call << marked;
    if (!met) {
      EXPECT_TRUE(marked);
      break;
    }
  }
}

TEST_F(LogManagerTest, PeriodicWork) {
  start({"/one"});
  LogConfig config;
  config.segment_bytes = 100;
  config.flush_ms = 1000;
  config.retention_bytes = 0;
  config.file_delete_delay_ms = 0;
  auto a = *manager_->get_or_create({"a", 0}, config, std::nullopt, {});
  for (int number = 0; number < 5; ++number) append(*a, {"x"});
  EXPECT_EQ(a->recovery_point(), 0);
  manager_->flush_closed_segments();
  EXPECT_EQ(a->recovery_point(), 4);
  manager_->flush_dirty_logs();
  EXPECT_EQ(a->recovery_point(), 4);
  clock_.advance_ms(1000);
  manager_->flush_dirty_logs();
  EXPECT_EQ(a->recovery_point(), 5);
  manager_->run_retention();
  EXPECT_EQ(a->log_start_offset(), 5);
  manager_->run_deletes();
  EXPECT_FALSE(files_.exists("/one/a-0/00000000000000000000.log.deleted"));
  config.retention_bytes = -1;
  manager_->set_topic_config("a", config);
  EXPECT_EQ(a->config().retention_bytes, -1);
  manager_->expire_producers();
}

// Of segments that retention, DeleteRecords or a truncation takes out, and of whole logs.
TEST_F(LogManagerTest, FilesStayWhereTheirDelayIsForEver) {
  start({"/one"});
  LogConfig config;
  config.segment_bytes = 100;
  config.retention_bytes = 0;
  config.file_delete_delay_ms = std::numeric_limits<std::int64_t>::max();
  auto a = *manager_->get_or_create({"a", 0}, config, std::nullopt, {});
  auto b = *manager_->get_or_create({"b", 0}, config, std::nullopt, {});
  for (int number = 0; number < 5; ++number) append(*a, {"x"});
  for (int number = 0; number < 5; ++number) append(*b, {"x"});
  manager_->run_retention();
  EXPECT_EQ(manager_->truncate_fully(*b, 7), ErrorCode::none);
  clock_.advance_ms(1'000'000'000);
  manager_->run_deletes();
  EXPECT_TRUE(files_.exists("/one/a-0/00000000000000000000.log.deleted"));
  EXPECT_TRUE(files_.exists("/one/b-0/00000000000000000000.log.deleted"));
  EXPECT_EQ(manager_->remove({"a", 0}), ErrorCode::none);
  manager_->run_deletes();
  EXPECT_EQ(std::ranges::count_if(files_.list("/one"), [](const std::string& each) { return each.ends_with("-delete"); }), 1);
}

TEST_F(LogManagerTest, TheExpirationOfProducersChangesWhileItRuns) {
  start({"/one"});
  const auto produce = [&](const std::string& topic) {
    auto log = *manager_->get_or_create({topic, 0}, {}, std::nullopt, {});
    base::Bytes bytes = make_batch({"x"}, {.producer_id = 1, .producer_epoch = 0, .base_sequence = 0});
    EXPECT_TRUE(log->append_as_leader(bytes, AppendContext{}).ok());
    return log;
  };
  const auto before = produce("before");
  clock_.advance_ms(10'000);
  manager_->expire_producers();
  EXPECT_EQ(before->active_producers().size(), 1u);
  manager_->set_producer_id_expiration(5'000);
  const auto after = produce("after");
  manager_->expire_producers();
  EXPECT_TRUE(before->active_producers().empty());
  EXPECT_TRUE(after->active_producers().empty());
  manager_->set_producer_id_expiration(20'000);
  const auto later = produce("later");
  manager_->expire_producers();
  EXPECT_EQ(later->active_producers().size(), 1u);
}

TEST_F(LogManagerTest, ADirectoryIsFlushedWhileAnotherHangs) {
  start();
  const std::shared_ptr<Log> one = log("a", "/one"), two = log("b", "/two");
  for (const auto& each : {one, two}) {
    append(*each, {"x"});
    each->roll();
  }
  base::testing::Gate disk;
  faulty_.set_before_sync([&] { disk.pass(); });
  std::jthread hanging([this] { manager_->flush_closed_segments("/one"); });
  const base::testing::OpensAtTheEnd at_the_end(disk);
  disk.wait_for_arrivals(1);
  faulty_.set_before_sync(nullptr);
  manager_->flush_closed_segments("/two");
  EXPECT_EQ(two->recovery_point(), 1);
  EXPECT_EQ(one->recovery_point(), 0);
  disk.open();
  hanging.join();
  EXPECT_EQ(one->recovery_point(), 1);
}

// num.recovery.threads.per.data.dir: that many logs of each directory are recovered at once, not more.
TEST_F(LogManagerTest, EachDirectoryIsRecoveredByItsOwnThreads) {
  const std::vector<std::string> directories = {"/one", "/two"};
  start(directories, 3);
  for (int number = 0; number < 8; ++number) {
    append(*log("t" + std::to_string(number), directories[static_cast<std::size_t>(number % 2)]), {"x", "y"});
  }
  LogManagerConfig config;
  config.log_dirs = directories;
  config.recovery_threads_per_data_dir = 3;
  manager_.reset();  // a crash
  manager_ = std::make_unique<LogManager>(faulty_, clock_, config);
  manager_->open_directories();
  manager_->check_identity(1, "cluster");
  base::testing::Gate disk;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  faulty_.set_before_read([&] {
    {
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    disk.pass();
  });
  std::jthread loading([this] { manager_->load(default_config); });
  const base::testing::OpensAtTheEnd at_the_end(disk);
  disk.wait_for_arrivals(6);
  EXPECT_EQ(manager_->logs().size(), 0u);
  disk.open();
  loading.join();
  faulty_.set_before_read(nullptr);
  EXPECT_EQ(threads.size(), 6u);
  EXPECT_EQ(manager_->logs().size(), 8u);
  for (const auto& each : manager_->logs()) EXPECT_EQ(each->log_end_offset(), 2);
}

TEST_F(LogManagerTest, ARecoveryTellsHowFarItIs) {
  start({"/one"});
  for (int number = 0; number < 4; ++number) append(*log("t" + std::to_string(number)), {"x", "y"});
  faulty_.set_before_read([this] { clock_.advance_ms(1'000); });
  ::testing::internal::CaptureStdout();
  start({"/one"});
  const std::string output = ::testing::internal::GetCapturedStdout();
  faulty_.set_before_read(nullptr);
  const std::regex line(R"(Loading /one: (\d+)% of 4 partitions, (\d+) left, \d+ a second(; \d+ segments recovered, \d+ MB/s)?)");
  std::vector<int> percents;
  for (std::sregex_iterator at(output.begin(), output.end(), line), end; at != end; ++at) {
    percents.push_back(std::stoi((*at)[1]));
    EXPECT_EQ(percents.back(), 25 * (4 - std::stoi((*at)[2]))) << at->str();
  }
  EXPECT_GE(percents.size(), 3u) << output;
  EXPECT_TRUE(std::ranges::is_sorted(percents)) << output;
  EXPECT_EQ(percents.empty() ? 0 : percents.back(), 75) << output;
}

}  // namespace
}  // namespace storage
