// InitProducerId v0-5. v3: the producer's own id and epoch. v4: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH. v5:
// for newer transactions. Without a transactional id the answer is always a fresh id.
#include "protocol/messages/init_producer_id.h"

#include "broker/api/handlers.h"
#include "broker/api/producer_ids.h"
#include "broker/api/request_context.h"

namespace broker::api {

using protocol::ErrorCode;

base::Task<protocol::InitProducerIdResponse> handle(RequestContext& context, protocol::InitProducerIdRequest request) {
  protocol::InitProducerIdResponse response;
  response.producer_epoch = -1;
  if ((request.producer_id == -1) != (request.producer_epoch == -1)) {
    response.error_code = ErrorCode::invalid_request;
    co_return response;
  }
  if (request.transactional_id) {
    // This broker has no transaction coordinator.
    response.error_code =
        request.transactional_id->empty() ? ErrorCode::invalid_request : ErrorCode::coordinator_not_available;
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
