// For the .cpp files of LogManager only.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
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
    std::atomic<bool> loaded = false;
    std::mutex checkpoint_mutex;  // one writer of its checkpoints at a time
    std::atomic<bool> names_the_gone = false;  // its checkpoints may: forget_the_gone()
    std::atomic<bool> beyond_the_end = false;  // they are, of a log that was loaded
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
  std::atomic<std::int64_t> producer_id_expiration_ms = config.producer_id_expiration_ms;  // now; changes while it runs
  std::vector<std::unique_ptr<Directory>> directories;  // fixed once opened

  std::mutex create_mutex;  // creates and removes one after the other; taken before `mutex`
  std::set<TopicPartition> exchanging;  // with create_mutex
  std::condition_variable exchanged;
  mutable std::mutex mutex;
  using Logs = std::unordered_map<TopicPartition, std::shared_ptr<Log>>;
  Logs logs;
  Logs futures;   // copies under way in another directory
  std::vector<std::shared_ptr<Log>> futures_found;  // while loading: settle_futures() puts them there, or away
  Logs retiring;  // those whose copies have taken their place, until they are renamed: work on directories goes on for them
  std::set<TopicPartition> can_go_back;  // those of them that take their place again if the copy's directory fails
  std::map<TopicPartition, std::string> preferred_directories;  // for logs that don't exist yet
  std::vector<PendingDelete> pending_deletes;
  std::function<void(const std::string&)> on_failure;

  // Work on one directory: a failed file call takes it offline. False if that happened, before or now.
  template <class Work>
  bool attempt(LogDirectory& directory, Work work) {
    if (directory.offline()) return false;
    try {
      work();
    } catch (const LogClosed&) {
      // It was deleted meanwhile.
    } catch (const std::exception& error) {
      directory.fail(error);
    }
    return !directory.offline();
  }
  // Calls it with the directory at this path; with all, one after the other, if the path is empty.
  template <class Work>
  void for_each_at(const std::string& path, Work work) {
    for (const auto& directory : directories) {
      if (path.empty() || path == directory->shared->path()) work(*directory);
    }
  }
  // num.recovery.threads.per.data.dir, for the start and for the stop.
  std::size_t threads_per_directory() const {
    return static_cast<std::size_t>(std::max(1, config.recovery_threads_per_data_dir));
  }
  // With `mutex`.
  std::array<Logs*, 3> all_logs() { return {&logs, &futures, &retiring}; }
  // The right to make or remove logs, once this one isn't being exchanged.
  std::unique_lock<std::mutex> lock_to_change(const TopicPartition& topic_partition) {
    std::unique_lock creating(create_mutex);
    exchanged.wait(creating, [&] { return !exchanging.contains(topic_partition); });
    return creating;
  }
  struct Found;
  std::shared_ptr<Found> look_into(Directory& directory);
  LogOptions options_for(const Directory& directory, const TopicPartition& topic_partition) const;
  using ConfigOf = std::function<LogConfig(const std::string& topic)>;
  std::vector<LogOptions> options_of_all(const Directory& directory, const Found& found,
                                         std::map<std::string, LogConfig>& configs, const ConfigOf& config_of) const;
  void open_found(Directory& directory, const LogOptions& options, const Found& found);
  void settle_futures();
  void cut_future(Log& future);
  bool is_of_another_topic(const Log& future) const;
  // The online one with the fewest logs; null if there is none.
  Directory* choose_directory(const std::string& wanted) const;
  // One sync for all of a directory's logs instead of some for each.
  static constexpr std::size_t kManyLogs = 64;
  void flush_closed_segments(Directory& directory);
  void close_logs(Directory& directory);
  std::vector<std::shared_ptr<Log>> logs_of(const LogDirectory& directory) const;  // copies under way and the retiring too
  std::shared_ptr<Log> look_up(const Logs& map, const TopicPartition& topic_partition) const;
  Directory* directory_at(const std::string& path) const;  // null if it is no entry of log.dirs
  protocol::Result<std::shared_ptr<Log>> make(Directory& directory, const LogOptions& options);
  // With `mutex`: whose copy is lost in the middle of the exchange has its place again.
  void go_back();
  protocol::ErrorCode take_out_future(const TopicPartition& topic_partition);  // and retires it, if there is one
  // Nobody else may remove or exchange it. Renames to …-delete and removes it later.
  protocol::ErrorCode retire(const std::shared_ptr<Log>& log);
  // Those of one entry of log.dirs, or of all.
  void checkpoint(const std::string& path, const char* file,
                  const std::function<std::optional<std::int64_t>(const Log&)>& offset_of);
  void checkpoint_directory(Directory& directory, const char* file,
                            const std::function<std::optional<std::int64_t>(const Log&)>& offset_of);
  void write_all_checkpoints(Directory& directory);
  // Before a log is made: what the checkpoints say of one that had its name would be taken for its own after a crash. Throws
  // if a file call fails.
  void forget_the_gone(Directory& directory);
  // The work may take a log's offsets back, and with them the checkpoints.
  protocol::ErrorCode shorten(Log& log, const std::function<void()>& work);
  void schedule_directory_delete(const std::shared_ptr<LogDirectory>& directory, const std::string& path,
                                 std::int64_t delay_ms);
};

}  // namespace storage
