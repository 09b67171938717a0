// DescribeGroups v0-6. v1: throttle time. v3: authorized operations. v4: static members. v6: a group that isn't there
// is an error with a message.
#include "protocol/messages/describe_groups.h"

#include <list>
#include <memory>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

using protocol::DescribeGroupsResponse;

constexpr std::int16_t kFirstVersionWithNotFound = 6;
// What anybody may do to a group while there is no authorizer, as a bit for each operation's number: Read, Delete,
// Describe.
constexpr std::int32_t kAllGroupOperations = 1 << 3 | 1 << 6 | 1 << 8;

void fill(DescribeGroupsResponse::DescribedGroup& to, const group::GroupSummary& from, std::int16_t version) {
  to.error_code = from.error;
  to.group_state = from.state;
  to.protocol_type = from.protocol_type;
  to.protocol_data = from.protocol;
  if (from.error == protocol::ErrorCode::none && !from.found && version >= kFirstVersionWithNotFound) {
    to.error_code = protocol::ErrorCode::group_id_not_found;
    to.error_message = "Group " + to.group_id + (from.is_consumer ? " is not a classic group." : " not found.");
  }
  for (const group::MemberSummary& member : from.members) {
    auto& one = to.members.emplace_back();
    one.member_id = member.member_id;
    one.group_instance_id = member.group_instance_id;
    one.client_id = member.client_id;
    one.client_host = member.client_host;
    one.member_metadata = member.metadata;
    one.member_assignment = member.assignment;
  }
}

}  // namespace

Answer<DescribeGroupsResponse> handle(RequestContext& context, protocol::DescribeGroupsRequest request) {
  DescribeGroupsResponse response;
  // The response has views into these.
  const auto summaries = std::make_shared<std::list<group::GroupSummary>>();
  context.answer.make() = summaries;
  for (std::string& group_id : request.groups) {
    group::GroupSummary summary = co_await context.services.groups.describe(group_id);
    summaries->push_back(std::move(summary));
    auto& one = response.groups.emplace_back();
    one.group_id = std::move(group_id);
    fill(one, summaries->back(), context.api_version);
    if (request.include_authorized_operations && one.error_code == protocol::ErrorCode::none) {
      one.authorized_operations = kAllGroupOperations;
    }
  }
  co_return response;
}

}  // namespace broker::api
