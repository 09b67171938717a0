// SaslHandshake v0-1, which is for listeners with SASL: a client that wants to log in elsewhere is told so, as by Kafka, and
// doesn't try again and again.
#include "protocol/messages/sasl_handshake.h"

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::SaslHandshakeResponse> handle(RequestContext&, protocol::SaslHandshakeRequest) {
  protocol::SaslHandshakeResponse response;
  response.error_code = protocol::ErrorCode::illegal_sasl_state;
  return response;
}

}  // namespace broker::api
