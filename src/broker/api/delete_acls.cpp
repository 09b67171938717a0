// DeleteAcls v0-3: as Kafka without an authorizer.
#include "protocol/messages/delete_acls.h"

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::DeleteAclsResponse> handle(RequestContext&, protocol::DeleteAclsRequest request) {
  protocol::DeleteAclsResponse response;
  for (std::size_t i = 0; i < request.filters.size(); ++i) {
    auto& result = response.filter_results.emplace_back();
    result.error_code = protocol::ErrorCode::security_disabled;
    result.error_message = "No Authorizer is configured.";
  }
  return response;
}

}  // namespace broker::api
