// TxnOffsetCommit v0-5. v2: leader epochs. v3: the member that commits (KIP-447). v4: the client knows
// TRANSACTION_ABORTABLE. v5: the group's partition is added to the transaction implicitly.
#include "protocol/messages/txn_offset_commit.h"

#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/api/transaction_check.h"
#include "broker/config/config_store.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::TxnOffsetCommitRequest;
using protocol::TxnOffsetCommitResponse;

constexpr std::int16_t kFirstVersionWithLoading = 2;
constexpr std::int16_t kFirstVersionWithAbortable = 4;
constexpr std::int16_t kFirstVersionThatAdds = 5;

// Where in the response the outcome of a commit belongs.
struct Place {
  std::size_t topic = 0;
  std::size_t partition = 0;
};

void sort_out(const RequestContext& context, const TxnOffsetCommitRequest& request, TxnOffsetCommitResponse& response,
              std::vector<group::OffsetCommit>& commits, std::vector<Place>& places) {
  const auto cluster = context.services.metadata.get();
  for (const auto& topic : request.topics) {
    const metadata::Topic* known = cluster->topic(topic.name);
    auto& answer = response.topics.emplace_back();
    answer.name = topic.name;
    for (const auto& partition : topic.partitions) {
      auto& one = answer.partitions.emplace_back();
      one.partition_index = partition.partition_index;
      if (known == nullptr || !known->partitions.contains(partition.partition_index)) {
        one.error_code = ErrorCode::unknown_topic_or_partition;
        continue;
      }
      group::OffsetCommit& commit = commits.emplace_back();
      commit.partition.topic = topic.name;
      commit.partition.partition = partition.partition_index;
      commit.value.offset = partition.committed_offset;
      commit.value.leader_epoch = partition.committed_leader_epoch;
      commit.value.metadata = partition.committed_metadata.value_or("");
      places.push_back({response.topics.size() - 1, answer.partitions.size() - 1});
    }
  }
}

// As Kafka translates what the transaction's coordinator says into what a producer expects of the group's.
ErrorCode error_of_check(ErrorCode error) {
  switch (error) {
    case ErrorCode::concurrent_transactions:
    case ErrorCode::network_exception:
      return ErrorCode::coordinator_load_in_progress;
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::kafka_storage_error:
      return ErrorCode::not_coordinator;
    default:
      return error;
  }
}

// Sets the guard for the append, unless the transaction doesn't know of the group.
base::Task<ErrorCode> check(RequestContext& context, std::string transactional_id, std::string group_id,
                            group::CommittingProducer& producer) {
  TransactionCheck wanted;
  if (context.api_version >= kFirstVersionThatAdds) {
    wanted.client = TransactionClient::adds_implicitly;
  } else if (context.api_version >= kFirstVersionWithAbortable) {
    wanted.client = TransactionClient::knows_abortable;
  }
  const bool verifies = context.services.configs.broker()->get_bool("transaction.partition.verification.enable");
  if (!verifies && wanted.client != TransactionClient::adds_implicitly) co_return ErrorCode::none;
  group::GroupCoordinator& groups = context.services.groups;
  const group::CommitVerification verification =
      co_await groups.start_verification(std::move(group_id), producer.producer_id, producer.producer_epoch);
  if (verification.error != ErrorCode::none) co_return verification.error;
  producer.verification_guard = verification.guard;
  if (verification.guard == 0) co_return ErrorCode::none;
  wanted.transactional_id = std::move(transactional_id);
  wanted.producer = transaction::ProducerIdentity{producer.producer_id, producer.producer_epoch};
  wanted.partitions.resize(1);
  wanted.partitions.front().topic = metadata::kOffsetsTopic;
  wanted.partitions.front().partition = verification.partition;
  const std::vector<ErrorCode> errors = co_await check_transaction(context, std::move(wanted));
  if (errors.front() != ErrorCode::none) groups.cancel_verification(verification, producer.producer_id);
  co_return error_of_check(errors.front());
}

}  // namespace

Answer<TxnOffsetCommitResponse> handle(RequestContext& context, TxnOffsetCommitRequest request) {
  TxnOffsetCommitResponse response;
  group::CommitRequest commit;
  std::vector<Place> places;
  sort_out(context, request, response, commit.commits, places);
  if (commit.commits.empty()) co_return response;
  group::CommittingProducer producer;
  producer.producer_id = request.producer_id;
  producer.producer_epoch = request.producer_epoch;
  std::vector<ErrorCode> outcomes;
  const ErrorCode refused = co_await check(context, std::move(request.transactional_id), request.group_id, producer);
  if (refused == ErrorCode::none) {
    commit.group_id = std::move(request.group_id);
    commit.who.member_id = std::move(request.member_id);
    commit.who.group_instance_id = std::move(request.group_instance_id);
    commit.generation = request.generation_id;
    commit.producer = producer;
    outcomes = co_await context.services.groups.commit_offsets(std::move(commit));
  } else {
    outcomes.assign(places.size(), refused);
  }
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    ErrorCode error = outcomes[i];
    if (context.api_version < kFirstVersionWithLoading && error == ErrorCode::coordinator_load_in_progress) {
      error = ErrorCode::coordinator_not_available;  // producers before 2.0 don't know the other
    }
    response.topics[places[i].topic].partitions[places[i].partition].error_code = error;
  }
  co_return response;
}

}  // namespace broker::api
