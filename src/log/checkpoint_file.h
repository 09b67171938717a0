// Kafka's text checkpoints: offsets of many partitions (recovery point, high watermark, log start, cleaner) and the
// leader epochs of one. Lines of UTF-8: "0", the count, then the entries. Decoding throws CorruptFile; what that means
// is the caller's business. Files are written atomically.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file_system.h"
#include "log/corrupt_file.h"
#include "log/topic_partition.h"

namespace storage {

inline constexpr const char* kRecoveryPointFile = "recovery-point-offset-checkpoint";
inline constexpr const char* kHighWatermarkFile = "replication-offset-checkpoint";
inline constexpr const char* kLogStartFile = "log-start-offset-checkpoint";
inline constexpr const char* kCleanerFile = "cleaner-offset-checkpoint";
inline constexpr const char* kLeaderEpochFile = "leader-epoch-checkpoint";

using OffsetCheckpoint = std::map<TopicPartition, std::int64_t>;

struct EpochEntry {
  std::int32_t epoch = -1;
  std::int64_t start_offset = -1;
  bool operator==(const EpochEntry&) const = default;
};

OffsetCheckpoint decode_offset_checkpoint(base::ByteView bytes);
std::string encode_offset_checkpoint(const OffsetCheckpoint& offsets);
std::vector<EpochEntry> decode_epoch_checkpoint(base::ByteView bytes);
// Whether this is one that somebody was writing: what there is of it is right, and there is less than it says. Zeros count as missing.
// A last line without its end may lack digits.
bool is_beginning_of_epoch_checkpoint(base::ByteView bytes);
std::string encode_epoch_checkpoint(const std::vector<EpochEntry>& entries);

// A missing file reads as empty.
OffsetCheckpoint read_offset_checkpoint(base::FileSystem& files, const std::string& path);

}  // namespace storage
