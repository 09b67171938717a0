// AddOffsetsToTxn v0-4. v2: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH. v4: TRANSACTION_ABORTABLE may be answered.
// The group's partition of __consumer_offsets becomes a part of the transaction. Clients ask for this before they look for
// the group's coordinator, so it may be the first that anybody wants of that topic.
#include "protocol/messages/add_offsets_to_txn.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::api {

using protocol::ErrorCode;

Answer<protocol::AddOffsetsToTxnResponse> handle(RequestContext& context, protocol::AddOffsetsToTxnRequest request) {
  protocol::AddOffsetsToTxnResponse response;
  const auto partition = co_await context.services.groups.partition_for(std::move(request.group_id));
  if (!partition) {
    response.error_code = ErrorCode::coordinator_not_available;
    co_return response;
  }
  std::vector<transaction::TopicPartition> partitions(1);
  partitions.front().topic = metadata::kOffsetsTopic;
  partitions.front().partition = *partition;
  const transaction::ProducerIdentity producer{request.producer_id, request.producer_epoch};
  const ErrorCode error = co_await context.services.transactions.add_partitions(std::move(request.transactional_id),
                                                                                producer, std::move(partitions), 0);
  response.error_code = transaction::error_for(error, context.api_version, transaction::kFirstVersionWithFenced);
  co_return response;
}

}  // namespace broker::api
