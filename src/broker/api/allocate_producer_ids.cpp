// AllocateProducerIds v0: a block of producer ids for a broker of the cluster, from its controller. Kafka's brokers ask for them so from
// inter.broker.protocol.version 3.0 on, this one takes them from the znode itself.
#include "protocol/messages/allocate_producer_ids.h"

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/controller/cluster.h"

namespace broker::api {

using protocol::AllocateProducerIdsRequest;
using protocol::AllocateProducerIdsResponse;

Answer<AllocateProducerIdsResponse> handle(RequestContext& context, AllocateProducerIdsRequest request) {
  const protocol::Result<controller::ProducerIdBlock> block =
      co_await context.services.cluster.allocate_producer_ids_for(request.broker_id, request.broker_epoch);
  AllocateProducerIdsResponse response;
  if (block) {
    response.producer_id_start = block->first;
    response.producer_id_len = block->size;
  } else {
    response.error_code = block.error();
  }
  co_return response;
}

}  // namespace broker::api
