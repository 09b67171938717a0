#include "broker/controller/cluster_state.h"

namespace broker::controller {

Assignment KnownTopic::assignment() const {
  Assignment result;
  for (const auto& [number, partition] : partitions) result.emplace(number, partition.replicas);
  return result;
}

metadata::znodes::TopicAssignment KnownTopic::to_znode() const {
  metadata::znodes::TopicAssignment result;
  result.id = id;
  for (const auto& [number, partition] : partitions) {
    metadata::Partition& written = result.partitions[number];
    written.replicas = partition.replicas;
    written.adding_replicas = partition.adding_replicas;
    written.removing_replicas = partition.removing_replicas;
  }
  return result;
}

KnownTopic* ClusterState::topic(std::string_view name) {
  auto found = topics.find(name);
  return found == topics.end() ? nullptr : &found->second;
}

KnownPartition* ClusterState::partition(std::string_view name, std::int32_t number) {
  KnownTopic* known = topic(name);
  if (known == nullptr) return nullptr;
  auto found = known->partitions.find(number);
  return found == known->partitions.end() ? nullptr : &found->second;
}

KnownPartition* ClusterState::change(std::string_view name, std::int32_t number) {
  KnownPartition* found = partition(name, number);
  if (found != nullptr) topic(name)->shown.reset();
  return found;
}

void ClusterState::adopt(const std::string& name, const metadata::znodes::TopicAssignment& read) {
  KnownTopic& known = topics[name];
  known.id = read.id;
  known.shown.reset();
  for (const auto& [number, partition] : read.partitions) {
    KnownPartition& target = known.partitions[number];
    target.replicas = partition.replicas;
    target.adding_replicas = partition.adding_replicas;
    target.removing_replicas = partition.removing_replicas;
  }
}

std::vector<std::string> ClusterState::colliding_topics(std::string_view name) const {
  std::vector<std::string> result;
  if (name.find_first_of("._") == std::string_view::npos) return result;
  for (const auto& [other, known] : topics) {
    if (topic_names_collide(name, other)) result.push_back(other);
  }
  return result;
}

namespace {

std::shared_ptr<const metadata::Topic> show(const std::string& name, const KnownTopic& known) {
  auto topic = std::make_shared<metadata::Topic>();
  topic->name = name;
  topic->id = known.id;
  for (const auto& [number, partition] : known.partitions) {
    if (!partition.state) continue;
    metadata::Partition& shown = topic->partitions[number];
    shown.replicas = partition.replicas;
    shown.adding_replicas = partition.adding_replicas;
    shown.removing_replicas = partition.removing_replicas;
    shown.isr = partition.state->isr;
    shown.offline_replicas = partition.offline_replicas;
    shown.leader = partition.state->leader;
    shown.leader_epoch = partition.state->leader_epoch;
    shown.partition_epoch = partition.state_version;
  }
  return topic;
}

}  // namespace

std::shared_ptr<const metadata::ClusterMetadata> ClusterState::snapshot() {
  auto result = std::make_shared<metadata::ClusterMetadata>();
  result->cluster_id = cluster_id;
  result->controller_id = controller_id;
  result->brokers = brokers;
  for (const std::string& name : unread) {
    if (!topics.contains(name)) result->unread_topics.insert(name);
  }
  for (auto& [name, known] : topics) {
    if (known.deleting) continue;
    if (!known.shown) known.shown = show(name, known);
    if (known.shown->partitions.size() < known.partitions.size()) result->unread_topics.insert(name);
    if (known.shown->partitions.empty()) continue;
    result->topics.emplace_hint(result->topics.end(), name, known.shown);
    if (!known.id.is_zero()) result->topics_by_id.emplace(known.id, known.shown);
  }
  return result;
}

}  // namespace broker::controller
