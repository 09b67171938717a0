// DescribeTopicPartitions v0, of Kafka 4's clients: topics by name, in pages that a cursor goes on from.
#include "protocol/messages/describe_topic_partitions.h"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/api/cluster_view.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/config/config_store.h"

namespace broker::api {
namespace {

using protocol::DescribeTopicPartitionsRequest;
using protocol::DescribeTopicPartitionsResponse;
using protocol::ErrorCode;
using Topic = DescribeTopicPartitionsResponse::DescribeTopicPartitionsResponseTopic;

// Metadata's newer way to tell errors.
constexpr std::int16_t kAsMetadataVersion = 13;

void set_cursor(DescribeTopicPartitionsResponse& response, const std::string& topic, std::int32_t partition) {
  auto& cursor = response.next_cursor.emplace();
  cursor.topic_name = topic;
  cursor.partition_index = partition;
}

// Partitions from `first` on, `limit` at most; answers where to go on, -1 at the topic's end.
std::int32_t add_partitions(const RequestContext& context, const metadata::ClusterMetadata& cluster,
                            const metadata::Topic& known, std::int32_t first, std::int32_t limit, Topic& topic) {
  for (auto next = known.partitions.lower_bound(first); next != known.partitions.end(); ++next) {
    if (limit-- == 0) return next->first;
    const metadata::Partition& partition = next->second;
    ShownPartition shown = show_partition(cluster, partition, context.listener, kAsMetadataVersion);
    auto& to = topic.partitions.emplace_back();
    to.error_code = shown.error;
    to.partition_index = next->first;
    to.leader_id = shown.leader;
    to.leader_epoch = partition.leader_epoch;
    to.replica_nodes = std::move(shown.replicas);
    to.isr_nodes = std::move(shown.isr);
    to.offline_replicas = std::move(shown.offline_replicas);
    to.eligible_leader_replicas.emplace();
    to.last_known_elr.emplace();
  }
  return -1;
}

// The cursor names a partition number, and one of the topics that are asked for, if not all are.
bool may_go_on(const DescribeTopicPartitionsRequest& request) {
  if (request.cursor->partition_index < 0) return false;
  return request.topics.empty() ||
         std::ranges::any_of(request.topics, [&](const auto& topic) { return topic.name == request.cursor->topic_name; });
}

}  // namespace

Answer<DescribeTopicPartitionsResponse> handle(RequestContext& context, DescribeTopicPartitionsRequest request) {
  const auto cluster = context.services.metadata.get();
  DescribeTopicPartitionsResponse response;
  if (request.cursor && !may_go_on(request)) {
    for (auto& asked : request.topics) {
      Topic& topic = response.topics.emplace_back();
      topic.name = std::move(asked.name);
      topic.error_code = ErrorCode::invalid_request;
    }
    return response;
  }
  const std::string start = request.cursor ? request.cursor->topic_name : std::string();
  std::set<std::string> names;
  for (const auto& asked : request.topics) names.insert(asked.name);
  if (request.topics.empty()) {
    for (const auto& [name, topic] : cluster->topics) names.insert(names.end(), name);
  }
  const std::int32_t most = context.services.configs.broker()->hot().max_request_partition_size_limit;
  std::int32_t left = std::max(std::min(request.response_partition_limit, most), 1);
  for (auto name = names.lower_bound(start); name != names.end(); ++name) {
    if (left == 0) {
      set_cursor(response, *name, 0);
      break;
    }
    Topic& topic = response.topics.emplace_back();
    topic.name = *name;
    topic.is_internal = metadata::is_internal_topic(*name);
    topic.topic_authorized_operations = kAllTopicOperations;
    const metadata::Topic* known = cluster->topic(*name);
    if (known == nullptr) {
      topic.error_code = missing_topic_error(*name);
      continue;
    }
    topic.topic_id = known->id;
    const std::int32_t first = *name == start && request.cursor ? request.cursor->partition_index : 0;
    const std::int32_t next = add_partitions(context, *cluster, *known, first, left, topic);
    left -= static_cast<std::int32_t>(topic.partitions.size());
    if (next < 0) continue;
    set_cursor(response, *name, next);
    break;
  }
  return response;
}

}  // namespace broker::api
