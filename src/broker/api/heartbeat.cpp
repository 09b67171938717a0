// Heartbeat v0-4. v1: throttle time. v3: static members.
#include "protocol/messages/heartbeat.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {

Answer<protocol::HeartbeatResponse> handle(RequestContext& context, protocol::HeartbeatRequest request) {
  group::MemberIdentity who;
  who.member_id = std::move(request.member_id);
  who.group_instance_id = std::move(request.group_instance_id);
  protocol::HeartbeatResponse response;
  response.error_code =
      co_await context.services.groups.heartbeat(std::move(request.group_id), std::move(who), request.generation_id);
  co_return response;
}

}  // namespace broker::api
