// A whole log in order, as those read it who keep their state in it.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "log/log.h"
#include "protocol/error.h"

namespace storage {

// Whole batches of any magic, as they lie in the log, and the offset behind them.
using BatchesVisitor = std::function<void(base::ByteView batches, std::int64_t next_offset)>;

// From the log start to what is the log end now, which is the result, so many bytes at once (a single larger batch whole).
// Compaction may have taken the last records below the log end: where nothing follows the reading is done, as in Kafka 3.9.2.
// CORRUPT_MESSAGE for bytes that aren't a batch, KAFKA_STORAGE_ERROR for a file that ends too early, and what Log::read says.
// From one thread; others may append meanwhile. What the visitor throws goes through.
protocol::Result<std::int64_t> read_whole_log(Log& log, const BatchesVisitor& visit, std::uint64_t bytes_at_once = 5 << 20);

// Offsets [from, to) that can't be read.
using DamageVisitor = std::function<void(std::int64_t from, std::int64_t to)>;

// The same for those who would rather go on without a part: where bytes aren't a batch, `damaged` is called instead of
// CORRUPT_MESSAGE, and the next segment follows. If that is the active one, the log is rolled, so that what is appended from
// now on can be read the next time. Throws std::system_error if that fails.
protocol::Result<std::int64_t> read_whole_log_around_damage(Log& log, const BatchesVisitor& visit, const DamageVisitor& damaged,
                                                            std::uint64_t bytes_at_once = 5 << 20);

}  // namespace storage
