// All logs of this broker, in the directories of log.dirs: opens, creates, deletes and looks them up, and runs their
// periodic work. Owned by the app; thread-safe once load() has returned. The start, in order:
//   LogManager manager(...); manager.open_directories(); (learn the cluster id) manager.check_identity(...);
//   manager.load(...); and at the end, with nobody appending any more: manager.shutdown().
// It has no threads of its own but those that load() uses: schedulers call the periodic functions, on threads that may
// wait for disks.
//
// A directory that fails goes offline: its logs answer KAFKA_STORAGE_ERROR, find() no longer returns them, and the
// failure callback is called once, on the thread that met the failure and with no lock held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/uuid.h"
#include "log/log.h"
#include "log/log_config.h"
#include "log/meta_properties.h"
#include "log/topic_partition.h"
#include "protocol/error.h"

namespace storage {

struct LogManagerConfig {
  std::vector<std::string> log_dirs;
  int recovery_threads_per_data_dir = 1;                // num.recovery.threads.per.data.dir
  std::int64_t producer_id_expiration_ms = 86'400'000;  // producer.id.expiration.ms
  bool keep_partition_metadata = true;                  // false with inter.broker.protocol below 2.8
};

struct LogDirectoryInfo {
  std::string path;
  bool offline = false;
};

class LogManager {
 public:
  LogManager(base::FileSystem& files, const base::Clock& clock, LogManagerConfig config);
  ~LogManager();  // releases the directory locks, leaves no clean-shutdown marker
  LogManager(const LogManager&) = delete;
  LogManager& operator=(const LogManager&) = delete;

  // Makes and locks the directories and reads meta.properties, whose answer is what all agree on. Throws
  // std::runtime_error with a message for the user if another process holds one, if they disagree, or if none is
  // usable; a single unusable one only goes offline.
  MetaProperties open_directories();
  // Compares, and writes meta.properties where it is missing. Throws std::runtime_error on another broker or cluster.
  void check_identity(std::int32_t broker_id, const std::string& cluster_id);
  // Opens every partition found, in parallel; recovers what was not shut down cleanly. Throws std::runtime_error if a
  // sub-directory is no partition or one lives in two directories. High watermarks come from the checkpoint.
  void load(const std::function<LogConfig(const std::string& topic)>& config_of);

  // Null if unknown or its directory is offline.
  std::shared_ptr<Log> find(const TopicPartition& topic_partition) const;
  struct Creation {
    // The partition was just created. If it wasn't, its log may lie in a directory that is offline, and no empty one may
    // take its place: then it isn't made while one is offline.
    bool is_new = false;
    std::string directory = {};  // empty: where it is preferred, or the online one with the fewest partitions
  };
  // Makes it if it isn't there. KAFKA_STORAGE_ERROR if that fails or nothing is online. The topic id is written to
  // partition.metadata; INCONSISTENT_TOPIC_ID on another one.
  protocol::Result<std::shared_ptr<Log>> get_or_create(const TopicPartition& topic_partition, const LogConfig& config,
                                                       std::optional<base::Uuid> topic_id, const Creation& creation);
  // Renames the directory to …-delete at once; run_deletes() removes it after file.delete.delay.ms. A copy under way
  // goes too.
  protocol::ErrorCode remove(const TopicPartition& topic_partition);

  // ---- moves between directories: a copy grows in another directory (…-future) and takes the log's place
  // LOG_DIR_NOT_FOUND if it is no entry of log.dirs, KAFKA_STORAGE_ERROR if it is offline.
  protocol::ErrorCode check_directory(const std::string& directory) const;
  // Where a log that doesn't exist yet will be made.
  void prefer_directory(const TopicPartition& topic_partition, const std::string& directory);
  std::shared_ptr<Log> find_future(const TopicPartition& topic_partition) const;
  std::vector<std::shared_ptr<Log>> futures() const;
  // An empty copy of an existing log, with its configuration and topic id, unless there is one already. Null if the log
  // lies in that directory. As long as there is a copy the log isn't cleaned: the copy may have the records that a
  // tombstone stands for, and would never get the tombstone.
  protocol::Result<std::shared_ptr<Log>> get_or_create_future(const TopicPartition& topic_partition,
                                                              const std::string& directory);
  protocol::ErrorCode remove_future(const TopicPartition& topic_partition);
  // The end of a move: a copy that has everything becomes the log, and the old one is deleted. Three steps, so that those who
  // append wait for no sync of a disk but to be acknowledged. Only one rename of a directory holds up those who use this
  // partition (Log::rename_directory), and nobody else.
  class Exchange;
  // Until it is gone nobody makes or removes this log or its copy. Null if this isn't its copy any more, or there is no log.
  std::unique_ptr<Exchange> begin_exchange(const std::shared_ptr<Log>& copy);
  std::vector<std::shared_ptr<Log>> logs() const;
  std::vector<LogDirectoryInfo> directories() const;
  bool any_offline() const;
  // Log::truncate_to and Log::truncate_fully_and_start_at, of a log or a copy. The checkpoints on disk go back with it: what
  // is appended later is neither flushed nor clean, and begins where the log does.
  protocol::ErrorCode truncate(Log& log, std::int64_t offset);
  protocol::ErrorCode truncate_fully(Log& log, std::int64_t offset);
  void set_topic_config(const std::string& topic, const LogConfig& config);
  // Of every log and copy: asked once for each, without a lock.
  void set_configs(const std::function<LogConfig(const std::string& topic)>& config_of);
  void on_directory_failure(std::function<void(const std::string& directory)> callback);

  // Periodic work, of one entry of log.dirs or of all: for threads of which each has one, so that a disk that hangs holds
  // up no other. None of it throws; a failure takes the directory offline.
  void run_retention(const std::string& directory = {});          // compacted logs are the cleaner's
  void flush_dirty_logs(const std::string& directory = {});       // those past their flush.ms
  void flush_closed_segments(const std::string& directory = {});  // fsyncs what was rolled
  void checkpoint_recovery_points(const std::string& directory = {});
  void checkpoint_log_start_offsets(const std::string& directory = {});
  void checkpoint_high_watermarks(const std::string& directory = {});
  void expire_producers(const std::string& directory = {});
  void run_deletes(const std::string& directory = {});  // removes what is due
  // What has been cleaned, of one entry of log.dirs: after each cleaning.
  void checkpoint_cleaner_offsets(const std::string& directory);
  void set_producer_id_expiration(std::int64_t expiration_ms);  // counts from the next look on, and for later logs

  // Flushes and closes every log, writes the checkpoints and the clean-shutdown markers, releases the locks.
  void shutdown();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Belongs to one thread, and doesn't outlive the manager.
class LogManager::Exchange {
 public:
  Exchange(State& state, std::shared_ptr<Log> old, std::shared_ptr<Log> copy);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // With nobody appending; waits for no disk. From here on find() answers the copy, and what is appended to it isn't
  // acknowledged yet. On an error the old one stays what it is.
  protocol::ErrorCode swap();
  // Waits for both disks: when the copy is flushed and has the log's name, and the old one has lost it, acknowledgements
  // are released. A crash before finds both, each with all that was acknowledged. On an error the copy's directory is
  // offline. If it failed before the rename, find() answers the old one again (before the failure callback is called), and
  // what was appended to the copy is lost, unacknowledged; else the next start goes on with what it finds.
  protocol::ErrorCode finish();

 private:
  bool pass_the_last_way_back();  // false: the copy's directory failed before, and the old one has its place again

  State& state_;
  const std::shared_ptr<Log> old_;
  const std::shared_ptr<Log> copy_;
};

}  // namespace storage
