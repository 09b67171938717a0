// What goes to the transaction log at once, and what comes back when it is durable.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace zk::server {

struct LogBatch {
  base::Bytes records;
  std::int64_t first_zxid = 0;
  std::uint64_t count = 0;
  std::int64_t first_ms = 0;  // when the first of them was decided, on the monotonic clock
  bool roll = false;          // into a new file
};

// The batch that one sync made durable.
struct Synced {
  std::uint64_t count = 0;  // of transactions
  std::uint64_t bytes = 0;
  base::Bytes buffer;        // the batch's, emptied, for a later one
  std::int64_t took_ms = 0;    // to write and to sync
  std::int64_t queued_ms = 0;  // that the first of them had waited before
};

}  // namespace zk::server
