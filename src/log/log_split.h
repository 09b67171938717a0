// A segment whose offsets grew beyond what its indexes can say (2^31 - 1 above its base, as brokers before Kafka 2.0
// could write them) is split into several. Files only: nobody may have them open. File failures throw.
#pragma once

#include <cstdint>
#include <vector>

#include "log/partition_files.h"

namespace storage {

// Whether an index of a segment with this base can't hold `offset`.
bool offset_overflows(std::int64_t base_offset, std::int64_t offset);

// Answers the bases of the new segments, which have no indexes yet. The bytes are copied as they are, and a crash at any
// moment leaves either the old segment or all new ones, by way of .cleaned and .swap. As in Kafka 3.9.2 a part begins at
// the first batch that the part before can't hold, the first one at the first batch.
//   before  base 0: [0 … 100 | 2^31+5 … 2^31+9]   after  0: [0 … 100]   2^31+5: [2^31+5 … 2^31+9]
std::vector<std::int64_t> split_segment(const PartitionFiles& where, std::int64_t base_offset);

}  // namespace storage
