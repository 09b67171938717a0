// OffsetForLeaderEpoch v0-4. v1: the epoch of the answer. v2: the client's leader epoch is checked; throttle time. v3:
// replica id.
#include "protocol/messages/offset_for_leader_epoch.h"

#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/request_context.h"

namespace broker::api {

using protocol::OffsetForLeaderEpochRequest;
using protocol::OffsetForLeaderEpochResponse;

Answer<OffsetForLeaderEpochResponse> handle(RequestContext& context, OffsetForLeaderEpochRequest request) {
  OffsetForLeaderEpochResponse response;
  for (const auto& topic : request.topics) {
    auto& topic_answer = response.topics.emplace_back();
    topic_answer.topic = topic.topic;
    for (const auto& wanted : topic.partitions) {
      auto& answer = topic_answer.partitions.emplace_back();
      answer.partition = wanted.partition;
      FoundPartition found = find_partition(context, topic.topic, wanted.partition);
      answer.error_code = found.error;
      if (!found.partition) continue;
      auto end = found.partition->epoch_end_offset(wanted.current_leader_epoch, wanted.leader_epoch);
      if (end) {
        answer.leader_epoch = end->leader_epoch;
        answer.end_offset = end->end_offset;
      } else {
        answer.error_code = end.error();
      }
    }
  }
  return response;
}

}  // namespace broker::api
