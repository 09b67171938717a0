// OffsetDelete v0.
#include "protocol/messages/offset_delete.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;

struct Place {
  std::size_t topic = 0;
  std::size_t partition = 0;
};

}  // namespace

Answer<protocol::OffsetDeleteResponse> handle(RequestContext& context, protocol::OffsetDeleteRequest request) {
  protocol::OffsetDeleteResponse response;
  const auto cluster = context.services.metadata.get();
  std::vector<group::TopicPartition> partitions;
  std::vector<Place> places;
  for (const auto& topic : request.topics) {
    const metadata::Topic* known = cluster->topic(topic.name);
    auto& answer = response.topics.emplace_back();
    answer.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& one = answer.partitions.emplace_back();
      one.partition_index = partition.partition_index;
      if (!known || !known->partitions.contains(partition.partition_index)) {
        one.error_code = ErrorCode::unknown_topic_or_partition;
        continue;
      }
      group::TopicPartition& wanted = partitions.emplace_back();
      wanted.topic = topic.name;
      wanted.partition = partition.partition_index;
      places.push_back({response.topics.size() - 1, answer.partitions.size() - 1});
    }
  }
  const group::DeleteOffsetsResult result =
      co_await context.services.groups.delete_offsets(std::move(request.group_id), std::move(partitions));
  if (result.error != ErrorCode::none) {
    response.error_code = result.error;
    response.topics.clear();
    co_return response;
  }
  for (std::size_t i = 0; i < result.partitions.size(); ++i) {
    response.topics[places[i].topic].partitions[places[i].partition].error_code = result.partitions[i];
  }
  co_return response;
}

}  // namespace broker::api
