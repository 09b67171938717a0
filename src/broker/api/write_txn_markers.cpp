// WriteTxnMarkers v0-2. v2: the transaction version of each marker. Other brokers' coordinators send it, and the tool that
// aborts a transaction which nobody ends.
#include "protocol/messages/write_txn_markers.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_ports.h"

namespace broker::api {

using protocol::ErrorCode;
using protocol::WriteTxnMarkersResponse;

Answer<WriteTxnMarkersResponse> handle(RequestContext& context, protocol::WriteTxnMarkersRequest request) {
  WriteTxnMarkersResponse response;
  for (auto& wanted : request.markers) {
    transaction::TransactionMarker marker;
    marker.producer = {wanted.producer_id, wanted.producer_epoch};
    marker.committed = wanted.transaction_result;
    marker.coordinator_epoch = wanted.coordinator_epoch;
    marker.client_version = wanted.transaction_version;
    std::vector<transaction::TopicPartition> partitions;
    for (const auto& topic : wanted.topics) {
      for (const std::int32_t number : topic.partition_indexes) {
        transaction::TopicPartition& one = partitions.emplace_back();
        one.topic = topic.name;
        one.partition = number;
      }
    }
    const std::vector<ErrorCode> errors = co_await context.services.markers.write(marker, std::move(partitions));
    auto& result = response.markers.emplace_back();
    result.producer_id = wanted.producer_id;
    std::size_t at = 0;
    for (auto& topic : wanted.topics) {
      auto& topic_result = result.topics.emplace_back();
      topic_result.name = std::move(topic.name);
      for (const std::int32_t number : topic.partition_indexes) {
        auto& partition = topic_result.partitions.emplace_back();
        partition.partition_index = number;
        partition.error_code = errors[at++];
      }
    }
  }
  co_return response;
}

}  // namespace broker::api
