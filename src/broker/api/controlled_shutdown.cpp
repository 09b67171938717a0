// ControlledShutdown v0-3. v0: header without a client id. v2: broker epoch. v3: flexible. A broker that wants to stop
// asks the controller to move its leaderships away, and learns which partitions it still leads. Those with one replica
// can't move and aren't named, as Kafka's controller doesn't name them. Nothing moves here while brokers of one cluster
// don't replicate from each other: all others are named.
#include "protocol/messages/controlled_shutdown.h"

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {

using protocol::ControlledShutdownRequest;
using protocol::ControlledShutdownResponse;
using protocol::ErrorCode;

Answer<ControlledShutdownResponse> handle(RequestContext& context, ControlledShutdownRequest request) {
  const auto cluster = context.services.metadata.get();
  ControlledShutdownResponse response;
  const auto broker = cluster->brokers.find(request.broker_id);
  if (cluster->controller_id != context.services.broker_id) {
    response.error_code = ErrorCode::not_controller;
  } else if (broker == cluster->brokers.end()) {
    response.error_code = ErrorCode::broker_not_available;
  } else if (request.broker_epoch >= 0 && request.broker_epoch < broker->second.epoch) {
    response.error_code = ErrorCode::stale_broker_epoch;
  }
  if (response.error_code != ErrorCode::none) return response;
  for (const auto& [name, topic] : cluster->topics) {
    for (const auto& [number, partition] : topic->partitions) {
      if (partition.leader != request.broker_id || partition.replicas.size() < 2) continue;
      auto& remaining = response.remaining_partitions.emplace_back();
      remaining.topic_name = name;
      remaining.partition_index = number;
    }
  }
  return response;
}

}  // namespace broker::api
