// For the .cpp files of LogManager only.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "log/checkpoint_file.h"
#include "log/log_manager.h"

namespace storage {

struct LogManager::State {
  struct Directory {
    std::shared_ptr<LogDirectory> shared;
    std::unique_ptr<base::File> lock;
    std::optional<MetaProperties> meta_properties;
    bool had_clean_shutdown = false;
    bool loaded = false;
    std::mutex checkpoint_mutex;  // one writer of its checkpoints at a time
  };
  struct PendingDelete {
    std::shared_ptr<LogDirectory> directory;
    std::string path;
    std::int64_t due_ms = 0;
  };

  State(base::FileSystem& files_, const base::Clock& clock_, LogManagerConfig config_)
      : files(files_), clock(clock_), config(std::move(config_)) {}

  base::FileSystem& files;
  const base::Clock& clock;
  LogManagerConfig config;
  std::vector<std::unique_ptr<Directory>> directories;  // fixed once opened

  std::mutex create_mutex;  // creates and removes one after the other; taken before `mutex`
  mutable std::mutex mutex;
  std::unordered_map<TopicPartition, std::shared_ptr<Log>> logs;
  std::vector<PendingDelete> pending_deletes;
  std::function<void(const std::string&)> on_failure;

  // Work on one directory: a failed file call takes it offline. False if that happened, before or now.
  template <class Work>
  bool attempt(LogDirectory& directory, Work work) {
    if (directory.offline()) return false;
    try {
      work();
    } catch (const std::exception& error) {
      directory.fail(error);
    }
    return !directory.offline();
  }
  // num.recovery.threads.per.data.dir, for the start and for the stop.
  std::size_t threads_per_directory() const {
    return static_cast<std::size_t>(std::max(1, config.recovery_threads_per_data_dir));
  }
  struct Found;
  std::shared_ptr<Found> look_into(Directory& directory);
  LogOptions options_for(const Directory& directory, const TopicPartition& topic_partition) const;
  void open_found(const LogOptions& options, const Found& found);
  // The online one with the fewest logs; null if there is none.
  std::shared_ptr<LogDirectory> choose_directory(const std::string& wanted) const;
  std::vector<std::shared_ptr<Log>> logs_of(const LogDirectory& directory) const;
  void checkpoint(const char* file, const std::function<std::optional<std::int64_t>(const Log&)>& offset_of);
  void checkpoint_directory(Directory& directory, const char* file,
                            const std::function<std::optional<std::int64_t>(const Log&)>& offset_of);
  void schedule_directory_delete(const std::shared_ptr<LogDirectory>& directory, const std::string& path,
                                 std::int64_t delay_ms);
};

}  // namespace storage
