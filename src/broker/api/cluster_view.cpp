#include "broker/api/cluster_view.h"

#include <algorithm>
#include <iterator>

#include "broker/controller/topic_rules.h"

namespace broker::api {

using protocol::ErrorCode;

const metadata::Endpoint* find_endpoint(const metadata::ClusterMetadata& cluster, std::int32_t broker,
                                        std::string_view listener) {
  const auto found = cluster.brokers.find(broker);
  if (found == cluster.brokers.end()) return nullptr;
  const auto& endpoints = found->second.endpoints;
  const auto endpoint = std::find_if(endpoints.begin(), endpoints.end(),
                                     [&](const metadata::Endpoint& each) { return each.listener == listener; });
  return endpoint == endpoints.end() ? nullptr : &*endpoint;
}

ShownPartition show_partition(const metadata::ClusterMetadata& cluster, const metadata::Partition& partition,
                              std::string_view listener, std::int16_t metadata_version) {
  const auto reachable = [&](std::int32_t broker) { return find_endpoint(cluster, broker, listener) != nullptr; };
  ShownPartition shown;
  const auto show = [&](const std::vector<std::int32_t>& all, std::vector<std::int32_t>& to) {
    if (metadata_version == 0) {
      std::copy_if(all.begin(), all.end(), std::back_inserter(to), reachable);
    } else {
      to = all;
    }
  };
  show(partition.replicas, shown.replicas);
  show(partition.isr, shown.isr);
  std::copy_if(partition.replicas.begin(), partition.replicas.end(), std::back_inserter(shown.offline_replicas),
               [&](std::int32_t broker) {
                 return !reachable(broker) || std::ranges::count(partition.offline_replicas, broker) != 0;
               });
  constexpr std::int16_t kListenerErrorsFrom = 6;
  if (reachable(partition.leader)) {
    shown.leader = partition.leader;
    if (shown.replicas.size() < partition.replicas.size() || shown.isr.size() < partition.isr.size()) {
      shown.error = ErrorCode::replica_not_available;
    }
  } else if (cluster.brokers.contains(partition.leader) && metadata_version >= kListenerErrorsFrom) {
    shown.error = ErrorCode::listener_not_found;
  } else {
    shown.error = ErrorCode::leader_not_available;
  }
  return shown;
}

ErrorCode missing_topic_error(std::string_view name) {
  return controller::topic_name_error(name) ? ErrorCode::invalid_topic_exception
                                            : ErrorCode::unknown_topic_or_partition;
}

}  // namespace broker::api
