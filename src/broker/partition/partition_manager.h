// The partitions that this broker leads, by topic name and by topic id. Owned by the app; made after the LogManager has
// loaded, and told by the controller side (PartitionSink) what to lead and what to stop.
//
// Thread-safe: lookups take a short shared lock; changes come from the control thread, one at a time, and touch disks
// outside of that lock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/metadata/partition_sink.h"
#include "broker/partition/partition.h"
#include "log/log_manager.h"

namespace broker::partition {

struct TopicSettings {
  storage::LogConfig log;
  std::int32_t min_insync_replicas = 1;
};

struct DirectoryDescription {
  struct Replica {
    storage::TopicPartition name;
    std::int64_t size_bytes = 0;
    std::int64_t offset_lag = 0;  // of a copy: how far it is behind its log
    bool is_future = false;       // a copy that will take the place of the log
  };
  std::string path;
  protocol::ErrorCode error = protocol::ErrorCode::none;
  std::int64_t total_bytes = -1;
  std::int64_t usable_bytes = -1;
  std::vector<Replica> replicas;  // sorted by name
};

class PartitionManager final : public metadata::PartitionSink {
 public:
  // `settings_of` answers for a topic with what is configured now; called on the control thread.
  using SettingsOf = std::function<TopicSettings(const std::string& topic)>;
  PartitionManager(std::int32_t broker_id, storage::LogManager& logs, SettingsOf settings_of);
  ~PartitionManager() override;  // waits for flushes that have begun
  // For an id that is generated at the start; before any partition is led.
  void set_broker_id(std::int32_t broker_id) { broker_id_ = broker_id; }

  // Null if not led here.
  std::shared_ptr<Partition> find(std::string_view topic, std::int32_t partition) const;
  std::shared_ptr<Partition> find(const base::Uuid& topic_id, std::int32_t partition) const;
  std::vector<std::shared_ptr<Partition>> all() const;
  const TopicTraffic& traffic() const { return *all_traffic_; }  // of all topics since the start

  std::vector<protocol::ErrorCode> become_leader(const std::vector<metadata::LeaderState>& partitions) override;
  std::vector<metadata::PartitionName> stop(const std::vector<metadata::PartitionName>& partitions,
                                            bool delete_logs) override;
  // The configuration of a topic changed; takes effect before this returns. On the control thread.
  void topic_settings_changed(const std::string& topic);
  // The same of all topics, with one look at all logs.
  void all_settings_changed();
  // Every waiting request is woken and every further one refused, so that the listeners can stop; nothing is led from
  // now on, whatever the control thread still does. Waits for the flushes that have begun.
  void shutdown();

  std::vector<DirectoryDescription> describe_directories() const;

  // Whether this broker should have it but its disk failed; asked where find() found nothing.
  bool is_offline(std::string_view topic, std::int32_t partition) const;
  // What lies in this directory answers KAFKA_STORAGE_ERROR from now on; but what was just moving to it goes on where it
  // was, and only those who wait get that answer. On the control thread, not on a thread that holds a partition's lock,
  // as the one that met the failure does.
  void directory_failed(const std::string& directory);
  // AlterReplicaLogDirs for one partition: a copy begins to grow there, and the callback of on_move is told; or it is
  // where the log of that partition will be made. A copy that grows elsewhere is given up. `known`: the cluster has it.
  // Waits for disks. INVALID_TOPIC_EXCEPTION if the name is too long for a copy's directory, REPLICA_NOT_AVAILABLE if the cluster
  // has it elsewhere.
  protocol::ErrorCode move_to(const storage::TopicPartition& name, const std::string& directory, bool known);
  // Before the first move.
  void on_move(std::function<void(const storage::TopicPartition&)> callback) { on_move_ = std::move(callback); }

 private:
  struct Topic {
    std::string name;
    base::Uuid id;
    std::map<std::int32_t, std::shared_ptr<Partition>> partitions;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  protocol::ErrorCode lead(const metadata::LeaderState& state);
  std::shared_ptr<TopicTraffic> traffic_of(const metadata::LeaderState& state) const;
  std::shared_ptr<Partition> take_out(const std::string& topic, std::int32_t partition);

  std::int32_t broker_id_;
  storage::LogManager& logs_;
  const SettingsOf settings_of_;
  const std::shared_ptr<FlushThreads> flush_threads_ = std::make_shared<FlushThreads>();
  const std::shared_ptr<TopicTraffic> all_traffic_ = std::make_shared<TopicTraffic>();
  std::function<void(const storage::TopicPartition&)> on_move_;

  std::mutex changes_;  // while a partition begins to serve; before mutex_
  bool shut_down_ = false;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Topic>, TextHash, std::equal_to<>> topics_;
  std::unordered_map<base::Uuid, std::shared_ptr<Topic>> topics_by_id_;
  std::set<storage::TopicPartition> offline_;  // those without a Partition, as their log couldn't be opened
};

}  // namespace broker::partition
