#include "broker/app/housekeeping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "base/testing/gate.h"
#include "log/checkpoint_file.h"
#include "log/testing/log_fixture.h"

namespace broker::app {
namespace {

constexpr HousekeepingTimes kAtOnce{0, 1, 1, 1, 1, 1, 1, 1};

void wait_until(const std::function<bool()>& done) {
  while (!done()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Two directories with a log each. What the disk of /one is told to hang in waits at a gate.
class HousekeepingTest : public ::testing::TestWithParam<const char*> {
 protected:
  HousekeepingTest() {
    logs.open_directories();
    logs.check_identity(1, "cluster");
    logs.load([](const std::string&) { return storage::LogConfig(); });
    for (const auto& [topic, directory] : {std::pair{"a", "/one"}, {"b", "/two"}}) {
      storage::LogConfig config;
      config.retention_bytes = 1;
      config.file_delete_delay_ms = 0;
      made.push_back(*logs.get_or_create({topic, 0}, config, std::nullopt, {.is_new = true, .directory = directory}));
      append(*made.back());
    }
  }

  // Three segments, of which two are to go.
  static void append(storage::Log& log) {
    for (int i = 0; i < 3; ++i) {
      if (log.log_end_offset() > 0) log.roll();
      base::Bytes batch = storage::testing::make_batch({"x"});
      EXPECT_TRUE(log.append_as_leader(batch, storage::AppendContext{}).ok());
      log.update_high_watermark(log.log_end_offset());
    }
  }
  std::int64_t checkpoint(const std::string& file, const storage::TopicPartition& name) {
    if (!memory.exists(file)) return -1;
    const storage::OffsetCheckpoint offsets = storage::read_offset_checkpoint(memory, file);
    const auto found = offsets.find(name);
    return found == offsets.end() ? -1 : found->second;
  }
  // All that there is to do in a directory up to an end of its log has been done.
  bool is_kept(const std::string& directory, const storage::TopicPartition& name, std::int64_t end) {
    const std::vector<std::string> names = memory.list(directory + "/" + name.to_string());
    return std::ranges::none_of(names, [](const std::string& each) { return each.ends_with(".deleted"); }) &&
           std::ranges::count_if(names, [](const std::string& each) { return each.ends_with(".log"); }) == 1 &&
           checkpoint(directory + "/" + storage::kHighWatermarkFile, name) == end &&
           checkpoint(directory + "/" + storage::kRecoveryPointFile, name) >= end - 1;
  }

  base::testing::Gate disk;
  base::MemoryFileSystem memory;
  base::FaultyFileSystem faulty{memory};
  base::SystemClock clock;
  storage::LogManager logs{faulty, clock, {.log_dirs = {"/one", "/two"}}};
  std::vector<std::shared_ptr<storage::Log>> made;
};

TEST_P(HousekeepingTest, ADiskThatHangsHoldsUpNoOther) {
  const std::string hangs_in = GetParam();
  faulty.set_before_change([&](std::string_view operation, const std::string& path) {
    if (path.starts_with("/one") && operation == hangs_in) disk.pass();
  });
  Housekeeping housekeeping(logs, kAtOnce);
  const base::testing::OpensAtTheEnd at_the_end(disk);
  disk.wait_for_arrivals(1);
  wait_until([&] { return is_kept("/two", {"b", 0}, 3); });
  append(*made[1]);
  wait_until([&] { return is_kept("/two", {"b", 0}, 6); });
  ASSERT_EQ(logs.remove({"b", 0}), protocol::ErrorCode::none);
  wait_until([&] {
    return std::ranges::none_of(memory.list("/two"), [](const std::string& each) { return each.starts_with("b-0"); });
  });
  EXPECT_FALSE(is_kept("/one", {"a", 0}, 3));
  disk.open();
  wait_until([&] { return is_kept("/one", {"a", 0}, 3); });
}

INSTANTIATE_TEST_SUITE_P(InEachCall, HousekeepingTest, ::testing::Values("sync", "remove", "rename", "sync directory", "write"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::erase(name, ' ');
                           return name;
                         });

}  // namespace
}  // namespace broker::app
