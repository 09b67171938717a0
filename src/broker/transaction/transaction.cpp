#include "broker/transaction/transaction.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/saturating.h"

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
    if (!can_fence()) return ErrorCode::unknown_server_error;
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
  if (!epoch_exhausted()) {
    auto bumped = next_epoch(request, next);
    const bool given_before = bumped && bumped->next.producer_epoch == image_.producer_epoch;
    if (!bumped || given_before || !epoch_distrusted_) return bumped;
  }
  // As both Kafkas answer a producer that isn't the one whose epoch is used up.
  if (request.expected && request.expected->epoch != image_.producer_epoch) return ErrorCode::unknown_server_error;
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

// What is in the middle of a transition is told so first, as Kafka 4.3.1 does and 3.9.2 doesn't: a producer that goes on
// under another id may be here before its last transaction is marked as complete, which would make a stranger of it.
protocol::Result<std::optional<TransactionImage>> Transaction::add(const ProducerIdentity& producer,
                                                                   const std::vector<TopicPartition>& partitions,
                                                                   std::int16_t client_version,
                                                                   std::int64_t now_ms) const {
  if (in_transition() && !dead()) return ErrorCode::concurrent_transactions;
  if (ErrorCode error = check_producer(producer); error != ErrorCode::none) return error;
  if (is_prepared(image_.state)) return ErrorCode::concurrent_transactions;
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

protocol::Result<EndDecision> Transaction::end(const EndTransactionRequest& request, bool from_client,
                                               std::optional<std::int64_t> fresh_producer_id,
                                               std::int64_t now_ms) const {
  if (dead()) return ErrorCode::not_coordinator;
  if (request.client_version >= kVersionWithEpochBump) {
    return end_version_2(request, from_client, fresh_producer_id, now_ms);
  }
  if (request.producer.id != image_.producer_id) return ErrorCode::invalid_producer_id_mapping;
  const std::int16_t epoch = request.producer.epoch;
  if (from_client ? epoch != image_.producer_epoch : epoch < image_.producer_epoch) return ErrorCode::producer_fenced;
  if (in_transition() && !fencing()) return ErrorCode::concurrent_transactions;
  if (image_.state == TransactionState::ongoing) return prepare(request, fresh_producer_id, now_ms);
  if (is_prepared(image_.state)) return end_of_prepared(request.commit);
  const bool same = is_complete(image_.state) && request.commit == (image_.state == TransactionState::complete_commit);
  if (!same) return ErrorCode::invalid_txn_state;
  return done_before();
}

// With version 2 the end of a transaction bumps the epoch, so that a retry names the one before. Where an epoch was
// used up, the transaction goes on under another producer id from 0. The present epoch means the next transaction's
// end, which may be an abort before the broker has heard of any partition. Only what ended with version 2 has such retries:
// after the end of an heir's transaction with version 1, whose epoch is one higher, too, Kafka 4.3.1 takes a fenced producer's
// end for one, and tells it the heir's identity.
protocol::Result<EndDecision> Transaction::end_version_2(const EndTransactionRequest& request, bool from_client,
                                                         std::optional<std::int64_t> fresh_producer_id,
                                                         std::int64_t now_ms) const {
  if (in_transition() && !fencing()) return ErrorCode::concurrent_transactions;
  const std::int16_t epoch = request.producer.epoch;
  const bool bumped = !fencing() && ends_bump_epoch() && image_.producer_epoch == epoch + 1;
  const bool overflown = !fencing() && request.producer.id == image_.previous_producer_id &&
                         epoch == kLastProducerEpoch && image_.producer_epoch == 0;
  if (request.producer.id != image_.producer_id && !overflown) return ErrorCode::invalid_producer_id_mapping;
  const bool present = fencing() && !from_client ? epoch >= image_.producer_epoch : epoch == image_.producer_epoch;
  if (is_prepared(image_.state)) return bumped ? end_of_prepared(request.commit) : ErrorCode::producer_fenced;
  if (is_complete(image_.state) && (bumped || overflown)) {
    const bool same = request.commit == (image_.state == TransactionState::complete_commit);
    if (!same) return ErrorCode::invalid_txn_state;
    return done_before();
  }
  if (!present) return ErrorCode::producer_fenced;
  if (image_.state != TransactionState::ongoing && request.commit) return ErrorCode::invalid_txn_state;
  return prepare(request, fresh_producer_id, now_ms);
}

ErrorCode Transaction::end_of_prepared(bool commit) const {
  const bool same = commit == (image_.state == TransactionState::prepare_commit);
  return same ? ErrorCode::concurrent_transactions : ErrorCode::invalid_txn_state;
}

EndDecision Transaction::done_before() const {
  EndDecision decision;
  decision.kind = EndDecision::Kind::done_before;
  decision.answer = image_.producer();
  return decision;
}

protocol::Result<EndDecision> Transaction::prepare(const EndTransactionRequest& request,
                                                   std::optional<std::int64_t> fresh_producer_id,
                                                   std::int64_t now_ms) const {
  EndDecision decision;
  decision.fences = fencing() && !request.commit;
  TransactionImage next = image_;
  next.previous_producer_id = image_.producer_id;
  if (request.client_version >= kVersionWithEpochBump) {  // which fences as well
    if (epoch_exhausted()) {
      if (!fresh_producer_id) {
        decision.kind = EndDecision::Kind::needs_producer_id;
        return decision;
      }
      next.next_producer_id = *fresh_producer_id;
    }
    next.last_producer_epoch = image_.producer_epoch;
    if (image_.producer_epoch < kHighestEpoch) next.producer_epoch = one_higher(image_.producer_epoch);
  } else if (decision.fences) {
    next.producer_epoch = request.producer.epoch;
    next.last_producer_epoch = kNoProducerEpoch;
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
  if (!fence_failed_ && image_.producer_epoch < kHighestEpoch) next.producer_epoch = one_higher(image_.producer_epoch);
  next.last_producer_epoch = kNoProducerEpoch;
  return next;
}

// Version 2 goes on from the highest epoch, too, if it ever gets there. So does a fence to the highest epoch that couldn't be
// written: it needs no other one. (There Kafka 3.9.2 leaves the transaction open until another broker coordinates it.)
bool Transaction::can_fence() const {
  return ends_bump_epoch() || fence_failed_ || image_.producer_epoch < kHighestEpoch;
}

bool Transaction::timed_out(std::int64_t now_ms) const {
  return image_.state == TransactionState::ongoing && !in_transition() &&
         base::saturating_add(image_.start_ms, image_.timeout_ms) < now_ms && can_fence();
}

bool Transaction::left_over() const { return is_prepared(image_.state) && !in_transition(); }

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
  if (next.producer_id != image_.producer_id) epoch_distrusted_ = false;
  image_ = std::move(next);
  pending_.reset();
}

// A fence whose record could not be written is tried with the same epoch again. Before version 2 it stays in the epoch.
void Transaction::abandon(bool fence_failed) {
  if (fence_failed && ends_bump_epoch()) {
    fence_failed_ = true;
  } else if (fence_failed) {
    if (!fence_failed_) image_.producer_epoch = one_higher(image_.producer_epoch);
    image_.last_producer_epoch = kNoProducerEpoch;
    fence_failed_ = true;
  }
  pending_.reset();
}

}  // namespace broker::transaction
