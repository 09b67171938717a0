#include "log/log_manager.h"

#include <gtest/gtest.h>

#include "base/memory_file_system.h"
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
      auto log = manager.get_or_create({"topic-a", partition}, {}, id);
      ASSERT_TRUE(log.has_value());
      EXPECT_TRUE(append(**log, {"a", "b"}).ok());
      EXPECT_EQ((*log)->parent_directory(), temp / (partition % 2 == 0 ? "one" : "two"));
    }
    EXPECT_EQ(manager.get_or_create({"topic-a", 0}, {}, base::Uuid::random()).error(),
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
  auto read = log->read(0, 1000, ReadIsolation::high_watermark, true);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(values_in(bytes_of(read->records)), (std::vector<std::string>{"a", "b"}));
  EXPECT_GE(read->records.file->native_handle(), 0);
}

}  // namespace
}  // namespace storage
