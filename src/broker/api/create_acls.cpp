// CreateAcls v0-3: as Kafka without an authorizer.
#include "protocol/messages/create_acls.h"

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::CreateAclsResponse> handle(RequestContext&, protocol::CreateAclsRequest request) {
  protocol::CreateAclsResponse response;
  for (std::size_t i = 0; i < request.creations.size(); ++i) {
    auto& result = response.results.emplace_back();
    result.error_code = protocol::ErrorCode::security_disabled;
    result.error_message = "No Authorizer is configured.";
  }
  return response;
}

}  // namespace broker::api
