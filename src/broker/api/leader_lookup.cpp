#include "broker/api/leader_lookup.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;

bool has_partition(const metadata::Topic* topic, std::int32_t partition) {
  return topic && topic->partitions.contains(partition);
}

[[gnu::cold]] ErrorCode why_not_here(const RequestContext& context, std::string_view topic, std::int32_t partition) {
  if (context.services.partitions.is_offline(topic, partition)) return ErrorCode::kafka_storage_error;
  const bool known = has_partition(context.services.metadata.get()->topic(topic), partition);
  return known ? ErrorCode::not_leader_or_follower : ErrorCode::unknown_topic_or_partition;
}

[[gnu::cold]] ErrorCode why_not_here(const RequestContext& context, const base::Uuid& topic_id, std::int32_t partition) {
  const auto cluster = context.services.metadata.get();
  const metadata::Topic* topic = cluster->topic(topic_id);
  if (!topic) return ErrorCode::unknown_topic_id;
  if (context.services.partitions.is_offline(topic->name, partition)) return ErrorCode::kafka_storage_error;
  return has_partition(topic, partition) ? ErrorCode::not_leader_or_follower : ErrorCode::unknown_topic_or_partition;
}

}  // namespace

FoundPartition find_partition(const RequestContext& context, std::string_view topic, std::int32_t partition) {
  FoundPartition found;
  found.partition = context.services.partitions.find(topic, partition);
  if (!found.partition) found.error = why_not_here(context, topic, partition);
  return found;
}

FoundPartition find_partition(const RequestContext& context, const base::Uuid& topic_id, std::int32_t partition) {
  FoundPartition found;
  found.partition = context.services.partitions.find(topic_id, partition);
  if (!found.partition) found.error = why_not_here(context, topic_id, partition);
  return found;
}

bool wants_leader_hint(ErrorCode error) {
  return error == ErrorCode::not_leader_or_follower || error == ErrorCode::fenced_leader_epoch;
}

LeaderHint leader_hint(const RequestContext& context, std::string_view topic_name, const base::Uuid& topic_id,
                       std::int32_t partition) {
  LeaderHint hint;
  auto cluster = context.services.metadata.get();
  const metadata::Topic* topic = topic_name.empty() ? cluster->topic(topic_id) : cluster->topic(topic_name);
  if (!has_partition(topic, partition)) return hint;
  const metadata::Partition& state = topic->partitions.at(partition);
  hint.leader_id = state.leader;
  hint.leader_epoch = state.leader_epoch;
  auto leader = cluster->brokers.find(state.leader);
  if (leader == cluster->brokers.end()) return hint;
  for (const metadata::Endpoint& endpoint : leader->second.endpoints) {
    if (endpoint.listener != context.listener) continue;
    hint.host = endpoint.host;
    hint.port = endpoint.port;
    hint.rack = leader->second.rack;
  }
  return hint;
}

}  // namespace broker::api
