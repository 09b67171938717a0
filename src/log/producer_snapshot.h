// <offset>.snapshot: what is known of each producer from everything below the offset. Version 1: int16 version, uint32
// crc32c of all behind it, int32 count, then 46 bytes a producer.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "log/corrupt_file.h"

namespace storage {

struct ProducerSnapshotEntry {
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t last_sequence = -1;  // -1, like last_offset, when only a marker is known
  std::int64_t last_offset = -1;
  std::int32_t offset_delta = 0;  // last - first of the last batch
  std::int64_t timestamp = -1;
  std::int32_t coordinator_epoch = -1;
  std::int64_t current_transaction_first_offset = -1;
  bool operator==(const ProducerSnapshotEntry&) const = default;
};

base::Bytes encode_producer_snapshot(const std::vector<ProducerSnapshotEntry>& entries);
// Throws CorruptFile.
std::vector<ProducerSnapshotEntry> decode_producer_snapshot(base::ByteView bytes);

}  // namespace storage
