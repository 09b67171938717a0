// WriteTxnMarkers v0-2. v2: the transaction version of each marker. Other brokers' coordinators send it, and the tool that
// aborts a transaction which nobody ends.
#include "protocol/messages/write_txn_markers.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/repeated_partitions.h"
#include "broker/api/request_context.h"
#include "broker/transaction/transaction_ports.h"

namespace broker::api {

using protocol::ErrorCode;
using protocol::WriteTxnMarkersResponse;

namespace {

bool leads_any(const RequestContext& context, const protocol::WriteTxnMarkersRequest::WritableTxnMarker& marker) {
  for (const auto& topic : marker.topics) {
    for (const std::int32_t number : topic.partition_indexes) {
      if (find_partition(context, topic.name, number).partition) return true;
    }
  }
  return false;
}

// A control batch of no producer ends nobody's transaction. Kafka can't make one, and fails with the whole request where it has to.
bool names_no_producer(const RequestContext& context, const protocol::WriteTxnMarkersRequest& request) {
  return std::ranges::any_of(request.markers, [&context](const auto& marker) {
    return (marker.producer_id < 0 || marker.producer_epoch < 0) && leads_any(context, marker);
  });
}

// Each once; Kafka never answers a request that names one twice in a marker.
std::vector<transaction::TopicPartition> partitions_of(const protocol::WriteTxnMarkersRequest::WritableTxnMarker& marker) {
  std::vector<transaction::TopicPartition> partitions;
  for (const auto& topic : marker.topics) {
    for (const std::int32_t number : topic.partition_indexes) {
      transaction::TopicPartition& one = partitions.emplace_back();
      one.topic = topic.name;
      one.partition = number;
    }
  }
  keep_each_once(partitions);
  return partitions;
}

// By producer id, whose markers are answered together, as in Kafka: of two in one partition, the later one.
using Results = std::map<std::int64_t, std::map<std::string, std::map<std::int32_t, ErrorCode>>>;

WriteTxnMarkersResponse response_of(const Results& results) {
  WriteTxnMarkersResponse response;
  for (const auto& [producer_id, topics] : results) {
    auto& result = response.markers.emplace_back();
    result.producer_id = producer_id;
    for (const auto& [name, partitions] : topics) {
      auto& topic = result.topics.emplace_back();
      topic.name = name;
      for (const auto& [number, error] : partitions) {
        auto& partition = topic.partitions.emplace_back();
        partition.partition_index = number;
        partition.error_code = error;
      }
    }
  }
  return response;
}

}  // namespace

Answer<WriteTxnMarkersResponse> handle(RequestContext& context, protocol::WriteTxnMarkersRequest request) {
  const bool refused = names_no_producer(context, request);
  Results results;
  for (const auto& wanted : request.markers) {
    transaction::TransactionMarker marker;
    marker.producer = {wanted.producer_id, wanted.producer_epoch};
    marker.committed = wanted.transaction_result;
    marker.coordinator_epoch = wanted.coordinator_epoch;
    marker.client_version = wanted.transaction_version;
    const std::vector<transaction::TopicPartition> partitions = partitions_of(wanted);
    std::vector<ErrorCode> errors(partitions.size(), ErrorCode::unknown_server_error);
    if (!refused) {
      std::vector<transaction::TopicPartition> written = partitions;
      errors = co_await context.services.markers.write(marker, std::move(written));
    }
    if (partitions.empty()) continue;
    auto& result = results[wanted.producer_id];
    for (std::size_t at = 0; at < partitions.size(); ++at) result[partitions[at].topic][partitions[at].partition] = errors[at];
  }
  co_return response_of(results);
}

}  // namespace broker::api
