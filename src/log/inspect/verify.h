// A whole log directory, or one partition's, checked while no broker runs on it: every segment (segment_check.h), that
// segments don't overlap, indexes without a segment, producer snapshots, leader epochs, partition.metadata, the directory's
// checkpoints against the logs, meta.properties. What a broker would mend at its start (a torn tail after a crash, a missing
// index) is reported as well: the point is to know. Directories of deleted partitions (-delete) are left out.
// Errors: std::system_error where a file can't be read, std::invalid_argument if the path is neither kind of directory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/file_system.h"
#include "log/inspect/fault.h"

namespace storage::inspect {

struct VerifyTotals {
  std::uint64_t partitions = 0;
  std::uint64_t segments = 0;
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t faults = 0;
};

struct VerifyOptions {
  bool records = true;  // false: batches by their crc only
  // Called after each partition, with how many there are.
  std::function<void(const VerifyTotals&, std::uint64_t partitions)> progress;
};

VerifyTotals verify(base::FileSystem& files, const std::string& path, const VerifyOptions& options,
                    const FaultSink& fault);

}  // namespace storage::inspect
