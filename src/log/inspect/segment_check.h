// One segment as it lies on disk: the batches of the .log file (framing, crc, offsets, and with `records` every record,
// unpacked), then .index, .timeindex and .txnindex against them: an aborted transaction whose records are there must be listed,
// or its records look committed. Reads only; memory is bounded by the number of batches (32 bytes each) and the largest batch.
// Errors: a file that can't be read throws std::system_error; everything else is a fault.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/file_system.h"
#include "log/inspect/fault.h"

namespace storage::inspect {

// By producer id: the first offset of a transaction whose end hasn't come yet.
using OpenTransactions = std::map<std::int64_t, std::int64_t>;

struct SegmentTotals {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;       // of the .log file
  std::int64_t next_offset = 0;  // behind the last batch; the base offset if there is none
  OpenTransactions open = {};    // at its end
};

struct SegmentCheckOptions {
  bool records = true;
  std::int64_t offset_min = 0;  // what the segments before it have used up to
  OpenTransactions open = {};   // as they leave them
};

SegmentTotals check_segment(base::FileSystem& files, const std::string& directory, std::int64_t base_offset,
                            const SegmentCheckOptions& options, const FaultSink& fault);

}  // namespace storage::inspect
