// AlterConfigs v0-2: replaces all stored configs of topics and brokers. v2: flexible.
#include "protocol/messages/alter_configs.h"

#include <utility>

#include "broker/api/config_resources.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::AlterConfigsResponse> handle(RequestContext& context, protocol::AlterConfigsRequest request) {
  std::vector<ConfigChange> changes;
  for (auto& resource : request.resources) {
    ConfigChange& change = changes.emplace_back();
    change.type = static_cast<ConfigResourceType>(resource.resource_type);
    change.name = resource.resource_name;
    for (auto& config : resource.configs) {
      ConfigOperation& operation = change.operations.emplace_back();
      operation.name = std::move(config.name);
      operation.value = std::move(config.value);
    }
  }
  std::vector<controller::Outcome> outcomes =
      co_await alter_configs(context, std::move(changes), false, request.validate_only);
  protocol::AlterConfigsResponse response;
  answer_changes(request, outcomes, response);
  co_return response;
}

}  // namespace broker::api
