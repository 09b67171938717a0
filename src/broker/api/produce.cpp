// Produce v0-13. v1: throttle time. v2: log append time. v3: transactional id; one batch of magic 2 for each partition.
// v5: log start offset. v7: zstd. v8: which records were refused, and why. v10: who leads instead. v11: the client knows
// TRANSACTION_ABORTABLE. v12: partitions are added to the transaction implicitly. v13: topics by id.
#include "protocol/messages/produce.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/logging.h"
#include "broker/api/frame_handler.h"
#include "broker/api/handlers.h"
#include "broker/api/leader_lookup.h"
#include "broker/api/repeated_partitions.h"
#include "broker/api/request_context.h"
#include "broker/api/transaction_check.h"
#include "broker/partition/timed_wait.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::ProduceRequest;
using protocol::ProduceResponse;
using PartitionAnswer = ProduceResponse::PartitionProduceResponse;

// An append that can't be acknowledged yet, and where its answer stands.
struct Waiting {
  std::size_t topic = 0;
  std::size_t partition = 0;
  std::shared_ptr<partition::Partition> where;
  std::int64_t end_offset = 0;
  bool for_flush = false;  // first
  base::OneShot<ErrorCode> done;
};

// What the last one of a partition says counts.
void merge_repeated(ProduceRequest& request) {
  if (request.topic_data.size() == 1 && request.topic_data.front().partition_data.size() == 1) return;
  std::vector<NamedPartition> named;
  std::vector<ProduceRequest::PartitionProduceData*> all;
  for (ProduceRequest::TopicProduceData& topic : request.topic_data) {
    for (ProduceRequest::PartitionProduceData& data : topic.partition_data) {
      named.push_back({topic.name, topic.topic_id, data.index, named.size()});
      all.push_back(&data);
    }
  }
  const RepeatedPartitions found = find_repeated(std::move(named));
  if (found.repeated.empty()) return;
  for (const RepeatedPartition& each : found.repeated) all[each.first]->records = std::move(all[each.last]->records);
  std::size_t at = 0;
  for (ProduceRequest::TopicProduceData& topic : request.topic_data) {
    std::erase_if(topic.partition_data, [&](const auto&) { return found.superfluous[at++]; });
  }
  std::erase_if(request.topic_data, [](const auto& topic) { return topic.partition_data.empty(); });
}

// The bytes belong to the frame of this request alone, and the log writes offsets into them in place.
base::MutableByteView writable(const protocol::Records& records) {
  base::ByteView bytes = records.bytes();
  return {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

// Only the tool that is made for it may write to an internal topic from outside.
bool may_append_to(const RequestContext& context, std::string_view topic) {
  return !metadata::is_internal_topic(topic) || context.client_id == "__admin_client";
}

FoundPartition find(const RequestContext& context, const ProduceRequest::TopicProduceData& topic, std::int32_t index) {
  FoundPartition found = context.api_version >= 13 ? find_partition(context, topic.topic_id, index)
                                                   : find_partition(context, topic.name, index);
  if (found.partition && !may_append_to(context, found.partition->name().topic)) {
    found.partition = nullptr;
    found.error = ErrorCode::invalid_topic_exception;
  }
  return found;
}

[[gnu::cold]] void fill_refusal(PartitionAnswer& answer, const protocol::Refusal& refusal) {
  if (!refusal.message.empty()) answer.error_message = refusal.message;
  for (const protocol::RecordError& each : refusal.record_errors) {
    auto& error = answer.record_errors.emplace_back();
    error.batch_index = each.batch_index;
    error.batch_index_error_message = each.message;
  }
}

void fill_answer(PartitionAnswer& answer, const storage::AppendResult& result) {
  answer.error_code = result.error;
  answer.base_offset = result.first_offset;
  answer.log_append_time_ms = result.log_append_time;
  answer.log_start_offset = result.log_start_offset;
  if (result.refusal) fill_refusal(answer, *result.refusal);
}

[[gnu::cold]] storage::AppendResult refusal(ErrorCode error, const std::string& message) {
  storage::AppendResult result;
  result.error = error;
  if (!message.empty()) result.refusal.make().message = message;
  return result;
}

bool has_valid_acks(const ProduceRequest& request) { return request.acks >= -1 && request.acks <= 1; }

// In the order in which Kafka looks.
[[gnu::cold]] storage::AppendResult refusal_before_append(const ProduceRequest& request, const FoundPartition& found,
                                                          const ProduceTransactions::Verdict* transaction) {
  const bool has_verdict = transaction != nullptr && transaction->error != ErrorCode::none;
  if (has_verdict && transaction->is_of_request) return refusal(transaction->error, transaction->message);
  if (!found.partition && is_unknown(found.error)) return refusal(found.error, {});
  if (found.partition && has_verdict) return refusal(transaction->error, transaction->message);
  if (!has_valid_acks(request)) return refusal(ErrorCode::invalid_required_acks, {});
  return refusal(found.error, {});
}

storage::AppendResult append(const RequestContext& context, const ProduceRequest& request,
                             const ProduceRequest::PartitionProduceData& data, const FoundPartition& found,
                             const ProduceTransactions::Verdict* transaction) {
  if (!found.partition || !has_valid_acks(request) || transaction != nullptr) {
    storage::AppendResult refused = refusal_before_append(request, found, transaction);
    if (!refused.ok()) return refused;
  }
  partition::AppendOptions options;
  if (transaction != nullptr) options.verification_guard = transaction->guard;
  options.acks = request.acks;
  options.produce_version = context.api_version;
  options.now_ms = context.services.clock.wall_ms();
  return found.partition->append(writable(data.records), options);
}

[[gnu::cold]] void add_leader_hint(const RequestContext& context, const ProduceRequest::TopicProduceData& topic,
                                   PartitionAnswer& answer, ProduceResponse& response) {
  if (context.api_version < 10) return;
  LeaderHint hint = leader_hint(context, topic.name, topic.topic_id, answer.index);
  answer.current_leader.leader_id = hint.leader_id;
  answer.current_leader.leader_epoch = hint.leader_epoch;
  add_node_endpoint(response.node_endpoints, hint);
}

bool can_be_acknowledged(const partition::Partition& where, const storage::AppendResult& result, std::int16_t acks) {
  return !result.flush_due && (acks != -1 || where.log()->high_watermark() > result.last_offset);
}

[[gnu::cold]] Waiting wait_for(const std::shared_ptr<partition::Partition>& where, const storage::AppendResult& result) {
  const std::int64_t end_offset = result.last_offset + 1;
  Waiting waiting;
  waiting.where = where;
  waiting.end_offset = end_offset;
  waiting.for_flush = result.flush_due;
  waiting.done = result.flush_due ? where->flushed(end_offset) : where->committed(end_offset);
  return waiting;
}

// The flush has no limit of time, as in Kafka, where it is a part of the append; the other replicas have.
base::Task<void> settle(RequestContext& context, Waiting waiting, std::int16_t acks, std::int64_t deadline_ms,
                        PartitionAnswer& answer) {
  if (waiting.for_flush) {
    storage::AppendResult refused;
    refused.error = co_await waiting.done.wait();
    if (!refused.ok()) fill_answer(answer, refused);
    if (acks != -1 || answer.error_code != ErrorCode::none) co_return;
    waiting.done = waiting.where->committed(waiting.end_offset);
  }
  const std::int64_t left_ms = deadline_ms - context.services.clock.monotonic_ms();
  answer.error_code = co_await partition::wait_for_commit(waiting.done, left_ms);
}

// With acks=0 there is nobody to tell, so that an error shows as a closed connection and makes the client look again.
void answer_nothing(RequestContext& context, const ProduceResponse& response) {
  context.no_response = true;
  for (const auto& topic : response.responses) {
    for (const auto& answer : topic.partition_responses) {
      if (answer.error_code == ErrorCode::none) continue;
      base::log_info("kafka.server.KafkaApis",
                     "Closing connection due to error during produce request with correlation id {} from client id {} "
                     "with ack=0: {}-{} {}",
                     context.correlation_id, context.client_id.value_or(""), topic.name, answer.index,
                     protocol::name_of(answer.error_code));
      context.close_connection = true;
      return;
    }
  }
}

// Tells what is to be waited for before it is answered.
std::vector<Waiting> append_all(const RequestContext& context, const ProduceRequest& request,
                                ProduceTransactions transactions, ProduceResponse& response) {
  std::vector<Waiting> unsettled;
  response.responses.reserve(request.topic_data.size());
  for (const ProduceRequest::TopicProduceData& topic : request.topic_data) {
    ProduceResponse::TopicProduceResponse& topic_answer = response.responses.emplace_back();
    topic_answer.name = topic.name;
    topic_answer.topic_id = topic.topic_id;
    topic_answer.partition_responses.reserve(topic.partition_data.size());
    for (const ProduceRequest::PartitionProduceData& data : topic.partition_data) {
      PartitionAnswer& answer = topic_answer.partition_responses.emplace_back();
      answer.index = data.index;
      FoundPartition found = find(context, topic, data.index);
      storage::AppendResult result = append(context, request, data, found, transactions.next());
      fill_answer(answer, result);
      if (!result.ok()) {
        if (result.error == ErrorCode::not_leader_or_follower) add_leader_hint(context, topic, answer, response);
      } else if (!can_be_acknowledged(*found.partition, result, request.acks)) {
        Waiting& waiting = unsettled.emplace_back(wait_for(found.partition, result));
        waiting.topic = response.responses.size() - 1;
        waiting.partition = topic_answer.partition_responses.size() - 1;
      }
    }
  }
  return unsettled;
}

base::Task<ProduceResponse> settle_all(RequestContext& context, ProduceResponse response,
                                       std::vector<Waiting> unsettled, std::int16_t acks, std::int32_t timeout_ms) {
  context.turn.let_produces_pass();
  context.frame.reset();  // the log has its copy
  const std::int64_t deadline_ms = context.received_monotonic_ms + timeout_ms;
  for (Waiting& each : unsettled) {
    PartitionAnswer& answer = response.responses[each.topic].partition_responses[each.partition];
    co_await settle(context, std::move(each), acks, deadline_ms, answer);
  }
  if (acks == 0) answer_nothing(context, response);
  co_return response;
}

base::Task<ProduceResponse> handle_transactional(RequestContext& context, ProduceRequest request) {
  ProduceTransactions transactions;
  co_await transactions.check(context, request);
  ProduceResponse response;
  std::vector<Waiting> unsettled = append_all(context, request, std::move(transactions), response);
  co_return co_await settle_all(context, std::move(response), std::move(unsettled), request.acks, request.timeout_ms);
}

}  // namespace

Answer<ProduceResponse> handle(RequestContext& context, ProduceRequest request) {
  merge_repeated(request);
  if (ProduceTransactions::concerns(request)) return handle_transactional(context, std::move(request));
  Answer<ProduceResponse> answer{ProduceResponse()};
  std::vector<Waiting> unsettled = append_all(context, request, ProduceTransactions(), answer.value());
  if (!unsettled.empty()) {
    return settle_all(context, std::move(answer.value()), std::move(unsettled), request.acks, request.timeout_ms);
  }
  if (request.acks == 0) answer_nothing(context, answer.value());
  return answer;
}

}  // namespace broker::api
