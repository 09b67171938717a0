// Coordinates the transactional ids whose partition of __transaction_state this broker leads. The shell around
// Transaction: finds the id, holds its mutex while the state machine decides and the record is appended, waits until it
// is committed, writes markers. Thread-safe; owned by the app; calls run on their caller's event loop and hold no lock
// while they wait. One thread of its own: loads, timeouts, and markers that must be tried again.
// Errors are Kafka's: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, CONCURRENT_TRANSACTIONS and so on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "broker/coordinator/joined_appends.h"
#include "broker/transaction/transaction_ports.h"
#include "broker/transaction/transaction_types.h"

namespace broker::config {
class BrokerConfig;
}

namespace broker::transaction {

TransactionLimits limits_from(const config::BrokerConfig& config);

struct Environment {
  coordinator::CoordinatorLog& log;
  const base::Clock& clock;
  ProducerIdSource& producer_ids;
  MarkerWriter& markers;
};

class TransactionCoordinator {
 public:
  // Without a thread, loads happen inside of the call that needs them and the rest in run_due_work(): for tests.
  enum class Threads { own, none };
  using Joining = coordinator::JoinedAppends::Joining;
  TransactionCoordinator(Environment environment, TransactionLimits limits, Threads threads = Threads::own,
                         Joining joining = Joining::adaptive);
  ~TransactionCoordinator();  // stop() first, if anybody may still call
  TransactionCoordinator(const TransactionCoordinator&) = delete;
  TransactionCoordinator& operator=(const TransactionCoordinator&) = delete;

  // This broker leads the partition of __transaction_state now, or no longer.
  void partition_elected(std::int32_t partition);
  void partition_resigned(std::int32_t partition);
  // Further calls are refused; the thread ends.
  void stop();

  base::Task<ProducerResult> init_producer_id(InitProducerIdRequest request);
  base::Task<ErrorCode> add_partitions(std::string transactional_id, ProducerIdentity producer,
                                       std::vector<TopicPartition> partitions, std::int16_t client_version);
  base::Task<AddPartitionsResult> verify_partitions(std::string transactional_id, ProducerIdentity producer,
                                                    std::vector<TopicPartition> partitions);
  // Answers when the outcome is decided and committed, and usually when the markers are written too: then the
  // producer's next transaction needn't wait.
  base::Task<ProducerResult> end(EndTransactionRequest request);
  base::Task<TransactionDescription> describe(std::string transactional_id);
  ListTransactionsResult list(const TransactionFilter& filter);

  // How many partitions __transaction_state has, made first if missing; 0 if it can't be.
  base::Task<std::int32_t> partition_count_or_create();

  // What is due by the clock: transactions past their timeout, idle ids, markers to be tried again.
  base::Task<void> run_due_work();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace broker::transaction
