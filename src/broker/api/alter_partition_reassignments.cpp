// AlterPartitionReassignments v0-1, as far as there is nothing to move: kafka-reassign-partitions.sh asks it for the replicas that
// are there before it moves them between the directories of their broker. Replicas on other brokers are refused, as Kafka refuses brokers
// that aren't there.
#include "protocol/messages/alter_partition_reassignments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/api/handlers.h"
#include "broker/api/request_context.h"
#include "broker/controller/cluster.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::api {
namespace {

using controller::Outcome;
using protocol::AlterPartitionReassignmentsRequest;
using protocol::AlterPartitionReassignmentsResponse;
using protocol::ErrorCode;
using Replicas = std::vector<std::int32_t>;

const metadata::Partition* find_partition(const metadata::ClusterMetadata& cluster, const std::string& topic, std::int32_t number) {
  const metadata::Topic* found = cluster.topic(topic);
  if (found == nullptr) return nullptr;
  const auto partition = found->partitions.find(number);
  return partition == found->partitions.end() ? nullptr : &partition->second;
}

// As Kafka's words have it.
std::string shown(const Replicas& replicas) { return fmt::format("ArrayBuffer({})", fmt::join(replicas, ", ")); }

// Of a list that is one at all.
Outcome check_assignment(const metadata::ClusterMetadata& cluster, const metadata::Partition* partition, const Replicas& replicas) {
  const auto is_new = [&](std::int32_t id) { return partition == nullptr || std::ranges::count(partition->replicas, id) == 0; };
  Replicas added, alive;
  std::ranges::copy_if(replicas, std::back_inserter(added), is_new);
  if (std::ranges::any_of(added, [&](std::int32_t id) { return !cluster.brokers.contains(id); })) {
    for (const auto& [id, broker] : cluster.brokers) alive.push_back(id);
    return {ErrorCode::invalid_replica_assignment,
            fmt::format("Replica assignment has brokers that are not alive. Replica list: {}, live broker list: Set({})", shown(added),
                        fmt::join(alive, ", "))};
  }
  if (partition == nullptr) return {ErrorCode::unknown_topic_or_partition, "The partition does not exist."};
  if (partition->replicas == replicas && partition->adding_replicas.empty() && partition->removing_replicas.empty()) return {};
  return {ErrorCode::invalid_replica_assignment,
          fmt::format("The replicas are {} and stay there: this controller doesn't move them between brokers.", partition->replicas)};
}

Outcome check(const metadata::ClusterMetadata& cluster, const std::string& topic, std::int32_t number,
              const std::optional<Replicas>& replicas, bool other_factor_allowed) {
  const metadata::Partition* partition = find_partition(cluster, topic, number);
  if (!replicas) return {ErrorCode::no_reassignment_in_progress, "No partition reassignment is in progress."};
  if (replicas->empty()) {
    return {ErrorCode::invalid_replica_assignment, "Empty replica list specified in partition reassignment."};
  }
  if (std::set<std::int32_t>(replicas->begin(), replicas->end()).size() != replicas->size()) {
    return {ErrorCode::invalid_replica_assignment,
            fmt::format("Duplicate replica ids in partition reassignment replica list: {}", shown(*replicas))};
  }
  if (std::ranges::any_of(*replicas, [](std::int32_t id) { return id < 0; })) {
    return {ErrorCode::invalid_replica_assignment, fmt::format("Invalid broker id in replica list: {}", shown(*replicas))};
  }
  if (partition != nullptr && !other_factor_allowed && replicas->size() != partition->replicas.size()) {
    return {ErrorCode::invalid_replication_factor,
            fmt::format("The replication factor is changed from {} to {}", partition->replicas.size(), replicas->size())};
  }
  return check_assignment(cluster, partition, *replicas);
}

}  // namespace

Answer<AlterPartitionReassignmentsResponse> handle(RequestContext& context, AlterPartitionReassignmentsRequest request) {
  const auto cluster = context.services.metadata.get();
  AlterPartitionReassignmentsResponse response;
  response.allow_replication_factor_change = request.allow_replication_factor_change;
  if (cluster->controller_id != context.services.broker_id) {
    response.error_code = ErrorCode::not_controller;
    return response;
  }
  // What is named twice counts as it was named last, as in Kafka, which makes a map of them.
  std::map<std::string, std::map<std::int32_t, const std::optional<Replicas>*>> asked;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) asked[topic.name][partition.partition_index] = &partition.replicas;
  }
  for (const auto& [topic, partitions] : asked) {
    auto& answer = response.responses.emplace_back();
    answer.name = topic;
    for (const auto& [number, replicas] : partitions) {
      Outcome outcome = check(*cluster, topic, number, *replicas, request.allow_replication_factor_change);
      auto& to = answer.partitions.emplace_back();
      to.partition_index = number;
      to.error_code = outcome.error;
      to.error_message = std::move(outcome.message);
    }
  }
  return response;
}

}  // namespace broker::api
