// DescribeAcls v0-3: as Kafka without an authorizer.
#include "protocol/messages/describe_acls.h"

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::DescribeAclsResponse> handle(RequestContext&, protocol::DescribeAclsRequest) {
  protocol::DescribeAclsResponse response;
  response.error_code = protocol::ErrorCode::security_disabled;
  response.error_message = "No Authorizer is configured on the broker";
  return response;
}

}  // namespace broker::api
