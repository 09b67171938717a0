// Maps the dirty part of a log from its newest batch to its oldest. So it is known of each record, as soon as it is met,
// whether it is the newest of its key: what stays of a batch is made while its records lie unpacked, and kept, packed, until the
// copy comes to it in the log's order. No batch that is kept like this is read or unpacked a second time.
//
// Two threads share the work: unpacking and hashing of a piece, then, once all newer ones are in the map, the packing of
// what stays. Reading and mapping is the caller's thread's, and what is kept doesn't hang on how fast the other one is. Belongs to
// one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "log/cleaner/dirty_pieces.h"
#include "log/cleaner/newest_piece.h"

namespace storage {

// All batches of a DirtyPiece.
struct ReadyPiece {
  std::uint64_t position = 0;
  std::uint64_t size = 0;
  std::vector<ReadyBatch> batches;
  base::Bytes output;
};

struct NewestFirst {
  CleaningSession& session;
  const std::vector<CleaningSource>& sources;
  FilterRules rules;
  // For what is kept and the map together, beside what is being worked on: some 30 MB at most, if no batch is larger. What is kept
  // gives way as the map grows.
  std::size_t memory_bytes_max = 0;
  bool with_helper = false;
  std::function<void()> check_wanted = [] {};  // throws to end

  // Of a piece, once it is in the map.
  std::function<void(std::uint64_t bytes, std::uint64_t records)> on_mapped = [](std::uint64_t, std::uint64_t) {};

  // Whether enough of the dirty part could be kept beside the map, even if each record has a key of its own.
  static bool is_worth_it(const OffsetMap& offsets, std::size_t memory_bytes_max, const DirtyAmount& dirty);

  // Of each source its pieces that are ready, in the log's order: the newest, as far as the memory goes. Map and offsets are
  // empty before. Nothing if the log is no log of this kind after all, or holds a fault, or there is no memory: then the
  // map is worth nothing, and the pass from the oldest batch finds out. Throws what files and check_wanted do.
  std::optional<std::vector<std::vector<ReadyPiece>>> map(const DirtyPieces& dirty, const KeyHasher& hasher,
                                                          OffsetMap& offsets, NewestOffsets& newest) const;
};

}  // namespace storage
