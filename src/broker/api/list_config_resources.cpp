// ListConfigResources v0-1, of Kafka 4's clients: what DescribeConfigs can be asked for (KIP-1142). v0, which had another name, lists
// client metrics alone, of which there are none here.
#include "protocol/messages/list_config_resources.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/api/cluster_view.h"
#include "broker/api/config_resources.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/group/group_coordinator.h"

namespace broker::api {
namespace {

using protocol::ListConfigResourcesRequest;
using protocol::ListConfigResourcesResponse;

void add(ListConfigResourcesResponse& response, ConfigResourceType type, std::string name) {
  auto& resource = response.config_resources.emplace_back();
  resource.resource_name = std::move(name);
  resource.resource_type = static_cast<std::int8_t>(type);
}

}  // namespace

Answer<ListConfigResourcesResponse> handle(RequestContext& context, ListConfigResourcesRequest request) {
  ListConfigResourcesResponse response;
  if (context.api_version == 0) return response;
  if (!std::ranges::all_of(request.resource_types, is_config_resource_type)) {
    response.error_code = protocol::ErrorCode::unsupported_version;
    return response;
  }
  // No type at all asks for all of them.
  const auto wanted = [&request](ConfigResourceType type) {
    return request.resource_types.empty() || std::ranges::count(request.resource_types, static_cast<std::int8_t>(type)) > 0;
  };
  const Services& services = context.services;
  if (wanted(ConfigResourceType::group) && services.groups.serves_consumer_groups()) {
    for (std::string& name : services.cluster.configured_entities(controller::ConfigEntityType::group)) {
      add(response, ConfigResourceType::group, std::move(name));
    }
  }
  const auto cluster = services.metadata.get();
  for (const ConfigResourceType type : {ConfigResourceType::broker_logger, ConfigResourceType::broker}) {
    if (!wanted(type)) continue;
    for (const auto& [id, broker] : cluster->brokers) {
      if (find_endpoint(*cluster, id, context.listener) != nullptr) add(response, type, std::to_string(id));
    }
  }
  if (wanted(ConfigResourceType::topic)) {
    for (const auto& [name, topic] : cluster->topics) add(response, ConfigResourceType::topic, name);
  }
  return response;
}

}  // namespace broker::api
