#include "broker/transaction/transaction.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace broker::transaction {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"Empty",        "Ongoing",        "PrepareCommit",
                                                    "PrepareAbort", "CompleteCommit", "CompleteAbort",
                                                    "Dead",         "PrepareEpochFence"};

constexpr std::int16_t kHighestEpoch = std::numeric_limits<std::int16_t>::max();

bool is_prepared(TransactionState state) {
  return state == TransactionState::prepare_commit || state == TransactionState::prepare_abort;
}

bool is_complete(TransactionState state) {
  return state == TransactionState::complete_commit || state == TransactionState::complete_abort;
}

std::int16_t one_higher(std::int16_t epoch) { return static_cast<std::int16_t>(epoch + 1); }

}  // namespace

std::string_view name_of(TransactionState state) { return kNames.at(static_cast<std::size_t>(state)); }

std::optional<TransactionState> state_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<TransactionState>(i);
  }
  return std::nullopt;
}

// A producer that goes on after an error names itself: as the id is now, or as it was before its epoch was used up.
bool Transaction::is_own(const ProducerIdentity& producer) const {
  return image_.producer_epoch == kNoProducerEpoch || producer.id == image_.producer_id ||
         (producer.id == image_.previous_producer_id && producer.epoch >= kLastProducerEpoch);
}

protocol::Result<InitDecision> Transaction::init(const InitProducerIdRequest& request,
                                                 std::optional<std::int64_t> fresh_producer_id,
                                                 std::int64_t now_ms) const {
  if (dead()) return ErrorCode::not_coordinator;
  if (in_transition()) return ErrorCode::concurrent_transactions;
  if (request.expected && !is_own(*request.expected)) return ErrorCode::producer_fenced;
  if (is_prepared(image_.state)) return ErrorCode::concurrent_transactions;
  InitDecision decision;
  if (image_.state == TransactionState::ongoing) {
    if (image_.producer_epoch == kHighestEpoch) return ErrorCode::unknown_server_error;
    decision.kind = InitDecision::Kind::abort_first;
    decision.next = fenced();
    return decision;
  }
  TransactionImage next = image_;
  next.state = TransactionState::empty;
  next.partitions.clear();
  next.start_ms = -1;
  next.last_update_ms = now_ms;
  next.timeout_ms = request.timeout_ms;
  next.previous_producer_id = image_.producer_id;
  next.next_producer_id = kNoProducerId;
  if (!epoch_exhausted()) return next_epoch(request, std::move(next));
  if (!fresh_producer_id) {
    decision.kind = InitDecision::Kind::needs_producer_id;
    return decision;
  }
  next.producer_id = *fresh_producer_id;
  next.producer_epoch = 0;
  next.last_producer_epoch = request.expected ? image_.producer_epoch : kNoProducerEpoch;
  decision.next = std::move(next);
  return decision;
}

protocol::Result<InitDecision> Transaction::next_epoch(const InitProducerIdRequest& request,
                                                       TransactionImage next) const {
  const std::int16_t bumped = one_higher(image_.producer_epoch);
  if (!request.expected) {
    next.producer_epoch = bumped;
    next.last_producer_epoch = kNoProducerEpoch;
  } else if (image_.producer_epoch == kNoProducerEpoch || request.expected->epoch == image_.producer_epoch) {
    next.producer_epoch = bumped;
    next.last_producer_epoch = image_.producer_epoch;
  } else if (request.expected->epoch != image_.last_producer_epoch) {
    return ErrorCode::producer_fenced;
  }  // else it asks again for what it was given, and the answer got lost
  InitDecision decision;
  decision.next = std::move(next);
  return decision;
}

ErrorCode Transaction::check_producer(const ProducerIdentity& producer) const {
  if (dead()) return ErrorCode::not_coordinator;
  if (producer.id != image_.producer_id) return ErrorCode::invalid_producer_id_mapping;
  return producer.epoch == image_.producer_epoch ? ErrorCode::none : ErrorCode::producer_fenced;
}

protocol::Result<std::optional<TransactionImage>> Transaction::add(const ProducerIdentity& producer,
                                                                   const std::vector<TopicPartition>& partitions,
                                                                   std::int16_t client_version,
                                                                   std::int64_t now_ms) const {
  if (ErrorCode error = check_producer(producer); error != ErrorCode::none) return error;
  if (in_transition() || is_prepared(image_.state)) return ErrorCode::concurrent_transactions;
  std::optional<TransactionImage> next;
  const bool ongoing = image_.state == TransactionState::ongoing;
  const auto known = [this](const TopicPartition& one) { return image_.partitions.contains(one); };
  if (ongoing && std::ranges::all_of(partitions, known)) return next;
  next = image_;
  next->state = TransactionState::ongoing;
  next->partitions.insert(partitions.begin(), partitions.end());
  if (!ongoing) next->start_ms = now_ms;
  next->last_update_ms = now_ms;
  next->client_version = client_version;
  next->previous_producer_id = image_.producer_id;
  return next;
}

protocol::Result<std::vector<ErrorCode>> Transaction::verify(const ProducerIdentity& producer,
                                                             const std::vector<TopicPartition>& partitions) const {
  if (ErrorCode error = check_producer(producer); error != ErrorCode::none) return error;
  if (is_prepared(image_.state)) return ErrorCode::concurrent_transactions;
  std::vector<ErrorCode> errors;
  errors.reserve(partitions.size());
  for (const TopicPartition& one : partitions) {
    errors.push_back(image_.partitions.contains(one) ? ErrorCode::none : ErrorCode::transaction_abortable);
  }
  return errors;
}

// With version 2 the end of a transaction bumps the epoch, so that a retry names the one before. Where an epoch was
// used up, the transaction goes on under another producer id from 0.
bool Transaction::is_retry_of_end(const ProducerIdentity& producer) const {
  if (producer.id == image_.producer_id && image_.producer_epoch == one_higher(producer.epoch)) {
    // The highest epoch without a next producer id comes of fencing.
    return image_.producer_epoch != kHighestEpoch || image_.next_producer_id != kNoProducerId;
  }
  return producer.id == image_.previous_producer_id && producer.epoch == kLastProducerEpoch &&
         image_.producer_epoch == 0;
}

ErrorCode Transaction::check_ending_epoch(const EndTransactionRequest& request, bool from_client) const {
  const std::int16_t epoch = request.producer.epoch;
  bool valid = false;
  if (!speaks_version_2()) {
    valid = from_client ? epoch == image_.producer_epoch : epoch >= image_.producer_epoch;
  } else if (is_prepared(image_.state)) {
    valid = is_retry_of_end(request.producer);
  } else if (is_complete(image_.state)) {
    valid = epoch == image_.producer_epoch || is_retry_of_end(request.producer);
  } else {
    valid = epoch == image_.producer_epoch;
  }
  return valid ? ErrorCode::none : ErrorCode::producer_fenced;
}

protocol::Result<EndDecision> Transaction::end(const EndTransactionRequest& request, bool from_client,
                                               std::optional<std::int64_t> fresh_producer_id,
                                               std::int64_t now_ms) const {
  if (dead()) return ErrorCode::not_coordinator;
  const bool lost_producer_id = speaks_version_2() && is_retry_of_end(request.producer);
  if (request.producer.id != image_.producer_id && !lost_producer_id) return ErrorCode::invalid_producer_id_mapping;
  if (ErrorCode error = check_ending_epoch(request, from_client); error != ErrorCode::none) return error;
  if (in_transition() && !fencing()) return ErrorCode::concurrent_transactions;
  switch (image_.state) {
    case TransactionState::ongoing:
      return prepare(request, fresh_producer_id, now_ms);
    case TransactionState::complete_commit:
    case TransactionState::complete_abort:
      return end_again(request, fresh_producer_id, now_ms);
    case TransactionState::prepare_commit:
    case TransactionState::prepare_abort: {
      const bool same = request.commit == (image_.state == TransactionState::prepare_commit);
      return same ? ErrorCode::concurrent_transactions : ErrorCode::invalid_txn_state;
    }
    case TransactionState::empty:
      // With version 2, a producer may abort before the broker has heard of any partition.
      if (request.client_version >= kVersionWithEpochBump && !request.commit) {
        return prepare(request, fresh_producer_id, now_ms);
      }
      return ErrorCode::invalid_txn_state;
    case TransactionState::dead:
    case TransactionState::prepare_epoch_fence:
      break;
  }
  return ErrorCode::unknown_server_error;
}

protocol::Result<EndDecision> Transaction::end_again(const EndTransactionRequest& request,
                                                     std::optional<std::int64_t> fresh_producer_id,
                                                     std::int64_t now_ms) const {
  const bool same = request.commit == (image_.state == TransactionState::complete_commit);
  const bool version_2 = request.client_version >= kVersionWithEpochBump;
  const bool retry = speaks_version_2() ? is_retry_of_end(request.producer) : same;
  if (version_2 && !retry) {  // the next transaction's end, which has no partitions
    if (request.commit) return ErrorCode::invalid_txn_state;
    return prepare(request, fresh_producer_id, now_ms);
  }
  if (!same) return ErrorCode::invalid_txn_state;
  EndDecision decision;
  decision.kind = EndDecision::Kind::done_before;
  decision.answer = image_.producer();
  return decision;
}

protocol::Result<EndDecision> Transaction::prepare(const EndTransactionRequest& request,
                                                   std::optional<std::int64_t> fresh_producer_id,
                                                   std::int64_t now_ms) const {
  EndDecision decision;
  const bool bumps = request.client_version >= kVersionWithEpochBump;
  decision.fences = fencing() && !request.commit;
  TransactionImage next = image_;
  next.previous_producer_id = image_.producer_id;
  if (decision.fences) {
    next.producer_epoch = request.producer.epoch;
    next.last_producer_epoch = kNoProducerEpoch;
  }
  if (bumps && !fencing() && epoch_exhausted()) {
    if (!fresh_producer_id) {
      decision.kind = EndDecision::Kind::needs_producer_id;
      return decision;
    }
    next.next_producer_id = *fresh_producer_id;
  }
  if (bumps && next.producer_epoch < kHighestEpoch) {
    next.last_producer_epoch = next.producer_epoch;
    next.producer_epoch = one_higher(next.producer_epoch);
  }
  next.client_version = request.client_version;
  if (image_.state != TransactionState::ongoing) {
    next.start_ms = now_ms;
    next.partitions.clear();
  }
  next.last_update_ms = now_ms;
  next.state = request.commit ? TransactionState::prepare_commit : TransactionState::prepare_abort;
  decision.answer = next.next_producer_id != kNoProducerId ? ProducerIdentity{next.next_producer_id, 0}
                                                           : next.producer();
  decision.next = std::move(next);
  return decision;
}

TransactionImage Transaction::completed(std::int64_t now_ms) const {
  TransactionImage next = image_;
  next.state = image_.state == TransactionState::prepare_commit ? TransactionState::complete_commit
                                                                : TransactionState::complete_abort;
  next.partitions.clear();
  next.last_update_ms = now_ms;
  next.previous_producer_id = image_.producer_id;
  if (image_.next_producer_id != kNoProducerId) {
    next.producer_id = image_.next_producer_id;
    next.producer_epoch = 0;
    next.next_producer_id = kNoProducerId;
  }
  return next;
}

TransactionImage Transaction::fenced() const {
  TransactionImage next = image_;
  if (!fence_failed_) next.producer_epoch = one_higher(image_.producer_epoch);
  next.last_producer_epoch = kNoProducerEpoch;
  return next;
}

bool Transaction::timed_out(std::int64_t now_ms) const {
  return image_.state == TransactionState::ongoing && !in_transition() &&
         image_.start_ms + image_.timeout_ms < now_ms && image_.producer_epoch < kHighestEpoch;
}

bool Transaction::expired(std::int64_t now_ms, std::int64_t expiration_ms) const {
  const bool idle = image_.state == TransactionState::empty || is_complete(image_.state);
  return idle && !in_transition() && image_.last_update_ms <= now_ms - expiration_ms;
}

void Transaction::mark_dead() {
  image_.state = TransactionState::dead;
  pending_.reset();
}

void Transaction::complete(TransactionImage next) {
  if (is_complete(next.state)) fence_failed_ = false;
  image_ = std::move(next);
  pending_.reset();
}

// A fence whose record could not be written stays in the epoch: Kafka fences with the same one again.
void Transaction::abandon(bool fence_failed) {
  if (fence_failed) {
    if (!fence_failed_) image_.producer_epoch = one_higher(image_.producer_epoch);
    image_.last_producer_epoch = kNoProducerEpoch;
    fence_failed_ = true;
  }
  pending_.reset();
}

}  // namespace broker::transaction
