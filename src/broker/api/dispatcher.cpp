#include "broker/api/dispatcher.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/logging.h"
#include "broker/api/registry.h"
#include "broker/api/serve.h"
#include "protocol/messages/api_versions.h"

namespace broker::api {
namespace {

Reply closing(std::string reason) {
  Reply reply;
  reply.kind = Reply::Kind::close;
  reply.close_reason.make() = std::move(reason);
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

bool is_produce(std::int16_t key) { return key == static_cast<std::int16_t>(protocol::ApiKey::produce); }

// What is converted lies in memory until it is sent, and a client may ask for much of it without taking any.
bool is_converted(std::int16_t key, std::int16_t version) {
  return key == static_cast<std::int16_t>(protocol::ApiKey::fetch) && version < 4;
}

// A small frame lies in a buffer for many, which must not be kept by one that waits for its turn.
void keep_apart(Frame& frame, base::ByteView& body) {
  constexpr std::size_t kSmallFrameBytes = 32u << 10;
  if (frame.bytes.size() > kSmallFrameBytes) return;
  auto copy = std::make_shared<base::Bytes>(frame.bytes.begin(), frame.bytes.end());  // which the log may write into
  frame.bytes = *copy;
  frame.owner = std::move(copy);
  body = frame.bytes.last(body.size());
}

std::uint64_t microseconds_since(std::chrono::steady_clock::time_point start) {
  const auto passed = std::chrono::steady_clock::now() - start;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(passed).count());
}

}  // namespace

Dispatcher::Dispatcher(Services& services) : services_(services), metrics_(served_apis().size() + 1) {}

// A request between its header and its reply.
struct Dispatcher::InHand {
  const Api* api = nullptr;
  std::chrono::steady_clock::time_point received;
  std::size_t frame_bytes = 0;
  std::unique_ptr<RequestContext> context;  // stays where it is while the handler waits
};

Answer<Reply> Dispatcher::serve(ConnectionInfo& connection, Frame frame) {
  protocol::RequestHead head = protocol::decode_request_head(frame.bytes);
  const std::int16_t key = head.header.request_api_key;
  const std::int16_t version = head.header.request_api_version;
  const Api* api = head.error.empty() ? find_served(key) : nullptr;
  if (!api || version < api->version_min || version > api->version_max) return not_served(head, api);

  InHand request;
  request.api = api;
  request.received = std::chrono::steady_clock::now();
  request.frame_bytes = frame.bytes.size();
  const bool may_begin = connection.turns.may_begin(is_produce(key));
  if (!may_begin) keep_apart(frame, head.body);
  request.context = context_of(*api, connection, head, frame);
  if (!may_begin) {
    request.context->turn = connection.turns.line_up(is_produce(key), request.frame_bytes);
    return serve_in_turn(std::move(request), head.body);
  }
  Answer<Reply> answer = api->serve(*request.context, head.body);
  if (!answer.is_there()) {
    request.context->turn = connection.turns.begin();
    return wait_for_reply(std::move(request), answer.task());
  }
  count(request, answer.value());
  return answer;
}

Reply Dispatcher::not_served(const protocol::RequestHead& head, const Api* api) {
  const std::int16_t key = head.header.request_api_key;
  const std::int16_t version = head.header.request_api_version;
  if (!head.error.empty()) return closing(fmt::format("api key {} v{}: {}", key, version, head.error));
  if (!api) return closing(fmt::format("api key {} v{}: not an API of this broker", key, version));
  if (key == static_cast<std::int16_t>(protocol::ApiKey::api_versions)) {
    return unsupported_api_versions(*api, head.header.correlation_id);
  }
  return closing(fmt::format("{} v{}: unsupported version", api->name, version));
}

std::unique_ptr<RequestContext> Dispatcher::context_of(const Api& api, ConnectionInfo& connection,
                                                       protocol::RequestHead& head, Frame& frame) {
  auto context = std::make_unique<RequestContext>(services_);
  context->api_key = head.header.request_api_key;
  context->api_version = head.header.request_api_version;
  context->correlation_id = head.header.correlation_id;
  context->client_id = std::move(head.header.client_id);
  context->client_host = connection.client_host;
  context->listener = connection.listener;
  context->connection = &connection;
  context->received_monotonic_ms = services_.clock.monotonic_ms();
  context->frame = std::move(frame.owner);
  context->metrics = &metrics_;
  context->metrics_row = static_cast<std::size_t>(&api - served_apis().data());
  return context;
}

// The body's bytes are kept by the context.
base::Task<Reply> Dispatcher::serve_in_turn(InHand request, base::ByteView body) {
  const bool is_served = co_await request.context->turn.wait();
  if (!is_served) co_return Reply();
  request.context->received_monotonic_ms = services_.clock.monotonic_ms();  // from where its own waits are counted
  Answer<Reply> answer = request.api->serve(*request.context, body);
  Reply reply = co_await answer.task();
  count(request, reply);
  co_return reply;
}

base::Task<Reply> Dispatcher::wait_for_reply(InHand request, base::Task<Reply> task) {
  Reply reply = co_await std::move(task);
  count(request, reply);
  co_return reply;
}

void Dispatcher::count(const InHand& request, Reply& reply) {
  RequestContext& context = *request.context;
  if (is_converted(context.api_key, context.api_version)) {  // the next one's turn comes when it has left
    reply.until_sent.make() = std::make_shared<const Turns::Place>(std::move(context.turn));
  }
  if (reply.kind != Reply::Kind::close) {
    metrics_.count_request(context.metrics_row, context.api_version, request.frame_bytes,
                           microseconds_since(request.received));
  }
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
