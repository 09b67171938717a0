// SyncGroup v0-5. v1: throttle time. v3: static members. v5: protocol type and name, which must be there.
#include "protocol/messages/sync_group.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

constexpr std::int16_t kFirstVersionWithProtocol = 5;

}  // namespace

Answer<protocol::SyncGroupResponse> handle(RequestContext& context, protocol::SyncGroupRequest request) {
  protocol::SyncGroupResponse response;
  if (context.api_version >= kFirstVersionWithProtocol && !(request.protocol_type && request.protocol_name)) {
    response.error_code = protocol::ErrorCode::inconsistent_group_protocol;
    co_return response;
  }
  group::SyncRequest sync;
  sync.group_id = std::move(request.group_id);
  sync.generation = request.generation_id;
  sync.member_id = std::move(request.member_id);
  sync.group_instance_id = std::move(request.group_instance_id);
  sync.protocol_type = std::move(request.protocol_type);
  sync.protocol_name = std::move(request.protocol_name);
  for (auto& one : request.assignments) {
    sync.assignments[one.member_id].assign(one.assignment.begin(), one.assignment.end());
  }
  context.frame.reset();  // the wait may be long
  group::SyncResult synced = co_await context.services.groups.sync(std::move(sync));
  const auto result = std::make_shared<const group::SyncResult>(std::move(synced));
  context.answer.make() = result;
  response.error_code = result->error;
  response.protocol_type = result->protocol_type;
  response.protocol_name = result->protocol_name;
  response.assignment = result->assignment;
  co_return response;
}

}  // namespace broker::api
