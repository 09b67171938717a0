// What a partition knows of its producers: the last five batches of each for idempotence, open transactions for the
// last stable offset. Pure state: time comes in, no I/O (producer_state_files.h has the snapshots). Owned by one Log
// and guarded by its mutex.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "log/log_types.h"
#include "log/producer_snapshot.h"
#include "protocol/error.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"

namespace storage {

struct ProducerBatch {
  std::int32_t first_sequence = -1;
  std::int32_t last_sequence = -1;
  std::int64_t first_offset = -1;
  std::int64_t last_offset = -1;
  std::int64_t timestamp = -1;
};

// An abort or commit marker with what it says.
struct ControlMarker {
  protocol::ControlType type = protocol::ControlType::abort;
  std::int32_t coordinator_epoch = -1;
};
// Of a whole control batch. Nothing if it is none of a transaction (or was emptied by compaction).
std::optional<ControlMarker> read_control_marker(base::ByteView batch);

struct CompletedTransaction {
  std::int64_t producer_id = -1;
  std::int64_t first_offset = -1;
  std::int64_t last_offset = -1;  // the marker's
  bool aborted = false;
};

class ProducerState {
 public:
  // A batch that the producer sent before, among its last five.
  const ProducerBatch* find_duplicate(const protocol::BatchHeader& batch) const;
  // Whether a data batch may be appended: sequence (clients only), epoch, transaction. With a guard, the first batch of
  // a transaction needs the one that start_verification() gave, and no marker since then.
  protocol::ErrorCode check_data(const protocol::BatchHeader& batch, AppendOrigin origin,
                                 std::optional<std::uint64_t> verification_guard = std::nullopt) const;
  // With transaction.version 2 (KIP-890) each transaction ends with a higher epoch than it had, so that a marker with the
  // present one is a late one, or the last one sent again.
  protocol::ErrorCode check_marker(const protocol::BatchHeader& batch, const ControlMarker& marker,
                                   std::int16_t transaction_version = 0) const;

  // After the append, or from the log at recovery; both without checks.
  void apply_data(const protocol::BatchHeader& batch);
  std::optional<CompletedTransaction> apply_marker(const protocol::BatchHeader& batch, const ControlMarker& marker);
  // Either of them, told by the header; needs the whole batch if it is a control batch.
  std::optional<CompletedTransaction> apply(const protocol::BatchHeader& batch, base::ByteView bytes);
  // A marker of which compaction left the header says that a transaction has ended, but not how. For the replay of a log
  // that holds no record of it any more; apply() leaves the transaction open.
  std::optional<CompletedTransaction> apply_emptied_marker(const protocol::BatchHeader& batch);
  // Where the producer's open transaction began.
  std::optional<std::int64_t> open_transaction(std::int64_t producer_id) const;

  // KIP-890: before the first batch of a transaction, its coordinator is asked whether it knows of this partition. The
  // guard ties answer and append together: a marker in between makes it worthless, or the batch would open a
  // transaction that nobody ends. 0: nothing to ask, as a transaction of the producer's epoch is open (one of an epoch
  // before waits for its marker, and is none of this batch's), or as the epoch is too old anyway. Several at once have the
  // same one, and each of them whose question fails cancels it: it goes with the last.
  //
  // If a client is to try again it is postponed instead: of a producer that isn't known here any sequence would be taken, so
  // until it comes again nothing is that has a higher one than the lowest that was asked for (else the lower one would never
  // be in order). It goes with an append to a transaction, a marker, or after the expiration of producers.
  std::uint64_t start_verification(std::int64_t producer_id, std::int16_t producer_epoch,
                                   std::optional<std::int32_t> base_sequence, std::int64_t now_ms);
  void cancel_verification(std::int64_t producer_id, std::uint64_t guard);
  void postpone_verification(std::int64_t producer_id, std::uint64_t guard);

  // The first offset of open transactions, and of completed ones whose marker the high watermark hasn't passed.
  std::optional<std::int64_t> first_unstable_offset() const;
  // What the last stable offset will be once the high watermark passes the transaction: for the transaction index.
  std::int64_t last_stable_offset_after(const CompletedTransaction& completed) const;
  void on_high_watermark(std::int64_t high_watermark);

  // Producers without open transaction whose last record is older than this; and what was postponed before.
  void expire(std::int64_t now_ms, std::int64_t expiration_ms);
  // Transactions that began below are forgotten (their data was deleted).
  void on_log_start(std::int64_t log_start_offset);
  void clear();

  std::vector<ProducerSnapshotEntry> snapshot() const;
  void load(const std::vector<ProducerSnapshotEntry>& entries, std::int64_t now_ms, std::int64_t expiration_ms);
  std::vector<ActiveProducer> active() const;
  std::size_t size() const { return producers_.size(); }

 private:
  static constexpr std::size_t kBatchesKept = 5;
  struct Producer {
    std::int16_t epoch = -1;
    std::vector<ProducerBatch> batches;  // oldest first
    std::int64_t last_timestamp = -1;
    std::int32_t coordinator_epoch = -1;
    std::optional<std::int64_t> transaction_first_offset;

    // Of this epoch.
    bool in_transaction(std::int16_t at_epoch) const { return transaction_first_offset && epoch == at_epoch; }
    std::int32_t last_sequence() const { return batches.empty() ? -1 : batches.back().last_sequence; }
  };
  const Producer* find(std::int64_t producer_id) const;

  std::unordered_map<std::int64_t, Producer> producers_;
  struct Verification {
    std::uint64_t guard = 0;
    std::size_t users = 0;  // that have neither cancelled nor postponed it
    std::int16_t producer_epoch = -1;
    std::optional<std::int32_t> lowest_sequence;  // of that epoch
    std::int64_t last_asked_ms = 0;
  };
  bool skips_a_postponed_batch(const protocol::BatchHeader& batch) const;
  std::unordered_map<std::int64_t, Verification> verifications_;  // under way, by producer id
  std::uint64_t last_guard_ = 0;
  std::map<std::int64_t, std::int64_t> open_transactions_;                  // first offset -> producer id
  std::map<std::int64_t, CompletedTransaction> unreplicated_transactions_;  // by first offset
};

}  // namespace storage
