// Which transactions a pass over a log has met, in the order of their batches: whether data is aborted, and whether a
// marker has nothing left to say. Pure state; belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "log/transaction_index.h"
#include "protocol/record_batch.h"

namespace storage {

class CleanedTransactions {
 public:
  // `aborted`: those that overlap what the pass reads, by their first offsets.
  explicit CleanedTransactions(std::vector<TransactionIndexEntry> aborted) : aborted_(std::move(aborted)) {}

  // Whether the batch, which holds data, belongs to an aborted transaction.
  bool on_data(const protocol::BatchHeader& batch);

  struct Marker {
    bool transaction_is_gone = false;  // no batch of it was met, so the marker may go (after its delete horizon)
    std::optional<TransactionIndexEntry> index_entry;  // which must stay, as long as the marker is needed
  };
  Marker on_marker(const protocol::BatchHeader& batch, base::ByteView bytes);

 private:
  struct Aborted {
    TransactionIndexEntry entry;
    bool batch_met = false;
  };
  void begin_up_to(std::int64_t offset);

  std::vector<TransactionIndexEntry> aborted_;
  std::size_t next_aborted_ = 0;
  std::unordered_map<std::int64_t, Aborted> open_aborted_;  // by producer id
  std::unordered_set<std::int64_t> open_committed_;         // producer ids
};

}  // namespace storage
