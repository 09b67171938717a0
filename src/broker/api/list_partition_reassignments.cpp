// ListPartitionReassignments v0: those under way that the znodes of the topics tell of, which another controller has begun.
#include "protocol/messages/list_partition_reassignments.h"

#include <string>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::ListPartitionReassignmentsRequest;
using protocol::ListPartitionReassignmentsResponse;

void add(ListPartitionReassignmentsResponse& response, const std::string& topic, std::int32_t number,
         const metadata::Partition& partition) {
  if (partition.adding_replicas.empty() && partition.removing_replicas.empty()) return;
  if (response.topics.empty() || response.topics.back().name != topic) response.topics.emplace_back().name = topic;
  auto& to = response.topics.back().partitions.emplace_back();
  to.partition_index = number;
  to.replicas = partition.replicas;
  to.adding_replicas = partition.adding_replicas;
  to.removing_replicas = partition.removing_replicas;
}

}  // namespace

Answer<ListPartitionReassignmentsResponse> handle(RequestContext& context, ListPartitionReassignmentsRequest request) {
  const auto cluster = context.services.metadata.get();
  ListPartitionReassignmentsResponse response;
  if (cluster->controller_id != context.services.broker_id) {
    response.error_code = ErrorCode::not_controller;
    return response;
  }
  if (!request.topics) {
    for (const auto& [name, topic] : cluster->topics) {
      for (const auto& [number, partition] : topic->partitions) add(response, name, number, partition);
    }
    return response;
  }
  for (const auto& asked : *request.topics) {
    const metadata::Topic* topic = cluster->topic(asked.name);
    for (const std::int32_t number : asked.partition_indexes) {
      if (topic == nullptr) continue;
      if (const auto found = topic->partitions.find(number); found != topic->partitions.end()) add(response, asked.name, number, found->second);
    }
  }
  return response;
}

}  // namespace broker::api
