// DescribeProducers v0.
#include "protocol/messages/describe_producers.h"

#include <string>
#include <utility>

#include "broker/api/error_texts.h"
#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/request_context.h"
#include "broker/controller/topic_rules.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {

namespace {

using protocol::DescribeProducersResponse;
using protocol::ErrorCode;
using PartitionAnswer = DescribeProducersResponse::PartitionResponse;

// What is wrong with the topic itself; of a partition that it hasn't got Kafka says no word but the code.
PartitionAnswer refusal_of(const RequestContext& context, const std::string& topic) {
  PartitionAnswer refusal;
  if (auto problem = controller::topic_name_error(topic)) {
    refusal.error_code = ErrorCode::invalid_topic_exception;
    refusal.error_message = std::move(problem);
  } else if (context.services.metadata.get()->topic(topic) == nullptr) {
    refusal.error_code = ErrorCode::unknown_topic_or_partition;
    refusal.error_message = kTextOfUnknownPartition;
  }
  return refusal;
}

}  // namespace

Answer<DescribeProducersResponse> handle(RequestContext& context, protocol::DescribeProducersRequest request) {
  DescribeProducersResponse response;
  for (const auto& topic : request.topics) {
    auto& topic_answer = response.topics.emplace_back();
    topic_answer.name = topic.name;
    const PartitionAnswer refusal = refusal_of(context, topic.name);
    for (const std::int32_t number : topic.partition_indexes) {
      PartitionAnswer& answer = topic_answer.partitions.emplace_back(refusal);
      answer.partition_index = number;
      if (refusal.error_code != ErrorCode::none) continue;
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
