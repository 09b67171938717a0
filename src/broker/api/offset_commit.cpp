// OffsetCommit v0-10. v1: generation and member, a timestamp for each offset (gone in v2). v2-4: a retention of the
// client's own. v3: throttle time. v6: leader epochs. v7: static members. v9: member epochs of newer groups. v10:
// topics by id. Unlike Kafka, which puts offsets of v0 into ZooKeeper, all versions go into __consumer_offsets.
#include "protocol/messages/offset_commit.h"

#include <utility>

#include "base/clock.h"
#include "base/saturating.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::OffsetCommitRequest;
using protocol::OffsetCommitResponse;

constexpr std::int16_t kFirstVersionWithTopicIds = 10;

void fill_commit(group::OffsetCommit& commit, const std::string& topic, OffsetCommitRequest::OffsetCommitRequestPartition& one,
                 std::int64_t retention_ms, std::int64_t now_ms) {
  commit.partition.topic = topic;
  commit.partition.partition = one.partition_index;
  commit.value.offset = one.committed_offset;
  commit.value.leader_epoch = one.committed_leader_epoch;
  if (one.committed_metadata) commit.value.metadata = std::move(*one.committed_metadata);
  commit.value.commit_timestamp = one.commit_timestamp;
  if (retention_ms != -1) commit.value.expire_timestamp = base::saturating_add(now_ms, retention_ms);
}

// Fills the response with what can be told at once, and the rest into `commits`. Takes names and metadata out of the request.
void sort_out(const RequestContext& context, OffsetCommitRequest& request, OffsetCommitResponse& response,
              std::vector<group::OffsetCommit>& commits) {
  const auto cluster = context.services.metadata.get();
  const bool by_id = context.api_version >= kFirstVersionWithTopicIds;
  std::size_t count = 0;
  for (const auto& topic : request.topics) count += topic.partitions.size();
  commits.reserve(count);
  response.topics.reserve(request.topics.size());
  const std::int64_t retention_ms = request.retention_time_ms;
  const std::int64_t now_ms = retention_ms == -1 ? 0 : context.services.clock.wall_ms();
  for (auto& topic : request.topics) {
    const metadata::Topic* known = by_id ? cluster->topic(topic.topic_id) : cluster->topic(topic.name);
    auto& answer = response.topics.emplace_back();
    answer.name = std::move(topic.name);
    answer.topic_id = topic.topic_id;
    answer.partitions.reserve(topic.partitions.size());
    for (auto& partition : topic.partitions) {
      auto& one = answer.partitions.emplace_back();
      one.partition_index = partition.partition_index;
      if (!known) {
        one.error_code = by_id ? ErrorCode::unknown_topic_id : ErrorCode::unknown_topic_or_partition;
      } else if (!known->partitions.contains(partition.partition_index)) {
        one.error_code = ErrorCode::unknown_topic_or_partition;
      } else {
        fill_commit(commits.emplace_back(), known->name, partition, retention_ms, now_ms);
      }
    }
  }
}

// In their order, those that were passed on: all that have no error yet.
void fill(OffsetCommitResponse& response, const std::vector<ErrorCode>& outcomes) {
  auto outcome = outcomes.begin();
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      if (partition.error_code == ErrorCode::none) partition.error_code = *outcome++;
    }
  }
}

base::Task<OffsetCommitResponse> fill_later(OffsetCommitResponse response, base::Task<std::vector<ErrorCode>> outcomes) {
  const std::vector<ErrorCode> codes = co_await std::move(outcomes);
  fill(response, codes);
  co_return response;
}

}  // namespace

Answer<OffsetCommitResponse> handle(RequestContext& context, OffsetCommitRequest request) {
  OffsetCommitResponse response;
  group::CommitRequest commit;
  sort_out(context, request, response, commit.commits);
  if (commit.commits.empty()) return response;
  commit.group_id = std::move(request.group_id);
  commit.who.member_id = std::move(request.member_id);
  commit.who.group_instance_id = std::move(request.group_instance_id);
  commit.generation = request.generation_id_or_member_epoch;
  commit.version = context.api_version;
  group::CommitAnswer outcomes = context.services.groups.begin_commit(std::move(commit));
  if (auto* const later = std::get_if<base::Task<std::vector<ErrorCode>>>(&outcomes)) {
    return fill_later(std::move(response), std::move(*later));
  }
  fill(response, std::get<std::vector<ErrorCode>>(outcomes));
  return response;
}

}  // namespace broker::api
