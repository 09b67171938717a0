// Metadata v0-13. v1: rack, controller, internal topics; null asks for all topics, v0 does so by an empty list. v2:
// cluster id. v4: whether topics may be created. v5: offline replicas. v7: leader epochs. v8: authorised operations (of
// the cluster until v10). v9: flexible. v10: topic ids in answers. v12: asks by topic id. v13: error at the top.
#include "protocol/messages/metadata.h"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/api/cluster_view.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/config/config_store.h"
#include "broker/controller/cluster.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::MetadataRequest;
using protocol::MetadataResponse;
using Topic = MetadataResponse::MetadataResponseTopic;

constexpr std::int16_t kTopicIdsFrom = 12;

bool asks_for_all(const MetadataRequest& request, std::int16_t version) {
  return !request.topics || (version == 0 && request.topics->empty());
}

// Names aren't looked at then.
bool asks_by_id(const MetadataRequest& request) {
  return std::ranges::any_of(*request.topics, [](const auto& topic) { return !topic.topic_id.is_zero(); });
}

// Kafka answers such a request with the topics alone, each with the error.
MetadataResponse refuse(const MetadataRequest& request, ErrorCode error) {
  MetadataResponse response;
  for (const auto& asked : *request.topics) {
    Topic& topic = response.topics.emplace_back();
    topic.name = asked.name.value_or("");
    topic.topic_id = asked.topic_id;
    topic.error_code = error;
  }
  return response;
}

ErrorCode check(const MetadataRequest& request, std::int16_t version) {
  if (!request.topics) return ErrorCode::none;
  const bool by_id = asks_by_id(request);
  const bool unnamed = std::ranges::any_of(*request.topics, [](const auto& topic) { return !topic.name; });
  if (version < kTopicIdsFrom && (by_id || unnamed)) return ErrorCode::invalid_request;
  return unnamed && !by_id ? ErrorCode::unknown_server_error : ErrorCode::none;
}

void add_topic(const RequestContext& context, const metadata::ClusterMetadata& cluster, const metadata::Topic& known,
               MetadataResponse& response) {
  Topic& topic = response.topics.emplace_back();
  topic.name = known.name;
  topic.topic_id = known.id;
  topic.is_internal = metadata::is_internal_topic(known.name);
  topic.partitions.reserve(known.partitions.size());
  for (const auto& [number, partition] : known.partitions) {
    ShownPartition shown = show_partition(cluster, partition, context.listener, context.api_version);
    auto& to = topic.partitions.emplace_back();
    to.error_code = shown.error;
    to.partition_index = number;
    to.leader_id = shown.leader;
    to.leader_epoch = partition.leader_epoch;
    to.replica_nodes = std::move(shown.replicas);
    to.isr_nodes = std::move(shown.isr);
    to.offline_replicas = std::move(shown.offline_replicas);
  }
}

void add_missing(std::string name, ErrorCode error, MetadataResponse& response) {
  Topic& topic = response.topics.emplace_back();
  topic.error_code = error;
  topic.is_internal = metadata::is_internal_topic(name);
  topic.name = std::move(name);
}

void add_brokers(const RequestContext& context, const metadata::ClusterMetadata& cluster, MetadataResponse& response) {
  for (const auto& [id, broker] : cluster.brokers) {
    const metadata::Endpoint* endpoint = find_endpoint(cluster, id, context.listener);
    if (endpoint == nullptr) continue;
    auto& to = response.brokers.emplace_back();
    to.node_id = id;
    to.host = endpoint->host;
    to.port = endpoint->port;
    to.rack = broker.rack;
  }
  response.cluster_id = cluster.cluster_id;
  response.controller_id = cluster.controller_id;
}

// The names that have to be looked for; those asked for by an unknown id go to `unknown`.
std::set<std::string> wanted_names(const MetadataRequest& request, const metadata::ClusterMetadata& cluster,
                                   std::vector<base::Uuid>& unknown) {
  std::set<std::string> names;
  const bool by_id = asks_by_id(request);
  for (const auto& asked : *request.topics) {
    if (!by_id) {
      names.insert(*asked.name);
    } else if (asked.topic_id.is_zero()) {
      continue;
    } else if (const metadata::Topic* known = cluster.topic(asked.topic_id)) {
      names.insert(known->name);
    } else {
      unknown.push_back(asked.topic_id);
    }
  }
  return names;
}

// A topic that is being made shows up in the next answer: LEADER_NOT_AVAILABLE makes the client ask again.
ErrorCode creation_answer(ErrorCode error) {
  const bool soon = error == ErrorCode::none || error == ErrorCode::topic_already_exists ||
                    error == ErrorCode::request_timed_out || error == ErrorCode::not_controller;
  return soon ? ErrorCode::leader_not_available : error;
}

}  // namespace

Answer<MetadataResponse> handle(RequestContext& context, MetadataRequest request) {
  if (const ErrorCode error = check(request, context.api_version); error != ErrorCode::none) {
    co_return refuse(request, error);
  }
  const auto cluster = context.services.metadata.get();
  MetadataResponse response;
  add_brokers(context, *cluster, response);
  if (asks_for_all(request, context.api_version)) {
    response.topics.reserve(cluster->topics.size());
    for (const auto& [name, topic] : cluster->topics) add_topic(context, *cluster, *topic, response);
  } else {
    std::vector<base::Uuid> unknown;
    std::vector<std::string> missing;
    for (const std::string& name : wanted_names(request, *cluster, unknown)) {
      const metadata::Topic* known = cluster->topic(name);
      if (known != nullptr) {
        add_topic(context, *cluster, *known, response);
      } else {
        missing.push_back(name);
      }
    }
    const bool create =
        request.allow_auto_topic_creation && context.services.configs.broker()->hot().auto_create_topics_enable;
    for (std::string& name : missing) {
      ErrorCode error = missing_topic_error(name);
      if (create && error == ErrorCode::unknown_topic_or_partition) {
        const controller::Outcome outcome = co_await context.services.cluster.auto_create_topic(name);
        error = creation_answer(outcome.error);
      }
      add_missing(std::move(name), error, response);
    }
    for (const base::Uuid& id : unknown) {
      Topic& topic = response.topics.emplace_back();
      topic.error_code = ErrorCode::unknown_topic_id;
      topic.name = std::nullopt;
      topic.topic_id = id;
    }
  }
  if (request.include_topic_authorized_operations) {
    for (Topic& topic : response.topics) {
      if (topic.name) topic.topic_authorized_operations = kAllTopicOperations;
    }
  }
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = kAllClusterOperations;
  co_return response;
}

}  // namespace broker::api
