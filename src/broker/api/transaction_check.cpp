#include "broker/api/transaction_check.h"

#include <utility>

#include "broker/api/leader_lookup.h"
#include "broker/config/config_store.h"
#include "broker/transaction/transaction_coordinator.h"
#include "protocol/record_batch.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::ProduceRequest;

constexpr std::int16_t kFirstProduceVersionWithAbortable = 11;
constexpr std::int16_t kFirstProduceVersionThatAdds = 12;
constexpr std::int16_t kFirstProduceVersionWithTopicIds = 13;

TransactionClient client_of(std::int16_t produce_version) {
  if (produce_version >= kFirstProduceVersionThatAdds) return TransactionClient::adds_implicitly;
  return produce_version >= kFirstProduceVersionWithAbortable ? TransactionClient::knows_abortable
                                                              : TransactionClient::plain;
}

std::optional<protocol::BatchHeader> transactional_header(const ProduceRequest::PartitionProduceData& data) {
  auto header = protocol::read_batch_header(data.records.bytes());
  if (header && !header->is_transactional()) header.reset();
  return header;
}

// Errors that a producer doesn't retry by itself look like one that it does.
void translate(ErrorCode error, TransactionClient client, ProduceTransactions::Verdict& verdict) {
  verdict.error = error;
  switch (error) {
    case ErrorCode::concurrent_transactions:
      if (client == TransactionClient::adds_implicitly) return;
      [[fallthrough]];
    case ErrorCode::coordinator_load_in_progress:
    case ErrorCode::coordinator_not_available:
    case ErrorCode::not_coordinator:
      verdict.error = ErrorCode::not_enough_replicas;
      verdict.message = "Unable to verify the partition has been added to the transaction. Underlying error: " +
                        std::string(protocol::name_of(error));
      return;
    case ErrorCode::invalid_txn_state:
      verdict.message = "Partition was not added to the transaction";
      return;
    default:
      return;
  }
}

// What becomes of those errors that a producer retries by itself.
bool is_tried_again(ErrorCode error) {
  return error == ErrorCode::not_enough_replicas || error == ErrorCode::concurrent_transactions;
}

// A partition whose transaction the coordinator is asked about.
struct Asked {
  std::shared_ptr<partition::Partition> partition;
  std::size_t at = 0;  // in the verdicts
  std::int64_t producer_id = -1;
};

}  // namespace

base::Task<std::vector<ErrorCode>> check_transaction(RequestContext& context, TransactionCheck check) {
  const std::size_t count = check.partitions.size();
  transaction::TransactionCoordinator& transactions = context.services.transactions;
  std::vector<ErrorCode> errors;
  if (check.client == TransactionClient::adds_implicitly) {
    const ErrorCode error =
        co_await transactions.add_partitions(std::move(check.transactional_id), check.producer,
                                             std::move(check.partitions), transaction::kVersionWithEpochBump);
    errors.assign(count, error);
  } else {
    transaction::AddPartitionsResult verified = co_await transactions.verify_partitions(
        std::move(check.transactional_id), check.producer, std::move(check.partitions));
    errors = std::move(verified.partitions);
    if (verified.error != ErrorCode::none) errors.assign(count, verified.error);
  }
  for (ErrorCode& error : errors) {
    if (error == ErrorCode::producer_fenced) error = ErrorCode::invalid_producer_epoch;
    if (error == ErrorCode::transaction_abortable && check.client == TransactionClient::plain) {
      error = ErrorCode::invalid_txn_state;
    }
  }
  co_return errors;
}

bool ProduceTransactions::concerns(const ProduceRequest& request) {
  for (const ProduceRequest::TopicProduceData& topic : request.topic_data) {
    for (const ProduceRequest::PartitionProduceData& data : topic.partition_data) {
      if (transactional_header(data)) return true;
    }
  }
  return false;
}

base::Task<void> ProduceTransactions::check(RequestContext& context, const ProduceRequest& request) {
  TransactionCheck check;
  std::vector<Asked> asked;
  std::vector<Verdict> verdicts;
  bool any = false;
  ErrorCode refused = ErrorCode::none;  // for the whole request
  const bool verifies = context.services.configs.broker()->get_bool("transaction.partition.verification.enable");
  check.client = client_of(context.api_version);
  for (const ProduceRequest::TopicProduceData& topic : request.topic_data) {
    for (const ProduceRequest::PartitionProduceData& data : topic.partition_data) {
      Verdict& verdict = verdicts.emplace_back();
      const auto header = transactional_header(data);
      if (!header || !header->has_producer_id()) continue;
      FoundPartition found = context.api_version >= kFirstProduceVersionWithTopicIds
                                 ? find_partition(context, topic.topic_id, data.index)
                                 : find_partition(context, topic.name, data.index);
      if (is_unknown(found.error)) continue;
      const transaction::ProducerIdentity producer{header->producer_id, header->producer_epoch};
      if (any && producer != check.producer) refused = ErrorCode::invalid_producer_id_mapping;
      any = true;
      check.producer = producer;
      if (!verifies && check.client != TransactionClient::adds_implicitly) continue;
      if (!found.partition) continue;
      verdict.guard = found.partition->log()->start_verification(header->producer_id, header->producer_epoch,
                                                                  header->base_sequence);
      if (*verdict.guard == 0) continue;
      transaction::TopicPartition& one = check.partitions.emplace_back();
      one.topic = found.partition->name().topic;
      one.partition = data.index;
      asked.push_back({std::move(found.partition), verdicts.size() - 1, header->producer_id});
    }
  }
  if (!request.transactional_id) refused = ErrorCode::transactional_id_authorization_failed;
  const TransactionClient client = check.client;
  std::vector<ErrorCode> errors(asked.size(), ErrorCode::none);
  if (refused == ErrorCode::none && !asked.empty()) {
    check.transactional_id = *request.transactional_id;
    errors = co_await check_transaction(context, std::move(check));
  }
  if (refused != ErrorCode::none) {
    for (Verdict& verdict : verdicts) {
      verdict.error = refused;
      verdict.is_of_request = true;
    }
    errors.assign(asked.size(), refused);
  }
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (errors[i] == ErrorCode::none) continue;
    Verdict& verdict = verdicts[asked[i].at];
    const auto log = asked[i].partition->log();
    translate(errors[i], client, verdict);
    if (is_tried_again(verdict.error)) {
      log->postpone_verification(asked[i].producer_id, *verdict.guard);
    } else {
      log->cancel_verification(asked[i].producer_id, *verdict.guard);
    }
  }
  verdicts_ = std::move(verdicts);
}

}  // namespace broker::api
