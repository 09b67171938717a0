// AddPartitionsToTxn v0-5. v2: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH. v4: several transactions, some only to
// be verified, for brokers; such an addition is one of transactions v2. v5: TRANSACTION_ABORTABLE may be answered.
#include "protocol/messages/add_partitions_to_txn.h"

#include <algorithm>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::api {
namespace {

using protocol::AddPartitionsToTxnRequest;
using protocol::AddPartitionsToTxnResponse;
using protocol::ErrorCode;
using Topics = std::vector<AddPartitionsToTxnRequest::AddPartitionsToTxnTopic>;
using TopicResults = std::vector<AddPartitionsToTxnResponse::AddPartitionsToTxnTopicResult>;

constexpr std::int16_t kFirstVersionOfBatches = 4;

struct Addition {
  std::string transactional_id;
  transaction::ProducerIdentity producer;
  std::vector<transaction::TopicPartition> partitions;
  bool verify_only = false;
  std::int16_t client_version = 0;
};

std::vector<transaction::TopicPartition> partitions_of(const Topics& topics) {
  std::vector<transaction::TopicPartition> partitions;
  for (const auto& topic : topics) {
    for (const std::int32_t number : topic.partitions) {
      transaction::TopicPartition& one = partitions.emplace_back();
      one.topic = topic.name;
      one.partition = number;
    }
  }
  return partitions;
}

// If one of them doesn't exist, nothing is done for the others.
std::vector<ErrorCode> check_existence(const RequestContext& context,
                                       const std::vector<transaction::TopicPartition>& partitions) {
  const auto cluster = context.services.metadata.get();
  std::vector<ErrorCode> errors;
  for (const transaction::TopicPartition& one : partitions) {
    const metadata::Topic* topic = cluster->topic(one.topic);
    const bool exists = topic != nullptr && topic->partitions.contains(one.partition);
    errors.push_back(exists ? ErrorCode::operation_not_attempted : ErrorCode::unknown_topic_or_partition);
  }
  if (std::ranges::count(errors, ErrorCode::unknown_topic_or_partition) == 0) errors.clear();
  return errors;
}

base::Task<std::vector<ErrorCode>> add(RequestContext& context, Addition addition) {
  std::vector<ErrorCode> errors = check_existence(context, addition.partitions);
  if (!errors.empty()) co_return errors;
  const std::size_t count = addition.partitions.size();
  transaction::TransactionCoordinator& transactions = context.services.transactions;
  ErrorCode error = ErrorCode::none;
  if (addition.verify_only) {
    transaction::AddPartitionsResult verified = co_await transactions.verify_partitions(
        std::move(addition.transactional_id), addition.producer, std::move(addition.partitions));
    error = verified.error;
    errors = std::move(verified.partitions);
  } else {
    error = co_await transactions.add_partitions(std::move(addition.transactional_id), addition.producer,
                                                 std::move(addition.partitions), addition.client_version);
  }
  error = transaction::error_for(error, context.api_version, transaction::kFirstVersionWithFenced);
  if (errors.empty()) errors.assign(count, error);
  co_return errors;
}

TopicResults results_of(const Topics& topics, const std::vector<ErrorCode>& errors) {
  TopicResults results;
  std::size_t at = 0;
  for (const auto& topic : topics) {
    auto& result = results.emplace_back();
    result.name = topic.name;
    for (const std::int32_t number : topic.partitions) {
      auto& partition = result.results_by_partition.emplace_back();
      partition.partition_index = number;
      partition.partition_error_code = errors[at++];
    }
  }
  return results;
}

}  // namespace

Answer<AddPartitionsToTxnResponse> handle(RequestContext& context, AddPartitionsToTxnRequest request) {
  AddPartitionsToTxnResponse response;
  if (context.api_version < kFirstVersionOfBatches) {
    Addition addition;
    addition.transactional_id = std::move(request.v3_and_below_transactional_id);
    addition.producer = {request.v3_and_below_producer_id, request.v3_and_below_producer_epoch};
    addition.partitions = partitions_of(request.v3_and_below_topics);
    const std::vector<ErrorCode> errors = co_await add(context, std::move(addition));
    response.results_by_topic_v3_and_below = results_of(request.v3_and_below_topics, errors);
    co_return response;
  }
  for (auto& wanted : request.transactions) {
    Addition addition;
    addition.transactional_id = wanted.transactional_id;
    addition.producer = {wanted.producer_id, wanted.producer_epoch};
    addition.partitions = partitions_of(wanted.topics);
    addition.verify_only = wanted.verify_only;
    addition.client_version = transaction::kVersionWithEpochBump;
    const std::vector<ErrorCode> errors = co_await add(context, std::move(addition));
    auto& result = response.results_by_transaction.emplace_back();
    result.transactional_id = std::move(wanted.transactional_id);
    result.topic_results = results_of(wanted.topics, errors);
  }
  co_return response;
}

}  // namespace broker::api
