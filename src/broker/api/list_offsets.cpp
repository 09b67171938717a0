// ListOffsets v0-11. v0: where segments start (max_num_offsets of them). v1: one offset with its timestamp. v2:
// isolation level. v4: leader epochs. v7: the record with the largest timestamp. v8: earliest local offset. v9: latest
// tiered offset. v10: timeout. v11: earliest offset that isn't tiered yet. Nothing is tiered here.
#include "protocol/messages/list_offsets.h"

#include <functional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/request_context.h"
#include "broker/partition/read_ahead.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::ListOffsetsRequest;
using protocol::ListOffsetsResponse;
using PartitionAnswer = ListOffsetsResponse::ListOffsetsPartitionResponse;

constexpr std::int64_t kEarliestPendingUploadTimestamp = -6;

bool is_supported(std::int64_t timestamp, std::int16_t version) {
  if (timestamp >= storage::kEarliestTimestamp) return true;
  if (timestamp == storage::kMaxTimestamp) return version >= 7;
  if (timestamp == storage::kEarliestLocalTimestamp) return version >= 8;
  if (timestamp == storage::kLatestTieredTimestamp) return version >= 9;
  return timestamp == kEarliestPendingUploadTimestamp && version >= 11;
}

// Only consumers, -1, have one; besides them there are followers, and tools with -2.
storage::ReadIsolation isolation_of(const ListOffsetsRequest& request) {
  if (request.replica_id != -1) return storage::ReadIsolation::log_end;
  return request.isolation_level == 1 ? storage::ReadIsolation::transactions_committed
                                      : storage::ReadIsolation::high_watermark;
}

void look_up(const RequestContext& context, const ListOffsetsRequest& request, const std::string& topic,
             const ListOffsetsRequest::ListOffsetsPartition& wanted, PartitionAnswer& answer) {
  if (!is_supported(wanted.timestamp, context.api_version)) {
    answer.error_code = ErrorCode::unsupported_version;
    return;
  }
  if (request.replica_id == -1 && request.isolation_level != 0 && request.isolation_level != 1) {
    answer.error_code = ErrorCode::unknown_server_error;
    return;
  }
  FoundPartition found = find_partition(context, topic, wanted.partition_index);
  answer.error_code = found.error;
  if (!found.partition) return;
  if (context.api_version == 0) {
    auto offsets = found.partition->offsets_before(wanted.timestamp, wanted.max_num_offsets, request.replica_id == -1);
    answer.error_code = offsets.error();
    if (offsets) answer.old_style_offsets = *std::move(offsets);
    return;
  }
  if (wanted.timestamp == kEarliestPendingUploadTimestamp) return;  // there is none
  auto offset = found.partition->list_offset(wanted.current_leader_epoch, wanted.timestamp, isolation_of(request));
  if (!offset) {
    answer.error_code = offset.error();
    return;
  }
  answer.offset = offset->offset;
  answer.timestamp = offset->timestamp;
  if (context.api_version >= 4) answer.leader_epoch = offset->leader_epoch;
}

// Searches by time read indexes and batches, and v0 asks for the times of files.
bool reads_files(const RequestContext& context, const ListOffsetsRequest& request) {
  if (context.api_version == 0) return true;
  for (const ListOffsetsRequest::ListOffsetsTopic& topic : request.topics) {
    for (const ListOffsetsRequest::ListOffsetsPartition& wanted : topic.partitions) {
      if (wanted.timestamp >= 0 || wanted.timestamp == storage::kMaxTimestamp) return true;
    }
  }
  return false;
}

using Name = std::pair<std::string_view, std::int32_t>;

// What is asked for more than once. v0 asks for as many times as it likes.
std::set<Name> repeated(const RequestContext& context, const ListOffsetsRequest& request) {
  std::set<Name> once, again;
  if (context.api_version == 0) return again;
  for (const ListOffsetsRequest::ListOffsetsTopic& topic : request.topics) {
    for (const ListOffsetsRequest::ListOffsetsPartition& wanted : topic.partitions) {
      if (!once.emplace(topic.name, wanted.partition_index).second) again.emplace(topic.name, wanted.partition_index);
    }
  }
  return again;
}

ListOffsetsResponse look_all_up(const RequestContext& context, const ListOffsetsRequest& request) {
  ListOffsetsResponse response;
  const std::set<Name> ambiguous = repeated(context, request);
  for (const ListOffsetsRequest::ListOffsetsTopic& topic : request.topics) {
    ListOffsetsResponse::ListOffsetsTopicResponse& topic_answer = response.topics.emplace_back();
    topic_answer.name = topic.name;
    for (const ListOffsetsRequest::ListOffsetsPartition& wanted : topic.partitions) {
      PartitionAnswer& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = wanted.partition_index;
      if (ambiguous.contains({topic.name, wanted.partition_index})) {
        answer.error_code = ErrorCode::invalid_request;
      } else {
        look_up(context, request, topic.name, wanted, answer);
      }
    }
  }
  return response;
}

}  // namespace

Answer<ListOffsetsResponse> handle(RequestContext& context, ListOffsetsRequest request) {
  ListOffsetsResponse response;
  if (reads_files(context, request)) {
    std::function<void()> work = [&] { response = look_all_up(context, request); };
    co_await partition::look_up_aside(std::move(work));
  } else {
    response = look_all_up(context, request);
  }
  co_return response;
}

}  // namespace broker::api
