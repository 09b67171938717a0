// What goes to the transaction log at once, and what comes back when it is durable.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace zk::server {

struct LogBatch {
  base::Bytes records;
  std::int64_t first_zxid = 0;
  std::uint64_t count = 0;
  bool roll = false;  // into a new file
};

// The batch that one sync made durable.
struct Synced {
  std::uint64_t count = 0;  // of transactions
  std::uint64_t bytes = 0;
  base::Bytes buffer;        // the batch's, emptied, for a later one
  std::int64_t took_ms = 0;  // to write and to sync
};

}  // namespace zk::server
