#include "broker/controller/control_context.h"

#include <fmt/format.h>

namespace broker::controller {

using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

namespace {

bool is_read(const Request& request) {
  using zk::client::OpCode;
  return request.op == OpCode::get_data || request.op == OpCode::exists || request.op == OpCode::get_children2;
}

base::Task<std::vector<Response>> ask(std::shared_ptr<zk::client::ZooKeeper> session, std::vector<Request> requests,
                                      bool may_be_forbidden) {
  if (!session) throw ControlLost("not connected to ZooKeeper");
  std::vector<std::string> reads;
  for (const Request& request : requests) reads.push_back(is_read(request) ? request.path : std::string());
  std::vector<Response> responses = co_await session->execute(std::move(requests));
  for (const Response& response : responses) {
    if (response.error == Error::session_expired) throw ControlLost("the ZooKeeper session has ended");
  }
  for (std::size_t i = 0; i < responses.size(); ++i) {
    if (reads[i].empty() || responses[i].ok() || responses[i].error == Error::no_node) continue;
    if (may_be_forbidden && responses[i].error == Error::no_auth) continue;
    throw ReadRefused(fmt::format("ZooKeeper refuses to read {}: {}", reads[i], zk::client::name_of(responses[i].error)));
  }
  co_return responses;
}

}  // namespace

bool not_taken(Error error) { return error == Error::connection_loss || error == Error::marshalling_error; }

Outcome outcome_of_not_taken(Error error, protocol::ErrorCode too_large, std::string_view what, std::size_t bytes) {
  Outcome outcome;
  outcome.error = too_large;
  if (error == Error::connection_loss) {
    outcome.error = protocol::ErrorCode::request_timed_out;
    outcome.message = fmt::format(
        "The connection to ZooKeeper was lost before it answered: {} may have its {} bytes now, or they may be more than "
        "ZooKeeper takes (jute.maxbuffer). Look before you try again.",
        what, bytes);
  } else {
    outcome.message = fmt::format("With this, {} would have {} bytes, more than ZooKeeper takes (jute.maxbuffer).", what, bytes);
  }
  return outcome;
}

std::int64_t ControlContext::session_id() const {
  if (!zookeeper) throw ControlLost("not connected to ZooKeeper");
  return zookeeper->session_id();
}

base::Task<std::vector<Response>> ControlContext::execute(std::vector<Request> requests) {
  return ask(zookeeper, std::move(requests), false);
}

base::Task<std::vector<Response>> ControlContext::read_allowed(std::vector<Request> reads) {
  return ask(zookeeper, std::move(reads), true);
}

base::Task<Response> ControlContext::execute(Request request) {
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  std::vector<Response> responses = co_await execute(std::move(requests));
  co_return std::move(responses.front());
}

Request ControlContext::fence(std::vector<Request> operations) const {
  operations.insert(operations.begin(),
                    zk::client::check(std::string(metadata::znodes::kControllerEpoch), epoch_version));
  return zk::client::multi(std::move(operations));
}

void ControlContext::require_fence(const Response& response) {
  if (response.results.empty()) throw ControlLost("a multi was refused");
  const Error error = response.results.front().error;
  if (error == Error::bad_version || error == Error::no_node) {
    throw ControlLost("another broker has become controller");
  }
}

base::Task<std::vector<Response>> ControlContext::execute_fenced(std::vector<Request> operations) {
  std::vector<Request> requests;
  for (Request& operation : operations) {
    std::vector<Request> single;
    single.push_back(std::move(operation));
    requests.push_back(fence(std::move(single)));
  }
  std::vector<Response> answers = co_await execute(std::move(requests));
  std::vector<Response> responses;
  for (Response& answer : answers) {
    if (answer.results.empty() && not_taken(answer.error)) {
      responses.emplace_back(answer.error);
      continue;
    }
    require_fence(answer);
    responses.push_back(std::move(answer.results.at(1)));
  }
  co_return responses;
}

base::Task<Response> ControlContext::execute_fenced(Request operation) {
  std::vector<Request> operations;
  operations.push_back(std::move(operation));
  std::vector<Response> responses = co_await execute_fenced(std::move(operations));
  co_return std::move(responses.front());
}

void ControlContext::publish() {
  const std::shared_ptr<const metadata::ClusterMetadata> seen = state.snapshot();
  cache.set(seen);
  // One that can't be asked is let go of, which answers it. The publish of a change must not fail by it, nor the order be left half changed.
  std::erase_if(waiting, [&seen](const Waiting& each) {
    try {
      return each(*seen);
    } catch (const std::exception&) {
      return true;
    }
  });
}

}  // namespace broker::controller
