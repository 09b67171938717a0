// DeleteRecords v0-2. v2: flexible.
#include "protocol/messages/delete_records.h"

#include <map>
#include <string>

#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/request_context.h"

namespace broker::api {
namespace {

using protocol::DeleteRecordsRequest;
using protocol::DeleteRecordsResponse;
using protocol::ErrorCode;

protocol::Result<std::int64_t> delete_up_to(const RequestContext& context, const std::string& topic,
                                            const DeleteRecordsRequest::DeleteRecordsPartition& wanted) {
  FoundPartition found = find_partition(context, topic, wanted.partition_index);
  if (found.partition && metadata::is_internal_topic(topic)) return ErrorCode::invalid_topic_exception;
  if (!found.partition) return found.error;
  return found.partition->delete_records(wanted.offset);
}

}  // namespace

Answer<DeleteRecordsResponse> handle(RequestContext& context, DeleteRecordsRequest request) {
  DeleteRecordsResponse response;
  // What is named twice counts as it was named last, as in Kafka, which makes a map of them.
  std::map<std::string, std::map<std::int32_t, DeleteRecordsRequest::DeleteRecordsPartition>> asked;
  for (const auto& topic : request.topics) {
    for (const auto& wanted : topic.partitions) asked[topic.name][wanted.partition_index] = wanted;
  }
  for (const auto& [topic, partitions] : asked) {
    auto& topic_answer = response.topics.emplace_back();
    topic_answer.name = topic;
    for (const auto& [number, wanted] : partitions) {
      auto& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = number;
      auto low_watermark = delete_up_to(context, topic, wanted);
      answer.error_code = low_watermark ? ErrorCode::none : low_watermark.error();
      answer.low_watermark = low_watermark ? *low_watermark : -1;
    }
  }
  return response;
}

}  // namespace broker::api
