// ElectLeaders v0-2. v0: preferred only. v1: unclean, error at the top. v2: flexible. Null asks for all partitions, of
// which only those are answered that needed an election.
#include "protocol/messages/elect_leaders.h"

#include <map>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/controller/cluster.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using controller::TopicPartition;
using protocol::ElectLeadersRequest;
using protocol::ElectLeadersResponse;
using protocol::ErrorCode;

constexpr std::int8_t kPreferred = 0;
constexpr std::int8_t kUnclean = 1;

std::vector<TopicPartition> asked_partitions(const ElectLeadersRequest& request,
                                             const metadata::ClusterMetadata& cluster) {
  std::vector<TopicPartition> partitions;
  if (request.topic_partitions) {
    for (const auto& topic : *request.topic_partitions) {
      for (const std::int32_t number : topic.partitions) partitions.push_back(TopicPartition{topic.topic, number});
    }
  } else {
    for (const auto& [name, topic] : cluster.topics) {
      for (const auto& [number, partition] : topic->partitions) partitions.push_back(TopicPartition{name, number});
    }
  }
  return partitions;
}

// Each as often as it is named; none if all are meant.
ElectLeadersResponse refuse_type(ElectLeadersRequest request) {
  ElectLeadersResponse response;
  response.error_code = ErrorCode::unknown_server_error;
  if (!request.topic_partitions) return response;
  for (auto& topic : *request.topic_partitions) {
    auto& result = response.replica_election_results.emplace_back();
    result.topic = std::move(topic.topic);
    for (const std::int32_t number : topic.partitions) {
      auto& answer = result.partition_result.emplace_back();
      answer.partition_id = number;
      answer.error_code = ErrorCode::unknown_server_error;
      answer.error_message = std::nullopt;
    }
  }
  return response;
}

}  // namespace

Answer<ElectLeadersResponse> handle(RequestContext& context, ElectLeadersRequest request) {
  const auto cluster = context.services.metadata.get();
  if (request.election_type != kPreferred && request.election_type != kUnclean) co_return refuse_type(std::move(request));
  std::vector<TopicPartition> partitions = asked_partitions(request, *cluster);
  ElectLeadersResponse response;
  const bool unclean = request.election_type == kUnclean;
  std::map<TopicPartition, controller::Outcome> outcomes =
      co_await context.services.cluster.elect_leaders(std::move(partitions), unclean, request.timeout_ms);
  for (auto& [which, outcome] : outcomes) {
    if (!request.topic_partitions && outcome.error == ErrorCode::election_not_needed) continue;
    if (response.replica_election_results.empty() || response.replica_election_results.back().topic != which.topic) {
      response.replica_election_results.emplace_back().topic = which.topic;
    }
    auto& answer = response.replica_election_results.back().partition_result.emplace_back();
    answer.partition_id = which.partition;
    answer.error_code = outcome.error;
    answer.error_message = std::move(outcome.message);
  }
  co_return response;
}

}  // namespace broker::api
