// The start of all logs, and their clean end.
#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/logging.h"
#include "log/log_manager_state.h"

namespace storage {
namespace {

constexpr std::string_view kLogger = "kafka.log.LogManager";
constexpr std::string_view kTieredCache = "remote-log-index-cache";
constexpr std::string_view kKRaftTopic = "__cluster_metadata";  // the controllers' own, in a broker that was on its way to KRaft

OffsetCheckpoint read_or_empty(base::FileSystem& files, const std::string& path) {
  try {
    return read_offset_checkpoint(files, path);
  } catch (const CorruptFile& error) {
    base::log_warn(kLogger, "Error occurred while reading {}, taking it for empty", error.what());
    return {};
  }
}

std::int64_t offset_or_zero(const OffsetCheckpoint& offsets, const TopicPartition& topic_partition) {
  auto found = offsets.find(topic_partition);
  return found == offsets.end() ? 0 : found->second;
}

using Jobs = std::vector<std::function<void()>>;

// Runs the jobs of each directory on that many threads of its own, this one among them: a disk that is slow or has much
// to recover doesn't hold up the others.
void run_all(std::vector<Jobs>& directories, std::size_t threads_per_directory) {
  std::vector<std::atomic<std::size_t>> next(directories.size());
  auto work = [&](std::size_t which) {
    Jobs& jobs = directories[which];
    for (std::size_t index = next[which]++; index < jobs.size(); index = next[which]++) jobs[index]();
  };
  std::vector<std::size_t> workers;  // the directory of each
  for (std::size_t which = 0; which < directories.size(); ++which) {
    const std::size_t count = std::min(threads_per_directory, directories[which].size());
    workers.insert(workers.end(), count, which);
  }
  std::vector<std::thread> threads;
  for (std::size_t index = 1; index < workers.size(); ++index) {
    threads.emplace_back([&work, which = workers[index]] { work(which); });
  }
  if (!workers.empty()) work(workers.front());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

MetaProperties LogManager::open_directories() {
  MetaProperties agreed;
  bool any = false;
  for (const std::string& path : state_->config.log_dirs) {
    auto directory = std::make_unique<State::Directory>();
    directory->shared = std::make_shared<LogDirectory>(path);
    directory->shared->on_failure([this](const std::string& failed) {
      std::function<void(const std::string&)> callback;
      {
        std::lock_guard lock(state_->mutex);
        for (State::Logs* map : state_->all_logs()) {
          std::erase_if(*map, [&](const auto& entry) { return entry.second->parent_directory() == failed; });
        }
        state_->go_back();
        callback = state_->on_failure;
      }
      if (callback) callback(failed);
    });
    state_->attempt(*directory->shared, [&] {
      state_->files.create_directories(path);
      directory->lock = state_->files.try_lock(path + "/" + kLockFile);
      if (directory->lock) directory->meta_properties = read_meta_properties(state_->files, path);
    });
    bool online = !directory->shared->offline();
    if (online && !directory->lock) {
      throw std::runtime_error("Failed to acquire lock on file .lock in " + path +
                               ". Another broker is using this directory.");
    }
    any = any || online;
    if (const auto& found = directory->meta_properties) {
      auto agree = [&](auto& common, const auto& own, const char* key) {
        if (!own) return;
        if (common && *common != *own) {
          throw std::runtime_error(path + "/" + kMetaPropertiesFile + " has another " + key +
                                   " than the other entries of log.dirs");
        }
        common = own;
      };
      agree(agreed.broker_id, found->broker_id, "broker.id");
      agree(agreed.cluster_id, found->cluster_id, "cluster.id");
    }
    state_->directories.push_back(std::move(directory));
  }
  if (!any) throw std::runtime_error("None of the directories in log.dirs can be used");
  return agreed;
}

void LogManager::check_identity(std::int32_t broker_id, const std::string& cluster_id) {
  for (const auto& directory : state_->directories) {
    const std::string& path = directory->shared->path();
    if (directory->shared->offline()) continue;
    if (const auto& found = directory->meta_properties) {
      if (found->broker_id && *found->broker_id != broker_id) {
        throw std::runtime_error("Configured broker.id " + std::to_string(broker_id) +
                                 " doesn't match stored broker.id " + std::to_string(*found->broker_id) + " in " +
                                 path + "/" + kMetaPropertiesFile);
      }
      if (found->cluster_id && *found->cluster_id != cluster_id) {
        throw std::runtime_error("The Cluster ID " + cluster_id + " doesn't match stored clusterId " +
                                 *found->cluster_id + " in " + path + "/" + kMetaPropertiesFile +
                                 ". The broker is trying to join the wrong cluster.");
      }
      if (found->broker_id && found->cluster_id) continue;
    }
    state_->attempt(*directory->shared, [&] {
      write_meta_properties(state_->files, path, broker_id, cluster_id, state_->clock.wall_ms());
    });
  }
}

namespace {

// What one directory holds, before its logs are opened.
struct Inventory {
  std::vector<TopicPartition> partitions;
  std::vector<std::pair<TopicPartition, std::string>> futures;  // with their names
  std::vector<std::string> to_delete;                           // names
};

Inventory take_inventory(base::FileSystem& files, const std::string& path) {
  Inventory inventory;
  for (const std::string& name : files.list(path)) {
    if (name == kTieredCache || !files.info(path + "/" + name).is_directory) continue;
    auto parsed = parse_partition_directory(name);
    if (!parsed) {
      throw std::runtime_error("Found directory " + path + "/" + name +
                               ", which is not in the form of topic-partition or topic-partition.uniqueId-delete. "
                               "log.dirs must not contain other directories.");
    }
    if (parsed->topic_partition.topic == kKRaftTopic) continue;
    switch (parsed->kind) {
      case DirectoryKind::partition:
        inventory.partitions.push_back(parsed->topic_partition);
        break;
      case DirectoryKind::to_delete:
        inventory.to_delete.push_back(name);
        break;
      case DirectoryKind::future:
        inventory.futures.emplace_back(parsed->topic_partition, name);
        break;
      case DirectoryKind::stray:
        base::log_warn(kLogger, "{}/{} was set aside as no part of this cluster; it is neither served nor deleted",
                       path, name);
        break;
    }
  }
  return inventory;
}

}  // namespace

// What load() must know of one directory before it opens its logs.
struct LogManager::State::Found {
  Inventory inventory;
  OffsetCheckpoint recovery_points;
  OffsetCheckpoint log_starts;
  OffsetCheckpoint high_watermarks;
  OffsetCheckpoint cleaner_offsets;

  // Whether they name a log that isn't there: the broker stopped between its end and the next checkpoint.
  bool names_the_gone() const {
    std::set<TopicPartition> there(inventory.partitions.begin(), inventory.partitions.end());
    for (const auto& [topic_partition, name] : inventory.futures) there.insert(topic_partition);
    const std::array checkpoints = {&recovery_points, &log_starts, &high_watermarks, &cleaner_offsets};
    return std::ranges::any_of(checkpoints, [&](const OffsetCheckpoint* offsets) {
      return std::ranges::any_of(*offsets, [&](const auto& entry) { return !there.contains(entry.first); });
    });
  }
};

// Nothing if the directory is, or goes, offline.
std::shared_ptr<LogManager::State::Found> LogManager::State::look_into(Directory& directory) {
  const std::string& path = directory.shared->path();
  auto found = std::make_shared<Found>();
  std::optional<std::string> unusable;
  bool read = attempt(*directory.shared, [&] {
    try {
      found->inventory = take_inventory(files, path);
    } catch (const std::system_error&) {
      throw;
    } catch (const std::runtime_error& error) {
      unusable = error.what();
      return;
    }
    std::string marker = path + "/" + kCleanShutdownFile;
    directory.had_clean_shutdown = files.exists(marker);
    found->recovery_points = read_or_empty(files, path + "/" + kRecoveryPointFile);
    found->log_starts = read_or_empty(files, path + "/" + kLogStartFile);
    found->cleaner_offsets = read_or_empty(files, path + "/" + kCleanerFile);
    found->high_watermarks = read_offset_checkpoint(files, path + "/" + kHighWatermarkFile);
    // A crash while loading must count as one.
    files.remove(marker);
    if (directory.had_clean_shutdown) files.sync_directory(path);
  });
  if (unusable) throw std::runtime_error(*unusable);
  if (!read) return nullptr;
  directory.names_the_gone = found->names_the_gone();
  base::log_info(kLogger, "{} {} logs from {} since {} clean shutdown file was found",
                 directory.had_clean_shutdown ? "Skipping recovery of" : "Recovering",
                 found->inventory.partitions.size(), path, directory.had_clean_shutdown ? "a" : "no");
  return found;
}

LogOptions LogManager::State::options_for(const Directory& directory, const TopicPartition& topic_partition) const {
  LogOptions options;
  options.topic_partition = topic_partition;
  options.directory = directory.shared->path() + "/" + topic_partition.to_string();
  options.log_directory = directory.shared;
  options.producer_id_expiration_ms = producer_id_expiration_ms;
  options.keep_partition_metadata = config.keep_partition_metadata;
  return options;
}

void LogManager::State::open_found(Directory& directory, const LogOptions& options, const Found& found) {
  attempt(*directory.shared, [&] {
    std::shared_ptr<Log> log = Log::open(files, clock, options);
    log->update_high_watermark(offset_or_zero(found.high_watermarks, options.topic_partition));
    const std::int64_t end = log->log_end_offset();
    auto cleaned = found.cleaner_offsets.find(options.topic_partition);
    const bool any_is_clean = cleaned != found.cleaner_offsets.end();
    const bool clean_beyond_the_end = any_is_clean && cleaned->second > end;  // then, as in Kafka, all is to be cleaned
    if (any_is_clean && !clean_beyond_the_end) log->set_first_dirty_offset(cleaned->second);
    if (clean_beyond_the_end || options.recovery_point > end) directory.beyond_the_end = true;
    std::lock_guard lock(mutex);
    if (options.directory.ends_with("-future")) {
      futures_found.push_back(std::move(log));
    } else {
      logs[options.topic_partition] = std::move(log);
    }
  });
}

bool LogManager::State::is_of_another_topic(const Log& future) const {
  std::shared_ptr<Log> log = look_up(logs, future.topic_partition());
  return log && log->topic_id() && future.topic_id() && log->topic_id() != future.topic_id();
}

// A directory that comes back may have the copy of a topic that was deleted meanwhile, and made anew under its name; or an
// older copy beside the one with which the move has gone on elsewhere. Those are deleted.
void LogManager::State::settle_futures() {
  for (const std::shared_ptr<Log>& future : std::exchange(futures_found, {})) {
    const TopicPartition& name = future->topic_partition();
    std::shared_ptr<Log> other = look_up(futures, name);
    const bool is_behind = other && other->log_end_offset() >= future->log_end_offset();
    if (is_behind || is_of_another_topic(*future)) {
      (void)retire(future);
      continue;
    }
    if (other) (void)retire(other);
    {
      std::lock_guard lock(mutex);
      if (directory_at(future->parent_directory())->shared->offline()) continue;
      futures[name] = future;
    }
    cut_future(*future);
  }
}

// After a crash the log may be shorter than the copy of it: what the copy has beyond isn't in any history.
void LogManager::State::cut_future(Log& future) {
  std::shared_ptr<Log> log = look_up(logs, future.topic_partition());
  if (log) (void)shorten(future, [&] { future.truncate_to(log->log_end_offset()); });
}

// What there is to open in one directory.
std::vector<LogOptions> LogManager::State::options_of_all(const Directory& directory, const Found& found,
                                                          std::map<std::string, LogConfig>& configs,
                                                          const ConfigOf& config_of) const {
  auto progress = std::make_shared<RecoveryProgress>(
      clock, directory.shared->path(), found.inventory.partitions.size() + found.inventory.futures.size());
  std::vector<LogOptions> all;
  auto add = [&](const TopicPartition& topic_partition, const std::string& name) {
    auto [of_topic, missing] = configs.try_emplace(topic_partition.topic);
    if (missing) of_topic->second = config_of(topic_partition.topic);
    LogOptions& options = all.emplace_back(options_for(directory, topic_partition));
    options.directory = directory.shared->path() + "/" + name;
    options.config = of_topic->second;
    options.clean_shutdown = directory.had_clean_shutdown;
    options.recovery_point = offset_or_zero(found.recovery_points, topic_partition);
    options.log_start_offset = offset_or_zero(found.log_starts, topic_partition);
    options.progress = progress;
  };
  for (const TopicPartition& topic_partition : found.inventory.partitions) {
    add(topic_partition, topic_partition.to_string());
  }
  for (const auto& [topic_partition, name] : found.inventory.futures) add(topic_partition, name);
  return all;
}

void LogManager::load(const std::function<LogConfig(const std::string& topic)>& config_of) {
  std::int64_t began_ms = state_->clock.monotonic_ms();
  std::vector<Jobs> jobs(state_->directories.size());
  std::set<TopicPartition> seen;
  std::map<std::string, LogConfig> configs;
  for (std::size_t which = 0; which < jobs.size(); ++which) {
    const auto& directory = state_->directories[which];
    std::shared_ptr<State::Found> found = state_->look_into(*directory);
    if (!found) continue;
    const std::string& path = directory->shared->path();
    for (const std::string& name : found->inventory.to_delete) {
      state_->schedule_directory_delete(directory->shared, path + "/" + name, config_of("").file_delete_delay_ms);
    }
    for (const TopicPartition& topic_partition : found->inventory.partitions) {
      if (seen.insert(topic_partition).second) continue;
      throw std::runtime_error(
          "Duplicate log directories for " + topic_partition.to_string() + " are found, one in " + path +
          ". It is likely because a log directory failed while the broker replaced a replica by its copy in another "
          "one. Move one of the two away: if one directory is known to have failed, the one in it.");
    }
    for (LogOptions& options : state_->options_of_all(*directory, *found, configs, config_of)) {
      jobs[which].push_back([this, which, found, options = std::move(options)] {
        state_->open_found(*state_->directories[which], options, *found);
        options.progress->partition_loaded();
      });
    }
  }
  run_all(jobs, state_->threads_per_directory());
  bool any = false;
  for (const auto& directory : state_->directories) {
    directory->loaded = !directory->shared->offline();
    any = any || directory->loaded;
  }
  if (!any) throw std::runtime_error("All log directories have failed while loading");
  state_->settle_futures();
  // A log may be shorter than when it was flushed: a disk lost what it had said to be there. What is appended from now on is
  // neither flushed nor clean, and a crash before the next round of checkpoints mustn't take it for that.
  for (const auto& directory : state_->directories) {
    if (!directory->beyond_the_end) continue;
    state_->attempt(*directory->shared, [&] { state_->write_all_checkpoints(*directory); });
  }
  base::log_info(kLogger, "Loaded {} logs in {}ms", logs().size(), state_->clock.monotonic_ms() - began_ms);
}

void LogManager::State::close_logs(Directory& directory) {
  std::vector<std::shared_ptr<Log>> changed = logs_of(*directory.shared);
  std::erase_if(changed, [](const auto& log) { return !log->has_something_to_close(); });
  std::vector<Jobs> jobs(1);
  if (changed.size() <= kManyLogs) {
    for (const auto& log : changed) jobs[0].push_back([&] { attempt(*directory.shared, [&] { log->close(); }); });
    run_all(jobs, threads_per_directory());
    return;
  }
  std::vector<std::optional<Log::PlannedFlush>> plans(changed.size());
  for (std::size_t index = 0; index < changed.size(); ++index) {
    jobs[0].push_back([&, index] {
      attempt(*directory.shared, [&] { plans[index] = changed[index]->plan_close(); });
    });
  }
  run_all(jobs, threads_per_directory());
  if (!attempt(*directory.shared, [&] { directory.lock->sync_file_system(); })) return;
  for (std::size_t index = 0; index < changed.size(); ++index) {
    if (plans[index]) changed[index]->finish_close(*plans[index]);
  }
}

void LogManager::shutdown() {
  base::log_info(kLogger, "Shutting down.");
  std::vector<Jobs> jobs;
  for (const auto& directory : state_->directories) {
    jobs.emplace_back();
    jobs.back().push_back([this, &directory] { state_->close_logs(*directory); });
  }
  run_all(jobs, 1);
  checkpoint_high_watermarks();
  checkpoint_recovery_points();
  checkpoint_log_start_offsets();
  for (const auto& directory : state_->directories) {
    state_->attempt(*directory->shared, [&] {
      if (!state_->files.exists(directory->shared->path() + "/" + kCleanerFile)) return;
      checkpoint_cleaner_offsets(directory->shared->path());
    });
    state_->attempt(*directory->shared, [&] {
      if (directory->loaded) write_clean_shutdown_marker(state_->files, directory->shared->path());
    });
    directory->loaded = false;
    directory->lock.reset();
  }
  base::log_info(kLogger, "Shutdown complete.");
}

}  // namespace storage
