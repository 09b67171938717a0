// What is between a frame's body and a handler, the same for every API. Included by registry.cpp alone.
#pragma once

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "broker/api/error_counts.h"
#include "broker/api/holds_views.h"
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

template <class Response>
void fill_reply(Reply& reply, RequestContext& context, const Response& response) {
  reply.close_after = context.close_connection;
  if (context.no_response) return;
  reply.message = protocol::encode_response(response, context.api_version, context.correlation_id);
  if (context.metrics != nullptr) {
    visit_error_codes(response, context.api_version, [&context](protocol::ErrorCode error) {
      context.metrics->count_error(context.metrics_row, error);
    });
  }
  reply.kind = Reply::Kind::response;
}

template <class Request, class Response>
Reply reply_to_failure(RequestContext& context, const std::exception_ptr& failure) {
  Reply reply;
  reply.close_reason.make() = log_handler_failure(context, Request::kName, failure);
  Response response;
  if constexpr (requires { response.error_code = protocol::ErrorCode::none; }) {
    response.error_code = protocol::ErrorCode::unknown_server_error;
    fill_reply(reply, context, response);
  } else {  // nowhere to say it
    reply.kind = Reply::Kind::close;
  }
  return reply;
}

template <class Request, class Response>
base::Task<Reply> wait_for_reply(RequestContext& context, base::Task<Response> task) {
  std::exception_ptr failure;
  try {
    Reply reply;
    const Response response = co_await std::move(task);
    fill_reply(reply, context, response);
    co_return reply;
  } catch (...) {
    failure = std::current_exception();
  }
  co_return reply_to_failure<Request, Response>(context, failure);
}

template <class Request, class Response>
Answer<Reply> serve(RequestContext& context, base::ByteView body) {
  Answer<Reply> reply{Reply()};
  Request request;
  const protocol::Decoded decoded = protocol::decode(request, context.api_version, body);
  if (!decoded) {
    reply.value().kind = Reply::Kind::close;
    reply.value().close_reason.make() =
        std::string(Request::kName) + " v" + std::to_string(context.api_version) + ": " + decoded.error;
    return reply;
  }
  // The answer may wait for long. A large frame, which was paid for, stands for what was made of it; but fetches wait by their nature.
  constexpr std::size_t kUnpaidBytes = 64u << 10;
  constexpr bool kIsFetch = std::is_same_v<Request, protocol::FetchRequest>;
  if (!kHoldsViews<Request> && (kIsFetch || body.size() <= kUnpaidBytes)) context.frame.reset();
  try {
    Answer<Response> answer = handle(context, std::move(request));
    if (!answer.is_there()) return wait_for_reply<Request>(context, answer.task());
    fill_reply(reply.value(), context, answer.value());
  } catch (...) {
    return reply_to_failure<Request, Response>(context, std::current_exception());
  }
  return reply;
}

}  // namespace broker::api
