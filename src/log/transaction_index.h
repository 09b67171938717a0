// <base>.txnindex: aborted transactions of a segment, by the offset of their marker, 34 bytes an entry. Made at the
// first abort only. Guarded by the log's mutex. File failures throw.
#pragma once

#include <cstdint>
#include <vector>

#include "log/partition_files.h"

namespace storage {

struct TransactionIndexEntry {
  std::int64_t producer_id = -1;
  std::int64_t first_offset = -1;
  std::int64_t last_offset = -1;         // of the marker
  std::int64_t last_stable_offset = -1;  // at that time
  bool operator==(const TransactionIndexEntry&) const = default;
};

void append_transaction_index(const PartitionFiles& where, std::int64_t base_offset,
                              const TransactionIndexEntry& entry);
// All of it; empty if there is no file. Throws CorruptFile if it isn't a sound index of this segment.
std::vector<TransactionIndexEntry> read_transaction_index(const PartitionFiles& where, std::int64_t base_offset);
// Those from the first one whose marker is at or beyond `from` up to the first whose last stable offset is `upper` or higher, the
// rest being of no concern to a reader of [from, upper). Reads little more than these, and checks no more.
struct TransactionIndexPart {
  std::vector<TransactionIndexEntry> entries;
  bool goes_on = true;  // in the next segment's index; false if `upper` was reached
};
TransactionIndexPart read_transaction_index_between(const PartitionFiles& where, std::int64_t base_offset, std::int64_t from,
                                                    std::int64_t upper);
// Entries whose marker is at or beyond `offset` go.
void truncate_transaction_index(const PartitionFiles& where, std::int64_t base_offset, std::int64_t offset);

}  // namespace storage
