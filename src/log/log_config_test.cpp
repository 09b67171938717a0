// Each topic setting acts on a log that is open, from the moment it is altered. The keys of compaction are the cleaner's;
// min.insync.replicas and unclean.leader.election.enable are the partition's and the controller's.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/testing/temp_dir.h"
#include "log/log_manager.h"
#include "log/testing/log_fixture.h"
#include "protocol/record.h"

namespace storage {
namespace {

using protocol::ErrorCode;
using testing::BatchFields;
using testing::LogFixture;
using testing::make_batch;

constexpr std::int64_t kTime = 1'700'000'000'000;  // of records, and of the clock at the start

class LogConfigTest : public LogFixture {
 protected:
  template <class Change>
  void alter(Change change) {
    LogConfig config = log().config();
    change(config);
    log().set_config(config);
  }
  protocol::BatchHeader header_at(std::int64_t offset) {
    auto read = log().read(offset, 1 << 20, ReadIsolation::log_end, FirstBatch::whole);
    return *protocol::read_batch_header(testing::bytes_of(read->records));
  }
  std::uint64_t file_size(const std::string& name) { return files_.info("/data/t-0/" + name).size; }
};

TEST_F(LogConfigTest, SegmentBytes) {
  open();
  for (int number = 0; number < 4; ++number) append({"value"});
  EXPECT_EQ(log().segment_count(), 1u);
  alter([](LogConfig& config) { config.segment_bytes = 100; });
  append({"value"});
  append({"value"});
  EXPECT_EQ(log().segment_count(), 3u);
  EXPECT_EQ(append({std::string(200, 'x')}).error, ErrorCode::record_list_too_large);
  alter([](LogConfig& config) { config.segment_bytes = 1 << 20; });
  append({std::string(200, 'x')});
  EXPECT_EQ(log().segment_count(), 3u);
}

TEST_F(LogConfigTest, SegmentMsGoesByRecordTime) {
  open();
  append({"a"}, {.timestamp = kTime});
  append({"b"}, {.timestamp = kTime + 5'000});
  EXPECT_EQ(log().segment_count(), 1u);
  alter([](LogConfig& config) { config.segment_ms = 5'000; });
  append({"c"}, {.timestamp = kTime + 5'000});
  EXPECT_EQ(log().segment_count(), 1u);
  append({"d"}, {.timestamp = kTime + 5'001});
  EXPECT_EQ(log().segment_count(), 2u);
}

// What is to be cleaned by then can't stay in the active segment. As in Kafka 3.9.2 (LogConfig.maxSegmentMs) for compacted topics
// alone, and segment.ms still counts if it is less.
TEST_F(LogConfigTest, MaxCompactionLagMsCapsSegmentMs) {
  config_.max_compaction_lag_ms = 5'000;
  open();
  std::int64_t time = kTime;
  const auto rolls_after = [&](std::int64_t ms) {
    log().roll();
    append({"first"}, {.timestamp = time});
    const std::size_t before = log().segment_count();
    append({"second"}, {.timestamp = time += ms});
    return log().segment_count() > before;
  };
  EXPECT_FALSE(rolls_after(5'001)) << "it isn't compacted";
  alter([](LogConfig& config) { config.cleanup_compact = true; });
  EXPECT_FALSE(rolls_after(5'000));
  EXPECT_TRUE(rolls_after(5'001));
  alter([](LogConfig& config) { config.cleanup_delete = false; });
  EXPECT_TRUE(rolls_after(5'001));
  alter([](LogConfig& config) { config.segment_ms = 1'000; });
  EXPECT_FALSE(rolls_after(1'000));
  EXPECT_TRUE(rolls_after(1'001));
  alter([](LogConfig& config) { config.segment_ms = LogConfig::kUnlimited; });
  alter([](LogConfig& config) { config.max_compaction_lag_ms = LogConfig::kUnlimited; });
  EXPECT_FALSE(rolls_after(1'000'000'000));
  alter([](LogConfig& config) { config.max_compaction_lag_ms = 2'000; });
  EXPECT_TRUE(rolls_after(2'001));
  EXPECT_FALSE(rolls_after(2'000));
}

// The jitter is drawn once for each segment, so an altered one acts from the next on.
TEST_F(LogConfigTest, SegmentJitterMs) {
  config_.segment_ms = 1'000'000;
  open();
  append({"a"}, {.timestamp = kTime});
  alter([](LogConfig& config) { config.segment_jitter_ms = 1'000'000; });
  log().roll();
  // Of many segments with a jitter up to all of segment.ms most roll after half of it, and without jitter none.
  auto rolls = [&] {
    int count = 0;
    for (int number = 0; number < 50; ++number) {
      log().roll();
      append({"b"}, {.timestamp = kTime});
      std::size_t before = log().segment_count();
      append({"c"}, {.timestamp = kTime + 500'000});
      if (log().segment_count() > before) ++count;
    }
    return count;
  };
  EXPECT_GT(rolls(), 0);
  alter([](LogConfig& config) { config.segment_jitter_ms = 0; });
  EXPECT_EQ(rolls(), 0);
}

TEST_F(LogConfigTest, IndexIntervalAndIndexBytes) {
  open();
  for (int number = 0; number < 20; ++number) append({std::string(300, 'x')});
  log().roll();
  EXPECT_EQ(file_size("00000000000000000000.index"), 8u);
  alter([](LogConfig& config) { config.index_interval_bytes = 100; });
  for (int number = 0; number < 20; ++number) append({std::string(300, 'x')});
  log().roll();
  EXPECT_EQ(file_size("00000000000000000020.index"), 19u * 8);
  std::size_t before = log().segment_count();
  alter([](LogConfig& config) { config.segment_index_bytes = 48; });
  for (int number = 0; number < 20; ++number) append({std::string(300, 'x')});
  EXPECT_GT(log().segment_count(), before + 1);
}

TEST_F(LogConfigTest, RetentionBytesAndMs) {
  config_.retention_ms = -1;
  open();
  for (int number = 0; number < 4; ++number) {
    append({"value"}, {.timestamp = kTime + number * 1'000});
    log().roll();
  }
  EXPECT_EQ(log().delete_old_segments(kTime + 100'000), 0u);
  alter([&](LogConfig& config) { config.retention_bytes = static_cast<std::int64_t>(log().size_bytes()) / 2; });
  EXPECT_EQ(log().delete_old_segments(kTime + 100'000), 2u);
  alter([](LogConfig& config) { config.retention_bytes = -1; });
  EXPECT_EQ(log().delete_old_segments(kTime + 100'000), 0u);
  alter([](LogConfig& config) { config.retention_ms = 97'500; });
  EXPECT_EQ(log().delete_old_segments(kTime + 100'000), 1u);
  EXPECT_EQ(log().log_start_offset(), 3);
}

TEST_F(LogConfigTest, CleanupPolicy) {
  config_.retention_ms = 0;
  config_.cleanup_delete = false;
  config_.cleanup_compact = true;
  open();
  append({"value"});
  log().roll();
  EXPECT_EQ(log().delete_old_segments(kTime + 100'000), 0u);
  EXPECT_EQ(log().delete_records(1).error(), ErrorCode::policy_violation);
  alter([](LogConfig& config) { config.cleanup_delete = true; });
  EXPECT_EQ(log().delete_old_segments(kTime + 100'000), 1u);
  EXPECT_EQ(*log().delete_records(1), 1);
  // A compacted topic needs keys, which is checked from the moment it is one.
  protocol::RecordBatchBuilder builder;
  protocol::NewRecord record;
  record.value = base::as_bytes("no key");
  builder.append(record);
  const base::Bytes batch = builder.build();
  EXPECT_EQ(append_bytes(batch).error, ErrorCode::invalid_record);
  alter([](LogConfig& config) { config.cleanup_compact = false; });
  EXPECT_TRUE(append_bytes(batch).ok());
}

TEST_F(LogConfigTest, FileDeleteDelayMs) {
  open();
  append({"a"});
  log().roll();
  ASSERT_EQ(*log().delete_records(1), 1);
  alter([](LogConfig& config) { config.file_delete_delay_ms = 7; });
  log().delete_old_segments(kTime);
  log().run_deletes(clock_.monotonic_ms() + 6);
  EXPECT_TRUE(files_.exists("/data/t-0/00000000000000000000.log.deleted"));
  log().run_deletes(clock_.monotonic_ms() + 7);
  EXPECT_FALSE(files_.exists("/data/t-0/00000000000000000000.log.deleted"));
}

TEST_F(LogConfigTest, FlushMessagesAndMs) {
  open();
  append({"a", "b", "c"});
  EXPECT_EQ(log().recovery_point(), 0);
  EXPECT_FALSE(log().needs_flush(clock_.monotonic_ms() + 1'000'000));
  alter([](LogConfig& config) { config.flush_ms = 1'000; });
  EXPECT_FALSE(log().needs_flush(clock_.monotonic_ms() + 999));
  EXPECT_TRUE(log().needs_flush(clock_.monotonic_ms() + 1'000));
  alter([](LogConfig& config) { config.flush_messages = 4; });
  append({"d"});
  EXPECT_EQ(log().recovery_point(), 4);
}

TEST_F(LogConfigTest, Preallocate) {
  config_.segment_bytes = 5'000;
  open();
  append({"a"});
  alter([](LogConfig& config) { config.preallocate = true; });
  log().roll();
  append({"b"});
  EXPECT_EQ(file_size("00000000000000000001.log"), 5'000u);
  alter([](LogConfig& config) { config.preallocate = false; });
  log().roll();
  EXPECT_LT(file_size("00000000000000000001.log"), 100u) << "what wasn't needed is cut off";
  append({"c"});
  EXPECT_LT(file_size("00000000000000000002.log"), 100u);
}

// As in Kafka, which only sets the size: a topic with many partitions would fill the disk, on which others live too.
TEST_F(LogConfigTest, PreallocatedSegmentsTakeNoSpaceYet) {
  const base::testing::TempDir directory;
  LogOptions options;
  options.topic_partition = {"t", 0};
  options.directory = directory.path() + "/t-0";
  options.log_directory = std::make_shared<LogDirectory>(directory.path());
  options.config.segment_bytes = 64 << 20;
  options.config.preallocate = true;
  const auto log = Log::open(base::real_file_system(), clock_, options);
  struct stat status {};
  ASSERT_EQ(::stat((options.directory + "/00000000000000000000.log").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 64 << 20);
  EXPECT_LT(status.st_blocks, 1024) << "of 512 bytes";
}

TEST_F(LogConfigTest, MaxMessageBytes) {
  open();
  base::Bytes batch = make_batch({std::string(500, 'x')});
  EXPECT_TRUE(append_bytes(batch).ok());
  alter([&](LogConfig& config) { config.max_message_bytes = static_cast<std::int64_t>(batch.size()) - 1; });
  EXPECT_EQ(append_bytes(batch).error, ErrorCode::message_too_large);
  alter([&](LogConfig& config) { config.max_message_bytes = static_cast<std::int64_t>(batch.size()); });
  EXPECT_TRUE(append_bytes(batch).ok());
}

TEST_F(LogConfigTest, CompressionTypeAndLevels) {
  open();
  std::string value;
  for (int number = 0; number < 20'000; ++number) value += std::to_string(number * 7919 % 10'007) + " ";
  std::map<std::string, std::uint64_t> sizes;
  auto stored = [&](const std::string& what, base::Codec codec) {
    AppendResult result = append({value});
    EXPECT_TRUE(result.ok()) << what;
    EXPECT_EQ(header_at(result.first_offset).codec(), codec) << what;
    EXPECT_EQ(read_values(result.first_offset), std::vector<std::string>{value}) << what;
    auto read = log().read(result.first_offset, 1 << 20, ReadIsolation::log_end, FirstBatch::whole);
    sizes[what] = read->records.size;
  };
  stored("producer", base::Codec::none);
  for (base::Codec codec : {base::Codec::gzip, base::Codec::snappy, base::Codec::lz4, base::Codec::zstd}) {
    alter([&](LogConfig& config) { config.compression = codec; });
    stored("default " + std::to_string(static_cast<int>(codec)), codec);
  }
  auto at_level = [&](const std::string& what, base::Codec codec, int LogConfig::* level, int number) {
    alter([&](LogConfig& config) {
      config.compression = codec;
      config.*level = number;
    });
    stored(what, codec);
  };
  at_level("gzip 1", base::Codec::gzip, &LogConfig::compression_gzip_level, 1);
  at_level("gzip 9", base::Codec::gzip, &LogConfig::compression_gzip_level, 9);
  at_level("lz4 1", base::Codec::lz4, &LogConfig::compression_lz4_level, 1);
  at_level("lz4 17", base::Codec::lz4, &LogConfig::compression_lz4_level, 17);
  at_level("zstd -5", base::Codec::zstd, &LogConfig::compression_zstd_level, -5);
  at_level("zstd 19", base::Codec::zstd, &LogConfig::compression_zstd_level, 19);
  EXPECT_GT(sizes["gzip 1"], sizes["gzip 9"]);
  EXPECT_GT(sizes["lz4 1"], sizes["lz4 17"]);
  EXPECT_GT(sizes["zstd -5"], sizes["zstd 19"]);
  alter([](LogConfig& config) { config.compression = base::Codec::none; });
  AppendResult result = append_bytes(make_batch({value}, {.codec = base::Codec::gzip}));
  EXPECT_EQ(header_at(result.first_offset).codec(), base::Codec::none);
  alter([](LogConfig& config) { config.compression = std::nullopt; });
  result = append_bytes(make_batch({value}, {.codec = base::Codec::gzip}));
  EXPECT_EQ(header_at(result.first_offset).codec(), base::Codec::gzip);
}

TEST_F(LogConfigTest, TimestampType) {
  open();
  append({"a"}, {.timestamp = kTime - 5});
  EXPECT_EQ(header_at(0).max_timestamp, kTime - 5);
  alter([](LogConfig& config) { config.timestamp_type = protocol::TimestampType::log_append_time; });
  clock_.advance_ms(100);
  append({"b"}, {.timestamp = kTime - 5});
  EXPECT_EQ(header_at(1).max_timestamp, kTime + 100);
  EXPECT_EQ(header_at(1).timestamp_type(), protocol::TimestampType::log_append_time);
  EXPECT_EQ(log().list_offset(kTime + 50, ReadIsolation::log_end)->offset, 1);
  EXPECT_EQ(log().list_offset(kMaxTimestamp, ReadIsolation::log_end)->timestamp, kTime + 100);
  alter([](LogConfig& config) { config.timestamp_type = protocol::TimestampType::create_time; });
  append({"c"}, {.timestamp = kTime - 7});
  EXPECT_EQ(header_at(2).max_timestamp, kTime - 7);
}

TEST_F(LogConfigTest, TimestampBounds) {
  open();
  EXPECT_TRUE(append({"a"}, {.timestamp = 1}).ok());
  alter([](LogConfig& config) {
    config.timestamp_before_max_ms = 1'000;
    config.timestamp_after_max_ms = 2'000;
  });
  EXPECT_TRUE(append({"b"}, {.timestamp = kTime - 1'000}).ok());
  EXPECT_EQ(append({"b"}, {.timestamp = kTime - 1'001}).error, ErrorCode::invalid_timestamp);
  EXPECT_TRUE(append({"b"}, {.timestamp = kTime + 2'000}).ok());
  EXPECT_EQ(append({"b"}, {.timestamp = kTime + 2'001}).error, ErrorCode::invalid_timestamp);
  // With the broker's time it doesn't matter what the producer said.
  alter([](LogConfig& config) { config.timestamp_type = protocol::TimestampType::log_append_time; });
  EXPECT_TRUE(append({"b"}, {.timestamp = 1}).ok());
}

}  // namespace
}  // namespace storage
