// DescribeTransactions v0.
#include "protocol/messages/describe_transactions.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::api {

using protocol::DescribeTransactionsResponse;
using protocol::ErrorCode;

Answer<DescribeTransactionsResponse> handle(RequestContext& context, protocol::DescribeTransactionsRequest request) {
  DescribeTransactionsResponse response;
  for (std::string& id : request.transactional_ids) {
    const transaction::TransactionDescription found = co_await context.services.transactions.describe(id);
    auto& state = response.transaction_states.emplace_back();
    state.transactional_id = std::move(id);
    state.error_code = found.error;
    if (found.error != ErrorCode::none) continue;
    state.transaction_state = transaction::name_of(found.image.state);
    state.transaction_timeout_ms = found.image.timeout_ms;
    state.transaction_start_time_ms = found.image.start_ms;
    state.producer_id = found.image.producer_id;
    state.producer_epoch = found.image.producer_epoch;
    for (const transaction::TopicPartition& partition : found.image.partitions) {
      if (state.topics.empty() || state.topics.back().topic != partition.topic) {
        state.topics.emplace_back().topic = partition.topic;
      }
      state.topics.back().partitions.push_back(partition.partition);
    }
  }
  co_return response;
}

}  // namespace broker::api
