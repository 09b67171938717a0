// Directories of real Kafka brokers, cleaned by us: of what Kafka's consumers saw, the newest record of each key is
// still there with its offset and time, nothing else is, and the producers are as they were.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/testing/temp_dir.h"
#include "log/cleaner/log_cleaner.h"
#include "log/testing/compaction_fixture.h"
#include "log/testing/golden.h"

namespace storage {
namespace {

using testing::golden_rows;
using testing::KeyedConsumer;
using testing::KeyedRecord;
using testing::Row;

std::string from_cell(const std::string& cell) {
  if (cell == "empty") return "";
  if (cell == "null") return "null";
  auto bytes = base::from_hex(cell);
  return bytes ? std::string(base::as_text(*bytes)) : cell;
}

class GoldenCleaning : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    testing::unpack_golden(GetParam(), temp_.path());
    load();
  }
  void load() {
    manager_.reset();
    LogManagerConfig config;
    config.log_dirs = {temp_ / "log"};
    config.producer_id_expiration_ms = 2'147'483'647;
    manager_ = std::make_unique<LogManager>(base::real_file_system(), clock_, config);
    MetaProperties found = manager_->open_directories();
    manager_->check_identity(1, *found.cluster_id);
    LogConfig log_config;
    log_config.cleanup_delete = false;
    log_config.cleanup_compact = true;
    log_config.delete_retention_ms = LogConfig::kDayMs * 1000;
    log_config.min_cleanable_dirty_ratio = 0;
    manager_->load([&](const std::string&) { return log_config; });
    for (const auto& log : manager_->logs()) log->update_high_watermark(log->log_end_offset());
  }
  std::map<TopicPartition, std::vector<KeyedRecord>> expected() {
    std::map<TopicPartition, std::vector<KeyedRecord>> rows;
    for (const Row& row : golden_rows(GetParam(), "expected.tsv.gz")) {
      if (row[0] != "rc") continue;
      rows[{row[1], std::stoi(row[2])}].push_back(
          {std::stoll(row[3]), row[7] == "null" ? "no key" : from_cell(row[7]), from_cell(row[8]), std::stoll(row[5])});
    }
    return rows;
  }
  std::map<std::string, std::vector<std::tuple<std::int64_t, int, std::int32_t, std::int64_t>>> producers() {
    std::map<std::string, std::vector<std::tuple<std::int64_t, int, std::int32_t, std::int64_t>>> result;
    for (const auto& log : manager_->logs()) {
      for (const ActiveProducer& one : log->active_producers()) {
        result[log->topic_partition().to_string()].emplace_back(one.producer_id, one.producer_epoch, one.last_sequence,
                                                                one.current_transaction_first_offset);
      }
    }
    return result;
  }
  void compare(std::map<TopicPartition, std::vector<KeyedRecord>> rows) {
    for (const auto& log : manager_->logs()) {
      const std::string name = log->topic_partition().to_string();
      std::int64_t bound = std::min(log->first_dirty_offset().value_or(0), log->last_stable_offset());
      std::map<std::string, std::int64_t> newest;
      for (const KeyedRecord& record : rows[log->topic_partition()]) {
        if (record.offset < bound) newest[record.key] = record.offset;
      }
      std::vector<KeyedRecord> wanted;
      for (const KeyedRecord& record : rows[log->topic_partition()]) {
        bool stays = record.offset >= bound || (record.key != "no key" && newest[record.key] == record.offset);
        if (stays) wanted.push_back(record);
      }
      std::vector<KeyedRecord> got = KeyedConsumer(*log, true, 700).read_all();
      // Kafka's cleaner has given some tombstones a horizon, which has passed since.
      std::erase_if(wanted, [&](const KeyedRecord& record) {
        return record.value == testing::kNull && std::find(got.begin(), got.end(), record) == got.end();
      });
      EXPECT_EQ(got, wanted) << name;
      EXPECT_EQ(KeyedConsumer(*log, true).read_all(), got) << name;
    }
  }

  base::testing::TempDir temp_;
  base::SystemClock clock_;
  std::unique_ptr<LogManager> manager_;
};
INSTANTIATE_TEST_SUITE_P(Kafka, GoldenCleaning, ::testing::Values("compact", "internal", "txn", "codecs", "legacy"),
                         [](const auto& one) { return one.param; });

TEST_P(GoldenCleaning, KeepsWhatKafkaWould) {
  auto before = producers();
  for (const auto& log : manager_->logs()) {
    log->set_first_dirty_offset(std::nullopt);
    log->roll();  // so that all of it may be cleaned
  }
  LogCleaner cleaner(*manager_, clock_, {});
  int cleaned = 0;
  while (cleaner.clean_one()) ++cleaned;
  EXPECT_GT(cleaned, 0);
  EXPECT_TRUE(cleaner.uncleanable_partitions().empty());
  compare(expected());
  manager_->shutdown();
  load();
  compare(expected());
  EXPECT_EQ(producers(), before);
}

}  // namespace
}  // namespace storage
