// DeleteGroups v0-2. v1: throttle time starts to count for the client. v2: flexible.
#include "protocol/messages/delete_groups.h"

#include <set>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {

Answer<protocol::DeleteGroupsResponse> handle(RequestContext& context, protocol::DeleteGroupsRequest request) {
  protocol::DeleteGroupsResponse response;
  std::set<std::string> asked;
  for (std::string& group_id : request.groups_names) {
    if (!asked.insert(group_id).second) continue;
    const protocol::ErrorCode error = co_await context.services.groups.delete_group(group_id);
    auto& one = response.results.emplace_back();
    one.group_id = std::move(group_id);
    one.error_code = error;
  }
  co_return response;
}

}  // namespace broker::api
