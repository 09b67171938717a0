// Any bytes as a .log file after a crash: recovery ends, what it keeps can be read, and a second recovery changes
// nothing.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "base/logging.h"
#include "base/memory_file_system.h"
#include "log/log.h"

namespace {

std::shared_ptr<storage::Log> open(base::MemoryFileSystem& files, const base::Clock& clock) {
  storage::LogOptions options;
  options.topic_partition = {"t", 0};
  options.directory = "/t-0";
  options.log_directory = std::make_shared<storage::LogDirectory>("/");
  options.config.index_interval_bytes = 10;
  return storage::Log::open(files, clock, options);
}

// A mutated batch would almost never have the right checksum, so it is given one.
void mend_crcs(base::MutableByteView rest) {
  while (true) {
    const protocol::NextBatch next = protocol::next_batch(rest);
    if (next.frame != protocol::BatchFrame::whole) return;
    auto header = protocol::read_batch_header(rest);
    if (header && header->magic == 2) protocol::renew_crc(rest.first(next.size_in_bytes));
    rest = rest.subspan(next.size_in_bytes);
  }
}

void check(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "the check in line %d doesn't hold\n", line);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::set_log_level(base::LogLevel::fatal);
  base::Bytes content(data, data + size);
  if (size > 0 && (data[size - 1] & 1) != 0) mend_crcs(content);
  base::MemoryFileSystem files;
  base::ManualClock clock;
  files.create_directories("/t-0");
  files.open("/t-0/00000000000000000000.log", base::OpenMode::create)->write_at(0, content);
  std::shared_ptr<storage::Log> log = open(files, clock);
  std::int64_t end = log->log_end_offset();
  std::uint64_t kept = log->size_bytes();
  check(kept <= size);
  std::uint64_t read_bytes = 0;
  // A split for the sake of the indexes may leave nothing at 0: the first part begins with the first batch.
  for (std::int64_t offset = log->log_start_offset(); offset < end;) {
    auto result = log->read(offset, 1, storage::ReadIsolation::log_end, storage::FirstBatch::whole);
    check(result.has_value());
    // A part of a split whose only batch was damaged is an empty segment: the end is its base, with nothing before it.
    if (result->records.size == 0) break;
    base::Bytes bytes(result->records.size);
    check(result->records.file->read_at(result->records.position, bytes) == bytes.size());
    auto header = protocol::read_batch_header(bytes);
    check(header && header->next_offset() > offset);
    offset = header->next_offset();
    read_bytes += bytes.size();
  }
  // Batches whose offsets go back are kept, as by Kafka, and never reached.
  check(read_bytes <= kept);
  (void)log->list_offset(storage::kMaxTimestamp, storage::ReadIsolation::log_end);
  (void)log->list_offset(0, storage::ReadIsolation::log_end);
  log = open(files, clock);
  check(log->log_end_offset() == end && log->size_bytes() == kept);
  return 0;
}
