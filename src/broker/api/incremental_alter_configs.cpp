// IncrementalAlterConfigs v0-1: sets and deletes single configs of topics and brokers, appends to lists and takes from
// them; also the level of the log. v1: flexible.
#include "protocol/messages/incremental_alter_configs.h"

#include <utility>

#include "broker/api/config_resources.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {

Answer<protocol::IncrementalAlterConfigsResponse> handle(RequestContext& context,
                                                         protocol::IncrementalAlterConfigsRequest request) {
  std::vector<ConfigChange> changes;
  for (auto& resource : request.resources) {
    ConfigChange& change = changes.emplace_back();
    change.type = static_cast<ConfigResourceType>(resource.resource_type);
    change.name = resource.resource_name;
    for (auto& config : resource.configs) {
      ConfigOperation& operation = change.operations.emplace_back();
      operation.name = std::move(config.name);
      operation.type = static_cast<ConfigOperationType>(config.config_operation);
      operation.value = std::move(config.value);
    }
  }
  std::vector<controller::Outcome> outcomes =
      co_await alter_configs(context, std::move(changes), true, request.validate_only);
  protocol::IncrementalAlterConfigsResponse response;
  answer_changes(request, outcomes, response);
  co_return response;
}

}  // namespace broker::api
