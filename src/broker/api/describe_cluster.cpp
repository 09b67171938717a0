// DescribeCluster v0-2. v1: endpoint type. v2: fenced brokers, of which a ZooKeeper cluster has none.
#include "protocol/messages/describe_cluster.h"

#include <string>

#include "broker/api/cluster_view.h"
#include "broker/api/handlers.h"
#include "broker/api/request_context.h"

namespace broker::api {
namespace {

constexpr std::int8_t kBrokers = 1;
constexpr std::int8_t kControllers = 2;

}  // namespace

Answer<protocol::DescribeClusterResponse> handle(RequestContext& context, protocol::DescribeClusterRequest request) {
  protocol::DescribeClusterResponse response;
  if (request.endpoint_type == kControllers) {
    response.error_code = protocol::ErrorCode::mismatched_endpoint_type;
    response.error_message =
        "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
    return response;
  }
  if (request.endpoint_type != kBrokers) {
    response.error_code = protocol::ErrorCode::unsupported_endpoint_type;
    response.error_message = "Unsupported endpoint type " + std::to_string(request.endpoint_type);
    return response;
  }
  const auto cluster = context.services.metadata.get();
  response.cluster_id = cluster->cluster_id;
  response.controller_id = cluster->controller_id;
  for (const auto& [id, broker] : cluster->brokers) {
    const metadata::Endpoint* endpoint = find_endpoint(*cluster, id, context.listener);
    if (endpoint == nullptr) continue;
    auto& to = response.brokers.emplace_back();
    to.broker_id = id;
    to.host = endpoint->host;
    to.port = endpoint->port;
    to.rack = broker.rack;
  }
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = kAllClusterOperations;
  return response;
}

}  // namespace broker::api
