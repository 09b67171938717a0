// The snapshot files in a partition's directory: which there are, reading, writing, removing. Owned by one Log and
// guarded by its mutex. File failures throw.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "log/partition_files.h"
#include "log/producer_snapshot.h"

namespace storage {

class ProducerSnapshots {
 public:
  explicit ProducerSnapshots(const PartitionFiles& where) : where_(where) {}

  void found(std::int64_t offset) { offsets_.insert(offset); }  // while the directory is read
  const std::set<std::int64_t>& offsets() const { return offsets_; }

  // The newest readable one in [lowest, highest]; unreadable ones are removed. Nothing if there is none.
  struct Loaded {
    std::int64_t offset = 0;
    std::vector<ProducerSnapshotEntry> entries;
  };
  std::optional<Loaded> load_newest(std::int64_t lowest, std::int64_t highest);
  // No-op if there is one of this offset, and for 0, below which there is nothing. Isn't synced: a torn one is found by
  // its crc and replayed from the log.
  void write(std::int64_t offset, const std::vector<ProducerSnapshotEntry>& entries);
  void remove_if(const std::function<bool(std::int64_t offset)>& goes);
  // Forgets one without touching its file, which the caller renames.
  bool forget(std::int64_t offset) { return offsets_.erase(offset) != 0; }

 private:
  const PartitionFiles& where_;
  std::set<std::int64_t> offsets_;
};

}  // namespace storage
