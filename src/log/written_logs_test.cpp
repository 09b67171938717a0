// Writes log directories with all that a Log can do, and opens them again. With MILENA_WRITTEN_LOGS=<dir> they stay
// there, for compat-tests/log-tools, which has Kafka's own tools read them.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/testing/temp_dir.h"
#include "log/log_manager.h"
#include "log/testing/log_fixture.h"

namespace storage {
namespace {

using testing::BatchFields;
using testing::make_batch;

class Writer {
 public:
  explicit Writer(const std::string& directory) {
    LogManagerConfig config;
    config.log_dirs = {directory};
    manager_ = std::make_unique<LogManager>(base::real_file_system(), clock_, config);
    manager_->open_directories();
    manager_->check_identity(1, "AAAAAAAAAAAAAAAAAAAAAA");
    manager_->load([](const std::string&) { return small_segments(); });
  }

  static LogConfig small_segments() {
    LogConfig config;
    config.segment_bytes = 20'000;
    config.index_interval_bytes = 200;
    config.retention_ms = -1;
    config.file_delete_delay_ms = 0;
    return config;
  }

  std::shared_ptr<Log> log(const std::string& topic, const LogConfig& config = small_segments()) {
    auto made = manager_->get_or_create({topic, 0}, config, base::Uuid::random(), {.is_new = true});
    EXPECT_TRUE(made.has_value());
    (*made)->start_leader_epoch(0);
    return *made;
  }

  void append(Log& log, base::Bytes bytes, protocol::AppendOrigin origin = protocol::AppendOrigin::client) {
    AppendContext context;
    context.now_ms = clock_.wall_ms();
    context.origin = origin;
    AppendResult result = log.append_as_leader(bytes, context);
    EXPECT_TRUE(result.ok()) << name_of(result.error) << result.refusal.get().message;
    log.update_high_watermark(log.log_end_offset());
  }
  void append_many(Log& log, int batches, BatchFields fields = {}, std::int64_t step_ms = 10) {
    for (int number = 0; number < batches; ++number) {
      std::string value = "value-" + std::to_string(number) + std::string(static_cast<std::size_t>(number % 90), 'x');
      append(log, make_batch({value, "second", "third"}, fields));
      fields.timestamp += step_ms;
      if (fields.producer_id >= 0) fields.base_sequence += 3;
    }
  }

  LogManager& manager() { return *manager_; }

 private:
  base::SystemClock clock_;
  std::unique_ptr<LogManager> manager_;
};

void write_codecs(Writer& writer) {
  for (base::Codec codec :
       {base::Codec::none, base::Codec::gzip, base::Codec::snappy, base::Codec::lz4, base::Codec::zstd}) {
    BatchFields fields;
    fields.codec = codec;
    writer.append_many(*writer.log("codec-" + std::string(name_of(codec))), 200, fields);
    LogConfig recompress = Writer::small_segments();
    recompress.compression = codec;
    writer.append_many(*writer.log("recompressed-" + std::string(name_of(codec)), recompress), 50);
  }
}

void write_times(Writer& writer) {
  LogConfig append_time = Writer::small_segments();
  append_time.timestamp_type = protocol::TimestampType::log_append_time;
  writer.append_many(*writer.log("log-append-time", append_time), 300);
  writer.append_many(*writer.log("times-go-back"), 300, {}, -10);
  LogConfig by_time = Writer::small_segments();
  by_time.segment_ms = 1000;
  writer.append_many(*writer.log("rolled-by-time", by_time), 50, {}, 100);
}

void write_producers(Writer& writer) {
  auto log = writer.log("idempotent");
  for (std::int64_t producer = 1; producer <= 3; ++producer) {
    BatchFields fields;
    fields.producer_id = producer;
    fields.producer_epoch = 0;
    fields.base_sequence = 0;
    fields.timestamp = 4'102'444'800'000;
    writer.append_many(*log, 100, fields);
  }
  auto transactional = writer.log("transactional");
  for (int number = 0; number < 60; ++number) {
    BatchFields fields;
    fields.producer_id = 5;
    fields.producer_epoch = 1;
    fields.base_sequence = number * 2;
    fields.transactional = true;
    writer.append(*transactional, make_batch({"in", "transaction"}, fields));
    auto end = number % 3 == 0 ? protocol::ControlType::abort : protocol::ControlType::commit;
    writer.append(*transactional, protocol::build_control_batch(5, 1, end, 0, fields.timestamp),
                  protocol::AppendOrigin::coordinator);
  }
}

void write_shortened(Writer& writer) {
  auto deleted = writer.log("deleted-records");
  writer.append_many(*deleted, 400);
  EXPECT_TRUE(deleted->delete_records(500).has_value());
  deleted->delete_old_segments(0);
  auto truncated = writer.log("truncated");
  writer.append_many(*truncated, 400);
  truncated->truncate_to(501);
  writer.append_many(*truncated, 10);
  auto all_gone = writer.log("all-gone");
  writer.append_many(*all_gone, 30);
  EXPECT_TRUE(all_gone->delete_records(-1).has_value());
  LogConfig nothing_kept = Writer::small_segments();
  nothing_kept.retention_bytes = 0;
  all_gone->set_config(nothing_kept);
  all_gone->delete_old_segments(0);
  EXPECT_EQ(all_gone->segment_count(), 1u);
  writer.log("empty");
}

void write_special(Writer& writer) {
  LogConfig preallocated = Writer::small_segments();
  preallocated.preallocate = true;
  writer.append_many(*writer.log("preallocated", preallocated), 300);
  LogConfig tiny_index = Writer::small_segments();
  tiny_index.segment_index_bytes = 100;
  writer.append_many(*writer.log("index-full", tiny_index), 300);
  auto follower = writer.log("follower");
  std::int64_t offset = 7;
  for (int round = 0; round < 50; ++round) {
    base::Bytes chunk;
    for (int batch = 0; batch < 4; ++batch) {
      base::Bytes bytes = make_batch({"a", "b"}, {.timestamp = 1'700'000'000'000 + offset});
      protocol::set_base_offset(bytes, offset);
      protocol::set_partition_leader_epoch(bytes, round / 10);
      chunk.insert(chunk.end(), bytes.begin(), bytes.end());
      offset += 2 + batch;  // with gaps, as after compaction
    }
    EXPECT_TRUE(follower->append_as_follower(chunk).ok());
  }
  follower->update_high_watermark(follower->log_end_offset());
}

TEST(WrittenLogs, AreOpenedAgainAsTheyWere) {
  base::testing::TempDir temp;
  const char* wanted = std::getenv("MILENA_WRITTEN_LOGS");
  std::string root = wanted != nullptr ? wanted : temp.path();
  std::map<TopicPartition, LogOffsets> before;
  {
    Writer writer(root + "/clean");
    write_codecs(writer);
    write_times(writer);
    write_producers(writer);
    write_shortened(writer);
    write_special(writer);
    for (const auto& log : writer.manager().logs()) before[log->topic_partition()] = log->offsets();
    writer.manager().run_deletes();
    writer.manager().shutdown();
  }
  EXPECT_GE(before.size(), 20u);
  Writer reader(root + "/clean");
  for (const auto& [topic_partition, offsets] : before) {
    auto log = reader.manager().find(topic_partition);
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->log_start_offset(), offsets.log_start_offset) << topic_partition.to_string();
    EXPECT_EQ(log->log_end_offset(), offsets.log_end_offset) << topic_partition.to_string();
    EXPECT_EQ(log->high_watermark(), offsets.high_watermark) << topic_partition.to_string();
  }
  reader.manager().shutdown();
}

// The same, but the first broker just goes, and the second one recovers.
TEST(WrittenLogs, SurviveACrash) {
  base::testing::TempDir temp;
  const char* wanted = std::getenv("MILENA_WRITTEN_LOGS");
  std::string root = wanted != nullptr ? wanted : temp.path();
  std::map<TopicPartition, LogOffsets> before;
  {
    Writer writer(root + "/crashed");
    write_codecs(writer);
    write_times(writer);
    write_producers(writer);
    write_shortened(writer);
    write_special(writer);
    writer.manager().flush_closed_segments();
    writer.manager().checkpoint_recovery_points();
    writer.manager().checkpoint_log_start_offsets();
    for (const auto& log : writer.manager().logs()) before[log->topic_partition()] = log->offsets();
  }
  Writer reader(root + "/crashed");
  for (const auto& [topic_partition, offsets] : before) {
    auto log = reader.manager().find(topic_partition);
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->log_start_offset(), offsets.log_start_offset) << topic_partition.to_string();
    EXPECT_EQ(log->log_end_offset(), offsets.log_end_offset) << topic_partition.to_string();
  }
  reader.manager().shutdown();
}

}  // namespace
}  // namespace storage
