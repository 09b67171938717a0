#include "broker/transaction/coordinator_impl.h"

#include <algorithm>

#include "base/logging.h"
#include "broker/transaction/transaction_records.h"
#include "broker/coordinator/write_errors.h"

namespace broker::transaction {
namespace {

constexpr std::string_view kLogger = "kafka.coordinator.transaction.TransactionCoordinator";
constexpr std::int64_t kRetryMs = 100;
constexpr int kAttemptsPerLogLine = 100;

// What a producer is told when the record of its transaction couldn't be written.
ErrorCode error_of_write(ErrorCode error) {
  switch (error) {
    case ErrorCode::request_timed_out:
      return ErrorCode::coordinator_not_available;
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large:
      return ErrorCode::unknown_server_error;
    default:
      return coordinator::error_of_write(error);
  }
}

}  // namespace

base::Task<TransactionCoordinator::Impl::Place> TransactionCoordinator::Impl::locate(std::string transactional_id) {
  std::optional<Place> place = locate_now(transactional_id);
  if (!place) {
    const std::int32_t count = co_await partition_count(false);
    if (count > 0) place = locate_now(transactional_id);
  }
  if (!place) place.emplace().error = ErrorCode::not_coordinator;
  co_return *place;
}

std::optional<TransactionCoordinator::Impl::Place> TransactionCoordinator::Impl::locate_now(std::string_view transactional_id) {
  std::optional<Place> place;
  const std::int32_t count = partition_count_;
  if (count == 0) return place;
  place.emplace().partition = coordinator::partition_of(transactional_id, count);
  place->error = check_partition(place->partition);
  return place;
}

base::Task<std::int32_t> TransactionCoordinator::Impl::partition_count(bool create) {
  const std::int32_t count = co_await environment_.log.partition_count(create);
  if (count == 0) co_return 0;
  std::int32_t unknown = 0;
  partition_count_.compare_exchange_strong(unknown, count);
  co_return partition_count_;
}

ErrorCode TransactionCoordinator::Impl::check_partition(std::int32_t partition) {
  if (stopping_) return ErrorCode::coordinator_not_available;
  const auto epoch = environment_.log.leader_epoch(partition);
  if (!epoch) return ErrorCode::not_coordinator;
  {
    std::lock_guard lock(mutex_);
    auto found = partitions_.find(partition);
    if (found != partitions_.end() && found->second.coordinator_epoch == *epoch) {
      return found->second.loaded ? ErrorCode::none : ErrorCode::coordinator_load_in_progress;
    }
  }
  elected(partition);
  return own_thread_ ? ErrorCode::coordinator_load_in_progress : ErrorCode::none;
}

protocol::Result<std::int32_t> TransactionCoordinator::Impl::coordinator_epoch(std::int32_t partition) const {
  if (stopping_) return ErrorCode::coordinator_not_available;
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) return ErrorCode::not_coordinator;
  if (!found->second.loaded) return ErrorCode::coordinator_load_in_progress;
  return found->second.coordinator_epoch;
}

base::Task<protocol::Result<EntryPtr>> TransactionCoordinator::Impl::find(std::string transactional_id,
                                                                           ErrorCode missing) {
  protocol::Result<EntryPtr> result = ErrorCode::invalid_request;
  if (transactional_id.empty()) co_return result;
  std::optional<Place> place = locate_now(transactional_id);
  if (!place) place = co_await locate(transactional_id);
  result = place->error;
  if (place->error != ErrorCode::none) co_return result;
  std::lock_guard lock(mutex_);
  const auto epoch = coordinator_epoch(place->partition);  // it may have moved meanwhile
  result = epoch ? missing : epoch.error();
  auto found = entries_.find(transactional_id);
  if (epoch && found != entries_.end()) result = found->second;
  co_return result;
}

base::Task<protocol::Result<EntryPtr>> TransactionCoordinator::Impl::find_or_create(InitProducerIdRequest request) {
  protocol::Result<EntryPtr> result = co_await find(request.transactional_id, ErrorCode::transactional_id_not_found);
  if (result || result.error() != ErrorCode::transactional_id_not_found) co_return result;
  const auto producer_id = co_await environment_.producer_ids.next();
  if (!producer_id) {
    result = producer_id.error();
    co_return result;
  }
  const Place place = co_await locate(request.transactional_id);  // it may have moved meanwhile
  result = place.error;
  if (place.error != ErrorCode::none) co_return result;
  TransactionImage image;
  image.producer_id = *producer_id;
  image.timeout_ms = request.timeout_ms;
  image.last_update_ms = now_ms();
  std::lock_guard lock(mutex_);
  const auto epoch = coordinator_epoch(place.partition);
  result = epoch.error();
  if (!epoch) co_return result;
  EntryPtr& entry = entries_[request.transactional_id];
  if (!entry) entry = std::make_shared<Entry>(request.transactional_id, place.partition, *epoch, std::move(image));
  result = entry;
  co_return result;
}

std::vector<EntryPtr> TransactionCoordinator::Impl::all_entries() {
  std::lock_guard lock(mutex_);
  std::vector<EntryPtr> entries;
  entries.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) entries.push_back(entry);
  return entries;
}

bool TransactionCoordinator::Impl::is_loading() {
  std::lock_guard lock(mutex_);
  return std::ranges::any_of(partitions_, [](const auto& partition) { return !partition.second.loaded; });
}

// What throws, as without memory, is a failed write: else the id would stay in transition.
coordinator::JoinedAppends::Ticket TransactionCoordinator::Impl::add_record(const Entry& entry, const TransactionImage& next) {
  try {
    TransactionRecord record;
    record.transactional_id = entry.id;
    record.image = next;
    return appends_.add(entry.partition, {to_record(record)}, now_ms(), coordinator::BatchSender(), &entry);
  } catch (const std::exception& failure) {
    base::log_error(kLogger, "Appending the record of transactional id {} failed: {}", entry.id, failure.what());
    return coordinator::JoinedAppends::Ticket(ErrorCode::unknown_server_error);
  }
}

PendingTransition TransactionCoordinator::Impl::append(Entry& entry, TransactionImage next, bool fences) {
  PendingTransition pending;
  pending.fences = fences;
  entry.transaction.begin(next.state);
  pending.record = add_record(entry, next);
  pending.next = std::move(next);
  return pending;
}

base::Task<ErrorCode> TransactionCoordinator::Impl::committed(EntryPtr entry, coordinator::JoinedAppends::Ticket record) {
  ErrorCode error = ErrorCode::unknown_server_error;  // of what throws: it may be written, and isn't known to be
  try {
    const auto end = co_await appends_.appended(std::move(record));
    if (end) co_return co_await environment_.log.await_committed(entry->partition, *end);
    error = end.error();
  } catch (const std::exception& failure) {
    base::log_error(kLogger, "Waiting for the record of transactional id {} failed: {}", entry->id, failure.what());
  }
  base::log_warn(kLogger, "Failed to write the record of transactional id {}: {}", entry->id, protocol::name_of(error));
  co_return error;
}

bool TransactionCoordinator::Impl::is_committed(const coordinator::JoinedAppends::Ticket& record) {
  return record.outcome && *record.outcome && record.outcome->committed;
}

base::Task<ErrorCode> TransactionCoordinator::Impl::commit(EntryPtr entry, PendingTransition pending) {
  ErrorCode error = ErrorCode::none;
  if (!is_committed(pending.record)) error = co_await committed(entry, std::move(pending.record));
  std::lock_guard lock(entry->mutex);
  if (entry->transaction.dead()) co_return ErrorCode::not_coordinator;
  if (error == ErrorCode::none) {
    entry->transaction.complete(std::move(pending.next));
  } else {
    entry->transaction.abandon(pending.fences);
  }
  co_return error_of_write(error);
}

TransactionCoordinator::Impl::EndStep TransactionCoordinator::Impl::start_end(
    Entry& entry, const EndTransactionRequest& request, bool from_client,
    std::optional<std::int64_t> fresh_producer_id) {
  EndStep step;
  auto decided = entry.transaction.end(request, from_client, fresh_producer_id, now_ms());
  if (!decided) {
    step.answer.error = decided.error();
    return step;
  }
  step.answer.producer = decided->answer;
  step.needs_producer_id = decided->kind == EndDecision::Kind::needs_producer_id;
  step.done_before = decided->kind == EndDecision::Kind::done_before;
  if (decided->kind == EndDecision::Kind::prepare) {
    step.pending = append(entry, std::move(decided->next), decided->fences);
  }
  return step;
}

TransactionCoordinator::Impl::EndStep TransactionCoordinator::Impl::start_fence(
    Entry& entry, std::optional<std::int64_t> fresh_producer_id) {
  EndTransactionRequest request;
  request.transactional_id = entry.id;
  request.producer = entry.transaction.fenced().producer();
  request.client_version = entry.transaction.image().client_version;
  entry.transaction.begin_fence();
  EndStep step = start_end(entry, request, false, fresh_producer_id);
  if (step.answer.error != ErrorCode::none || step.needs_producer_id) entry.transaction.abandon();
  return step;
}

base::Task<ProducerResult> TransactionCoordinator::Impl::finish_end(EntryPtr entry, EndStep step) {
  if (step.answer.error != ErrorCode::none || step.done_before) co_return step.answer;
  step.answer.error = co_await commit(entry, std::move(step.pending));
  if (step.answer.error != ErrorCode::none) co_return step.answer;
  try {
    Completion completion;
    {
      std::lock_guard lock(entry->mutex);
      // Who loads it next sees the decision in the log; or the check of all has come before, and may be through.
      if (entry->transaction.dead() || !entry->transaction.left_over()) co_return step.answer;
      completion = begin_completion(entry);
    }
    co_await complete(std::move(completion));
  } catch (const std::exception& failure) {  // it is decided all the same, and the next check completes it
    base::log_error(kLogger, "Completing the transaction of transactional id {} failed: {}", entry->id, failure.what());
  }
  co_return step.answer;
}

Completion TransactionCoordinator::Impl::begin_completion(const EntryPtr& entry) {
  const TransactionImage& image = entry->transaction.image();
  Completion completion;
  completion.entry = entry;
  completion.marker.producer = image.producer();
  completion.marker.committed = image.state == TransactionState::prepare_commit;
  completion.marker.coordinator_epoch = entry->coordinator_epoch;
  completion.marker.client_version = image.client_version;
  completion.remaining.assign(image.partitions.begin(), image.partitions.end());
  entry->transaction.begin(completion.marker.committed ? TransactionState::complete_commit
                                                       : TransactionState::complete_abort);
  completion.claim = Claim(entry);  // last, as what throws before would destroy it in the lock
  return completion;
}

base::Task<void> TransactionCoordinator::Impl::complete(Completion completion) {
  ErrorCode error = ErrorCode::none;
  try {
    error = co_await write_markers(completion);
    if (error == ErrorCode::none) error = co_await store_completed(completion.entry);
  } catch (const std::exception& failure) {  // nobody else would try again
    base::log_error(kLogger, "Completing the transaction of transactional id {} failed: {}", completion.entry->id,
                    failure.what());
    error = ErrorCode::unknown_server_error;
  }
  // The last two: it is another coordinator's by now.
  const bool done = error == ErrorCode::none || error == ErrorCode::not_coordinator ||
                    error == ErrorCode::transaction_coordinator_fenced;
  if (done) {
    completion.claim.done();
  } else {
    put_off(std::move(completion));
  }
}

// An error if some remain.
base::Task<ErrorCode> TransactionCoordinator::Impl::write_markers(Completion& completion) {
  if (completion.remaining.empty()) co_return ErrorCode::none;
  const std::vector<ErrorCode> outcomes = co_await environment_.markers.write(completion.marker, completion.remaining);
  std::vector<TopicPartition> remaining;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const TopicPartition& partition = completion.remaining[i];
    switch (outcomes[i]) {
      case ErrorCode::none:
      case ErrorCode::unknown_topic_or_partition:         // deleted
      case ErrorCode::unsupported_for_message_format:  // can't have a transaction's records either
        continue;
      case ErrorCode::invalid_producer_epoch:
        // A newer producer of this id was there: only a marker by hand can have ended the transaction before.
        base::log_warn(kLogger, "{}-{} refused the marker of transactional id {} with producer epoch {}: {}",
                       partition.topic, partition.partition, completion.entry->id, completion.marker.producer.epoch,
                       protocol::name_of(outcomes[i]));
        continue;
      case ErrorCode::transaction_coordinator_fenced:
        base::log_info(kLogger, "{}-{} knows a newer coordinator of transactional id {}, which writes the markers",
                       partition.topic, partition.partition, completion.entry->id);
        co_return outcomes[i];
      default:
        remaining.push_back(partition);
    }
    if (completion.attempts % kAttemptsPerLogLine == 0) {
      base::log_warn(kLogger, "Failed to write the marker of transactional id {} to {}-{}, trying again: {}",
                     completion.entry->id, partition.topic, partition.partition, protocol::name_of(outcomes[i]));
    }
  }
  completion.remaining = std::move(remaining);
  co_return completion.remaining.empty() ? ErrorCode::none : ErrorCode::coordinator_not_available;
}

base::Task<ErrorCode> TransactionCoordinator::Impl::store_completed(EntryPtr entry) {
  PendingTransition pending;
  {
    std::lock_guard lock(entry->mutex);
    if (entry->transaction.dead()) co_return ErrorCode::not_coordinator;
    pending = append(*entry, entry->transaction.completed(now_ms()));
  }
  ErrorCode error = ErrorCode::none;
  if (!is_committed(pending.record)) error = co_await committed(entry, std::move(pending.record));
  std::lock_guard lock(entry->mutex);
  if (entry->transaction.dead()) co_return ErrorCode::not_coordinator;
  // Otherwise the transition stays begun, and is tried again.
  if (error == ErrorCode::none) entry->transaction.complete(std::move(pending.next));
  co_return error == ErrorCode::none ? error : ErrorCode::coordinator_not_available;
}

void TransactionCoordinator::Impl::put_off(Completion completion) {
  ++completion.attempts;
  completion.due_ms = environment_.clock.monotonic_ms() + kRetryMs;
  {
    std::lock_guard lock(mutex_);
    put_off_.push_back(std::move(completion));
  }
  if (own_thread_ && !stopping_) boost::asio::post(loop_, [this] { timer_.cancel(); });
}

std::vector<Completion> TransactionCoordinator::Impl::take_due_completions() {
  const std::int64_t now = environment_.clock.monotonic_ms();
  std::lock_guard lock(mutex_);
  auto due = std::partition(put_off_.begin(), put_off_.end(), [now](const Completion& one) { return one.due_ms > now; });
  std::vector<Completion> taken(std::make_move_iterator(due), std::make_move_iterator(put_off_.end()));
  put_off_.erase(due, put_off_.end());
  return taken;
}

}  // namespace broker::transaction
