// ListTransactions v0-2. v1: only those that run for longer. v2: only ids that match a pattern.
#include "protocol/messages/list_transactions.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::api {

Answer<protocol::ListTransactionsResponse> handle(RequestContext& context, protocol::ListTransactionsRequest request) {
  transaction::TransactionFilter filter;
  filter.states = std::move(request.state_filters);
  filter.producer_ids = std::move(request.producer_id_filters);
  filter.running_longer_than_ms = request.duration_filter;
  filter.id_pattern = request.transactional_id_pattern.value_or("");
  transaction::ListTransactionsResult result = context.services.transactions.list(filter);
  protocol::ListTransactionsResponse response;
  response.error_code = result.error;
  response.unknown_state_filters = std::move(result.unknown_states);
  for (transaction::TransactionListing& one : result.transactions) {
    auto& state = response.transaction_states.emplace_back();
    state.transactional_id = std::move(one.transactional_id);
    state.producer_id = one.producer_id;
    state.transaction_state = transaction::name_of(one.state);
  }
  return response;
}

}  // namespace broker::api
