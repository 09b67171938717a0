// EndTxn v0-5. v2: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH. v4: TRANSACTION_ABORTABLE may be answered. v5:
// transactions v2 of KIP-890: the epoch is bumped, and answered.
#include "protocol/messages/end_txn.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::api {

Answer<protocol::EndTxnResponse> handle(RequestContext& context, protocol::EndTxnRequest request) {
  transaction::EndTransactionRequest end;
  end.transactional_id = std::move(request.transactional_id);
  end.producer = transaction::ProducerIdentity{request.producer_id, request.producer_epoch};
  end.commit = request.committed;
  if (context.api_version >= 5) end.client_version = transaction::kVersionWithEpochBump;
  const transaction::ProducerResult result = co_await context.services.transactions.end(std::move(end));
  protocol::EndTxnResponse response;
  response.error_code = transaction::error_for(result.error, context.api_version, transaction::kFirstVersionWithFenced);
  response.producer_id = result.producer.id;
  response.producer_epoch = result.producer.epoch;
  co_return response;
}

}  // namespace broker::api
