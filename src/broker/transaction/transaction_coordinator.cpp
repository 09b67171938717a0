#include "broker/transaction/transaction_coordinator.h"

#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/saturating.h"
#include "broker/config/broker_config.h"
#include "broker/transaction/coordinator_impl.h"

namespace broker::transaction {
namespace {

constexpr std::int64_t kPatternBytesMax = 1 << 20;  // compiled

RE2::Options pattern_options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternBytesMax);
  return options;
}

}  // namespace

TransactionLimits limits_from(const config::BrokerConfig& config) {
  TransactionLimits limits;
  limits.timeout_max_ms = config.get_int("transaction.max.timeout.ms");
  limits.id_expiration_ms = config.get_int("transactional.id.expiration.ms");
  limits.abort_check_interval_ms = config.get_int("transaction.abort.timed.out.transaction.cleanup.interval.ms");
  limits.expiration_check_interval_ms = config.get_int("transaction.remove.expired.transaction.cleanup.interval.ms");
  return limits;
}

TransactionCoordinator::TransactionCoordinator(Environment environment, TransactionLimits limits, Threads threads,
                                               Joining joining)
    : impl_(std::make_unique<Impl>(environment, limits, threads, joining)) {}
TransactionCoordinator::~TransactionCoordinator() = default;

void TransactionCoordinator::partition_elected(std::int32_t partition) { impl_->elected(partition); }
void TransactionCoordinator::partition_resigned(std::int32_t partition) { impl_->resigned(partition); }
void TransactionCoordinator::stop() { impl_->stop(); }
base::Task<void> TransactionCoordinator::run_due_work() { return impl_->run_due_work(); }

base::Task<std::int32_t> TransactionCoordinator::partition_count_or_create() {
  return impl_->partition_count(true);
}

base::Task<ProducerResult> TransactionCoordinator::init_producer_id(InitProducerIdRequest request) {
  Impl& impl = *impl_;
  ProducerResult result;
  if (request.transactional_id.empty()) {
    result.error = ErrorCode::invalid_request;
  } else if (request.timeout_ms <= 0 || request.timeout_ms > impl.limits().timeout_max_ms) {
    result.error = ErrorCode::invalid_transaction_timeout;
  }
  if (result.error != ErrorCode::none) co_return result;
  const auto found = co_await impl.find_or_create(request);
  result.error = found.error();
  if (!found) co_return result;
  const EntryPtr entry = *found;
  std::optional<std::int64_t> fresh_producer_id;
  std::optional<PendingTransition> pending;
  std::optional<Impl::EndStep> fence;
  while (!pending && !fence) {
    {
      std::lock_guard lock(entry->mutex);
      auto decided = entry->transaction.init(request, fresh_producer_id, impl.now_ms());
      result.error = decided.error();
      if (!decided) co_return result;
      if (decided->kind == InitDecision::Kind::abort_first) {
        Impl::EndStep step = impl.start_fence(*entry, fresh_producer_id);
        if (!step.needs_producer_id) fence = std::move(step);
      } else if (decided->kind == InitDecision::Kind::assign) {
        result.producer = decided->next.producer();
        pending = impl.append(*entry, std::move(decided->next));
      }
    }
    if (pending || fence) break;
    const auto producer_id = co_await impl.environment().producer_ids.next();
    result.error = producer_id.error();
    if (!producer_id) co_return result;
    fresh_producer_id = *producer_id;
  }
  if (fence) {
    // It comes again, and then finds the transaction aborted.
    result = co_await impl.finish_end(entry, std::move(*fence));
    if (result.error == ErrorCode::none) result.error = ErrorCode::concurrent_transactions;
    result.producer = ProducerIdentity();
    co_return result;
  }
  result.error = co_await impl.commit(entry, std::move(*pending));
  if (result.error != ErrorCode::none) result.producer = ProducerIdentity();
  co_return result;
}

base::Task<ErrorCode> TransactionCoordinator::add_partitions(std::string transactional_id, ProducerIdentity producer,
                                                             std::vector<TopicPartition> partitions,
                                                             std::int16_t client_version) {
  Impl& impl = *impl_;
  const auto found = co_await impl.find(std::move(transactional_id), ErrorCode::invalid_producer_id_mapping);
  if (!found) co_return found.error();
  const EntryPtr entry = *found;
  PendingTransition pending;
  {
    std::lock_guard lock(entry->mutex);
    auto decided = entry->transaction.add(producer, partitions, client_version, impl.now_ms());
    if (!decided) co_return decided.error();
    if (!*decided) co_return ErrorCode::none;
    pending = impl.append(*entry, std::move(**decided));
  }
  co_return co_await impl.commit(entry, std::move(pending));
}

base::Task<AddPartitionsResult> TransactionCoordinator::verify_partitions(std::string transactional_id,
                                                                          ProducerIdentity producer,
                                                                          std::vector<TopicPartition> partitions) {
  AddPartitionsResult result;
  const auto found = co_await impl_->find(std::move(transactional_id), ErrorCode::invalid_producer_id_mapping);
  result.error = found.error();
  if (!found) co_return result;
  std::lock_guard lock((*found)->mutex);
  auto verified = (*found)->transaction.verify(producer, partitions);
  result.error = verified.error();
  if (verified) result.partitions = std::move(*verified);
  co_return result;
}

base::Task<ProducerResult> TransactionCoordinator::end(EndTransactionRequest request) {
  Impl& impl = *impl_;
  ProducerResult result;
  const auto found = co_await impl.find(request.transactional_id, ErrorCode::invalid_producer_id_mapping);
  result.error = found.error();
  if (!found) co_return result;
  const EntryPtr entry = *found;
  std::optional<std::int64_t> fresh_producer_id;
  Impl::EndStep step;
  for (;;) {
    {
      std::lock_guard lock(entry->mutex);
      step = impl.start_end(*entry, request, true, fresh_producer_id);
    }
    if (!step.needs_producer_id) break;
    const auto producer_id = co_await impl.environment().producer_ids.next();
    result.error = producer_id.error();
    if (!producer_id) co_return result;
    fresh_producer_id = *producer_id;
  }
  result = co_await impl.finish_end(entry, std::move(step));
  if (result.error != ErrorCode::none) result.producer = ProducerIdentity();
  co_return result;
}

base::Task<TransactionDescription> TransactionCoordinator::describe(std::string transactional_id) {
  TransactionDescription description;
  const auto found = co_await impl_->find(std::move(transactional_id), ErrorCode::transactional_id_not_found);
  description.error = found.error();
  if (!found) co_return description;
  std::lock_guard lock((*found)->mutex);
  description.image = (*found)->transaction.image();
  if (description.image.state == TransactionState::dead) description.error = ErrorCode::transactional_id_not_found;
  co_return description;
}

ListTransactionsResult TransactionCoordinator::list(const TransactionFilter& filter) {
  ListTransactionsResult result;
  if (impl_->is_loading()) {
    result.error = ErrorCode::coordinator_load_in_progress;
    return result;
  }
  const RE2 pattern(filter.id_pattern, pattern_options());
  if (!pattern.ok()) {
    result.error = ErrorCode::invalid_regular_expression;
    return result;
  }
  std::set<TransactionState> states;
  for (const std::string& name : filter.states) {
    if (const auto state = state_named(name)) {
      states.insert(*state);
    } else if (!std::ranges::count(result.unknown_states, name)) {
      result.unknown_states.push_back(name);
    }
  }
  const std::int64_t now_ms = impl_->now_ms();
  const auto wanted = [&](const TransactionImage& image) {
    if (image.state == TransactionState::dead) return false;
    if (!filter.producer_ids.empty() && !std::ranges::count(filter.producer_ids, image.producer_id)) return false;
    if (!filter.states.empty() && !states.contains(image.state)) return false;
    return filter.running_longer_than_ms < 0 || base::saturating_sub(now_ms, image.start_ms) > filter.running_longer_than_ms;
  };
  for (const EntryPtr& entry : impl_->all_entries()) {
    std::lock_guard lock(entry->mutex);
    const TransactionImage& image = entry->transaction.image();
    if (!filter.id_pattern.empty() && !RE2::FullMatch(entry->id, pattern)) continue;
    if (wanted(image)) result.transactions.push_back({entry->id, image.producer_id, image.state});
  }
  return result;
}

}  // namespace broker::transaction
