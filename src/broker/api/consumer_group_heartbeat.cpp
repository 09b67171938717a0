// ConsumerGroupHeartbeat v0-1: a member of a newer consumer group (KIP-848) joins, stays or leaves. v1: regular expressions;
// member ids are the clients' own. Served while the broker offers that protocol.
#include "protocol/messages/consumer_group_heartbeat.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

group::ConsumerHeartbeat to_group(const RequestContext& context, protocol::ConsumerGroupHeartbeatRequest& request) {
  group::ConsumerHeartbeat heartbeat;
  heartbeat.group_id = std::move(request.group_id);
  heartbeat.member_id = std::move(request.member_id);
  heartbeat.member_epoch = request.member_epoch;
  heartbeat.instance_id = std::move(request.instance_id);
  heartbeat.rack_id = std::move(request.rack_id);
  heartbeat.rebalance_timeout_ms = request.rebalance_timeout_ms;
  heartbeat.subscribed_topic_names = std::move(request.subscribed_topic_names);
  heartbeat.subscribed_topic_regex = std::move(request.subscribed_topic_regex);
  heartbeat.server_assignor = std::move(request.server_assignor);
  if (request.topic_partitions) {
    heartbeat.owned.emplace();
    for (const auto& topic : *request.topic_partitions) {
      (*heartbeat.owned)[topic.topic_id].insert(topic.partitions.begin(), topic.partitions.end());
    }
  }
  heartbeat.client_id = context.client_id.value_or("");
  heartbeat.client_host = std::string(context.client_host);
  return heartbeat;
}

}  // namespace

Answer<protocol::ConsumerGroupHeartbeatResponse> handle(RequestContext& context,
                                                        protocol::ConsumerGroupHeartbeatRequest request) {
  group::ConsumerHeartbeat heartbeat = to_group(context, request);
  group::ConsumerHeartbeatResult result =
      co_await context.services.groups.consumer_heartbeat(std::move(heartbeat), context.api_version);
  protocol::ConsumerGroupHeartbeatResponse response;
  response.error_code = result.error;
  if (result.error != protocol::ErrorCode::none) {
    response.error_message = std::move(result.error_message);
    co_return response;
  }
  response.member_id = std::move(result.member_id);
  response.member_epoch = result.member_epoch;
  response.heartbeat_interval_ms = result.heartbeat_interval_ms;
  if (result.assignment) {
    response.assignment.emplace();
    for (const auto& [topic_id, partitions] : *result.assignment) {
      auto& topic = response.assignment->topic_partitions.emplace_back();
      topic.topic_id = topic_id;
      topic.partitions = {partitions.begin(), partitions.end()};
    }
  }
  co_return response;
}

}  // namespace broker::api
