// ApiVersions v0-4. v1: throttle time. v3: the client's software name and version; feature flags. v4: features whose
// lowest version is 0, as is that of all that we have. A version that isn't served is answered by the dispatcher.
#include "protocol/messages/api_versions.h"

#include "protocol/messages/consumer_group_describe.h"
#include "protocol/messages/consumer_group_heartbeat.h"

#include <algorithm>

#include "broker/api/handlers.h"
#include "broker/api/registry.h"
#include "broker/api/request_context.h"
#include "broker/config/config_store.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"
#include "broker/transaction/transaction_types.h"

namespace broker::api {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Letters and digits, in between also '-' and '.'.
bool is_software_name(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

constexpr std::int16_t kFirstVersionWithFeatures = 3;
constexpr std::int16_t kFirstVersionWithLowestZero = 4;
constexpr std::string_view kGroupVersion = "group.version";              // 1: groups of KIP-848
constexpr std::string_view kTransactionVersion = "transaction.version";  // 2: transactions v2 of KIP-890

bool is_of_consumer_groups(std::int16_t key) {
  return key == static_cast<std::int16_t>(protocol::ConsumerGroupHeartbeatRequest::kApiKey) ||
         key == static_cast<std::int16_t>(protocol::ConsumerGroupDescribeRequest::kApiKey);
}

struct Feature {
  std::string_view name;
  std::int16_t highest = 0;
  std::int16_t level = 0;  // that clients shall use
};

// Supported from 0 up, which a client can't read before v4; finalized at its level, as Kafka has it: 0 isn't told.
void add_feature(const RequestContext& context, const Feature& feature, protocol::ApiVersionsResponse& response) {
  if (context.api_version < kFirstVersionWithFeatures) return;
  if (feature.level > 0) {
    auto& finalized = response.finalized_features.emplace_back();
    finalized.name = feature.name;
    finalized.min_version_level = feature.level;
    finalized.max_version_level = feature.level;
  }
  if (context.api_version < kFirstVersionWithLowestZero) return;
  auto& supported = response.supported_features.emplace_back();
  supported.name = feature.name;
  supported.max_version = feature.highest;
}

}  // namespace

Answer<protocol::ApiVersionsResponse> handle(RequestContext& context, protocol::ApiVersionsRequest request) {
  protocol::ApiVersionsResponse response;
  if (context.api_version >= 3 &&
      !(is_software_name(request.client_software_name) && is_software_name(request.client_software_version))) {
    response.error_code = protocol::ErrorCode::invalid_request;
    return response;
  }
  const bool consumer_groups = context.services.groups.serves_consumer_groups();
  for (const Api& api : served_apis()) {
    if (!consumer_groups && is_of_consumer_groups(api.key)) continue;
    protocol::ApiVersionsResponse::ApiVersion& entry = response.api_keys.emplace_back();
    entry.api_key = api.key;
    entry.min_version = api.version_min;
    entry.max_version = api.version_max;
  }
  if (consumer_groups) add_feature(context, {kGroupVersion, 1, 1}, response);
  // A producer that relies on v2 adds partitions nowhere, also not for a broker that can only be Kafka 3.9.
  if (context.services.metadata.get()->brokers.size() <= 1) {
    const int level = context.services.configs.broker()->get_int("milena.transaction.version");
    add_feature(context, {kTransactionVersion, transaction::kVersionWithEpochBump, static_cast<std::int16_t>(level)}, response);
  }
  // Kafka's brokers have no features in a cluster with ZooKeeper, and say so with this epoch.
  response.finalized_features_epoch = 0;
  return response;
}

}  // namespace broker::api
