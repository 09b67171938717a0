// InitProducerId v0-5. v3: the producer's own id and epoch, to go on after an error. v4: PRODUCER_FENCED instead of
// INVALID_PRODUCER_EPOCH. v5: for newer transactions. Without a transactional id the answer is always a fresh id.
#include "protocol/messages/init_producer_id.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/producer_ids.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;

base::Task<transaction::ProducerResult> init_transactional(RequestContext& context,
                                                           protocol::InitProducerIdRequest request) {
  transaction::InitProducerIdRequest init;
  init.transactional_id = std::move(*request.transactional_id);
  init.timeout_ms = request.transaction_timeout_ms;
  if (request.producer_id != transaction::kNoProducerId) {
    init.expected = transaction::ProducerIdentity{request.producer_id, request.producer_epoch};
  }
  transaction::ProducerResult result = co_await context.services.transactions.init_producer_id(std::move(init));
  result.error = transaction::error_for(result.error, context.api_version, transaction::kFirstInitVersionWithFenced);
  co_return result;
}

}  // namespace

Answer<protocol::InitProducerIdResponse> handle(RequestContext& context, protocol::InitProducerIdRequest request) {
  protocol::InitProducerIdResponse response;
  response.producer_epoch = -1;
  if ((request.producer_id == -1) != (request.producer_epoch == -1)) {
    response.error_code = ErrorCode::invalid_request;
    co_return response;
  }
  if (request.transactional_id) {
    const transaction::ProducerResult result = co_await init_transactional(context, std::move(request));
    response.error_code = result.error;
    response.producer_id = result.producer.id;
    response.producer_epoch = result.producer.epoch;
    co_return response;
  }
  auto id = co_await context.services.producer_ids.next();
  if (!id) {
    response.error_code = id.error();
    co_return response;
  }
  response.producer_id = *id;
  response.producer_epoch = 0;
  co_return response;
}

}  // namespace broker::api
