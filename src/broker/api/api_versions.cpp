// ApiVersions v0-4. v1: throttle time. v3: the client's software name and version; feature flags. v4: features whose
// lowest version is 0 (those alone that a newer consumer group needs are ever told). A version that isn't served is answered by the dispatcher.
#include "protocol/messages/api_versions.h"

#include "protocol/messages/consumer_group_describe.h"
#include "protocol/messages/consumer_group_heartbeat.h"

#include <algorithm>

#include "broker/api/handlers.h"
#include "broker/api/registry.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Letters and digits, in between also '-' and '.'.
bool is_software_name(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

constexpr std::string_view kGroupVersion = "group.version";  // 1: groups of KIP-848

bool is_of_consumer_groups(std::int16_t key) {
  return key == static_cast<std::int16_t>(protocol::ConsumerGroupHeartbeatRequest::kApiKey) ||
         key == static_cast<std::int16_t>(protocol::ConsumerGroupDescribeRequest::kApiKey);
}

}  // namespace

base::Task<protocol::ApiVersionsResponse> handle(RequestContext& context, protocol::ApiVersionsRequest request) {
  protocol::ApiVersionsResponse response;
  if (context.api_version >= 3 &&
      !(is_software_name(request.client_software_name) && is_software_name(request.client_software_version))) {
    response.error_code = protocol::ErrorCode::invalid_request;
    co_return response;
  }
  const bool consumer_groups = context.services.groups.serves_consumer_groups();
  for (const Api& api : served_apis()) {
    if (!consumer_groups && is_of_consumer_groups(api.key)) continue;
    protocol::ApiVersionsResponse::ApiVersion& entry = response.api_keys.emplace_back();
    entry.api_key = api.key;
    entry.min_version = api.version_min;
    entry.max_version = api.version_max;
  }
  if (consumer_groups && context.api_version >= 3) {
    // Older versions can't tell of a feature whose lowest version is 0.
    if (context.api_version >= 4) {
      auto& supported = response.supported_features.emplace_back();
      supported.name = kGroupVersion;
      supported.max_version = 1;
    }
    auto& finalized = response.finalized_features.emplace_back();
    finalized.name = kGroupVersion;
    finalized.min_version_level = 1;
    finalized.max_version_level = 1;
  }
  // A cluster with ZooKeeper has no epoch of features.
  response.finalized_features_epoch = 0;
  co_return response;
}

}  // namespace broker::api
