// FindCoordinator v0-6. v1: key types, throttle time, error message. v4: several keys. v6: coordinators of share
// groups, of which there is none. Groups and transactional ids have a coordinator here.
#include "protocol/messages/find_coordinator.h"

#include <algorithm>
#include <utility>

#include "broker/api/error_texts.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/transaction/transaction_coordinator.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::FindCoordinatorResponse;

constexpr std::int8_t kGroupKey = 0;
constexpr std::int16_t kFirstVersionOfBatches = 4;
constexpr std::int8_t kTransactionKey = 1;
constexpr std::int8_t kShareKey = 2;
constexpr std::int16_t kFirstVersionOfShares = 6;

void refuse(FindCoordinatorResponse::Coordinator& answer, ErrorCode error) {
  answer.node_id = -1;
  answer.port = -1;
  answer.error_code = error;
}

// Up to v3. Later versions have words only if Kafka fails with the whole request: at a type of keys that it doesn't know.
const char* text_of(ErrorCode error) {
  if (error == ErrorCode::none) return kTextOfNone;
  return error == ErrorCode::invalid_request ? kTextOfInvalidRequest : kTextOfCoordinatorNotAvailable;
}

const metadata::Endpoint* endpoint_on(const metadata::ClusterMetadata& cluster, std::int32_t broker_id,
                                      std::string_view listener) {
  auto broker = cluster.brokers.find(broker_id);
  if (broker == cluster.brokers.end()) return nullptr;
  const auto& endpoints = broker->second.endpoints;
  auto found = std::find_if(endpoints.begin(), endpoints.end(),
                            [listener](const metadata::Endpoint& one) { return one.listener == listener; });
  return found == endpoints.end() ? nullptr : &*found;
}

base::Task<FindCoordinatorResponse::Coordinator> find(RequestContext& context, std::string key, std::int8_t key_type) {
  FindCoordinatorResponse::Coordinator answer;
  answer.key = key;
  if (key_type != kGroupKey && key_type != kTransactionKey) {
    const bool is_share = key_type == kShareKey && context.api_version >= kFirstVersionOfShares;
    refuse(answer, is_share ? ErrorCode::coordinator_not_available : ErrorCode::invalid_request);
    co_return answer;
  }
  // The leader of the key's partition coordinates it. The topic is made when the first one is looked for.
  std::int32_t count = 0;
  if (key_type == kGroupKey) {
    count = co_await context.services.groups.partition_count_or_create();
  } else {
    count = co_await context.services.transactions.partition_count_or_create();
  }
  const auto cluster = context.services.metadata.get();
  const metadata::Topic* topic =
      cluster->topic(key_type == kGroupKey ? metadata::kOffsetsTopic : metadata::kTransactionsTopic);
  const metadata::Endpoint* endpoint = nullptr;
  std::int32_t leader = -1;
  if (count > 0 && topic != nullptr) {
    auto partition = topic->partitions.find(coordinator::partition_of(key, count));
    if (partition != topic->partitions.end()) leader = partition->second.leader;
    endpoint = endpoint_on(*cluster, leader, context.listener);
  }
  if (endpoint == nullptr) {
    refuse(answer, ErrorCode::coordinator_not_available);
    co_return answer;
  }
  answer.node_id = leader;
  answer.host = endpoint->host;
  answer.port = endpoint->port;
  co_return answer;
}

}  // namespace

Answer<FindCoordinatorResponse> handle(RequestContext& context, protocol::FindCoordinatorRequest request) {
  FindCoordinatorResponse response;
  if (context.api_version < kFirstVersionOfBatches) {
    FindCoordinatorResponse::Coordinator found = co_await find(context, std::move(request.key), request.key_type);
    response.error_code = found.error_code;
    response.error_message = text_of(found.error_code);
    response.node_id = found.node_id;
    response.host = std::move(found.host);
    response.port = found.port;
    co_return response;
  }
  for (std::string& key : request.coordinator_keys) {
    FindCoordinatorResponse::Coordinator found = co_await find(context, std::move(key), request.key_type);
    if (request.key_type < kGroupKey || request.key_type > kShareKey) found.error_message = kTextOfInvalidRequest;
    response.coordinators.push_back(std::move(found));
  }
  co_return response;
}

}  // namespace broker::api
