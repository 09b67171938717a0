#include "broker/partition/partition_manager.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/logging.h"

namespace broker::partition {

using protocol::ErrorCode;

PartitionManager::PartitionManager(std::int32_t broker_id, storage::LogManager& logs, SettingsOf settings_of)
    : broker_id_(broker_id), logs_(logs), settings_of_(std::move(settings_of)) {}

PartitionManager::~PartitionManager() { flush_threads_->stop(); }

std::shared_ptr<Partition> PartitionManager::find(std::string_view topic, std::int32_t partition) const {
  std::shared_lock lock(mutex_);
  auto entry = topics_.find(topic);
  if (entry == topics_.end()) return nullptr;
  auto found = entry->second->partitions.find(partition);
  return found == entry->second->partitions.end() ? nullptr : found->second;
}

std::shared_ptr<Partition> PartitionManager::find(const base::Uuid& topic_id, std::int32_t partition) const {
  std::shared_lock lock(mutex_);
  auto entry = topics_by_id_.find(topic_id);
  if (entry == topics_by_id_.end()) return nullptr;
  auto found = entry->second->partitions.find(partition);
  return found == entry->second->partitions.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Partition>> PartitionManager::all() const {
  std::vector<std::shared_ptr<Partition>> result;
  std::shared_lock lock(mutex_);
  for (auto& [name, topic] : topics_) {
    for (auto& [number, partition] : topic->partitions) result.push_back(partition);
  }
  return result;
}

std::vector<ErrorCode> PartitionManager::become_leader(const std::vector<metadata::LeaderState>& partitions) {
  std::vector<ErrorCode> errors;
  errors.reserve(partitions.size());
  for (const metadata::LeaderState& state : partitions) {
    errors.push_back(lead(state));
    if (errors.back() != ErrorCode::none) {
      base::log_error("state.change.logger", "Can't become leader of {}-{} with leader epoch {}: {}", state.topic,
                      state.partition, state.leader_epoch, protocol::name_of(errors.back()));
    }
  }
  return errors;
}

ErrorCode PartitionManager::lead(const metadata::LeaderState& state) {
  std::lock_guard changing(changes_);
  if (shut_down_) return ErrorCode::not_leader_or_follower;
  TopicSettings settings = settings_of_(state.topic);
  std::shared_ptr<Partition> partition = find(state.topic, state.partition);
  if (partition && partition->topic_id() != state.topic_id) {
    if (!state.is_new) return ErrorCode::inconsistent_topic_id;
    partition = nullptr;  // the topic was deleted and made again
    metadata::PartitionName old{state.topic, state.topic_id, state.partition};
    stop({old}, true);
  }
  if (partition) {
    partition->set_min_insync_replicas(settings.min_insync_replicas);
    return partition->become_leader(state);
  }

  storage::TopicPartition name{state.topic, state.partition};
  std::optional<base::Uuid> topic_id;
  if (!state.topic_id.is_zero()) topic_id = state.topic_id;
  if (state.is_new) {
    auto leftover = logs_.find(name);
    if (leftover && leftover->topic_id() != topic_id) (void)logs_.remove(name);
  }
  auto log = logs_.get_or_create(name, settings.log, topic_id, {.is_new = state.is_new});
  if (!log) {
    std::unique_lock lock(mutex_);
    if (log.error() == ErrorCode::kafka_storage_error) offline_.insert(name);
    return log.error();
  }
  (*log)->set_config(settings.log);
  partition = std::make_shared<Partition>(broker_id_, state.topic_id, *log, flush_threads_, traffic_of(state));
  partition->set_min_insync_replicas(settings.min_insync_replicas);
  ErrorCode error = partition->become_leader(state);
  if (error != ErrorCode::none) return error;

  std::unique_lock lock(mutex_);
  offline_.erase(name);
  std::shared_ptr<Topic>& topic = topics_[state.topic];
  if (!topic) {
    topic = std::make_shared<Topic>();
    topic->name = state.topic;
  }
  if (topic->id != state.topic_id) {
    topics_by_id_.erase(topic->id);
    topic->id = state.topic_id;
    topics_by_id_[state.topic_id] = topic;
  }
  topic->partitions[state.partition] = std::move(partition);
  return ErrorCode::none;
}

// Partitions are made by one thread alone, so that nobody else makes the topic meanwhile.
std::shared_ptr<TopicTraffic> PartitionManager::traffic_of(const metadata::LeaderState& state) const {
  std::shared_lock lock(mutex_);
  auto entry = topics_.find(state.topic);
  return entry == topics_.end() ? std::make_shared<TopicTraffic>(all_traffic_)
                                : entry->second->partitions.begin()->second->shared_traffic();
}

std::shared_ptr<Partition> PartitionManager::take_out(const std::string& topic_name, std::int32_t number) {
  std::unique_lock lock(mutex_);
  auto entry = topics_.find(topic_name);
  if (entry == topics_.end()) return nullptr;
  auto& partitions = entry->second->partitions;
  auto found = partitions.find(number);
  if (found == partitions.end()) return nullptr;
  std::shared_ptr<Partition> partition = std::move(found->second);
  partitions.erase(found);
  if (partitions.empty()) {
    topics_by_id_.erase(entry->second->id);
    topics_.erase(entry);
  }
  return partition;
}

std::vector<metadata::PartitionName> PartitionManager::stop(const std::vector<metadata::PartitionName>& partitions,
                                                            bool delete_logs) {
  std::vector<metadata::PartitionName> kept;
  for (const metadata::PartitionName& name : partitions) {
    if (auto partition = take_out(name.topic, name.partition)) {
      partition->stop(delete_logs ? ErrorCode::unknown_topic_or_partition : ErrorCode::not_leader_or_follower);
    }
    storage::TopicPartition on_disk{name.topic, name.partition};
    {
      std::unique_lock lock(mutex_);
      offline_.erase(on_disk);
    }
    if (!delete_logs) continue;
    const bool found = logs_.find(on_disk) != nullptr;
    if (!found && !logs_.any_offline()) continue;  // there is none
    const ErrorCode error = found ? logs_.remove(on_disk) : ErrorCode::kafka_storage_error;
    if (error != ErrorCode::none) {
      kept.push_back(name);
      std::unique_lock lock(mutex_);
      offline_.insert(on_disk);
      base::log_error("kafka.server.ReplicaManager", "Can't delete the log of {}: {}", on_disk.to_string(),
                      protocol::name_of(error));
    }
  }
  return kept;
}

void PartitionManager::topic_settings_changed(const std::string& topic_name) {
  TopicSettings settings = settings_of_(topic_name);
  logs_.set_topic_config(topic_name, settings.log);
  std::vector<std::shared_ptr<Partition>> partitions;
  {
    std::shared_lock lock(mutex_);
    auto entry = topics_.find(topic_name);
    if (entry == topics_.end()) return;
    for (auto& [number, partition] : entry->second->partitions) partitions.push_back(partition);
  }
  for (auto& partition : partitions) partition->set_min_insync_replicas(settings.min_insync_replicas);
}

void PartitionManager::all_settings_changed() {
  std::unordered_map<std::string, TopicSettings> settings;
  const auto settings_of = [&](const std::string& topic) -> const TopicSettings& {
    const auto found = settings.find(topic);
    return found != settings.end() ? found->second : settings.emplace(topic, settings_of_(topic)).first->second;
  };
  logs_.set_configs([&](const std::string& topic) { return settings_of(topic).log; });
  std::vector<std::pair<std::string, std::shared_ptr<Partition>>> partitions;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [name, topic] : topics_) {
      for (const auto& [number, partition] : topic->partitions) partitions.emplace_back(name, partition);
    }
  }
  for (const auto& [topic, partition] : partitions) {
    partition->set_min_insync_replicas(settings_of(topic).min_insync_replicas);
  }
}

void PartitionManager::shutdown() {
  {
    std::lock_guard changing(changes_);
    shut_down_ = true;
    for (auto& partition : all()) partition->stop(ErrorCode::not_leader_or_follower);
  }
  flush_threads_->stop();  // which answer to event loops
}

std::vector<DirectoryDescription> PartitionManager::describe_directories() const {
  std::vector<DirectoryDescription> result;
  for (const storage::LogDirectoryInfo& info : logs_.directories()) {
    DirectoryDescription& directory = result.emplace_back();
    directory.path = info.path;
    if (info.offline) {
      directory.error = ErrorCode::kafka_storage_error;
      continue;
    }
    std::error_code error;
    std::filesystem::space_info space = std::filesystem::space(info.path, error);
    if (!error) {
      directory.total_bytes = static_cast<std::int64_t>(space.capacity);
      directory.usable_bytes = static_cast<std::int64_t>(space.available);
    }
  }
  auto add = [&result](const storage::Log& log, std::int64_t lag, bool is_future) {
    auto directory = std::ranges::find(result, log.parent_directory(), &DirectoryDescription::path);
    if (directory == result.end() || directory->error != ErrorCode::none) return;
    DirectoryDescription::Replica& replica = directory->replicas.emplace_back();
    replica.name = log.topic_partition();
    replica.size_bytes = static_cast<std::int64_t>(log.size_bytes());
    replica.offset_lag = lag;
    replica.is_future = is_future;
  };
  for (const auto& log : logs_.logs()) {
    storage::LogOffsets offsets = log->offsets();
    add(*log, std::max<std::int64_t>(offsets.high_watermark - offsets.log_end_offset, 0), false);
  }
  for (const auto& future : logs_.futures()) {
    std::shared_ptr<storage::Log> log = logs_.find(future->topic_partition());
    add(*future, log ? log->log_end_offset() - future->log_end_offset() : -1, true);
  }
  for (auto& directory : result) std::ranges::sort(directory.replicas, {}, &DirectoryDescription::Replica::name);
  return result;
}

bool PartitionManager::is_offline(std::string_view topic, std::int32_t partition) const {
  std::shared_lock lock(mutex_);
  return offline_.contains(storage::TopicPartition{std::string(topic), partition});
}

void PartitionManager::directory_failed(const std::string& directory) {
  for (auto& partition : all()) {
    if (partition->log()->parent_directory() != directory) continue;
    partition->stop(ErrorCode::kafka_storage_error);
    const storage::TopicPartition& name = partition->name();
    auto log = logs_.find(name);
    if (!log || log->parent_directory() == directory) continue;
    // It was moving to that directory, and goes on where it was.
    std::lock_guard changing(changes_);
    if (shut_down_) return;
    auto again = partition->led_again(std::move(log));
    if (!again) continue;
    std::unique_lock lock(mutex_);
    topics_.at(name.topic)->partitions[name.partition] = *again;
  }
}

ErrorCode PartitionManager::move_to(const storage::TopicPartition& name, const std::string& directory, bool known) {
  if (!storage::has_future_directory_name(name)) return ErrorCode::invalid_topic_exception;
  if (ErrorCode error = logs_.check_directory(directory); error != ErrorCode::none) return error;
  std::shared_ptr<Partition> partition = find(name.topic, name.partition);
  if (!partition) {
    if (is_offline(name.topic, name.partition)) return ErrorCode::kafka_storage_error;
    logs_.prefer_directory(name, directory);
    // Not NOT_LEADER_OR_FOLLOWER: Kafka's reassignment tool goes on at this error alone.
    return known ? ErrorCode::replica_not_available : ErrorCode::unknown_topic_or_partition;
  }
  if (auto future = logs_.find_future(name); future && future->parent_directory() != directory) {
    if (ErrorCode error = logs_.remove_future(name); error != ErrorCode::none) return error;
  }
  std::shared_ptr<storage::Log> log = logs_.find(name);  // where a move that has just ended has taken it
  if (!log) return ErrorCode::kafka_storage_error;
  if (log->parent_directory() == directory) return ErrorCode::none;
  auto future = logs_.get_or_create_future(name, directory);
  if (!future) return future.error();
  if (*future && on_move_) on_move_(name);
  return ErrorCode::none;
}

}  // namespace broker::partition
