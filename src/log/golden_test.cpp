// Directories of real brokers, opened as they are: every record and offset must be what real clients got from them.
#include "log/testing/golden.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "base/testing/temp_dir.h"
#include "log/log_manager.h"
#include "log/testing/log_fixture.h"
#include "log/whole_log.h"

namespace storage {
namespace {

using testing::bytes_of;
using testing::golden_rows;
using testing::Row;

std::string hex_or_word(const std::optional<base::ByteView>& bytes) {
  if (!bytes) return "null";
  return bytes->empty() ? "empty" : base::to_hex(*bytes);
}

std::string headers_text(const protocol::Record& record) {
  std::string text;
  for (const protocol::RecordHeader& header : protocol::read_headers(record)) {
    if (!text.empty()) text += ";";
    std::string name = base::to_hex(base::as_bytes(header.name));
    text += (name.empty() ? "empty" : name) + "=" + hex_or_word(header.value);
  }
  return text.empty() ? "-" : text;
}

std::string type_text(const protocol::BatchHeader& header) {
  if (header.magic == 0) return "NoTimestampType";
  return header.timestamp_type() == protocol::TimestampType::log_append_time ? "LogAppendTime" : "CreateTime";
}

// Reads a log as a consumer does: fetch by fetch, skipping control batches, what lies before the position, and with
// read_committed the batches of aborted transactions.
class Consumer {
 public:
  Consumer(Log& log, bool committed, std::uint64_t max_bytes)
      : log_(log), committed_(committed), max_bytes_(max_bytes), offset_(log.log_start_offset()) {}

  std::vector<std::string> read_all() {
    while (fetch()) {
    }
    return std::move(rows_);
  }
  // As a coordinator reads its partition, which asks for no isolation.
  std::vector<std::string> read_whole() {
    EXPECT_FALSE(committed_);
    const auto end = read_whole_log(
        log_,
        [&](base::ByteView batches, std::int64_t next_offset) {
          EXPECT_TRUE(feed(batches));
          EXPECT_EQ(offset_, next_offset);
        },
        max_bytes_);
    EXPECT_TRUE(end.has_value());
    EXPECT_EQ(end ? *end : -1, log_.log_end_offset());
    return std::move(rows_);
  }

 private:
  bool fetch() {
    auto isolation = committed_ ? ReadIsolation::transactions_committed : ReadIsolation::high_watermark;
    auto result = log_.read(offset_, max_bytes_, isolation, FirstBatch::whole);
    if (!result) {
      ADD_FAILURE() << name_of(result.error());
      return false;
    }
    aborted_.clear();
    for (const auto& one : result->aborted_transactions.value_or(std::vector<AbortedTransaction>{})) {
      aborted_.emplace(one.first_offset, one.producer_id);
    }
    const base::Bytes bytes = bytes_of(result->records);
    return feed(bytes);
  }

  bool feed(base::ByteView bytes) {
    bool any = false;
    for (base::ByteView rest = bytes; !rest.empty();) {
      protocol::NextBatch next = protocol::next_batch(rest);
      if (next.frame != protocol::BatchFrame::whole) break;
      take(rest.first(next.size_in_bytes));
      rest = rest.subspan(next.size_in_bytes);
      any = true;
    }
    return any;
  }

  void take(base::ByteView batch) {
    EXPECT_TRUE(protocol::crc_is_valid(batch));
    auto header = *protocol::read_batch_header(batch);
    bool skipped = header.is_control();
    if (header.has_producer_id() && committed_) {
      while (!aborted_.empty() && aborted_.begin()->first <= header.last_offset()) {
        aborting_.insert(aborted_.begin()->second);
        aborted_.erase(aborted_.begin());
      }
      if (header.is_control()) {
        aborting_.erase(header.producer_id);
      } else if (header.is_transactional() && aborting_.contains(header.producer_id)) {
        skipped = true;
      }
    }
    protocol::RecordReader reader(batch);
    protocol::Record record;
    while (reader.next(record)) {
      if (skipped || record.offset < offset_) continue;
      std::string epoch =
          header.magic < 2 || header.partition_leader_epoch < 0 ? "-" : std::to_string(header.partition_leader_epoch);
      rows_.push_back(std::to_string(record.offset) + "\t" + type_text(header) + "\t" +
                      std::to_string(record.timestamp) + "\t" + epoch + "\t" + hex_or_word(record.key) + "\t" +
                      hex_or_word(record.value) + "\t" + headers_text(record));
    }
    offset_ = std::max(offset_, header.next_offset());
  }

  Log& log_;
  bool committed_;
  std::uint64_t max_bytes_;
  std::int64_t offset_;
  std::multimap<std::int64_t, std::int64_t> aborted_;
  std::set<std::int64_t> aborting_;
  std::vector<std::string> rows_;
};

class Golden : public ::testing::TestWithParam<std::string> {
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
    EXPECT_EQ(found.broker_id.value_or(1), 1);
    manager_->check_identity(1, found.cluster_id.value_or("made-by-4-without"));
    manager_->load([](const std::string&) { return LogConfig{}; });
    for (const auto& log : manager_->logs()) log->update_high_watermark(log->log_end_offset());
  }

  std::map<TopicPartition, std::vector<std::string>> expected(const std::string& kind) {
    std::map<TopicPartition, std::vector<std::string>> rows;
    for (const Row& row : golden_rows(GetParam(), "expected.tsv.gz")) {
      if (row[0] != kind) continue;
      std::string text;
      for (std::size_t cell = 3; cell < row.size(); ++cell) text += (cell == 3 ? "" : "\t") + row[cell];
      rows[{row[1], std::stoi(row[2])}].push_back(text);
    }
    return rows;
  }

  void compare_records(const std::string& kind, bool committed, std::uint64_t max_bytes) {
    auto rows = expected(kind);
    EXPECT_FALSE(rows.empty());
    for (const auto& log : manager_->logs()) {
      std::vector<std::string> got = Consumer(*log, committed, max_bytes).read_all();
      EXPECT_EQ(got, rows[log->topic_partition()]) << log->topic_partition().to_string();
      if (!committed) {
        EXPECT_EQ(Consumer(*log, false, max_bytes).read_whole(), got) << log->topic_partition().to_string();
      }
      rows.erase(log->topic_partition());
    }
    EXPECT_TRUE(rows.empty()) << "a partition was not loaded";
  }

  void compare_offsets() {
    for (Row row : golden_rows(GetParam(), "offsets.tsv")) {
      // An old inter.broker.protocol refuses times of format 0; with 3.0 and later nothing is found.
      if (row[5] == "err") std::tie(row[5], row[6], row[7]) = std::make_tuple("-1", "-1", "-");
      auto log = manager_->find({row[0], std::stoi(row[1])});
      ASSERT_NE(log, nullptr) << row[0];
      auto text = [&](std::int64_t timestamp, ReadIsolation isolation) {
        auto result = log->list_offset(timestamp, isolation);
        return result ? *result : OffsetAndTimestamp{-2, -2, -2};
      };
      OffsetAndTimestamp max = text(kMaxTimestamp, ReadIsolation::high_watermark);
      Row got = {row[0],
                 row[1],
                 std::to_string(text(kEarliestTimestamp, ReadIsolation::high_watermark).offset),
                 std::to_string(text(kLatestTimestamp, ReadIsolation::high_watermark).offset),
                 std::to_string(text(kLatestTimestamp, ReadIsolation::transactions_committed).offset),
                 std::to_string(max.timestamp),
                 std::to_string(max.offset),
                 max.leader_epoch < 0 ? "-" : std::to_string(max.leader_epoch)};
      EXPECT_EQ(got, row);
    }
  }

  void compare_producers() {
    std::set<Row> got;
    for (const auto& log : manager_->logs()) {
      if (log->topic_partition().topic.starts_with("__")) continue;  // left out of producers.tsv
      for (const ActiveProducer& producer : log->active_producers()) {
        auto or_dash = [](std::int64_t value) { return value < 0 ? std::string("-") : std::to_string(value); };
        got.insert({log->topic_partition().topic, std::to_string(log->topic_partition().partition),
                    std::to_string(producer.producer_id), std::to_string(producer.producer_epoch),
                    std::to_string(producer.last_sequence), std::to_string(producer.last_timestamp),
                    or_dash(producer.coordinator_epoch), or_dash(producer.current_transaction_first_offset)});
      }
    }
    std::set<Row> wanted;
    for (const Row& row : golden_rows(GetParam(), "producers.tsv")) {
      bool expires = row[7] == "-" && clock_.wall_ms() - std::stoll(row[5]) >= 2'147'483'647;
      if (!expires) wanted.insert(row);
    }
    EXPECT_EQ(got, wanted);
  }

  void compare_everything() {
    compare_records("ru", false, 1 << 20);
    compare_records("ru", false, 1);
    compare_records("ru", false, 700);
    compare_records("rc", true, 1 << 20);
    compare_records("rc", true, 1);
    compare_offsets();
    compare_producers();
  }

  base::testing::TempDir temp_;
  base::SystemClock clock_;
  std::unique_ptr<LogManager> manager_;
};
INSTANTIATE_TEST_SUITE_P(Kafka, Golden,
                         ::testing::Values("codecs", "segments", "epochs", "k4", "txn", "unclean", "badindex", "legacy",
                                           "internal", "compact"),
                         [](const auto& one) { return one.param; });

TEST_P(Golden, IsServedAsByKafka) { compare_everything(); }

// Our own shutdown and start in between must change nothing.
TEST_P(Golden, StaysTheSameOverACleanRestart) {
  manager_->shutdown();
  load();
  compare_everything();
}

}  // namespace
}  // namespace storage
