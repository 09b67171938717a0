// SaslAuthenticate v0-2 where nobody logs in: see SaslHandshake.
#include "protocol/messages/sasl_authenticate.h"

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::SaslAuthenticateResponse> handle(RequestContext&, protocol::SaslAuthenticateRequest) {
  protocol::SaslAuthenticateResponse response;
  response.error_code = protocol::ErrorCode::illegal_sasl_state;
  response.error_message = "SaslAuthenticate request received after successful authentication";
  return response;
}

}  // namespace broker::api
