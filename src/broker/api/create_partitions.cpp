// CreatePartitions v0-3. v2: flexible. v1 and v3 changed only how throttling is told.
#include "protocol/messages/create_partitions.h"

#include <map>
#include <set>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/controller/cluster.h"

namespace broker::api {

using protocol::CreatePartitionsRequest;
using protocol::CreatePartitionsResponse;

Answer<CreatePartitionsResponse> handle(RequestContext& context, CreatePartitionsRequest request) {
  std::map<std::string, int> count;
  for (const auto& topic : request.topics) ++count[topic.name];
  CreatePartitionsResponse response;
  std::vector<controller::NewPartitions> wanted;
  std::set<std::string> told;
  for (auto& topic : request.topics) {
    if (count[topic.name] > 1) {
      if (!told.insert(topic.name).second) continue;
      auto& answer = response.results.emplace_back();
      answer.name = topic.name;
      answer.error_code = protocol::ErrorCode::invalid_request;
      answer.error_message = "Duplicate topic in request.";
      continue;
    }
    controller::NewPartitions& each = wanted.emplace_back();
    each.topic = topic.name;
    each.count = topic.count;
    if (!topic.assignments) continue;
    auto& assignments = each.assignments.emplace();
    for (auto& assignment : *topic.assignments) assignments.push_back(std::move(assignment.broker_ids));
  }
  if (wanted.empty()) co_return response;
  const std::vector<controller::NewPartitions> asked = wanted;
  std::vector<controller::Outcome> outcomes =
      co_await context.services.cluster.create_partitions(std::move(wanted), request.validate_only, request.timeout_ms);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    auto& answer = response.results.emplace_back();
    answer.name = asked[i].topic;
    answer.error_code = outcomes[i].error;
    answer.error_message = std::move(outcomes[i].message);
  }
  co_return response;
}

}  // namespace broker::api
