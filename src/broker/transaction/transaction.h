// One transactional id as a state machine, without clock, lock or IO. The decisions are const and say what the id shall
// be next; the owner then begins that transition, appends its record, and completes it when the record is committed, or
// abandons it. In between everything else is told CONCURRENT_TRANSACTIONS. Rules of KIP-98, KIP-360 (a producer goes on
// after an error) and KIP-890 (no late message joins another transaction), as Kafka 3.9.2 and, for clients of
// transaction.version 2, 4.3.1 have them.
//
//   Empty ── add partitions ──► Ongoing ── end ──► PrepareCommit/-Abort ── markers written ──► CompleteCommit/-Abort
//     ▲                           ▲                                                                │
//     └── init producer id ───────┴──────────────────────── add partitions ◄───────────────────────┘
#pragma once

#include <optional>
#include <string>

#include "broker/transaction/transaction_types.h"

namespace broker::transaction {

struct InitDecision {
  enum class Kind {
    assign,             // `next` is to be stored, then told to the producer
    abort_first,        // the ongoing transaction is to be fenced off: begin_fence(next), then end it
    needs_producer_id,  // the epoch is used up: ask again with a fresh producer id
  };
  Kind kind = Kind::assign;
  TransactionImage next;
};

struct EndDecision {
  enum class Kind {
    prepare,            // `next` is to be stored, then the markers written
    done_before,        // a retry of what is complete
    needs_producer_id,  // as above
  };
  Kind kind = Kind::prepare;
  TransactionImage next;
  ProducerIdentity answer;  // what the producer goes on with
  bool fences = false;      // `next` carries a higher epoch to lock the producer out
};

class Transaction {
 public:
  explicit Transaction(TransactionImage image) : image_(std::move(image)) {}

  const TransactionImage& image() const { return image_; }
  bool in_transition() const { return pending_.has_value(); }
  bool dead() const { return image_.state == TransactionState::dead; }

  template <class T>
  using Result = protocol::Result<T>;
  Result<InitDecision> init(const InitProducerIdRequest& request, std::optional<std::int64_t> fresh_producer_id,
                            std::int64_t now_ms) const;
  // Nothing: all of them are there already.
  Result<std::optional<TransactionImage>> add(const ProducerIdentity& producer,
                                              const std::vector<TopicPartition>& partitions,
                                              std::int16_t client_version, std::int64_t now_ms) const;
  // Whether the partitions are part of the ongoing transaction: TRANSACTION_ABORTABLE for each that isn't.
  Result<std::vector<ErrorCode>> verify(const ProducerIdentity& producer,
                                        const std::vector<TopicPartition>& partitions) const;
  // `from_client` is false where the coordinator itself aborts, with a producer's epoch that fences it.
  Result<EndDecision> end(const EndTransactionRequest& request, bool from_client,
                          std::optional<std::int64_t> fresh_producer_id, std::int64_t now_ms) const;
  // After all markers are written.
  TransactionImage completed(std::int64_t now_ms) const;
  // With the epoch that locks its producer out.
  TransactionImage fenced() const;

  bool timed_out(std::int64_t now_ms) const;
  bool left_over() const;  // its end is decided, and nobody is completing it
  bool expired(std::int64_t now_ms, std::int64_t expiration_ms) const;

  void begin(TransactionState next) { pending_ = next; }
  void begin_fence() { pending_ = TransactionState::prepare_epoch_fence; }
  // Later records of it may be lost, and its partitions have seen higher epochs: with one of those and sequence numbers from 0,
  // a batch could be taken for a duplicate of another one. Whoever initialises next gets another producer id.
  void distrust_epoch() { epoch_distrusted_ = true; }
  // Expired, or coordinated elsewhere: whoever still holds it is told NOT_COORDINATOR.
  void mark_dead();
  void complete(TransactionImage next);
  // With `fence_failed` the next fencing takes the same epoch, as nobody has seen it.
  void abandon(bool fence_failed = false);

 private:
  bool fencing() const { return pending_ == TransactionState::prepare_epoch_fence; }
  bool epoch_exhausted() const { return image_.producer_epoch >= kLastProducerEpoch; }
  bool is_own(const ProducerIdentity& producer) const;
  Result<InitDecision> next_epoch(const InitProducerIdRequest& request, TransactionImage next) const;
  ErrorCode check_producer(const ProducerIdentity& producer) const;
  bool ends_bump_epoch() const { return image_.client_version >= kVersionWithEpochBump; }
  bool can_fence() const;
  Result<EndDecision> end_version_2(const EndTransactionRequest& request, bool from_client,
                                    std::optional<std::int64_t> fresh_producer_id, std::int64_t now_ms) const;
  ErrorCode end_of_prepared(bool commit) const;
  EndDecision done_before() const;
  Result<EndDecision> prepare(const EndTransactionRequest& request, std::optional<std::int64_t> fresh_producer_id,
                              std::int64_t now_ms) const;

  TransactionImage image_;
  std::optional<TransactionState> pending_;
  bool fence_failed_ = false;
  bool epoch_distrusted_ = false;
};

}  // namespace broker::transaction
