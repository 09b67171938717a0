// ApiVersions v0-4. v1: throttle time. v3: the client's software name and version; feature flags. v4: features whose
// lowest version is 0. A version that isn't served is answered by the dispatcher.
#include "protocol/messages/api_versions.h"

#include <algorithm>

#include "broker/api/handlers.h"
#include "broker/api/registry.h"
#include "broker/api/request_context.h"

namespace broker::api {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Letters and digits, in between also '-' and '.'.
bool is_software_name(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

}  // namespace

base::Task<protocol::ApiVersionsResponse> handle(RequestContext& context, protocol::ApiVersionsRequest request) {
  protocol::ApiVersionsResponse response;
  if (context.api_version >= 3 &&
      !(is_software_name(request.client_software_name) && is_software_name(request.client_software_version))) {
    response.error_code = protocol::ErrorCode::invalid_request;
    co_return response;
  }
  for (const Api& api : served_apis()) {
    protocol::ApiVersionsResponse::ApiVersion& entry = response.api_keys.emplace_back();
    entry.api_key = api.key;
    entry.min_version = api.version_min;
    entry.max_version = api.version_max;
  }
  // A cluster with ZooKeeper has no features, and says so with an epoch of 0.
  response.finalized_features_epoch = 0;
  co_return response;
}

}  // namespace broker::api
