// DescribeProducers v0.
#include "protocol/messages/describe_producers.h"

#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/request_context.h"

namespace broker::api {

using protocol::DescribeProducersResponse;

Answer<DescribeProducersResponse> handle(RequestContext& context, protocol::DescribeProducersRequest request) {
  DescribeProducersResponse response;
  for (const auto& topic : request.topics) {
    auto& topic_answer = response.topics.emplace_back();
    topic_answer.name = topic.name;
    for (const std::int32_t number : topic.partition_indexes) {
      auto& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = number;
      const FoundPartition found = find_partition(context, topic.name, number);
      answer.error_code = found.error;
      if (!found.partition) continue;
      for (const storage::ActiveProducer& active : found.partition->log()->active_producers()) {
        auto& producer = answer.active_producers.emplace_back();
        producer.producer_id = active.producer_id;
        producer.producer_epoch = active.producer_epoch;
        producer.last_sequence = active.last_sequence;
        producer.last_timestamp = active.last_timestamp;
        producer.coordinator_epoch = active.coordinator_epoch;
        producer.current_txn_start_offset = active.current_transaction_first_offset;
      }
    }
  }
  return response;
}

}  // namespace broker::api
