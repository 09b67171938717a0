// OffsetFetch v0-10. v2: an error for the group; null topics ask for all. v3: throttle time. v5: leader epochs. v7:
// only stable offsets, if asked. v8: several groups. v9: member epochs of newer groups. v10: topics by id.
#include "protocol/messages/offset_fetch.h"

#include <map>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/repeated_partitions.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::OffsetFetchRequest;
using protocol::OffsetFetchResponse;

constexpr std::int16_t kFirstVersionWithGroupError = 2;
constexpr std::int16_t kFirstVersionOfBatches = 8;
constexpr std::int16_t kFirstVersionWithTopicIds = 10;

template <class Partition>
void fill(Partition& to, const group::FetchedOffset& from) {
  to.partition_index = from.partition.partition;
  to.committed_offset = from.value.offset;
  to.committed_leader_epoch = from.value.leader_epoch;
  to.metadata = from.value.metadata;
  to.error_code = from.error;
}

// Puts offsets into topics, in the order in which the topics come.
template <class Topics>
void fill_topics(Topics& topics, const std::vector<group::FetchedOffset>& offsets) {
  std::map<std::string, std::size_t> index;
  for (const group::FetchedOffset& one : offsets) {
    const auto [at, added] = index.try_emplace(one.partition.topic, topics.size());
    if (added) topics.emplace_back().name = one.partition.topic;
    fill(topics[at->second].partitions.emplace_back(), one);
  }
}

std::vector<group::TopicPartition> partitions_of(const std::string& topic, const std::vector<std::int32_t>& indexes) {
  std::vector<group::TopicPartition> partitions;
  for (const std::int32_t index : indexes) {
    group::TopicPartition& one = partitions.emplace_back();
    one.topic = topic;
    one.partition = index;
  }
  return partitions;
}

template <class Topics>
std::optional<std::vector<group::TopicPartition>> wanted(const std::optional<Topics>& topics) {
  if (!topics) return std::nullopt;
  std::vector<group::TopicPartition> partitions;
  for (const auto& topic : *topics) {
    for (auto& one : partitions_of(topic.name, topic.partition_indexes)) partitions.push_back(std::move(one));
  }
  keep_each_once(partitions);
  return partitions;
}

base::Task<OffsetFetchResponse> fetch_one(RequestContext& context, OffsetFetchRequest request) {
  OffsetFetchResponse response;
  auto partitions = wanted(request.topics);
  group::FetchOffsetsResult result =
      co_await context.services.groups.fetch_offsets(request.group_id, partitions, request.require_stable);
  if (result.error != ErrorCode::none) {
    if (context.api_version >= kFirstVersionWithGroupError) {
      response.error_code = result.error;
      co_return response;
    }
    for (group::TopicPartition& partition : *partitions) {  // never null before that version
      group::FetchedOffset& one = result.offsets.emplace_back();
      one.partition = std::move(partition);
      one.error = result.error;
    }
  }
  for (group::FetchedOffset& one : result.offsets) {  // what v0 says where there is none
    const bool none = one.error == ErrorCode::none && one.value.offset < 0;
    if (none && context.api_version == 0) one.error = ErrorCode::unknown_topic_or_partition;
  }
  fill_topics(response.topics, result.offsets);
  co_return response;
}

// By id: names are looked up, and put back as ids. Those that nobody knows are answered so.
void name_topics(const metadata::ClusterMetadata& cluster, OffsetFetchRequest::OffsetFetchRequestGroup& request,
                 OffsetFetchResponse::OffsetFetchResponseGroup& answer) {
  if (!request.topics) return;
  std::vector<OffsetFetchRequest::OffsetFetchRequestTopics> known;
  for (auto& topic : *request.topics) {
    if (const metadata::Topic* found = cluster.topic(topic.topic_id)) {
      topic.name = found->name;
      known.push_back(std::move(topic));
      continue;
    }
    auto& unknown = answer.topics.emplace_back();
    unknown.topic_id = topic.topic_id;
    for (const std::int32_t index : topic.partition_indexes) {
      auto& one = unknown.partitions.emplace_back();
      one.partition_index = index;
      one.committed_offset = -1;
      one.error_code = ErrorCode::unknown_topic_id;
    }
  }
  request.topics = std::move(known);
}

void put_ids(const metadata::ClusterMetadata& cluster, OffsetFetchResponse::OffsetFetchResponseGroup& answer) {
  for (auto& topic : answer.topics) {
    if (topic.name.empty()) continue;  // unknown, and has its id
    if (const metadata::Topic* found = cluster.topic(topic.name)) topic.topic_id = found->id;
  }
  // All offsets were asked for, and some are of topics that are gone.
  std::erase_if(answer.topics, [](const auto& topic) { return topic.topic_id.is_zero() && !topic.name.empty(); });
}

}  // namespace

Answer<OffsetFetchResponse> handle(RequestContext& context, OffsetFetchRequest request) {
  if (context.api_version < kFirstVersionOfBatches) co_return co_await fetch_one(context, std::move(request));
  const auto cluster = context.services.metadata.get();
  const bool by_id = context.api_version >= kFirstVersionWithTopicIds;
  OffsetFetchResponse response;
  for (auto& group : request.groups) {
    OffsetFetchResponse::OffsetFetchResponseGroup answer;
    answer.group_id = group.group_id;
    if (by_id) name_topics(*cluster, group, answer);
    auto partitions = wanted(group.topics);
    group::FetchingMember member;
    member.member_id = std::move(group.member_id);
    member.epoch = group.member_epoch;
    const group::FetchOffsetsResult result = co_await context.services.groups.fetch_offsets(
        group.group_id, std::move(partitions), request.require_stable, std::move(member));
    answer.error_code = result.error;
    if (result.error != ErrorCode::none) answer.topics.clear();
    fill_topics(answer.topics, result.offsets);
    if (by_id) put_ids(*cluster, answer);
    response.groups.push_back(std::move(answer));
  }
  co_return response;
}

}  // namespace broker::api
