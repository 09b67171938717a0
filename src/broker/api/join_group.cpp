// JoinGroup v0-9. v1: rebalance timeout. v2: throttle time. v4: a new member is told its id first (KIP-394). v5: static
// members. v7: protocol type, and a null protocol name. v8: a reason, for the log. v9: a static leader may be told to
// skip the assignment.
#include "protocol/messages/join_group.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

constexpr std::int16_t kFirstVersionWithKnownMemberId = 4;
constexpr std::int16_t kFirstVersionWithNullProtocol = 7;
constexpr std::int16_t kFirstVersionWithSkippedAssignment = 9;

group::JoinRequest to_group(const RequestContext& context, protocol::JoinGroupRequest& request) {
  group::JoinRequest join;
  join.needs_known_member_id =
      context.api_version >= kFirstVersionWithKnownMemberId && !request.group_instance_id.has_value();
  join.can_skip_assignment = context.api_version >= kFirstVersionWithSkippedAssignment;
  join.group_id = std::move(request.group_id);
  join.member_id = std::move(request.member_id);
  join.group_instance_id = std::move(request.group_instance_id);
  join.client_id = context.client_id.value_or("");
  join.client_host = std::string(context.client_host);
  join.protocol_type = std::move(request.protocol_type);
  for (auto& protocol : request.protocols) {
    group::GroupProtocol& one = join.protocols.emplace_back();
    one.name = std::move(protocol.name);
    one.metadata.assign(protocol.metadata.begin(), protocol.metadata.end());
  }
  join.session_timeout_ms = request.session_timeout_ms;
  join.rebalance_timeout_ms = context.api_version == 0 ? request.session_timeout_ms : request.rebalance_timeout_ms;
  join.reason = request.reason.value_or("not provided");
  return join;
}

}  // namespace

Answer<protocol::JoinGroupResponse> handle(RequestContext& context, protocol::JoinGroupRequest request) {
  group::JoinRequest join = to_group(context, request);
  context.frame.reset();  // the wait may be long
  group::JoinResult joined = co_await context.services.groups.join(std::move(join));
  const auto result = std::make_shared<const group::JoinResult>(std::move(joined));
  context.answer.make() = result;
  protocol::JoinGroupResponse response;
  response.error_code = result->error;
  response.generation_id = result->generation;
  response.protocol_type = result->protocol_type;
  response.protocol_name = result->protocol_name;
  if (!response.protocol_name && context.api_version < kFirstVersionWithNullProtocol) response.protocol_name = "";
  response.leader = result->leader;
  response.skip_assignment = result->skip_assignment;
  response.member_id = result->member_id;
  for (const group::JoinedMember& member : result->members) {
    auto& one = response.members.emplace_back();
    one.member_id = member.member_id;
    one.group_instance_id = member.group_instance_id;
    one.metadata = member.metadata;
  }
  co_return response;
}

}  // namespace broker::api
