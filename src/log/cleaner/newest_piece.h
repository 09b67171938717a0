// A piece of the dirty part while it is worked on: read, then on either thread unpacked and hashed and, once it is in the map,
// filtered. Belongs to who maps (newest_first.h), and to the queue's worker while that runs it.
//
// Errors of all three: CorruptFile, InvalidRecord, CompressionError.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "log/batch_scanner.h"
#include "log/cleaner/batch_filter.h"
#include "log/cleaner/dirty_pieces.h"
#include "log/cleaner/helped_queue.h"

namespace storage {

// A batch that was read when it was mapped. Its header may be all that stays: that is told when it is copied.
struct ReadyBatch {
  ScannedBatch scanned;  // without bytes
  FilteredBatch filtered;
  std::uint64_t begin = 0;  // in its piece's output
  std::uint64_t end = 0;
};

class NewestPiece final : public HelpedQueue::Job {
 public:
  enum class Stage { keys, filter };

  struct Batch {
    ReadyBatch ready;
    std::optional<protocol::RecordReader> reader;  // which has unpacked its records and read none; only if keepable
    std::size_t first_record = 0;
    std::size_t end_record = 0;
  };
  // What all pieces share while they are worked on, for each worker.
  struct Shared {
    const KeyHasher& hasher;
    const FilterRules& rules;
    std::array<BatchFilter, HelpedQueue::kWorkers> filters;
    std::array<base::Bytes, HelpedQueue::kWorkers> unpacked = {};  // of pieces that aren't keepable, one batch at a time
  };
  explicit NewestPiece(Shared& shared) : shared_(shared) {}

  // CorruptFile if other batches are there than the headers told.
  void read(const base::File& file, const DirtyPiece& from);
  void run(std::size_t worker, const std::atomic<bool>& abandoned) override;
  void free_memory();
  std::size_t memory_bytes() const;

  DirtyPiece place;
  Stage stage = Stage::keys;
  std::vector<Batch> batches;
  std::vector<MappedRecord> records;  // of all batches
  base::Bytes output;
  bool keepable = true;    // not if too much comes out of it to lie unpacked until it is mapped
  std::size_t weight = 0;  // in memory, but for what is unpacked: that is some times the size at most

 private:
  void read_keys(Batch& batch, base::Bytes& unpacked);
  void filter(Batch& batch, BatchFilter& filter);
  std::size_t unpacked_memory_bytes() const;

  Shared& shared_;
  base::Bytes bytes_;
  std::vector<base::Bytes> unpacked_;  // of each batch
  std::size_t unpacked_bytes_ = 0;
};

}  // namespace storage
