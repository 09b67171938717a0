// DeleteAcls v0-3: as Kafka without an authorizer.
#include "protocol/messages/delete_acls.h"

#include "broker/api/acl_elements.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::DeleteAclsResponse> handle(RequestContext& context, protocol::DeleteAclsRequest request) {
  protocol::DeleteAclsResponse response;
  for (const auto& each : request.filters) {
    if (!has_unknown({each.resource_type_filter, each.pattern_type_filter, each.operation, each.permission_type})) continue;
    close_for_unknown_element(context);
    return response;
  }
  for (std::size_t i = 0; i < request.filters.size(); ++i) {
    auto& result = response.filter_results.emplace_back();
    result.error_code = protocol::ErrorCode::security_disabled;
    result.error_message = "No Authorizer is configured.";
  }
  return response;
}

}  // namespace broker::api
