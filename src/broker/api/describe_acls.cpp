// DescribeAcls v0-3: as Kafka without an authorizer.
#include "protocol/messages/describe_acls.h"

#include "broker/api/acl_elements.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::DescribeAclsResponse> handle(RequestContext& context, protocol::DescribeAclsRequest request) {
  protocol::DescribeAclsResponse response;
  if (has_unknown({request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type})) {
    close_for_unknown_element(context);
    return response;
  }
  response.error_code = protocol::ErrorCode::security_disabled;
  response.error_message = "No Authorizer is configured on the broker";
  return response;
}

}  // namespace broker::api
