// CreateAcls v0-3: as Kafka without an authorizer.
#include "protocol/messages/create_acls.h"

#include "broker/api/acl_elements.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::CreateAclsResponse> handle(RequestContext& context, protocol::CreateAclsRequest request) {
  protocol::CreateAclsResponse response;
  for (const auto& each : request.creations) {
    if (!has_unknown({each.resource_type, each.resource_pattern_type, each.operation, each.permission_type})) continue;
    close_for_unknown_element(context);
    return response;
  }
  for (std::size_t i = 0; i < request.creations.size(); ++i) {
    auto& result = response.results.emplace_back();
    result.error_code = protocol::ErrorCode::security_disabled;
    result.error_message = "No Authorizer is configured.";
  }
  return response;
}

}  // namespace broker::api
