// One segment as it lies on disk: the batches of the .log file (framing, crc, offsets, and with `records` every record,
// unpacked), then .index, .timeindex and .txnindex against them. Reads only; memory is bounded by the number of batches
// (32 bytes each) and the largest batch. A missing index is no fault, as recovery makes it anew.
// Errors: a file that can't be read throws std::system_error; everything else is a fault.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "log/inspect/fault.h"

namespace storage::inspect {

struct SegmentTotals {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;       // of the .log file
  std::int64_t next_offset = 0;  // behind the last batch; the base offset if there is none
};

struct SegmentCheckOptions {
  bool records = true;
  std::int64_t offset_min = 0;  // what the segments before it have used up to
};

SegmentTotals check_segment(base::FileSystem& files, const std::string& directory, std::int64_t base_offset,
                            const SegmentCheckOptions& options, const FaultSink& fault);

}  // namespace storage::inspect
