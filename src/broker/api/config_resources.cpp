#include "broker/api/config_resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/logging.h"
#include "broker/api/request_context.h"
#include "broker/config/config_entry.h"
#include "broker/config/dynamic_config.h"
#include "broker/config/group_config.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using config::ConfigError;
using config::ConfigKey;
using config::StringMap;
using controller::ConfigEntityType;
using controller::Outcome;
using protocol::ErrorCode;

constexpr std::pair<base::LogLevel, std::string_view> kLevels[] = {{base::LogLevel::debug, "DEBUG"},
                                                                   {base::LogLevel::info, "INFO"},
                                                                   {base::LogLevel::warn, "WARN"},
                                                                   {base::LogLevel::error, "ERROR"},
                                                                   {base::LogLevel::fatal, "FATAL"}};

Outcome refusal(ErrorCode error, std::optional<std::string> message) {
  Outcome outcome;
  outcome.error = error;
  outcome.message = std::move(message);
  return outcome;
}

Outcome unknown_resource_type(ConfigResourceType type) {
  return refusal(ErrorCode::invalid_request, fmt::format("Unknown resource type {}", static_cast<int>(type)));
}

ConfigPlan refused_plan(ErrorCode error, std::optional<std::string> message) {
  ConfigPlan plan;
  plan.error = error;
  plan.message = std::move(message);
  return plan;
}

// What is wrong with the operations before anything is looked up.
std::optional<std::string> malformed(const std::vector<ConfigOperation>& operations) {
  std::vector<std::string_view> nulls;
  std::set<std::string_view> names;
  bool duplicate = false;
  for (const ConfigOperation& operation : operations) {
    if (!operation.value && operation.type != ConfigOperationType::remove) nulls.push_back(operation.name);
    duplicate = !names.insert(operation.name).second || duplicate;
  }
  if (duplicate) return "Error due to duplicate config keys";
  if (!nulls.empty()) return fmt::format("Null value not supported for : {}", fmt::join(nulls, ", "));
  return std::nullopt;
}

std::optional<std::string> wrong_node(std::string_view name, std::int32_t broker_id) {
  const auto id = config::parse_java_integer(name, std::numeric_limits<std::int32_t>::min(),
                                             std::numeric_limits<std::int32_t>::max());
  if (!id) return fmt::format("Node id must be an integer, but it is: {}", name);
  if (*id != broker_id) return fmt::format("Unexpected broker id, expected {}, but received {}", broker_id, name);
  return std::nullopt;
}

// Appends to a list or takes from it; an absent one starts as its default.
Outcome change_list(StringMap& config, const ConfigOperation& operation, const ConfigKey* key) {
  if (key == nullptr) return refusal(ErrorCode::unknown_server_error, std::nullopt);
  const bool appends = operation.type == ConfigOperationType::append;
  if (key->type != config::ConfigType::list) {
    return refusal(ErrorCode::invalid_config, fmt::format("Config value {} is not allowed for config key: {}",
                                                          appends ? "append" : "subtract", operation.name));
  }
  const auto stored = config.find(operation.name);
  std::vector<std::string> list =
      config::split_list(stored != config.end() ? std::string_view(stored->second) : key->default_text.value_or(""));
  for (const std::string& element : config::split_list(*operation.value)) {
    const auto found = std::ranges::find(list, element);
    if (appends && found == list.end()) list.push_back(element);
    if (!appends && found != list.end()) list.erase(found);
  }
  config[operation.name] = fmt::format("{}", fmt::join(list, ","));
  return {};
}

// Of a topic's or a group's, Kafka fails with the words of no error.
std::optional<std::string> unknown_operation(const std::vector<ConfigOperation>& operations) {
  for (const ConfigOperation& operation : operations) {
    const int type = static_cast<int>(operation.type);
    if (type < static_cast<int>(ConfigOperationType::set) || type > static_cast<int>(ConfigOperationType::subtract)) {
      return fmt::format("Unknown operations type {}", type);
    }
  }
  return std::nullopt;
}

Outcome apply(StringMap& config, const std::vector<ConfigOperation>& operations,
              const std::function<const ConfigKey*(std::string_view)>& key_of) {
  for (const ConfigOperation& operation : operations) {
    switch (operation.type) {
      case ConfigOperationType::set:
        config[operation.name] = *operation.value;
        break;
      case ConfigOperationType::remove:
        config.erase(operation.name);
        break;
      case ConfigOperationType::append:
      case ConfigOperationType::subtract: {
        Outcome changed = change_list(config, operation, key_of(operation.name));
        if (changed.error != ErrorCode::none) return changed;
        break;
      }
      default:
        return refusal(ErrorCode::unknown_server_error, std::nullopt);
    }
  }
  return {};
}

std::string with_resource(std::string_view type, std::string_view name, std::string_view message) {
  return fmt::format("Invalid config value for resource ConfigResource(type={}, name='{}'): {}", type, name, message);
}

Outcome check_topic(const ConfigView& view, std::string_view name, const StringMap& config) {
  try {
    config::validate_topic_config(view.broker, config);
    return {};
  } catch (const config::InvalidTopicConfig& error) {
    return refusal(ErrorCode::invalid_config, error.what());
  } catch (const ConfigError& error) {
    return refusal(ErrorCode::invalid_config, with_resource("TOPIC", name, error.what()));
  }
}

// What is stored for brokers that this one can't take, a secret or a listener with TLS: it stays for those that can, and is
// nothing that a change has to fit to.
StringMap of_other_brokers(const config::BrokerConfig& broker, const StringMap& stored, bool cluster_wide) {
  const auto asked = config::LeftOut::asked;
  const auto ours = cluster_wide ? config::with_stored(broker, stored, broker.dynamic_broker(), asked)
                                 : config::with_stored(broker, broker.dynamic_default(), stored, asked);
  const StringMap& used = cluster_wide ? ours->dynamic_default() : ours->dynamic_broker();
  StringMap others;
  for (const auto& entry : stored) {
    if (!used.contains(entry.first)) others.insert(entry);
  }
  return others;
}

Outcome check_broker(const ConfigView& view, const ConfigChange& change, const StringMap& others, StringMap config) {
  StringMap altered;
  for (const ConfigOperation& operation : change.operations) {
    if (const auto found = config.find(operation.name); found != config.end()) altered.insert(*found);
  }
  std::erase_if(config, [&](const auto& entry) {
    return others.contains(entry.first) && !altered.contains(entry.first);
  });
  try {
    config::validate_dynamic_config(view.broker, config, change.name.empty());
  } catch (const ConfigError& error) {
    // Kafka answers INVALID_REQUEST here, where INVALID_CONFIG would be to the point.
    return refusal(ErrorCode::invalid_request, error.what());
  }
  try {
    config::refuse_secrets(view.broker, altered);
    return {};
  } catch (const ConfigError& error) {
    return refusal(ErrorCode::invalid_config, with_resource("BROKER", change.name, error.what()));
  }
}

Outcome check_group(const ConfigView& view, const StringMap& config) {
  try {
    config::validate_group_config(view.broker, config);
    return {};
  } catch (const ConfigError& error) {
    return refusal(ErrorCode::invalid_config, error.what());
  }
}

ConfigPlan plan_group_change(const ConfigView& view, const ConfigChange& change, bool incremental) {
  if (change.name.empty()) return refused_plan(ErrorCode::invalid_request, "Default group resources are not allowed.");
  ConfigPlan plan;
  plan.type = ConfigEntityType::group;
  plan.entity = change.name;
  if (incremental) plan.config = view.overrides(plan.type, plan.entity);
  Outcome outcome = apply(plan.config, change.operations, config::find_group_key);
  if (outcome.error == ErrorCode::none) outcome = check_group(view, plan.config);
  static_cast<Outcome&>(plan) = std::move(outcome);
  return plan;
}

ConfigPlan plan_topic_change(const ConfigView& view, const ConfigChange& change, bool incremental) {
  if (change.name.empty()) return refused_plan(ErrorCode::invalid_request, "Default topic resources are not allowed.");
  if (!view.topic_exists(change.name)) {
    return refused_plan(ErrorCode::unknown_topic_or_partition, fmt::format("The topic '{}' does not exist.", change.name));
  }
  ConfigPlan plan;
  plan.entity = change.name;
  if (incremental) plan.config = view.overrides(plan.type, plan.entity);
  Outcome outcome = apply(plan.config, change.operations, config::find_topic_key);
  if (outcome.error == ErrorCode::none) outcome = check_topic(view, change.name, plan.config);
  static_cast<Outcome&>(plan) = std::move(outcome);
  return plan;
}

ConfigPlan plan_broker_change(const ConfigView& view, const ConfigChange& change, bool incremental) {
  const bool cluster_wide = change.name.empty();
  if (!cluster_wide) {
    if (auto problem = wrong_node(change.name, view.broker_id)) {
      return refused_plan(ErrorCode::invalid_request, std::move(problem));
    }
  }
  if (auto problem = unknown_operation(change.operations)) {
    return refused_plan(ErrorCode::invalid_request, std::move(problem));
  }
  ConfigPlan plan;
  plan.type = cluster_wide ? ConfigEntityType::broker_default : ConfigEntityType::broker;
  plan.entity = cluster_wide ? "<default>" : change.name;
  StringMap others;
  if (incremental) {
    plan.config = view.overrides(plan.type, plan.entity);
    config::drop_undynamic(plan.config, cluster_wide, config::LeftOut::asked);
    others = of_other_brokers(view.broker, plan.config, cluster_wide);
  }
  Outcome outcome = apply(plan.config, change.operations, config::resolve_broker_key);
  if (outcome.error == ErrorCode::none) outcome = check_broker(view, change, others, plan.config);
  static_cast<Outcome&>(plan) = std::move(outcome);
  return plan;
}

}  // namespace

ConfigPlan plan_config_change(const ConfigView& view, const ConfigChange& change, bool incremental) {
  if (auto problem = malformed(change.operations)) return refused_plan(ErrorCode::invalid_request, std::move(problem));
  if (change.type == ConfigResourceType::group) return plan_group_change(view, change, incremental);
  return change.type == ConfigResourceType::topic ? plan_topic_change(view, change, incremental)
                                                  : plan_broker_change(view, change, incremental);
}

namespace {

// Planned anew on what is stored when it is written: another connection may have changed it since.
controller::ConfigEdit edit_of(const Services& services, const ConfigChange& change, bool incremental) {
  return [&services, change, incremental](StringMap& config) {
    const auto broker = services.configs.broker();
    const auto metadata = services.metadata.get();
    const ConfigView view{services.broker_id, *broker,
                          [&](std::string_view topic) { return metadata->topic(topic) != nullptr; },
                          [&](ConfigEntityType, std::string_view) { return config; }};
    ConfigPlan plan = plan_config_change(view, change, incremental);
    if (plan.error == ErrorCode::none) config = std::move(plan.config);
    return static_cast<Outcome&&>(std::move(plan));
  };
}

}  // namespace

base::Task<std::vector<Outcome>> alter_configs(RequestContext& context, std::vector<ConfigChange> changes,
                                               bool incremental, bool validate_only) {
  Services& services = context.services;
  const auto metadata = services.metadata.get();
  std::map<std::pair<ConfigResourceType, std::string>, int> times;
  for (const ConfigChange& change : changes) ++times[{change.type, change.name}];
  std::vector<Outcome> outcomes;
  for (const ConfigChange& change : changes) {
    Outcome& outcome = outcomes.emplace_back();
    if (times[{change.type, change.name}] > 1) {
      outcome = refusal(ErrorCode::invalid_request, "Each resource must appear at most once.");
    } else if (auto problem = malformed(change.operations)) {
      outcome = refusal(ErrorCode::invalid_request, std::move(problem));
    } else if (change.type == ConfigResourceType::client_metrics) {
      outcome = refusal(ErrorCode::invalid_request,
                        "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS");
    } else if (change.type == ConfigResourceType::broker_logger && incremental) {
      outcome = alter_log_level(services.broker_id, change, validate_only);
    } else if (change.type != ConfigResourceType::topic && change.type != ConfigResourceType::broker &&
               (change.type != ConfigResourceType::group || !services.groups.serves_consumer_groups())) {
      outcome = unknown_resource_type(change.type);
    } else {
      const auto broker = services.configs.broker();  // anew: the change before may have changed it
      const ConfigView view{
          services.broker_id, *broker, [&](std::string_view topic) { return metadata->topic(topic) != nullptr; },
          [&](ConfigEntityType type, std::string_view name) { return services.cluster.config_overrides(type, name); }};
      ConfigPlan plan = plan_config_change(view, change, incremental);
      outcome = plan;
      if (outcome.error == ErrorCode::none && !validate_only) {
        controller::ConfigEdit edit = edit_of(services, change, incremental);
        outcome = co_await services.cluster.change_config(plan.type, std::move(plan.entity), std::move(edit));
      }
    }
  }
  co_return outcomes;
}

std::string_view root_log_level() {
  for (const auto& [level, name] : kLevels) {
    if (base::log_enabled(level)) return name;
  }
  return "FATAL";
}

Outcome alter_log_level(std::int32_t broker_id, const ConfigChange& change, bool validate_only) {
  if (auto problem = malformed(change.operations)) return refusal(ErrorCode::invalid_request, std::move(problem));
  if (auto problem = wrong_node(change.name, broker_id)) return refusal(ErrorCode::invalid_request, std::move(problem));
  std::optional<base::LogLevel> next;
  for (const ConfigOperation& operation : change.operations) {
    if (operation.type == ConfigOperationType::append || operation.type == ConfigOperationType::subtract) {
      return refusal(ErrorCode::invalid_request,
                     fmt::format("{} operation is not allowed for the BROKER_LOGGER resource",
                                 operation.type == ConfigOperationType::append ? "APPEND" : "SUBTRACT"));
    }
    if (operation.name != "root") {
      return refusal(ErrorCode::invalid_config, fmt::format("Logger {} does not exist!", operation.name));
    }
    if (operation.type == ConfigOperationType::remove) {
      return refusal(ErrorCode::invalid_request, "Removing the log level of the root logger is not allowed");
    }
    // The finest level here is DEBUG; TRACE asks for at least that.
    const std::string_view wanted = *operation.value == "TRACE" ? "DEBUG" : std::string_view(*operation.value);
    const auto level = std::ranges::find(kLevels, wanted, &std::pair<base::LogLevel, std::string_view>::second);
    if (level == std::end(kLevels)) {
      return refusal(ErrorCode::invalid_config,
                     fmt::format("Cannot set the log level of root to {} as it is not a supported log level. Valid log "
                                 "levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
                                 *operation.value));
    }
    next = level->first;
  }
  if (next && !validate_only) base::set_log_level(*next);
  return {};
}

bool is_config_resource_type(std::int8_t number) {
  switch (static_cast<ConfigResourceType>(number)) {
    case ConfigResourceType::topic:
    case ConfigResourceType::broker:
    case ConfigResourceType::broker_logger:
    case ConfigResourceType::client_metrics:
    case ConfigResourceType::group:
      return true;
  }
  return false;
}

}  // namespace broker::api
