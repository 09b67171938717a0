// Any bytes as the indexes of a sound log that was shut down cleanly: its end is still found, nothing crashes or hangs.
// (An entry that points into a batch, at bytes that look like another one, misleads Kafka too.)
#include <cstdint>
#include <cstdlib>

#include "base/clock.h"
#include "base/logging.h"
#include "base/memory_file_system.h"
#include "log/log.h"
#include "protocol/record_batch_builder.h"

namespace {

constexpr int kRecords = 30;

void check(bool holds) {
  if (!holds) std::abort();
}

const base::Bytes& sound_log() {
  static const base::Bytes bytes = [] {
    base::Bytes all;
    for (int offset = 0; offset < kRecords; ++offset) {
      protocol::RecordBatchBuilder builder;
      builder.header.base_offset = offset;
      protocol::NewRecord record;
      record.timestamp = 1000 + offset;
      builder.append(record);
      base::Bytes batch = builder.build();
      all.insert(all.end(), batch.begin(), batch.end());
    }
    return all;
  }();
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::set_log_level(base::LogLevel::fatal);
  base::MemoryFileSystem files;
  base::ManualClock clock;
  files.create_directories("/t-0");
  std::size_t half = size / 2;
  files.open("/t-0/00000000000000000000.log", base::OpenMode::create)->write_at(0, sound_log());
  files.open("/t-0/00000000000000000000.index", base::OpenMode::create)->write_at(0, {data, half});
  files.open("/t-0/00000000000000000000.timeindex", base::OpenMode::create)->write_at(0, {data + half, size - half});
  storage::LogOptions options;
  options.topic_partition = {"t", 0};
  options.directory = "/t-0";
  options.log_directory = std::make_shared<storage::LogDirectory>("/");
  options.clean_shutdown = true;
  auto log = storage::Log::open(files, clock, options);
  check(log->log_end_offset() == kRecords);
  for (int offset = 0; offset < kRecords; ++offset) {
    auto result = log->read(offset, 1, storage::ReadIsolation::log_end, storage::FirstBatch::whole);
    if (result.has_value()) check(result->records.position + result->records.size <= sound_log().size());
    (void)log->list_offset(1000 + offset, storage::ReadIsolation::log_end);
  }
  (void)log->list_offset(storage::kMaxTimestamp, storage::ReadIsolation::log_end);
  log->truncate_to(7);
  log->close();
  return 0;
}
