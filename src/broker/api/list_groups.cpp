// ListGroups v0-5. v1: throttle time. v4: states, and a filter by them. v5: types, and a filter by them.
#include "protocol/messages/list_groups.h"

#include <algorithm>
#include <cctype>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

constexpr std::string_view kClassic = "classic", kConsumer = "consumer";

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char left, unsigned char right) { return std::tolower(left) == std::tolower(right); });
}

// An empty filter lets all pass.
bool passes(const std::vector<std::string>& filter, std::string_view value) {
  return filter.empty() || std::any_of(filter.begin(), filter.end(),
                                       [value](const std::string& wanted) { return same_letters(wanted, value); });
}

}  // namespace

Answer<protocol::ListGroupsResponse> handle(RequestContext& context, protocol::ListGroupsRequest request) {
  const group::ListGroupsResult result = context.services.groups.list();
  protocol::ListGroupsResponse response;
  response.error_code = result.error;
  for (const group::GroupListing& group : result.groups) {
    const std::string_view type = group.is_consumer ? kConsumer : kClassic;
    if (!passes(request.states_filter, group.state) || !passes(request.types_filter, type)) continue;
    auto& one = response.groups.emplace_back();
    one.group_id = group.group_id;
    one.protocol_type = group.protocol_type;
    one.group_state = group.state;
    one.group_type = type;
  }
  return response;
}

}  // namespace broker::api
