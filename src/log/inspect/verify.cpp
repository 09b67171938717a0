#include "log/inspect/verify.h"

#include <map>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "log/checkpoint_file.h"
#include "log/corrupt_file.h"
#include "log/inspect/segment_check.h"
#include "log/leader_epoch_cache.h"
#include "log/meta_properties.h"
#include "log/partition_files.h"
#include "log/partition_metadata.h"
#include "log/producer_snapshot.h"
#include "log/topic_partition.h"

namespace storage::inspect {
namespace {

class Verification {
 public:
  Verification(base::FileSystem& files, const VerifyOptions& options, const FaultSink& fault)
      : files_(files), options_(options), fault_([this, &fault](const Fault& found) {
          ++totals_.faults;
          fault(found);
        }) {}

  VerifyTotals run(const std::string& path) {
    if (!files_.exists(path) || !files_.info(path).is_directory) {
      throw std::invalid_argument(path + " is not a directory");
    }
    if (holds_segments(path)) {
      check_partition(path);
    } else {
      check_log_directory(path);
    }
    return totals_;
  }

 private:
  bool holds_segments(const std::string& directory) const;
  void check_log_directory(const std::string& directory);
  std::int64_t check_partition(const std::string& directory);
  void check_for_orphans(const std::string& directory);
  void check_small_files(const std::string& directory);
  void check_checkpoints(const std::string& directory, const std::map<TopicPartition, std::int64_t>& log_ends);

  base::FileSystem& files_;
  const VerifyOptions& options_;
  FaultSink fault_;
  VerifyTotals totals_;
};

bool Verification::holds_segments(const std::string& directory) const {
  for (const std::string& name : files_.list(directory)) {
    auto parsed = parse_file_name(name);
    if (parsed && parsed->suffix == kLogSuffix) return true;
  }
  return false;
}

void Verification::check_log_directory(const std::string& directory) {
  std::vector<std::pair<std::string, PartitionDirectory>> partitions;
  for (const std::string& name : files_.list(directory)) {
    if (!files_.info(directory + "/" + name).is_directory) continue;
    auto parsed = parse_partition_directory(name);
    if (parsed && parsed->kind != DirectoryKind::to_delete) partitions.emplace_back(name, *parsed);
  }
  const bool has_meta = files_.exists(directory + "/meta.properties");
  if (partitions.empty() && !has_meta) {
    throw std::invalid_argument(directory + " is no log directory: it has no partitions and no meta.properties");
  }
  std::map<TopicPartition, std::int64_t> log_ends;
  for (const auto& [name, parsed] : partitions) {
    const std::int64_t log_end = check_partition(directory + "/" + name);
    if (parsed.kind == DirectoryKind::partition) log_ends[parsed.topic_partition] = log_end;
    if (options_.progress) options_.progress(totals_, partitions.size());
  }
  check_checkpoints(directory, log_ends);
  try {
    (void)read_meta_properties(files_, directory);
  } catch (const CorruptFile& error) {
    fault_({directory + "/meta.properties", 0, error.what()});
  }
}

// Returns the log end offset.
std::int64_t Verification::check_partition(const std::string& directory) {
  ++totals_.partitions;
  SegmentCheckOptions options;
  options.records = options_.records;
  for (const std::string& name : files_.list(directory)) {  // sorted, and the names have leading zeros
    auto parsed = parse_file_name(name);
    if (!parsed || parsed->suffix != kLogSuffix) continue;
    const SegmentTotals segment = check_segment(files_, directory, parsed->offset, options, fault_);
    ++totals_.segments;
    totals_.batches += segment.batches;
    totals_.records += segment.records;
    totals_.bytes += segment.bytes;
    options.offset_min = segment.next_offset;
    options.open = segment.open;
  }
  check_for_orphans(directory);
  check_small_files(directory);
  return options.offset_min;
}

void Verification::check_for_orphans(const std::string& directory) {
  const PartitionFiles where{files_, directory};
  for (const std::string& name : files_.list(directory)) {
    auto parsed = parse_file_name(name);
    if (!parsed) continue;
    const bool is_index =
        parsed->suffix == kIndexSuffix || parsed->suffix == kTimeIndexSuffix || parsed->suffix == kTransactionIndexSuffix;
    if (!is_index || files_.exists(where.path(parsed->offset, kLogSuffix))) continue;
    fault_({directory + "/" + name, 0, "there is no segment of which it is an index"});
  }
}

void Verification::check_small_files(const std::string& directory) {
  for (const std::string& name : files_.list(directory)) {
    const std::string path = directory + "/" + name;
    auto parsed = parse_file_name(name);
    try {
      if (parsed && parsed->suffix == kSnapshotSuffix) (void)decode_producer_snapshot(base::read_file(files_, path));
      if (name == kLeaderEpochFile) LeaderEpochCache(files_, directory);
      if (name == kPartitionMetadataFile) (void)read_partition_metadata(files_, directory);
    } catch (const CorruptFile& error) {
      fault_({path, 0, error.what()});
    }
  }
}

void Verification::check_checkpoints(const std::string& directory,
                                     const std::map<TopicPartition, std::int64_t>& log_ends) {
  for (const char* name : {kRecoveryPointFile, kHighWatermarkFile, kLogStartFile, kCleanerFile}) {
    const std::string path = directory + "/" + name;
    try {
      for (const auto& [which, offset] : read_offset_checkpoint(files_, path)) {
        auto log_end = log_ends.find(which);
        if (log_end == log_ends.end() || offset <= log_end->second) continue;
        fault_({path, 0,
                "offset " + std::to_string(offset) + " of " + which.to_string() + " is beyond the log's end " +
                    std::to_string(log_end->second)});
      }
    } catch (const CorruptFile& error) {
      fault_({path, 0, error.what()});
    }
  }
}

}  // namespace

VerifyTotals verify(base::FileSystem& files, const std::string& path, const VerifyOptions& options,
                    const FaultSink& fault) {
  return Verification(files, options, fault).run(path);
}

}  // namespace storage::inspect
