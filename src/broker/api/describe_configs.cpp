// DescribeConfigs v0-4. v1: where a value comes from and what stands behind it. v3: types and documentation. v4:
// flexible. The values are those of this broker's snapshot; a broker answers for itself only.
#include "protocol/messages/describe_configs.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/api/config_resources.h"
#include "broker/api/error_texts.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/config/config_entry.h"
#include "broker/config/group_config.h"
#include "broker/controller/topic_rules.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::DescribeConfigsRequest;
using protocol::DescribeConfigsResponse;
using protocol::ErrorCode;
using Result = DescribeConfigsResponse::DescribeConfigsResult;

// Some bytes of a request ask for hundreds of entries, again and again. Kafka 3.9.2 answers all of them, whatever that takes;
// clients name a resource once.
constexpr std::size_t kRepeatedMax = 100;
constexpr std::size_t kGroupsMax = 10'000;  // which needn't exist

void refuse(Result& result, ErrorCode error, std::string message) {
  result.error_code = error;
  result.error_message = std::move(message);
}

// Nothing is wrong with the name of a broker's resource if it is the id of this broker.
std::optional<std::string> wrong_broker(std::string_view name, std::int32_t broker_id, std::string_view expected) {
  const auto id = config::parse_java_integer(name, std::numeric_limits<std::int32_t>::min(),
                                             std::numeric_limits<std::int32_t>::max());
  if (!id) return fmt::format("Broker id must be an integer, but it is: {}", name);
  if (*id != broker_id) return fmt::format("Unexpected broker id, expected {} but received {}", expected, name);
  return std::nullopt;
}

void fill(Result& result, std::vector<config::ConfigEntry> entries,
          const DescribeConfigsRequest::DescribeConfigsResource& resource, const DescribeConfigsRequest& request) {
  std::vector<std::string_view> wanted;
  if (resource.configuration_keys) wanted.assign(resource.configuration_keys->begin(), resource.configuration_keys->end());
  std::ranges::sort(wanted);
  for (config::ConfigEntry& entry : entries) {
    if (!wanted.empty() && !std::ranges::binary_search(wanted, entry.name)) continue;
    auto& config = result.configs.emplace_back();
    config.name = std::move(entry.name);
    config.value = std::move(entry.value);
    config.read_only = entry.read_only;
    config.config_source = static_cast<std::int8_t>(entry.source);
    config.is_sensitive = entry.sensitive;
    config.config_type = static_cast<std::int8_t>(entry.type);
    config.documentation = std::nullopt;
    if (request.include_documentation && !entry.documentation.empty()) config.documentation = entry.documentation;
    if (!request.include_synonyms) continue;
    for (config::ConfigSynonym& synonym : entry.synonyms) {
      auto& to = config.synonyms.emplace_back();
      to.name = std::move(synonym.name);
      to.value = std::move(synonym.value);
      to.source = static_cast<std::int8_t>(synonym.source);
    }
  }
}

// v0 can't say where a value comes from; later versions don't have the flag.
void mark_defaults(Result& result) {
  for (auto& config : result.configs) {
    config.is_default = config.config_source == static_cast<std::int8_t>(config::ConfigSource::by_default);
  }
}

void describe_topic(const Services& services, const DescribeConfigsRequest::DescribeConfigsResource& resource,
                    const DescribeConfigsRequest& request, Result& result) {
  if (auto problem = controller::topic_name_error(resource.resource_name)) {
    return refuse(result, ErrorCode::invalid_topic_exception, std::move(*problem));
  }
  if (services.metadata.get()->topic(resource.resource_name) == nullptr) {
    return refuse(result, ErrorCode::unknown_topic_or_partition, "");
  }
  fill(result, config::describe_topic(*services.configs.topic(resource.resource_name)), resource, request);
}

void describe_broker(const Services& services, const DescribeConfigsRequest::DescribeConfigsResource& resource,
                     const DescribeConfigsRequest& request, Result& result) {
  const auto broker = services.configs.broker();
  if (resource.resource_name.empty()) {
    return fill(result, config::describe_broker_default(*broker), resource, request);
  }
  const std::string expected = fmt::format("{} or empty string,", services.broker_id);
  if (auto problem = wrong_broker(resource.resource_name, services.broker_id, expected)) {
    return refuse(result, ErrorCode::invalid_request, std::move(*problem));
  }
  fill(result, config::describe_broker(*broker), resource, request);
}

void describe_group(const Services& services, const DescribeConfigsRequest::DescribeConfigsResource& resource,
                    const DescribeConfigsRequest& request, Result& result) {
  if (resource.resource_name.empty()) {
    return refuse(result, ErrorCode::invalid_request, "Group name must not be empty");
  }
  const auto stored = services.cluster.config_overrides(controller::ConfigEntityType::group, resource.resource_name);
  fill(result, config::describe_group(*services.configs.broker(), {stored.begin(), stored.end()}), resource, request);
}

void refuse_type(Result& result) {
  refuse(result, ErrorCode::invalid_request, kTextOfInvalidRequest);
}

void describe_logger(const Services& services, const DescribeConfigsRequest::DescribeConfigsResource& resource,
                     const DescribeConfigsRequest& request, Result& result) {
  if (resource.resource_name.empty()) {
    return refuse(result, ErrorCode::invalid_request, "Broker id must not be empty");
  }
  if (auto problem = wrong_broker(resource.resource_name, services.broker_id, std::to_string(services.broker_id))) {
    return refuse(result, ErrorCode::invalid_request, std::move(*problem));
  }
  std::vector<config::ConfigEntry> entries(1);
  entries[0].name = "root";
  entries[0].value = root_log_level();
  entries[0].source = config::ConfigSource::broker_logger;
  fill(result, std::move(entries), resource, request);
}

void describe(const Services& services, const DescribeConfigsRequest::DescribeConfigsResource& resource,
              const DescribeConfigsRequest& request, Result& result) {
  switch (static_cast<ConfigResourceType>(resource.resource_type)) {
    case ConfigResourceType::topic:
      return describe_topic(services, resource, request, result);
    case ConfigResourceType::broker:
      return describe_broker(services, resource, request, result);
    case ConfigResourceType::broker_logger:
      return describe_logger(services, resource, request, result);
    case ConfigResourceType::client_metrics:
      return refuse(result, ErrorCode::invalid_request,
                    resource.resource_name.empty() ? "Client metrics subscription name must not be empty"
                                                   : "Config type client-metrics is only supported on KRaft clusters");
    case ConfigResourceType::group:
      return services.groups.serves_consumer_groups() ? describe_group(services, resource, request, result)
                                                      : refuse_type(result);
    default:
      return refuse_type(result);
  }
}

}  // namespace

Answer<DescribeConfigsResponse> handle(RequestContext& context, DescribeConfigsRequest request) {
  DescribeConfigsResponse response;
  std::set<std::pair<std::int8_t, std::string_view>> asked;
  std::size_t repeated = 0;
  std::size_t groups = 0;
  // Of what the others ask then goes unsaid, as in Kafka.
  const bool refused = std::ranges::any_of(
      request.resources, [](const auto& resource) { return !is_config_resource_type(resource.resource_type); });
  for (const auto& resource : request.resources) {
    Result& result = response.results.emplace_back();
    result.error_message = "";
    result.resource_type = resource.resource_type;
    result.resource_name = resource.resource_name;
    if (!asked.emplace(resource.resource_type, resource.resource_name).second) ++repeated;
    if (static_cast<ConfigResourceType>(resource.resource_type) == ConfigResourceType::group) ++groups;
    if (repeated > kRepeatedMax || groups > kGroupsMax) {
      refuse(result, ErrorCode::invalid_request, "Too much is asked for in one request.");
      continue;
    }
    if (refused) {
      refuse_type(result);
      continue;
    }
    describe(context.services, resource, request, result);
    if (context.api_version == 0) mark_defaults(result);
  }
  return response;
}

}  // namespace broker::api
