// What goes in and out of transactions, free of the wire's versions. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/coordinator/coordinator_records.h"
#include "protocol/error.h"

namespace broker::transaction {

using coordinator::TopicPartition;
using protocol::ErrorCode;

inline constexpr std::int64_t kNoProducerId = -1;
inline constexpr std::int16_t kNoProducerEpoch = -1;
// One below the largest epoch: the last step is kept for fencing the producer that has this one.
inline constexpr std::int16_t kLastProducerEpoch = 32766;

// With the numbers of __transaction_state and Kafka's names.
enum class TransactionState : std::int8_t {
  empty = 0,
  ongoing = 1,
  prepare_commit = 2,
  prepare_abort = 3,
  complete_commit = 4,
  complete_abort = 5,
  dead = 6,
  prepare_epoch_fence = 7,  // never in the log: an ongoing transaction is about to be aborted with a higher epoch
};
std::string_view name_of(TransactionState state);
std::optional<TransactionState> state_named(std::string_view name);

// transaction.version of KIP-890's second part: the epoch is bumped at the end of each transaction, and partitions are
// added by the broker that is produced to.
inline constexpr std::int16_t kVersionWithEpochBump = 2;

struct ProducerIdentity {
  std::int64_t id = kNoProducerId;
  std::int16_t epoch = kNoProducerEpoch;
  bool operator==(const ProducerIdentity&) const = default;
};

// All that is known of a transactional id. The record of it lacks what the comments say.
struct TransactionImage {
  std::int64_t producer_id = kNoProducerId;
  std::int64_t previous_producer_id = kNoProducerId;  // only in records since version 1
  std::int64_t next_producer_id = kNoProducerId;      // likewise: where an exhausted epoch goes on
  std::int16_t producer_epoch = kNoProducerEpoch;
  std::int16_t last_producer_epoch = kNoProducerEpoch;  // not in the record
  std::int32_t timeout_ms = 0;
  TransactionState state = TransactionState::empty;
  std::set<TopicPartition> partitions;
  std::int64_t start_ms = -1;        // wall clock
  std::int64_t last_update_ms = -1;  // wall clock
  std::int16_t client_version = 0;   // transaction.version; only in records since version 1

  ProducerIdentity producer() const { return {producer_id, producer_epoch}; }
  bool operator==(const TransactionImage&) const = default;
};

struct TransactionLimits {
  std::int32_t timeout_max_ms = 900'000;               // transaction.max.timeout.ms
  std::int64_t id_expiration_ms = 604'800'000;         // transactional.id.expiration.ms
  std::int64_t abort_check_interval_ms = 10'000;       // transaction.abort.timed.out.transaction.cleanup.interval.ms
  std::int64_t expiration_check_interval_ms = 3'600'000;  // transaction.remove.expired.transaction.cleanup.interval.ms
};

// What ends a transaction in a partition.
struct TransactionMarker {
  ProducerIdentity producer;
  bool committed = false;
  std::int32_t coordinator_epoch = -1;
  std::int16_t client_version = 0;  // transaction.version
};

struct InitProducerIdRequest {
  std::string transactional_id;
  std::int32_t timeout_ms = 0;
  std::optional<ProducerIdentity> expected;  // KIP-360: the producer goes on after an error
};
// The result of whatever tells a producer its identity.
struct ProducerResult {
  ErrorCode error = ErrorCode::none;
  ProducerIdentity producer;
};

// PRODUCER_FENCED came with these versions of InitProducerId, and of requests of a transaction. Earlier ones are told
// INVALID_PRODUCER_EPOCH.
inline constexpr std::int16_t kFirstInitVersionWithFenced = 4;
inline constexpr std::int16_t kFirstVersionWithFenced = 2;
inline ErrorCode error_for(ErrorCode error, std::int16_t version, std::int16_t first_version_with_fenced) {
  const bool unknown = error == ErrorCode::producer_fenced && version < first_version_with_fenced;
  return unknown ? ErrorCode::invalid_producer_epoch : error;
}

struct EndTransactionRequest {
  std::string transactional_id;
  ProducerIdentity producer;
  bool commit = false;
  std::int16_t client_version = 0;
};

// One error for each partition, or the same for all of them.
struct AddPartitionsResult {
  ErrorCode error = ErrorCode::none;
  std::vector<ErrorCode> partitions;  // in the order asked for; empty with an error
};

struct TransactionDescription {
  ErrorCode error = ErrorCode::none;
  TransactionImage image;
};

struct TransactionFilter {
  std::vector<std::string> states;  // names; unknown ones are told apart in the answer
  std::vector<std::int64_t> producer_ids;
  std::int64_t running_longer_than_ms = -1;  // -1: any
  std::string id_pattern;                    // a regular expression for whole ids; empty: any
};
struct TransactionListing {
  std::string transactional_id;
  std::int64_t producer_id = kNoProducerId;
  TransactionState state = TransactionState::empty;
};
struct ListTransactionsResult {
  ErrorCode error = ErrorCode::none;
  std::vector<std::string> unknown_states;
  std::vector<TransactionListing> transactions;
};

}  // namespace broker::transaction
