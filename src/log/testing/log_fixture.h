// For tests: one log on the file system in memory, with short ways to append and read.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/memory_file_system.h"
#include "log/log.h"
#include "protocol/record_batch_builder.h"

namespace storage::testing {

struct BatchFields {
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  bool transactional = false;
  std::int64_t timestamp = 1'700'000'000'000;
  base::Codec codec = base::Codec::none;
};

inline base::Bytes make_batch(const std::vector<std::string>& values, const BatchFields& fields = {}) {
  protocol::RecordBatchBuilder builder;
  builder.header.producer_id = fields.producer_id;
  builder.header.producer_epoch = fields.producer_epoch;
  builder.header.base_sequence = fields.base_sequence;
  if (fields.transactional) builder.header.attributes |= protocol::kAttributeTransactional;
  std::int64_t timestamp = fields.timestamp;
  for (const std::string& value : values) {
    protocol::NewRecord record;
    record.key = base::as_bytes("k");
    record.value = base::as_bytes(value);
    record.timestamp = timestamp++;
    builder.append(record);
  }
  return builder.build(fields.codec);
}

inline base::Bytes bytes_of(const FileSlice& slice) {
  base::Bytes bytes(slice.size);
  if (slice.file) bytes.resize(slice.file->read_at(slice.position, bytes));
  return bytes;
}

// The values of all whole batches, in order.
inline std::vector<std::string> values_in(base::ByteView bytes) {
  std::vector<std::string> values;
  while (true) {
    protocol::NextBatch next = protocol::next_batch(bytes);
    if (next.frame != protocol::BatchFrame::whole) return values;
    protocol::RecordReader reader(bytes.first(next.size_in_bytes));
    protocol::Record record;
    while (reader.next(record)) {
      values.emplace_back(record.value ? std::string(base::as_text(*record.value)) : "null");
    }
    bytes = bytes.subspan(next.size_in_bytes);
  }
}

class LogFixture : public ::testing::Test {
 protected:
  struct Opening {
    bool clean_shutdown = false;
    std::int64_t recovery_point = 0;
    std::int64_t log_start_offset = 0;
  };

  LogFixture() { files_.create_directories("/data"); }

  virtual base::FileSystem& file_system() { return files_; }

  void open() { open(Opening{}); }
  void open(const Opening& opening) {
    log_.reset();
    directory_ = std::make_shared<LogDirectory>("/data");
    LogOptions options;
    options.topic_partition = {"t", 0};
    options.directory = "/data/t-0";
    options.log_directory = directory_;
    options.config = config_;
    options.clean_shutdown = opening.clean_shutdown;
    options.recovery_point = opening.recovery_point;
    options.log_start_offset = opening.log_start_offset;
    log_ = Log::open(file_system(), clock_, options);
    log_->update_high_watermark(log_->log_end_offset());
  }
  Log& log() { return *log_; }

  AppendResult append_bytes(base::Bytes bytes, std::int32_t epoch = 0,
                            protocol::AppendOrigin origin = protocol::AppendOrigin::client) {
    AppendContext context;
    context.leader_epoch = epoch;
    context.origin = origin;
    context.now_ms = clock_.wall_ms();
    AppendResult result = log_->append_as_leader(bytes, context);
    if (result.flush_due) {  // what the partition does
      try {
        log_->flush();
      } catch (const std::system_error&) {
        result = AppendResult();
        result.error = protocol::ErrorCode::kafka_storage_error;
      }
    }
    if (result.ok()) log_->update_high_watermark(log_->log_end_offset());
    return result;
  }
  AppendResult append(const std::vector<std::string>& values, const BatchFields& fields = {}) {
    return append_bytes(make_batch(values, fields));
  }

  // What a fetch from there returns: whole batches, also what lies before the offset in the first one.
  std::vector<std::string> read_values(std::int64_t offset, std::uint64_t max_bytes = 1 << 20) {
    auto result = log_->read(offset, max_bytes, ReadIsolation::high_watermark, FirstBatch::whole);
    EXPECT_TRUE(result.has_value());
    if (!result) return {"error " + std::string(name_of(result.error()))};
    return values_in(bytes_of(result->records));
  }
  // From log start to log end, over all segments.
  std::vector<std::string> all_values() {
    std::vector<std::string> all;
    std::int64_t offset = log_->log_start_offset();
    while (offset < log_->log_end_offset()) {
      auto result = log_->read(offset, 1 << 20, ReadIsolation::log_end, FirstBatch::whole);
      if (!result || result->records.size == 0) break;
      base::Bytes bytes = bytes_of(result->records);
      for (base::ByteView rest = bytes; !rest.empty();) {
        protocol::NextBatch next = protocol::next_batch(rest);
        if (next.frame != protocol::BatchFrame::whole) break;
        for (std::string& value : values_in(rest.first(next.size_in_bytes))) all.push_back(std::move(value));
        offset = protocol::read_batch_header(rest)->next_offset();
        rest = rest.subspan(next.size_in_bytes);
      }
    }
    return all;
  }
  std::vector<std::string> names() { return files_.list("/data/t-0"); }

  base::MemoryFileSystem files_;
  base::ManualClock clock_;
  LogConfig config_;
  std::shared_ptr<LogDirectory> directory_;
  std::shared_ptr<Log> log_;
};

}  // namespace storage::testing
