#include "broker/partition/partition.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/logging.h"

namespace broker::partition {

using protocol::ErrorCode;

namespace {
constexpr std::int64_t kMuchNews = std::numeric_limits<std::int32_t>::max();  // bytes; more than any fetch waits for
// Of a partition with fewer replicas Kafka 3.9.2 asks for no more than all of them (Partition.effectiveMinIsr).
std::int32_t achievable(std::int32_t min_insync_replicas, std::size_t replicas) {
  return std::cmp_less(replicas, min_insync_replicas) ? static_cast<std::int32_t>(replicas) : min_insync_replicas;
}

}  // namespace

Partition::Partition(std::int32_t broker_id, base::Uuid topic_id, std::shared_ptr<storage::Log> log,
                     std::shared_ptr<FlushThreads> flush_threads, std::shared_ptr<TopicTraffic> traffic)
    : broker_id_(broker_id),
      topic_id_(topic_id),
      name_(log->topic_partition()),
      flush_threads_(std::move(flush_threads)),
      traffic_(std::move(traffic)),
      log_(std::move(log)) {}

std::shared_ptr<storage::Log> Partition::log() const {
  std::shared_lock lock(state_mutex_);
  return log_;
}

bool Partition::exchange_log(const std::shared_ptr<storage::Log>& copy, const std::function<ErrorCode()>& exchange) {
  std::unique_lock lock(state_mutex_);
  std::lock_guard progress(progress_mutex_);
  if (!leader_) return false;  // another may stand for it by now
  // Retention may have gone further in the copy, whose segments are others.
  if (copy->log_end_offset() != log_->log_end_offset() || copy->log_start_offset() < log_->log_start_offset()) {
    return false;
  }
  if (exchange() != ErrorCode::none) return false;
  retiring_log_ = std::exchange(log_, copy);
  (void)log_->start_leader_epoch(leader_epoch_);  // an epoch without records isn't in what was copied
  return true;
}

void Partition::exchange_is_done() {
  {
    std::unique_lock lock(state_mutex_);
    retiring_log_.reset();
  }
  std::shared_lock lock(state_mutex_);
  if (leader_) advance_high_watermark(kMuchNews);
}

protocol::Result<std::shared_ptr<Partition>> Partition::led_again(std::shared_ptr<storage::Log> log) const {
  auto made = std::make_shared<Partition>(broker_id_, topic_id_, std::move(log), flush_threads_, traffic_);
  metadata::LeaderState state;
  {
    std::shared_lock lock(state_mutex_);
    state.leader_epoch = leader_epoch_;
    state.partition_epoch = partition_epoch_;
    state.replicas = replicas_;
    state.isr = isr_;
    made->set_min_insync_replicas(min_insync_replicas_);
  }
  if (const ErrorCode error = made->become_leader(state); error != ErrorCode::none) return error;
  return made;
}

std::optional<std::int32_t> Partition::leader_epoch() const {
  std::shared_lock lock(state_mutex_);
  if (!leader_) return std::nullopt;
  return leader_epoch_;
}

ErrorCode Partition::become_leader(const metadata::LeaderState& state) {
  std::unique_lock lock(state_mutex_);
  if (!leader_ || state.leader_epoch > leader_epoch_) {
    ErrorCode error = log_->start_leader_epoch(state.leader_epoch);
    if (error != ErrorCode::none) return error;
  }
  leader_ = true;
  leader_epoch_ = state.leader_epoch;
  partition_epoch_ = state.partition_epoch;
  replicas_ = state.replicas;
  isr_ = state.isr;
  {
    std::lock_guard progress(progress_mutex_);
    stopped_ = false;
  }
  advance_high_watermark(0);
  return ErrorCode::none;
}

void Partition::stop(ErrorCode reason) {
  std::vector<std::shared_ptr<FetchWaiter>> fetches;
  std::vector<Waiter> producers;
  {
    std::unique_lock lock(state_mutex_);
    leader_ = false;
    stopped_reason_ = reason;
    std::lock_guard progress(progress_mutex_);
    stopped_ = true;
    fetches.swap(fetch_waiters_);
    producers.swap(waiters_);
  }
  for (auto& each : fetches) each->wake();
  for (auto& each : producers) each.done.set(reason);
}

std::int32_t Partition::min_insync_replicas() const {
  std::shared_lock lock(state_mutex_);
  return achievable(min_insync_replicas_, replicas_.size());
}

void Partition::set_min_insync_replicas(std::int32_t count) {
  std::unique_lock lock(state_mutex_);
  min_insync_replicas_ = count;
}

ErrorCode Partition::check_leader(std::int32_t current_leader_epoch) const {
  if (leader_ && current_leader_epoch != -1 && current_leader_epoch != leader_epoch_) {
    return current_leader_epoch < leader_epoch_ ? ErrorCode::fenced_leader_epoch : ErrorCode::unknown_leader_epoch;
  }
  return leader_ ? ErrorCode::none : stopped_reason_;
}

storage::AppendResult Partition::append(base::MutableByteView records, const AppendOptions& options) {
  storage::AppendResult result = append_here(records, options);
  traffic_->count_append(result, records.size());
  return result;
}

storage::AppendResult Partition::append_here(base::MutableByteView records, const AppendOptions& options) {
  storage::AppendResult result;
  std::shared_lock lock(state_mutex_);
  result.error = check_leader(-1);
  if (result.ok() && options.acks == -1 && std::cmp_less(isr_.size(), achievable(min_insync_replicas_, replicas_.size()))) {
    result.error = ErrorCode::not_enough_replicas;
  }
  if (!result.ok()) return result;
  storage::AppendContext context;
  context.leader_epoch = leader_epoch_;
  context.produce_version = options.produce_version;
  context.origin = options.origin;
  context.built_here = options.built_here;
  context.now_ms = options.now_ms;
  context.verification_guard = options.verification_guard;
  context.marker_transaction_version = options.marker_transaction_version;
  result = log_->append_as_leader(records, context);
  if (result.flush_due) {
    if (!start_flush()) {
      result = storage::AppendResult();
      result.error = ErrorCode::kafka_storage_error;
    }
  } else if (result.ok() && !result.duplicate) {
    // The end of a transaction, which comes from its coordinator, lets readers see what came long before it.
    const bool marker = options.origin == storage::AppendOrigin::coordinator;
    result.high_watermark = advance_high_watermark(marker ? kMuchNews : static_cast<std::int64_t>(records.size()));
  }
  return result;
}

// With this broker alone in the ISR everything that may be acknowledged is committed. With followers it will be the
// lowest of their log ends, and move when they fetch.
std::int64_t Partition::advance_high_watermark(std::int64_t bytes) {
  const bool alone = isr_.size() == 1 && isr_.front() == broker_id_;
  std::unique_lock progress(progress_mutex_);
  const storage::Log::Acknowledged now =
      alone ? log_->commit_acknowledgeable() : storage::Log::Acknowledged{log_->acknowledgeable_end(), log_->high_watermark()};
  if (!fetch_waiters_.empty() || !waiters_.empty()) wake_those_who_wait(std::move(progress), alone, now, bytes);
  return now.high_watermark;
}

void Partition::wake_those_who_wait(std::unique_lock<std::mutex> progress, bool alone, const storage::Log::Acknowledged& now,
                                    std::int64_t bytes) {
  std::vector<std::shared_ptr<FetchWaiter>> fetches;
  std::vector<Waiter> producers;
  const std::int64_t committed = alone ? now.end : now.high_watermark;
  if (alone) fetches = fetch_waiters_;
  auto still_waiting = std::partition(waiters_.begin(), waiters_.end(), [&](const Waiter& each) {
    return each.end_offset > (each.awaited == Awaited::flushed ? now.end : committed);
  });
  std::move(still_waiting, waiters_.end(), std::back_inserter(producers));
  waiters_.erase(still_waiting, waiters_.end());
  progress.unlock();
  for (auto& each : fetches) each->bytes_arrived(bytes);
  for (auto& each : producers) each.done.set(ErrorCode::none);
}

base::OneShot<ErrorCode> Partition::committed(std::int64_t end_offset) {
  return wait_for(Awaited::committed, end_offset);
}

base::OneShot<ErrorCode> Partition::flushed(std::int64_t end_offset) { return wait_for(Awaited::flushed, end_offset); }

base::OneShot<ErrorCode> Partition::wait_for(Awaited awaited, std::int64_t end_offset) {
  base::OneShot<ErrorCode> done;
  std::shared_lock lock(state_mutex_);
  std::lock_guard progress(progress_mutex_);
  const auto reached = [&] {
    return awaited == Awaited::flushed ? log_->acknowledgeable_end() : log_->high_watermark();
  };
  if (ErrorCode error = check_leader(-1); error != ErrorCode::none) {
    done.set(error);
  } else if (reached() >= end_offset) {
    done.set(ErrorCode::none);
  } else {
    // Those that were given up in the meantime go here, so that the list can't grow without bound.
    std::erase_if(waiters_, [](const Waiter& each) { return each.done.is_set(); });
    Waiter& waiter = waiters_.emplace_back();
    waiter.end_offset = end_offset;
    waiter.awaited = awaited;
    waiter.done = done;
  }
  return done;
}

bool Partition::start_flush() {
  std::lock_guard progress(progress_mutex_);
  if (!flushing_) flushing_ = post_flush();  // else there is one that goes on for what has come since it began
  return flushing_;
}

bool Partition::post_flush() {
  try {
    flush_threads_->run(log_->parent_directory(), [self = shared_from_this()] { self->flush_once(); });
    return true;
  } catch (const std::exception& e) {
    base::log_error("kafka.server.ReplicaManager", "{}-{}: the flush that flush.messages wants can't be begun: {}",
                    name_.topic, name_.partition, e.what());
    return false;
  }
}

void Partition::flush_once() {
  const std::shared_ptr<storage::Log> flushed = log();
  bool failed = false;
  try {
    flushed->flush();
  } catch (const std::exception&) {  // the log has told its directory, or is closed
    failed = true;
  }
  std::shared_lock lock(state_mutex_);
  // A move to another directory, for which everything was flushed, may have come in between.
  finish_flush(failed && flushed == log_);
}

// What is due again waits behind the other partitions of the directory. The high watermark moves after that is decided:
// whoever came before the decision and relied on this flush sees it move, whichever flush wrote its records.
void Partition::finish_flush(bool failed) {
  std::vector<Waiter> refused;
  {
    std::lock_guard progress(progress_mutex_);
    const bool due = !failed && log_->flush_is_due();
    flushing_ = due && post_flush();
    if (failed || flushing_ != due) refused.swap(waiters_);
  }
  // How many bytes became visible isn't counted: who waits for more than there are looks, and waits on.
  if (!failed) advance_high_watermark(kMuchNews);
  for (auto& each : refused) each.done.set(ErrorCode::kafka_storage_error);
}

FetchOutcome Partition::fetch(const FetchOptions& options) {
  FetchOutcome outcome = fetch_here(options);
  traffic_->count_fetch(outcome.error);
  return outcome;
}

FetchOutcome Partition::fetch_here(const FetchOptions& options) {
  FetchOutcome outcome;
  std::shared_lock lock(state_mutex_);
  outcome.error = check_leader(options.current_leader_epoch);
  if (outcome.error != ErrorCode::none) return outcome;
  if (options.last_fetched_epoch >= 0) {
    storage::EpochEndOffset end = log_->epoch_end_offset(options.last_fetched_epoch);
    if (end.leader_epoch < 0 || end.end_offset < 0) {
      outcome.error = ErrorCode::offset_out_of_range;
      return outcome;
    }
    if (end.leader_epoch < options.last_fetched_epoch || end.end_offset < options.offset) {
      storage::LogOffsets offsets = log_->offsets();
      outcome.data.log_start_offset = offsets.log_start_offset;
      outcome.data.log_end_offset = offsets.log_end_offset;
      outcome.data.high_watermark = offsets.high_watermark;
      outcome.data.last_stable_offset = offsets.last_stable_offset;
      outcome.diverging = end;
      return outcome;
    }
  }
  auto read = log_->read(options.offset, options.max_bytes, options.isolation, options.first_batch);
  if (read) {
    outcome.data = std::move(*read);
  } else {
    outcome.error = read.error();
  }
  return outcome;
}

bool Partition::add_waiter(const std::shared_ptr<FetchWaiter>& waiter, std::int64_t seen_high_watermark) {
  std::lock_guard progress(progress_mutex_);
  if (stopped_ || log_->high_watermark() != seen_high_watermark) return false;
  fetch_waiters_.push_back(waiter);
  return true;
}

void Partition::remove_waiter(const std::shared_ptr<FetchWaiter>& waiter) {
  std::lock_guard progress(progress_mutex_);
  auto found = std::find(fetch_waiters_.begin(), fetch_waiters_.end(), waiter);
  if (found == fetch_waiters_.end()) return;
  *found = std::move(fetch_waiters_.back());
  fetch_waiters_.pop_back();
}

protocol::Result<storage::OffsetAndTimestamp> Partition::list_offset(std::int32_t current_leader_epoch,
                                                                     std::int64_t timestamp,
                                                                     storage::ReadIsolation isolation) {
  std::shared_lock lock(state_mutex_);
  if (ErrorCode error = check_leader(current_leader_epoch); error != ErrorCode::none) return error;
  return log_->list_offset(timestamp, isolation);
}

protocol::Result<std::vector<std::int64_t>> Partition::offsets_before(std::int64_t timestamp, std::int32_t max_count,
                                                                      bool consumer) {
  std::shared_lock lock(state_mutex_);
  if (ErrorCode error = check_leader(-1); error != ErrorCode::none) return error;
  auto offsets = log_->offsets_before(timestamp, max_count);
  if (!offsets || !consumer) return offsets;
  const std::int64_t high_watermark = log_->high_watermark();
  auto visible = std::ranges::find_if(*offsets, [&](std::int64_t offset) { return offset <= high_watermark; });
  if (visible == offsets->begin()) return offsets;
  offsets->erase(offsets->begin(), visible);
  offsets->insert(offsets->begin(), high_watermark);
  return offsets;
}

protocol::Result<storage::EpochEndOffset> Partition::epoch_end_offset(std::int32_t current_leader_epoch,
                                                                      std::int32_t leader_epoch) {
  std::shared_lock lock(state_mutex_);
  if (ErrorCode error = check_leader(current_leader_epoch); error != ErrorCode::none) return error;
  return log_->epoch_end_offset(leader_epoch);
}

protocol::Result<std::int64_t> Partition::delete_records(std::int64_t offset) {
  std::shared_lock lock(state_mutex_);
  if (ErrorCode error = check_leader(-1); error != ErrorCode::none) return error;
  auto start = log_->delete_records(offset);
  if (start && retiring_log_) {
    // What lies before the copy's high watermark was acknowledged, so that the old one has it too.
    if (retiring_log_->high_watermark() < *start) retiring_log_->update_high_watermark(*start);
    retiring_log_->advance_log_start(*start);
  }
  return start;
}

}  // namespace broker::partition
