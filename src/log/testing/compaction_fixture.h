// For tests: a compacted log on the file system in memory, keyed records, transactions, a consumer of either isolation
// level, and cleaning on the test's own thread.
#pragma once

#include <map>
#include <set>
#include <tuple>

#include "log/cleaner/compactor.h"
#include "log/testing/log_fixture.h"

namespace storage::testing {

struct KeyedRecord {
  std::int64_t offset = -1;
  std::string key;
  std::string value;  // "null" for a tombstone
  std::int64_t timestamp = -1;
  auto operator<=>(const KeyedRecord&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const KeyedRecord& record) {
  return out << record.offset << ":" << record.key << "=" << record.value << "@" << record.timestamp;
}

inline constexpr const char* kNull = "null";

inline base::Bytes make_keyed_batch(const std::vector<std::pair<std::string, std::string>>& records,
                                    const BatchFields& fields = {}) {
  protocol::RecordBatchBuilder builder;
  builder.header.producer_id = fields.producer_id;
  builder.header.producer_epoch = fields.producer_epoch;
  builder.header.base_sequence = fields.base_sequence;
  if (fields.transactional) builder.header.attributes |= protocol::kAttributeTransactional;
  std::int64_t timestamp = fields.timestamp;
  for (const auto& [key, value] : records) {
    protocol::NewRecord record;
    record.key = base::as_bytes(key);
    if (value != kNull) record.value = base::as_bytes(value);
    record.timestamp = timestamp++;
    builder.append(record);
  }
  return builder.build(fields.codec);
}

// Reads all of a log as a consumer does, fetch by fetch.
class KeyedConsumer {
 public:
  KeyedConsumer(Log& log, bool committed, std::uint64_t max_bytes = 1 << 20)
      : log_(log), committed_(committed), max_bytes_(max_bytes), offset_(log.log_start_offset()) {}

  std::vector<KeyedRecord> read_all() {
    while (fetch()) {
    }
    return std::move(records_);
  }

 private:
  bool fetch() {
    auto isolation = committed_ ? ReadIsolation::transactions_committed : ReadIsolation::high_watermark;
    auto result = log_.read(offset_, max_bytes_, isolation, FirstBatch::whole);
    EXPECT_TRUE(result.has_value());
    if (!result) return false;
    // As Kafka's consumer does, anew for each response.
    std::multimap<std::int64_t, std::int64_t> aborted;
    std::set<std::int64_t> aborting;
    for (const auto& one : result->aborted_transactions.value_or(std::vector<AbortedTransaction>{})) {
      aborted.emplace(one.first_offset, one.producer_id);
    }
    base::Bytes bytes = bytes_of(result->records);
    bool any = false;
    for (base::ByteView rest = bytes; !rest.empty();) {
      protocol::NextBatch next = protocol::next_batch(rest);
      if (next.frame != protocol::BatchFrame::whole) break;
      base::ByteView batch = rest.first(next.size_in_bytes);
      rest = rest.subspan(next.size_in_bytes);
      any = true;
      EXPECT_TRUE(protocol::crc_is_valid(batch));
      auto header = *protocol::read_batch_header(batch);
      while (!aborted.empty() && aborted.begin()->first <= header.last_offset()) {
        aborting.insert(aborted.begin()->second);
        aborted.erase(aborted.begin());
      }
      bool skipped = header.is_control();
      if (header.is_control() && header.record_count > 0) aborting.erase(header.producer_id);
      if (header.is_transactional() && aborting.contains(header.producer_id)) skipped = true;
      if (!skipped) take(batch);
      EXPECT_GE(header.base_offset, last_base_);
      last_base_ = header.base_offset;
      offset_ = std::max(offset_, header.next_offset());
    }
    return any;
  }
  void take(base::ByteView batch) {
    protocol::RecordReader reader(batch);
    protocol::Record record;
    while (reader.next(record)) {
      if (record.offset < offset_) continue;
      records_.push_back({record.offset, record.key ? std::string(base::as_text(*record.key)) : "no key",
                          record.value ? std::string(base::as_text(*record.value)) : kNull, record.timestamp});
    }
  }

  Log& log_;
  bool committed_;
  std::uint64_t max_bytes_;
  std::int64_t offset_;
  std::int64_t last_base_ = -1;
  std::vector<KeyedRecord> records_;
};

class CompactionFixture : public LogFixture {
 protected:
  CompactionFixture() {
    config_.cleanup_delete = false;
    config_.cleanup_compact = true;
    config_.segment_bytes = 1000;
    config_.index_interval_bytes = 100;
    config_.delete_retention_ms = 1000;
  }

  AppendResult put(const std::vector<std::pair<std::string, std::string>>& records, BatchFields fields = {}) {
    AppendResult result = append_bytes(make_keyed_batch(records, fields));
    EXPECT_TRUE(result.ok()) << name_of(result.error) << " " << result.refusal.get().message;
    return result;
  }
  AppendResult end_transaction(std::int64_t producer_id, std::int16_t epoch, bool commit) {
    auto type = commit ? protocol::ControlType::commit : protocol::ControlType::abort;
    AppendResult result = append_bytes(protocol::build_control_batch(producer_id, epoch, type, 0, clock_.wall_ms()), 0,
                                       protocol::AppendOrigin::coordinator);
    EXPECT_TRUE(result.ok()) << name_of(result.error);
    return result;
  }

  std::vector<KeyedRecord> read(bool committed, std::uint64_t max_bytes = 1 << 20) {
    return KeyedConsumer(log(), committed, max_bytes).read_all();
  }

  // From the first dirty offset on, or all of it anew. The offset behind what is clean.
  std::int64_t clean(bool anew = false) {
    auto session = CleaningSession::try_begin(log_);
    EXPECT_NE(session, nullptr);
    if (anew) log().set_first_dirty_offset(std::nullopt);
    Cleanable cleanable = find_cleanable(*log().cleaning_facts(), clock_.wall_ms());
    Compactor compactor(clock_, std::make_shared<Throttle>(io_bytes_per_second_max_), options_);
    std::int64_t end = compactor.clean(*session, cleanable, stats_);
    session->set_first_dirty_offset(end);
    return end;
  }

  // As a broker with a checkpoint of it would come back.
  void restart(bool cleanly, std::int64_t recovery_point = 0) {
    auto first_dirty = log().first_dirty_offset();
    std::int64_t start = log().log_start_offset();
    if (cleanly) log().close();
    open({.clean_shutdown = cleanly, .recovery_point = recovery_point, .log_start_offset = start});
    log().set_first_dirty_offset(first_dirty);
  }

  std::map<std::string, base::Bytes> log_bytes() {
    std::map<std::string, base::Bytes> found;
    for (const std::string& name : names()) {
      if (name.ends_with(".log")) found[name] = base::read_file(files_, "/data/t-0/" + name);
    }
    return found;
  }
  // The headers of all batches on the disk.
  std::vector<protocol::BatchHeader> headers() {
    std::vector<protocol::BatchHeader> found;
    for (const auto& [name, bytes] : log_bytes()) {
      for (base::ByteView rest = bytes; !rest.empty();) {
        protocol::NextBatch next = protocol::next_batch(rest);
        if (next.frame != protocol::BatchFrame::whole) break;
        found.push_back(*protocol::read_batch_header(rest));
        rest = rest.subspan(next.size_in_bytes);
      }
    }
    return found;
  }

  double io_bytes_per_second_max_ = Throttle::kUnlimited;
  CompactorOptions options_;
  CleanerStats stats_;
};

}  // namespace storage::testing
