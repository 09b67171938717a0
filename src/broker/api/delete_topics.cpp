// DeleteTopics v0-6. v3: TOPIC_DELETION_DISABLED has its own code. v4: flexible. v5: messages. v6: by topic id.
#include "protocol/messages/delete_topics.h"

#include <algorithm>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/config/config_store.h"
#include "broker/controller/cluster.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::DeleteTopicsRequest;
using protocol::DeleteTopicsResponse;
using protocol::ErrorCode;
using TopicAnswer = DeleteTopicsResponse::DeletableTopicResult;

constexpr std::int16_t kTopicIdsFrom = 6;
constexpr std::int16_t kDeletionDisabledFrom = 3;

// Name and id as asked for. The error says what is wrong with that alone.
TopicAnswer resolve(const DeleteTopicsRequest::DeleteTopicState& asked, const metadata::ClusterMetadata& cluster) {
  TopicAnswer answer;
  answer.name = asked.name;
  answer.topic_id = asked.topic_id;
  if (asked.topic_id.is_zero()) {
    if (!asked.name) {
      answer.error_code = ErrorCode::topic_authorization_failed;  // Kafka's answer to neither
    } else if (cluster.topic(*asked.name) == nullptr) {
      answer.error_code = ErrorCode::unknown_topic_or_partition;
    }
    return answer;
  }
  const metadata::Topic* known = cluster.topic(asked.topic_id);
  if (known == nullptr) {
    answer.error_code = ErrorCode::unknown_topic_id;
  } else {
    answer.name = known->name;
  }
  return answer;
}

std::vector<DeleteTopicsRequest::DeleteTopicState> asked_topics(DeleteTopicsRequest& request, std::int16_t version) {
  if (version >= kTopicIdsFrom) return std::move(request.topics);
  std::vector<DeleteTopicsRequest::DeleteTopicState> topics;
  for (std::string& name : request.topic_names) topics.emplace_back().name = std::move(name);
  return topics;
}

// Kafka fails with the whole request then.
bool names_one_twice(const std::vector<DeleteTopicsRequest::DeleteTopicState>& topics) {
  return std::ranges::any_of(topics, [](const auto& asked) { return asked.name && !asked.topic_id.is_zero(); });
}

// Every topic as it was asked for, with the reason why none is deleted.
DeleteTopicsResponse refuse_all(const std::vector<DeleteTopicsRequest::DeleteTopicState>& topics, ErrorCode error) {
  DeleteTopicsResponse response;
  for (const auto& asked : topics) {
    TopicAnswer& answer = response.responses.emplace_back();
    answer.name = asked.name;
    answer.topic_id = asked.topic_id;
    answer.error_code = error;
  }
  return response;
}

}  // namespace

Answer<DeleteTopicsResponse> handle(RequestContext& context, DeleteTopicsRequest request) {
  const auto cluster = context.services.metadata.get();
  const auto topics = asked_topics(request, context.api_version);
  if (!context.services.configs.broker()->hot().delete_topic_enable) {
    co_return refuse_all(
        topics, context.api_version < kDeletionDisabledFrom ? ErrorCode::invalid_request : ErrorCode::topic_deletion_disabled);
  }
  if (names_one_twice(topics)) co_return refuse_all(topics, ErrorCode::invalid_request);
  DeleteTopicsResponse response;
  for (const auto& asked : topics) response.responses.push_back(resolve(asked, *cluster));
  std::vector<std::string> names;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < response.responses.size(); ++i) {
    if (response.responses[i].error_code != ErrorCode::none) continue;
    names.push_back(*response.responses[i].name);
    positions.push_back(i);
  }
  if (names.empty()) co_return response;
  const std::vector<controller::Outcome> outcomes =
      co_await context.services.cluster.delete_topics(std::move(names), request.timeout_ms);
  for (std::size_t n = 0; n < outcomes.size(); ++n) {
    response.responses[positions[n]].error_code = outcomes[n].error;
    response.responses[positions[n]].error_message = outcomes[n].message;
  }
  co_return response;
}

}  // namespace broker::api
