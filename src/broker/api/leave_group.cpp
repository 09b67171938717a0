// LeaveGroup v0-5. v1: throttle time. v3: several members at once, also by instance id. v5: a reason, for the log only.
#include "protocol/messages/leave_group.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

constexpr std::int16_t kFirstVersionOfBatches = 3;

}  // namespace

Answer<protocol::LeaveGroupResponse> handle(RequestContext& context, protocol::LeaveGroupRequest request) {
  const bool is_batch = context.api_version >= kFirstVersionOfBatches;
  std::vector<group::MemberIdentity> members;
  if (!is_batch) members.emplace_back().member_id = std::move(request.member_id);
  for (const auto& member : request.members) {
    group::MemberIdentity& one = members.emplace_back();
    one.member_id = member.member_id;
    one.group_instance_id = member.group_instance_id;
    one.reason = member.reason;
  }
  const group::LeaveResult result =
      co_await context.services.groups.leave(std::move(request.group_id), std::move(members));
  protocol::LeaveGroupResponse response;
  response.error_code = result.error;
  if (!is_batch) {
    if (result.error == protocol::ErrorCode::none && !result.members.empty()) response.error_code = result.members[0];
    co_return response;
  }
  for (std::size_t i = 0; i < result.members.size(); ++i) {
    auto& one = response.members.emplace_back();
    one.member_id = request.members[i].member_id;
    one.group_instance_id = request.members[i].group_instance_id;
    one.error_code = result.members[i];
  }
  co_return response;
}

}  // namespace broker::api
