#include "broker/api/dispatcher.h"

#include <fmt/format.h>

#include <utility>

#include "base/clock.h"
#include "base/logging.h"
#include "broker/api/registry.h"
#include "broker/api/serve.h"
#include "protocol/codec/frame.h"
#include "protocol/messages/api_versions.h"

namespace broker::api {
namespace {

Reply closing(std::string reason) {
  Reply reply;
  reply.kind = Reply::Kind::close;
  reply.close_reason = std::move(reason);
  return reply;
}

// Whatever version a client asks for, it can read this: body version 0, error 35, and the versions of ApiVersions
// itself, so that it can ask again.
Reply unsupported_api_versions(const Api& api, std::int32_t correlation_id) {
  protocol::ApiVersionsResponse response;
  response.error_code = protocol::ErrorCode::unsupported_version;
  protocol::ApiVersionsResponse::ApiVersion& entry = response.api_keys.emplace_back();
  entry.api_key = api.key;
  entry.min_version = api.version_min;
  entry.max_version = api.version_max;
  Reply reply;
  reply.kind = Reply::Kind::response;
  reply.message = protocol::encode_response(response, 0, correlation_id);
  return reply;
}

}  // namespace

base::Task<Reply> Dispatcher::serve(ConnectionInfo& connection, Frame frame) {
  protocol::RequestHead head = protocol::decode_request_head(frame.bytes);
  const std::int16_t key = head.header.request_api_key;
  const std::int16_t version = head.header.request_api_version;
  if (!head.error.empty()) co_return closing(fmt::format("api key {} v{}: {}", key, version, head.error));
  const Api* api = find_served(key);
  if (!api) co_return closing(fmt::format("api key {} v{}: not an API of this broker", key, version));
  if (version < api->version_min || version > api->version_max) {
    if (key == static_cast<std::int16_t>(protocol::ApiKey::api_versions)) {
      co_return unsupported_api_versions(*api, head.header.correlation_id);
    }
    co_return closing(fmt::format("{} v{}: unsupported version", api->name, version));
  }

  RequestContext context(services_);
  context.api_key = key;
  context.api_version = version;
  context.correlation_id = head.header.correlation_id;
  context.client_id = std::move(head.header.client_id);
  context.client_host = connection.client_host;
  context.listener = connection.listener;
  context.principal = connection.principal;
  context.received_monotonic_ms = services_.clock.monotonic_ms();
  context.frame = std::move(frame.owner);
  co_return co_await api->serve(context, head.body);
}

std::string log_handler_failure(const RequestContext& context, std::string_view api,
                                const std::exception_ptr& failure) {
  std::string what = "an unknown exception";
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {  // the text above says what is known of it
  }
  base::log_error("kafka.server.KafkaApis", "Unexpected error handling {} v{} of client {} from {}: {}", api,
                  context.api_version, context.client_id.value_or("(none)"), context.client_host, what);
  return fmt::format("{} v{} failed: {}", api, context.api_version, what);
}

}  // namespace broker::api
