// What is between a frame's body and a handler, the same for every API. Included by registry.cpp alone.
#pragma once

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "broker/api/error_counts.h"
#include "broker/api/registry.h"
#include "broker/api/request_context.h"
#include "broker/api/request_metrics.h"
#include "protocol/codec/codec.h"
#include "protocol/codec/frame.h"
#include "protocol/error.h"

namespace protocol {
struct FetchRequest;
}

namespace broker::api {

// Logs it once, with the API and the peer; what it answers goes into the reason of a closed connection.
std::string log_handler_failure(const RequestContext& context, std::string_view api, const std::exception_ptr& failure);

// A request that may wait for long and has no views into its frame gives the frame back first.
template <class Request>
inline constexpr bool kNeedsFrame = !std::is_same_v<Request, protocol::FetchRequest>;

template <class Request, class Response>
base::Task<Reply> serve(RequestContext& context, base::ByteView body) {
  Reply reply;
  Request request;
  const protocol::Decoded decoded = protocol::decode(request, context.api_version, body);
  if (!decoded) {
    reply.kind = Reply::Kind::close;
    reply.close_reason =
        std::string(Request::kName) + " v" + std::to_string(context.api_version) + ": " + decoded.error;
    co_return reply;
  }
  if constexpr (!kNeedsFrame<Request>) context.frame.reset();
  Response response;
  std::exception_ptr failure;
  try {
    response = co_await handle(context, std::move(request));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    reply.close_reason = log_handler_failure(context, Request::kName, failure);
    if constexpr (requires { response.error_code = protocol::ErrorCode::none; }) {
      response = Response();
      response.error_code = protocol::ErrorCode::unknown_server_error;
    } else {  // nowhere to say it
      reply.kind = Reply::Kind::close;
      co_return reply;
    }
  }
  reply.close_after = context.close_connection;
  if (context.no_response) co_return reply;
  if (context.metrics != nullptr) {
    visit_error_codes(response, context.api_version, [&context](protocol::ErrorCode error) {
      context.metrics->count_error(context.metrics_row, error);
    });
  }
  reply.kind = Reply::Kind::response;
  reply.message = protocol::encode_response(response, context.api_version, context.correlation_id);
  co_return reply;
}

}  // namespace broker::api
