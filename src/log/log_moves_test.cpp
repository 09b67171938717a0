// Several directories: where logs are made, what a failing one takes with it, moves from one to another; and work on many
// logs at once.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/faulty_file_system.h"
#include "base/testing/gate.h"
#include "log/log_manager.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::bytes_of;
using testing::make_batch;
using testing::values_in;

const TopicPartition kName{"t", 0};

class LogMovesTest : public ::testing::Test {
 protected:
  LogManager& start(std::vector<std::string> dirs = {"/one", "/two"}) {
    manager_.reset();
    failed_.clear();
    LogManagerConfig config;
    config.log_dirs = std::move(dirs);
    manager_ = std::make_unique<LogManager>(faulty_, clock_, config);
    manager_->on_directory_failure([this](const std::string& path) { failed_.push_back(path); });
    manager_->open_directories();
    manager_->check_identity(1, "cluster");
    manager_->load([](const std::string&) { return LogConfig(); });
    return *manager_;
  }
  std::shared_ptr<Log> make(const TopicPartition& name, const std::string& directory = {}) {
    auto made = manager_->get_or_create(name, {}, topic_id_, {.is_new = true, .directory = directory});
    return made ? *made : nullptr;
  }
  static void append(Log& log, const std::string& value) {
    base::Bytes bytes = make_batch({value});
    EXPECT_TRUE(log.append_as_leader(bytes, AppendContext{}).ok());
    log.update_high_watermark(log.log_end_offset());
  }
  static void copy(Log& from, Log& to) {
    auto read = from.read(to.log_end_offset(), 1 << 20, ReadIsolation::log_end, FirstBatch::whole);
    EXPECT_TRUE(to.append_as_follower(bytes_of(read->records)).ok());
  }
  static std::vector<std::string> values_of(Log& log) {
    auto read = log.read(log.log_start_offset(), 1 << 20, ReadIsolation::log_end, FirstBatch::whole);
    return read ? values_in(bytes_of(read->records)) : std::vector<std::string>{"error"};
  }
  std::vector<std::string> partitions_in(const std::string& directory) {
    std::vector<std::string> found;
    for (const std::string& name : files_.list(directory)) {
      if (files_.info(directory + "/" + name).is_directory) found.push_back(name);
    }
    return found;
  }
  std::string text(const std::string& path) { return std::string(base::as_text(base::read_file(files_, path))); }

  ErrorCode exchange() {
    const auto exchanging = manager_->begin_exchange(manager_->find_future(kName));
    if (!exchanging) return ErrorCode::kafka_storage_error;
    const ErrorCode error = exchanging->swap();
    return error == ErrorCode::none ? exchanging->finish() : error;
  }

  base::MemoryFileSystem files_;
  base::FaultyFileSystem faulty_{files_};
  base::ManualClock clock_;
  base::Uuid topic_id_ = base::Uuid::random();
  std::vector<std::string> failed_;
  std::unique_ptr<LogManager> manager_;
};

TEST_F(LogMovesTest, NewLogsGoWhereTheFewestAre) {
  start({"/one", "/two", "/three"});
  make({"a", 0}, "/one");
  make({"a", 1}, "/one");
  make({"a", 2}, "/two");
  std::vector<std::string> chosen;
  for (int partition = 3; partition < 9; ++partition) chosen.push_back(make({"a", partition})->parent_directory());
  EXPECT_EQ(chosen, (std::vector<std::string>{"/three", "/two", "/three", "/one", "/two", "/three"}));
  // A copy under way counts where it grows.
  ASSERT_TRUE(manager_->get_or_create_future({"a", 8}, "/one").has_value());
  EXPECT_EQ(make({"a", 9})->parent_directory(), "/two");
}

TEST_F(LogMovesTest, AWishedDirectoryIsTakenOnce) {
  start();
  manager_->prefer_directory(kName, "/two");
  make({"a", 0}, "/two");
  EXPECT_EQ(make(kName)->parent_directory(), "/two");
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  EXPECT_EQ(make(kName)->parent_directory(), "/one");
}

TEST_F(LogMovesTest, ADirectoryThatFailsAtTheCreationIsPassedOver) {
  start();
  make({"a", 0}, "/two");
  faulty_.set_fault({.call = 1, .error = ENOSPC, .changes_only = true});
  EXPECT_EQ(make(kName)->parent_directory(), "/two");
  EXPECT_EQ(failed_, std::vector<std::string>{"/one"});
}

// Kafka's rule: the log may lie in the directory that is away, and an empty one must not take its place.
TEST_F(LogMovesTest, OnlyNewPartitionsAreMadeWhileADirectoryIsOffline) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  faulty_.set_fault({.call = 1, .changes_only = true});
  base::Bytes bytes = make_batch({"x"});
  EXPECT_EQ(log->append_as_leader(bytes, AppendContext{}).error, ErrorCode::kafka_storage_error);
  EXPECT_TRUE(manager_->any_offline());
  EXPECT_EQ(manager_->get_or_create(kName, {}, topic_id_, {}).error(), ErrorCode::kafka_storage_error);
  EXPECT_EQ(make({"new", 0})->parent_directory(), "/two");
  EXPECT_EQ(manager_->check_directory("/one"), ErrorCode::kafka_storage_error);
  EXPECT_EQ(manager_->check_directory("/two"), ErrorCode::none);
  EXPECT_EQ(manager_->check_directory("/three"), ErrorCode::log_dir_not_found);
}

// A thread that took the list of logs before one was deleted comes late.
TEST_F(LogMovesTest, WorkOnADeletedLogFailsNoDirectory) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "x");
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  EXPECT_THROW(log->flush(), LogClosed);
  EXPECT_THROW(log->delete_old_segments(0), LogClosed);
  EXPECT_THROW(log->roll(), LogClosed);
  EXPECT_THROW(log->truncate_to(0), LogClosed);
  log->flush_closed_segments();
  EXPECT_EQ(log->read(0, 10, ReadIsolation::log_end, FirstBatch::whole).error(), ErrorCode::kafka_storage_error);
  EXPECT_TRUE(failed_.empty());
  EXPECT_FALSE(manager_->any_offline());
}

TEST_F(LogMovesTest, ACopyTakesThePlaceOfItsLog) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "a");
  append(*log, "b");
  auto future = *manager_->get_or_create_future(kName, "/two");
  EXPECT_TRUE(future->directory().ends_with("-future"));
  EXPECT_EQ(manager_->get_or_create_future(kName, "/two").value(), future);
  EXPECT_EQ(future->topic_id(), topic_id_);
  EXPECT_EQ(manager_->find(kName), log);
  EXPECT_EQ(manager_->get_or_create_future({"none", 0}, "/two").error(), ErrorCode::kafka_storage_error);
  make({"u", 0}, "/two");
  EXPECT_EQ(manager_->get_or_create_future({"u", 0}, "/two").value(), nullptr);
  ASSERT_EQ(manager_->remove({"u", 0}), ErrorCode::none);
  copy(*log, *future);
  ASSERT_EQ(exchange(), ErrorCode::none);
  EXPECT_EQ(manager_->find(kName), future);
  EXPECT_EQ(manager_->find_future(kName), nullptr);
  EXPECT_EQ(future->directory(), "/two/t-0");
  EXPECT_EQ(future->high_watermark(), 2);
  EXPECT_EQ(values_of(*future), (std::vector<std::string>{"a", "b"}));
  append(*future, "c");
  base::Bytes late = make_batch({"late"});
  EXPECT_EQ(log->append_as_leader(late, AppendContext{}).error, ErrorCode::kafka_storage_error);
  EXPECT_EQ(text("/one/recovery-point-offset-checkpoint"), "0\n0\n");
  EXPECT_EQ(text("/two/replication-offset-checkpoint"), "0\n1\nt 0 2\n");
  ASSERT_EQ(partitions_in("/one").size(), 1u);
  EXPECT_TRUE(partitions_in("/one")[0].ends_with("-delete"));
  clock_.advance_ms(60'000);
  manager_->run_deletes();
  EXPECT_TRUE(partitions_in("/one").empty());
  manager_->shutdown();
  start();
  EXPECT_EQ(values_of(*manager_->find(kName)), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(LogMovesTest, ACopyGoesOnAfterARestartAndIsCutToItsLog) {
  for (bool clean : {true, false}) {
    files_.remove_all("/one");
    files_.remove_all("/two");
    start();
    std::shared_ptr<Log> log = make(kName, "/one");
    for (const char* value : {"a", "b", "c"}) append(*log, value);
    auto future = *manager_->get_or_create_future(kName, "/two");
    copy(*log, *future);
    if (clean) {
      manager_->shutdown();
    } else {
      log.reset();
      future.reset();
      manager_.reset();
      files_.open("/one/t-0/00000000000000000000.log", base::OpenMode::read_write)->truncate(100);
    }
    start();
    log = manager_->find(kName);
    future = manager_->find_future(kName);
    ASSERT_TRUE(log && future);
    EXPECT_EQ(log->log_end_offset(), clean ? 3 : 1);
    EXPECT_EQ(future->log_end_offset(), log->log_end_offset());
    EXPECT_EQ(values_of(*future), values_of(*log));
    ASSERT_EQ(manager_->remove_future(kName), ErrorCode::none);
    EXPECT_EQ(manager_->find_future(kName), nullptr);
    EXPECT_TRUE(partitions_in("/two").at(0).ends_with("-delete"));
    future.reset();
    log.reset();
  }
}

TEST_F(LogMovesTest, DeletingALogDeletesItsCopy) {
  start();
  make(kName, "/one");
  ASSERT_TRUE(manager_->get_or_create_future(kName, "/two").has_value());
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  EXPECT_TRUE(manager_->futures().empty());
  EXPECT_TRUE(partitions_in("/one").at(0).ends_with("-delete"));
  EXPECT_TRUE(partitions_in("/two").at(0).ends_with("-delete"));
}

// Whatever call fails in the exchange: no record is lost, and at most one directory.
TEST_F(LogMovesTest, EveryCallOfTheExchangeFailing) {
  std::uint64_t calls = 1'000;
  int old_served = 0, nobody_served = 0;
  for (std::uint64_t call = 1; call <= calls; ++call) {
    faulty_.set_fault({});
    files_.remove_all("/one");
    files_.remove_all("/two");
    start();
    std::shared_ptr<Log> log = make(kName, "/one");
    append(*log, "a");
    log->flush();
    auto future = *manager_->get_or_create_future(kName, "/two");
    copy(*log, *future);
    faulty_.set_fault({.call = call});
    ErrorCode error = exchange();
    bool met = faulty_.fault_met();
    faulty_.set_fault({});
    EXPECT_LE(failed_.size(), 1u) << call;
    EXPECT_EQ(met, !failed_.empty()) << call;
    std::shared_ptr<Log> serving = manager_->find(kName);
    // Only a fault of the new directory from the rename on can leave nobody to serve, until the next start; one before leaves
    // the old one.
    if (serving) {
      EXPECT_EQ(serving, error == ErrorCode::none ? future : log) << call;
      old_served += serving == log ? 1 : 0;
      EXPECT_EQ(values_of(*serving), std::vector<std::string>{"a"}) << call;
    } else {
      nobody_served += error == ErrorCode::none ? 0 : 1;  // later it is a fault of its own
      EXPECT_EQ(failed_, std::vector<std::string>{"/two"}) << call;
    }
    log.reset();
    future.reset();
    serving.reset();
    manager_.reset();
    try {
      start();
      EXPECT_EQ(values_of(*manager_->find(kName)), std::vector<std::string>{"a"}) << call;
    } catch (const std::runtime_error& duplicate) {
      EXPECT_TRUE(std::string(duplicate.what()).starts_with("Duplicate log directories for t-0")) << call;
    }
    if (!met) break;
    ASSERT_LT(call, calls);
  }
  EXPECT_GE(old_served, 3) << "the syncs of the flush";
  EXPECT_EQ(nobody_served, 2) << "the rename and the sync of its directory";
}

// What is appended before all is safe isn't acknowledged, so that a crash may cost it; nothing else.
TEST_F(LogMovesTest, ACrashInTheExchangeCostsNothingAcknowledged) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "a");
  append(*log, "b");
  auto future = *manager_->get_or_create_future(kName, "/two");
  copy(*log, *future);
  ASSERT_EQ(*log->delete_records(1), 1);
  manager_->checkpoint_log_start_offsets();
  auto exchanging = manager_->begin_exchange(future);
  ASSERT_EQ(exchanging->swap(), ErrorCode::none);
  EXPECT_EQ(manager_->find(kName), future);
  base::Bytes batch = make_batch({"c"});
  EXPECT_TRUE(future->append_as_leader(batch, AppendContext{}).flush_due);
  EXPECT_EQ(future->log_end_offset(), 3);
  future->flush();
  EXPECT_EQ(future->acknowledgeable_end(), 2);
  manager_->checkpoint_log_start_offsets();  // the housekeeping goes on for both
  manager_->checkpoint_high_watermarks();
  exchanging.reset();
  log.reset();
  future.reset();
  manager_.reset();
  start();
  log = manager_->find(kName);
  EXPECT_EQ(log->parent_directory(), "/one");
  EXPECT_EQ(log->log_start_offset(), 1);
  EXPECT_EQ(log->high_watermark(), 2);
  EXPECT_EQ(manager_->find_future(kName)->log_end_offset(), 2);
}

// Whoever looked comes late: the move was asked for elsewhere, or anew, and an empty copy isn't what was looked at.
TEST_F(LogMovesTest, AnExchangeIsOfTheCopyThatWasLookedAt) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "a");
  auto first = *manager_->get_or_create_future(kName, "/two");
  copy(*log, *first);
  ASSERT_EQ(manager_->remove_future(kName), ErrorCode::none);
  EXPECT_EQ(manager_->begin_exchange(first), nullptr);
  auto second = *manager_->get_or_create_future(kName, "/two");
  EXPECT_EQ(manager_->begin_exchange(first), nullptr);
  EXPECT_NE(manager_->begin_exchange(second), nullptr);
  EXPECT_EQ(manager_->find(kName), log);
}

// The copy's directory was away when its topic was deleted and made anew.
TEST_F(LogMovesTest, ACopyOfADeletedTopicIsNoneOfItsNamesake) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "old");
  append(*log, "old");
  auto future = *manager_->get_or_create_future(kName, "/two");
  copy(*log, *future);
  faulty_.set_fault({.call = 1, .changes_only = true});
  EXPECT_THROW(future->flush(), std::system_error);
  ASSERT_EQ(failed_, std::vector<std::string>{"/two"});
  ASSERT_EQ(manager_->remove(kName), ErrorCode::none);
  topic_id_ = base::Uuid::random();
  log = make(kName, "/one");
  for (int number = 0; number < 3; ++number) append(*log, "new");
  log.reset();
  future.reset();
  start();
  EXPECT_EQ(manager_->find_future(kName), nullptr);
  ASSERT_EQ(partitions_in("/two").size(), 1u);
  EXPECT_TRUE(partitions_in("/two")[0].ends_with("-delete"));
  EXPECT_EQ(values_of(*manager_->find(kName)), (std::vector<std::string>{"new", "new", "new"}));
}

// The log itself isn't there, so nobody can tell until the topic is made anew.
TEST_F(LogMovesTest, ANewPartitionGivesACopyOfItsNameUp) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "old");
  copy(*log, **manager_->get_or_create_future(kName, "/two"));
  log.reset();
  manager_.reset();
  files_.remove_all("/one/t-0");
  start();
  ASSERT_NE(manager_->find_future(kName), nullptr);
  topic_id_ = base::Uuid::random();
  make(kName, "/one");
  EXPECT_EQ(manager_->find_future(kName), nullptr);
  EXPECT_TRUE(partitions_in("/two").at(0).ends_with("-delete"));
}

// One directory was away when the move went on to another.
TEST_F(LogMovesTest, OfTwoCopiesTheOneThatIsFurtherStays) {
  for (const bool later_is_further : {true, false}) {
    for (const char* directory : {"/one", "/two", "/three"}) files_.remove_all(directory);
    faulty_.set_fault({});
    start({"/one", "/two", "/three"});
    std::shared_ptr<Log> log = make(kName, "/one");
    append(*log, "a");
    auto first = *manager_->get_or_create_future(kName, "/two");
    copy(*log, *first);
    append(*log, "b");
    if (!later_is_further) copy(*log, *first);
    faulty_.set_fault({.call = 1, .changes_only = true});
    EXPECT_THROW(first->flush(), std::system_error);
    auto second = *manager_->get_or_create_future(kName, "/three");
    if (later_is_further) copy(*log, *second);
    log.reset();
    first.reset();
    second.reset();
    start({"/one", "/two", "/three"});
    const std::string stays = later_is_further ? "/three" : "/two";
    EXPECT_EQ(manager_->find_future(kName)->parent_directory(), stays);
    EXPECT_TRUE(partitions_in(later_is_further ? "/two" : "/three").at(0).ends_with("-delete"));
  }
}

TEST_F(LogMovesTest, ASettingThatChangesWhileACopyIsMadeReachesIt) {
  start();
  make(kName, "/one");
  LogConfig changed;
  changed.retention_ms = 12'345;
  faulty_.set_before_change([&](std::string_view, const std::string& path) {
    if (path.starts_with("/two/t-0.")) manager_->set_topic_config("t", changed);
  });
  auto future = *manager_->get_or_create_future(kName, "/two");
  faulty_.set_before_change(nullptr);
  EXPECT_EQ(manager_->find(kName)->config(), changed);
  EXPECT_EQ(future->config(), changed);
}

TEST_F(LogMovesTest, SettingsOfAllTopicsReachLogsAndCopies) {
  start();
  make(kName, "/one");
  make({"u", 0}, "/one");
  auto future = *manager_->get_or_create_future(kName, "/two");
  LogConfig of_t, of_u;
  of_t.retention_ms = 12'345;
  of_u.retention_ms = 54'321;
  manager_->set_configs([&](const std::string& topic) { return topic == "t" ? of_t : of_u; });
  EXPECT_EQ(manager_->find(kName)->config(), of_t);
  EXPECT_EQ(future->config(), of_t);
  EXPECT_EQ(manager_->find({"u", 0})->config(), of_u);
}

// It is set in the log while the exchange waits for the copy, which an append holds.
TEST_F(LogMovesTest, ASettingThatChangesInTheExchangeIsTheCopys) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "a");
  auto future = *manager_->get_or_create_future(kName, "/two");
  const auto exchanging = manager_->begin_exchange(future);
  LogConfig changed;
  changed.retention_ms = 12'345;
  base::testing::Gate disk;
  faulty_.set_before_change([&](std::string_view, const std::string& path) {
    if (path.starts_with("/two/t-0.") && path.ends_with(".log")) disk.pass();
  });
  std::atomic<bool> begun = false;
  std::jthread appending([&] { copy(*log, *future); });
  std::jthread swapping;
  const base::testing::OpensAtTheEnd at_the_end(disk);
  disk.wait_for_arrivals(1);
  swapping = std::jthread([&] {
    begun = true;
    begun.notify_one();
    EXPECT_EQ(exchanging->swap(), ErrorCode::none);
  });
  begun.wait(false);
  std::this_thread::sleep_for(std::chrono::milliseconds(10));  // until it waits; an earlier change is the easier one
  log->set_config(changed);
  disk.open();
  swapping.join();
  appending.join();
  faulty_.set_before_change(nullptr);
  EXPECT_EQ(manager_->find(kName), future);
  EXPECT_EQ(future->config(), changed);
}

TEST_F(LogMovesTest, ALogThatTheStopHasClosedIsntDeleted) {
  start();
  std::shared_ptr<Log> log = make(kName, "/one");
  append(*log, "a");
  manager_->shutdown();
  EXPECT_EQ(manager_->remove(kName), ErrorCode::kafka_storage_error) << "so that its topic isn't taken for deleted";
  EXPECT_EQ(partitions_in("/one"), std::vector<std::string>{"t-0"});
}

// With many logs one sync of the file system stands for all.
TEST_F(LogMovesTest, ManyLogsAreFlushedAndClosedAtOnce) {
  constexpr int kLogs = 200;
  start({"/one"});
  for (int partition = 0; partition < kLogs; ++partition) make({"t", partition});
  faulty_.set_fault({});
  manager_->flush_closed_segments();
  std::uint64_t calls = faulty_.calls();
  EXPECT_LT(calls, 2u * kLogs);
  manager_->flush_closed_segments();
  EXPECT_EQ(faulty_.calls(), calls) << "nothing is left to flush";
  for (int partition = 0; partition < kLogs; ++partition) append(*manager_->find({"t", partition}), "x");
  manager_->shutdown();
  manager_.reset();
  files_.lose_power();
  start({"/one"});
  for (int partition = 0; partition < kLogs; ++partition) {
    std::shared_ptr<Log> log = manager_->find({"t", partition});
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->recovery_point(), 1);
    EXPECT_EQ(values_of(*log), std::vector<std::string>{"x"});
  }
  // Should that sync fail, no marker tells of a clean stop.
  for (int partition = 0; partition < kLogs; ++partition) append(*manager_->find({"t", partition}), "y");
  faulty_.set_fault({});
  std::uint64_t before_sync = 0;
  {
    for (const auto& log : manager_->logs()) (void)log->has_something_to_close();
    before_sync = faulty_.calls();
  }
  EXPECT_EQ(before_sync, 0u);
  faulty_.set_fault({.call = 1, .persistent = true, .changes_only = true});
  manager_->shutdown();
  EXPECT_FALSE(files_.exists("/one/.kafka_cleanshutdown"));
}

}  // namespace
}  // namespace storage
