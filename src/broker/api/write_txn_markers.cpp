// WriteTxnMarkers v0-2. v2: the transaction version of each marker. Other brokers' coordinators send it, and the tool that
// aborts a transaction which nobody ends.
#include "protocol/messages/write_txn_markers.h"

#include <algorithm>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_ports.h"

namespace broker::api {

using protocol::ErrorCode;
using protocol::WriteTxnMarkersResponse;

namespace {

// A control batch of no producer ends nobody's transaction. Kafka can't make one, and fails with the whole request.
bool names_no_producer(const protocol::WriteTxnMarkersRequest& request) {
  return std::ranges::any_of(request.markers,
                             [](const auto& marker) { return marker.producer_id < 0 || marker.producer_epoch < 0; });
}

}  // namespace

Answer<WriteTxnMarkersResponse> handle(RequestContext& context, protocol::WriteTxnMarkersRequest request) {
  WriteTxnMarkersResponse response;
  const bool refused = names_no_producer(request);
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
    std::vector<ErrorCode> errors(partitions.size(), ErrorCode::unknown_server_error);
    if (!refused) errors = co_await context.services.markers.write(marker, std::move(partitions));
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
