// What DescribeConfigs, AlterConfigs and IncrementalAlterConfigs share: the kinds of resources, and what a change makes
// of a resource's stored config. Decisions are pure functions of a view; the messages are Kafka's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.h"
#include "broker/config/config_store.h"
#include "broker/config/config_value.h"
#include "broker/controller/cluster.h"
#include "protocol/error.h"

namespace broker::api {

class RequestContext;

// The numbers of the wire. Any other is possible.
enum class ConfigResourceType : std::int8_t { topic = 2, broker = 4, broker_logger = 8, client_metrics = 16, group = 32 };
bool is_config_resource_type(std::int8_t number);

enum class ConfigOperationType : std::int8_t { set = 0, remove = 1, append = 2, subtract = 3 };

struct ConfigOperation {
  std::string name;
  ConfigOperationType type = ConfigOperationType::set;
  std::optional<std::string> value;
};

struct ConfigChange {
  ConfigResourceType type = ConfigResourceType::topic;
  std::string name;
  std::vector<ConfigOperation> operations;
};

struct ConfigView {
  std::int32_t broker_id = -1;
  const config::BrokerConfig& broker;
  std::function<bool(std::string_view)> topic_exists;
  std::function<config::StringMap(controller::ConfigEntityType, std::string_view)> overrides;
};

// error none: `config` may be stored as all of the entity's config.
struct ConfigPlan : controller::Outcome {
  controller::ConfigEntityType type = controller::ConfigEntityType::topic;
  std::string entity;  // the name it is stored under: the resource's, or "<default>" for all brokers
  config::StringMap config;
};

// For topics, brokers and groups. `incremental`: on top of what is stored; else in its place.
ConfigPlan plan_config_change(const ConfigView& view, const ConfigChange& change, bool incremental);

// Both alter requests: plans, stores unless validate_only, and answers in the order of the changes.
base::Task<std::vector<controller::Outcome>> alter_configs(RequestContext& context, std::vector<ConfigChange> changes,
                                                           bool incremental, bool validate_only);
// Into the response of either, which it takes the names out of the request for.
template <class Request, class Response>
void answer_changes(Request& request, std::vector<controller::Outcome>& outcomes, Response& response) {
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    auto& answer = response.responses.emplace_back();
    answer.error_code = outcomes[i].error;
    answer.error_message = std::move(outcomes[i].message);
    answer.resource_type = request.resources[i].resource_type;
    answer.resource_name = std::move(request.resources[i].resource_name);
  }
}

// The process has one logger, called root; its level is a config of the resource BROKER_LOGGER.
std::string_view root_log_level();
controller::Outcome alter_log_level(std::int32_t broker_id, const ConfigChange& change, bool validate_only);

}  // namespace broker::api
