// CreateTopics v0-7. v1: validate only, messages. v4: defaults for partitions and replication factor (taken from every
// version, as Kafka does). v5: flexible; answers what the topic became. v7: topic ids.
#include "protocol/messages/create_topics.h"

#include <map>
#include <set>
#include <utility>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/config/config_entry.h"
#include "broker/config/config_store.h"
#include "broker/controller/cluster.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;
using protocol::ErrorCode;
using TopicAnswer = CreateTopicsResponse::CreatableTopicResult;

constexpr std::int16_t kDetailsFrom = 5;

void refuse(TopicAnswer& answer, ErrorCode error, std::string message) {
  answer.error_code = error;
  answer.error_message = std::move(message);
}

// What a request may not say before the cluster is asked; false: refused.
bool check(const CreateTopicsRequest::CreatableTopic& topic, bool duplicate, bool exists, TopicAnswer& answer) {
  if (duplicate) {
    refuse(answer, ErrorCode::invalid_request, "Found multiple entries for this topic.");
    return false;
  }
  if (topic.name == "__cluster_metadata") {
    refuse(answer, ErrorCode::invalid_request, "Creation of internal topic __cluster_metadata is prohibited.");
    return false;
  }
  if (exists) {
    refuse(answer, ErrorCode::topic_already_exists, "Topic '" + topic.name + "' already exists.");
    return false;
  }
  std::string null_configs;
  for (const auto& config : topic.configs) {
    if (config.value) continue;
    if (!null_configs.empty()) null_configs += ",";
    null_configs += config.name;
  }
  if (null_configs.empty()) return true;
  refuse(answer, ErrorCode::invalid_config, "Null value not supported for topic configs: " + null_configs);
  return false;
}

// An assignment that names a partition twice: the last one counts, as in Kafka.
controller::NewTopic to_new_topic(const CreateTopicsRequest::CreatableTopic& asked) {
  controller::NewTopic topic;
  topic.name = asked.name;
  topic.partitions = asked.num_partitions;
  topic.replication_factor = asked.replication_factor;
  for (const auto& each : asked.assignments) topic.assignment[each.partition_index] = each.broker_ids;
  for (const auto& config : asked.configs) topic.configs[config.name] = *config.value;
  return topic;
}

void add_details(const RequestContext& context, const controller::TopicCreated& created,
                 const controller::StringMap& overrides, TopicAnswer& answer) {
  answer.num_partitions = created.partitions;
  answer.replication_factor = created.replication_factor;
  const auto config = config::TopicConfig::create(context.services.configs.broker(), overrides);
  auto& configs = answer.configs.emplace();
  for (config::ConfigEntry& entry : config::describe_topic(*config)) {
    auto& to = configs.emplace_back();
    to.name = std::move(entry.name);
    to.value = std::move(entry.value);
    to.read_only = entry.read_only;
    to.config_source = static_cast<std::int8_t>(entry.source);
    to.is_sensitive = entry.sensitive;
  }
}

}  // namespace

Answer<CreateTopicsResponse> handle(RequestContext& context, CreateTopicsRequest request) {
  std::map<std::string, int> count;
  for (const auto& topic : request.topics) ++count[topic.name];
  const auto cluster = context.services.metadata.get();
  CreateTopicsResponse response;
  response.topics.resize(request.topics.size());
  std::vector<controller::NewTopic> topics;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < request.topics.size(); ++i) {
    const auto& asked = request.topics[i];
    TopicAnswer& answer = response.topics[i];
    answer.name = asked.name;
    if (!check(asked, count[asked.name] > 1, cluster->topic(asked.name) != nullptr, answer)) continue;
    topics.push_back(to_new_topic(asked));
    positions.push_back(i);
  }
  const std::vector<controller::NewTopic> sent = topics;
  if (sent.empty()) co_return response;
  const std::vector<controller::TopicCreated> created =
      co_await context.services.cluster.create_topics(std::move(topics), request.validate_only, request.timeout_ms);
  for (std::size_t n = 0; n < created.size(); ++n) {
    TopicAnswer& answer = response.topics[positions[n]];
    answer.error_code = created[n].error;
    answer.error_message = created[n].message;
    // What wasn't there in time has its id, but no details, as in Kafka.
    const bool begun = created[n].error == ErrorCode::none || created[n].error == ErrorCode::request_timed_out;
    if (begun) answer.topic_id = created[n].topic_id;
    if (created[n].error != ErrorCode::none) continue;
    if (context.api_version >= kDetailsFrom) add_details(context, created[n], sent[n].configs, answer);
  }
  co_return response;
}

}  // namespace broker::api
