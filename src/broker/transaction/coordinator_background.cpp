// What the coordinator does without being asked: loading partitions, timeouts, and markers that must be tried again.
#include <pthread.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <chrono>
#include <exception>

#include "base/logging.h"
#include "broker/transaction/coordinator_impl.h"
#include "broker/transaction/transaction_records.h"

namespace broker::transaction {
namespace {

constexpr std::string_view kLogger = "kafka.coordinator.transaction.TransactionStateManager";
constexpr std::int64_t kWaitMaxMs = 1000;

void log_failure(const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    base::log_error(kLogger, "Unexpected failure in the background: {}", error.what());
  }
}

}  // namespace

TransactionCoordinator::Impl::Impl(Environment environment, TransactionLimits limits, Threads threads, Joining joining)
    : environment_(environment),
      limits_(limits),
      own_thread_(threads == Threads::own),
      appends_(environment_.log, coordinator::BatchSender(), coordinator::JoinedAppends::kBytesMax, joining) {
  const std::int64_t now = environment_.clock.monotonic_ms();
  next_abort_check_ = now + limits_.abort_check_interval_ms;
  next_expiration_check_ = now + limits_.expiration_check_interval_ms;
  if (!own_thread_) return;
  work_.emplace(loop_.get_executor());
  boost::asio::co_spawn(loop_, work_loop(), log_failure);
  thread_ = std::thread([this] { loop_.run(); });
  pthread_setname_np(thread_.native_handle(), "transactions");
}

void TransactionCoordinator::Impl::stop() {
  if (stopping_.exchange(true)) return;
  work_.reset();
  loop_.stop();
  if (thread_.joinable()) thread_.join();
  for (const EntryPtr& entry : all_entries()) {
    std::lock_guard lock(entry->mutex);
    entry->transaction.mark_dead();
  }
  appends_.flush_all();
}

void TransactionCoordinator::Impl::elected(std::int32_t partition) {
  std::optional<std::int32_t> epoch;
  {
    std::lock_guard lock(mutex_);
    // Who asks for a partition may have seen a leader that has resigned since, or an earlier one's epoch.
    epoch = environment_.log.leader_epoch(partition);
    if (!epoch || stopping_) return;
    PartitionState& state = partitions_[partition];
    if (state.coordinator_epoch >= *epoch) return;
    state.coordinator_epoch = *epoch;
    state.loaded = false;
  }
  if (own_thread_) {
    boost::asio::post(loop_, [this, partition, coordinator_epoch = *epoch] { load(partition, coordinator_epoch); });
  } else {
    load(partition, *epoch);
  }
}

void TransactionCoordinator::Impl::resigned(std::int32_t partition) {
  {
    std::lock_guard lock(mutex_);
    partitions_.erase(partition);
  }
  drop_entries(partition);
}

void TransactionCoordinator::Impl::drop_entries(std::int32_t partition) {
  std::vector<EntryPtr> dropped;
  std::vector<Completion> completions;  // to be destroyed without the lock
  {
    std::lock_guard lock(mutex_);
    const auto other = [partition](const Completion& one) { return one.entry->partition != partition; };
    const auto first = std::partition(put_off_.begin(), put_off_.end(), other);
    completions.assign(std::make_move_iterator(first), std::make_move_iterator(put_off_.end()));
    put_off_.erase(first, put_off_.end());
    for (auto it = entries_.begin(); it != entries_.end();) {
      if (it->second->partition == partition) {
        dropped.push_back(std::move(it->second));
        it = entries_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const EntryPtr& entry : dropped) {
    std::lock_guard lock(entry->mutex);
    entry->transaction.mark_dead();
  }
  // No decision of this tenure is left over for the next one, which wouldn't know of it.
  appends_.flush(partition);
}

void TransactionCoordinator::Impl::load(std::int32_t partition, std::int32_t coordinator_epoch) {
  drop_entries(partition);  // of an earlier leadership
  TransactionLoader loader;
  const std::int64_t started = environment_.clock.monotonic_ms();
  bool loaded = false;
  std::string problem;
  try {
    const auto end =
        environment_.log.read_all(
            partition, [&loader](base::ByteView batches) { loader.add(batches); }, [&loader] { loader.pass_over_damage(); });
    loaded = end.has_value();
    if (!loaded) problem = protocol::name_of(end.error());
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  if (loader.unknown_count() > 0) {
    base::log_warn(kLogger, "Ignored {} records of __transaction_state-{} that can't be read", loader.unknown_count(),
                   partition);
  }
  if (loaded && loader.damage_count() > 0) {
    base::log_error(kLogger,
                    "Error loading transactions from __transaction_state-{}: {} places can't be read. "
                    "Serving it without what they held",
                    partition, loader.damage_count());
  }
  if (loaded) {
    install(partition, coordinator_epoch, loader);
    base::log_info(kLogger,
                   "Finished loading transaction metadata from __transaction_state-{} in {} milliseconds: {} records, "
                   "{} transactional ids",
                   partition, environment_.clock.monotonic_ms() - started, loader.record_count(),
                   loader.transactions().size());
    return;
  }
  base::log_error(kLogger, "Error loading transactions from __transaction_state-{}: {}", partition, problem);
  std::lock_guard lock(mutex_);
  auto found = partitions_.find(partition);
  // The next request tries again.
  if (found != partitions_.end() && found->second.coordinator_epoch == coordinator_epoch) partitions_.erase(found);
}

void TransactionCoordinator::Impl::install(std::int32_t partition, std::int32_t coordinator_epoch,
                                           TransactionLoader& loader) {
  std::vector<Completion> completions;
  {
    std::lock_guard lock(mutex_);
    auto found = partitions_.find(partition);
    if (found == partitions_.end() || found->second.coordinator_epoch != coordinator_epoch) return;  // resigned
    for (auto& [id, loaded] : loader.transactions()) {
      const TransactionState state = loaded.image.state;
      const bool may_be_outdated = loader.may_be_outdated(loaded);
      auto entry = std::make_shared<Entry>(id, partition, coordinator_epoch, std::move(loaded.image));
      if (may_be_outdated) entry->transaction.distrust_epoch();
      // Decided before, and perhaps not told to all partitions.
      if (state == TransactionState::prepare_commit || state == TransactionState::prepare_abort) {
        completions.push_back(begin_completion(entry));
      }
      entries_[id] = std::move(entry);
    }
    found->second.loaded = true;
  }
  const std::int64_t now = environment_.clock.monotonic_ms();
  for (Completion& completion : completions) {
    base::log_info(kLogger, "Completing the {} of transactional id {}",
                   completion.marker.committed ? "commit" : "abort", completion.entry->id);
    completion.due_ms = now;
    std::lock_guard lock(mutex_);
    put_off_.push_back(std::move(completion));
  }
  if (own_thread_ && !completions.empty()) timer_.cancel();  // on its thread
}

base::Task<void> TransactionCoordinator::Impl::abort(EntryPtr entry) {
  std::optional<std::int64_t> fresh_producer_id;
  EndStep step;
  for (;;) {
    {
      std::lock_guard lock(entry->mutex);
      if (!entry->transaction.timed_out(now_ms())) co_return;
      step = start_fence(*entry, fresh_producer_id);
    }
    if (!step.needs_producer_id) break;
    const auto producer_id = co_await environment_.producer_ids.next();
    if (!producer_id) {
      base::log_warn(kLogger, "Rollback of ongoing transaction for transactional id {} has to wait for a producer id: {}",
                     entry->id, protocol::name_of(producer_id.error()));
      co_return;  // the next check tries again
    }
    fresh_producer_id = *producer_id;
  }
  const ProducerResult result = co_await finish_end(entry, std::move(step));
  if (result.error == ErrorCode::none) {
    base::log_info(kLogger, "Completed rollback of ongoing transaction for transactional id {} due to timeout",
                   entry->id);
  } else {
    base::log_warn(kLogger, "Rollback of ongoing transaction for transactional id {} has been aborted due to {}",
                   entry->id, protocol::name_of(result.error));
  }
}

void TransactionCoordinator::Impl::check_all(std::vector<base::Task<void>>& jobs) {
  for (const EntryPtr& entry : all_entries()) {
    std::optional<Completion> left_over;
    {
      std::lock_guard lock(entry->mutex);
      if (entry->transaction.timed_out(now_ms())) jobs.push_back(abort(entry));
      if (entry->transaction.left_over()) left_over = begin_completion(entry);
    }
    if (left_over) jobs.push_back(complete(std::move(*left_over)));
  }
}

// Nobody waits for it. If it gets lost, the next leader forgets the id again.
bool TransactionCoordinator::Impl::append_tombstone(const Entry& entry) {
  std::string problem;
  try {
    TransactionRecord tombstone;
    tombstone.transactional_id = entry.id;
    const auto written = appends_.append(entry.partition, coordinator::build_batch({to_record(tombstone)}, now_ms()));
    if (written) return true;
    problem = protocol::name_of(written.error());
  } catch (const std::exception& failure) {  // which is no reason to leave the others
    problem = failure.what();
  }
  base::log_warn(kLogger, "Failed to write the tombstone of transactional id {}: {}", entry.id, problem);
  return false;
}

void TransactionCoordinator::Impl::forget_expired() {
  for (const EntryPtr& entry : all_entries()) {
    {
      std::lock_guard lock(entry->mutex);
      if (!entry->transaction.expired(now_ms(), limits_.id_expiration_ms)) continue;
      if (!append_tombstone(*entry)) continue;
      entry->transaction.mark_dead();
    }
    forget(entry);
  }
}

void TransactionCoordinator::Impl::forget(const EntryPtr& entry) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(entry->id);
  if (found != entries_.end() && found->second == entry) entries_.erase(found);
}

base::Task<void> TransactionCoordinator::Impl::run_due_work() {
  std::vector<base::Task<void>> jobs;
  for (Completion& completion : take_due_completions()) jobs.push_back(complete(std::move(completion)));
  const std::int64_t now = environment_.clock.monotonic_ms();
  bool check_timeouts = false;
  bool check_expiration = false;
  {
    std::lock_guard lock(mutex_);
    check_timeouts = now >= next_abort_check_;
    if (check_timeouts) next_abort_check_ = now + limits_.abort_check_interval_ms;
    check_expiration = now >= next_expiration_check_;
    if (check_expiration) next_expiration_check_ = now + limits_.expiration_check_interval_ms;
  }
  if (check_timeouts) check_all(jobs);
  if (check_expiration) forget_expired();
  for (base::Task<void>& job : jobs) {
    if (own_thread_) {  // one that waits long holds up no other
      boost::asio::co_spawn(loop_, std::move(job), log_failure);
    } else {
      co_await std::move(job);
    }
  }
}

std::int64_t TransactionCoordinator::Impl::milliseconds_to_wait() {
  std::lock_guard lock(mutex_);
  std::int64_t first = std::min(next_abort_check_, next_expiration_check_);
  for (const Completion& one : put_off_) first = std::min(first, one.due_ms);
  return std::clamp<std::int64_t>(first - environment_.clock.monotonic_ms(), 0, kWaitMaxMs);
}

base::Task<void> TransactionCoordinator::Impl::work_loop() {
  while (!stopping_) {
    std::int64_t wait_ms = kWaitMaxMs;
    try {
      co_await run_due_work();
      wait_ms = milliseconds_to_wait();
    } catch (...) {  // the loop goes on: no transaction would time out any more
      log_failure(std::current_exception());
    }
    timer_.expires_after(std::chrono::milliseconds(wait_ms));
    boost::system::error_code cancelled;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
  }
}

}  // namespace broker::transaction
