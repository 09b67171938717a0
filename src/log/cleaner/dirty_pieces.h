// The dirty part of a log as pieces of its files, told by the headers of its batches, for who maps it from its newest batch
// to its oldest (see newest_first.h). Belongs to the cleaning's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "log/cleaner/cleanable.h"
#include "log/log_compaction.h"

namespace storage {

// Some whole batches, which lie side by side in a segment: 256 KB with no more than some thousand records, or one large one.
struct DirtyPiece {
  std::size_t source = 0;  // the segment's place in the list of sources
  std::uint64_t position = 0;
  std::uint64_t size = 0;
  // So that who reads it tells whether it is the same.
  std::int64_t first_offset = 0;
  std::int64_t last_offset = 0;
  std::uint64_t records = 0;
};

struct DirtyAmount {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

struct DirtyPieces {
  std::vector<DirtyPiece> pieces;  // in the log's order
  std::uint64_t records = 0;
};

struct DirtyPiecesWanted {
  std::uint64_t records_max = 0;  // more than these are not for one pass
  // Of what was found so far: true ends the search, as more can't make it better.
  std::function<bool(const DirtyAmount&)> is_too_much = [](const DirtyAmount&) { return false; };
  // Also batches that are small or not compressed, which are no work to read twice.
  bool all_batches = false;
  std::function<void()> check_wanted = [] {};  // throws to end
};

// Nothing if the dirty part isn't wanted like this, or isn't plain data: batches of magic 2 without transactions, of ascending
// offsets, none of which reaches into what is clean. What is odd about it is for the pass from the oldest batch to say.
std::optional<DirtyPieces> find_dirty_pieces(CleaningSession& session, const std::vector<CleaningSource>& sources,
                                             const Cleanable& cleanable, const DirtyPiecesWanted& wanted);

}  // namespace storage
