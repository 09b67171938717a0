// The batches of a segment, one after the other: read and looked at in order, worked on by the caller's thread and a helper a
// few pieces of the file ahead, and taken in order again. What isn't compressed is sooner worked on alone than handed over. All reading, looking and taking is the caller's thread's, and how
// far it reads ahead doesn't hang on how fast the helper is: the same files give the same calls. Belongs to one thread.
//
// Errors, after all batches in front of what they are about were taken: CorruptFile, with the file and the position, for what
// is no batch of the segment, a wrong crc, and InvalidRecord and CompressionError of the steps; whatever else they throw.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "log/batch_scanner.h"
#include "log/cleaner/batch_filter.h"
#include "log/cleaner/helped_queue.h"
#include "log/log_compaction.h"

namespace storage {

// A batch and what the steps know of it. Only the lists that it points into are its neighbours' too.
struct WalkedBatch {
  ScannedBatch scanned;
  // What the looking step finds.
  BatchFate fate;
  std::optional<TransactionIndexEntry> index_entry;
  // What the working step makes: a part of its piece's records or output.
  FilteredBatch filtered;
  std::uint64_t records_read = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::exception_ptr error;
};

// What is read at once: some batches, or one large one.
struct WalkedPiece {
  base::Bytes bytes;
  std::vector<WalkedBatch> batches;
  std::vector<MappedRecord> records;
  base::Bytes output;
  std::exception_ptr error;  // of what follows the batches
  std::size_t weight = 0;    // in memory, with what its records may become
  bool compressed = false;
};

class BatchWalk {
 public:
  static constexpr std::size_t kAheadBytes = std::size_t{2} << 20;

  struct Steps {
    std::function<void(WalkedBatch&)> look;
    // On either thread, the worker's number tells on which: appends to the piece's records or output.
    std::function<void(WalkedPiece&, WalkedBatch&, std::size_t worker)> work;
    std::function<bool(WalkedPiece&, WalkedBatch&)> take;  // whether to go on
  };

  // Without a helper nothing is read ahead but what one piece has.
  explicit BatchWalk(bool with_helper);
  ~BatchWalk();

  // All of the segment, or what lies in `range` of it, which begins and ends with a batch.
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  void walk(const base::File& file, const std::string& path, const CleaningSource& source, const Steps& steps) {
    walk(file, path, source, {0, source.size}, steps);
  }
  void walk(const base::File& file, const std::string& path, const CleaningSource& source, Range range, const Steps& steps);

 private:
  struct Segment;
  struct Piece;

  void read_ahead(Segment& segment);
  bool read_piece(Segment& segment, Piece& piece);
  Piece& free_piece();

  const std::size_t ahead_bytes_;
  std::size_t weight_ahead_ = 0;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<Piece*> free_;
  HelpedQueue queue_;  // ends before the pieces do
};

}  // namespace storage
