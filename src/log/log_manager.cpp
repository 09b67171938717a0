// Looking up, creating and deleting logs, and their periodic work. Start and shutdown are in log_manager_start.cpp.
#include "log/log_manager.h"

#include <algorithm>

#include "base/logging.h"
#include "base/saturating.h"
#include "log/log_manager_state.h"

namespace storage {

using protocol::ErrorCode;
using protocol::Result;

namespace {

constexpr std::string_view kLogger = "kafka.log.LogManager";

// What the checkpoints have of a log.
std::optional<std::int64_t> recovery_point_of(const Log& log) { return log.recovery_point_to_checkpoint(); }
std::optional<std::int64_t> log_start_of(const Log& log) { return log.log_start_to_checkpoint(); }
std::optional<std::int64_t> first_dirty_of(const Log& log) { return log.first_dirty_offset(); }
std::optional<std::int64_t> high_watermark_of(const Log& log) { return log.high_watermark(); }

}  // namespace

LogManager::LogManager(base::FileSystem& files, const base::Clock& clock, LogManagerConfig config)
    : state_(std::make_unique<State>(files, clock, std::move(config))) {}

LogManager::~LogManager() = default;

std::vector<std::shared_ptr<Log>> LogManager::State::logs_of(const LogDirectory& directory) const {
  std::vector<std::shared_ptr<Log>> result;
  std::lock_guard lock(mutex);
  for (const Logs* map : {&logs, &futures, &retiring}) {
    for (const auto& [topic_partition, log] : *map) {
      if (log->parent_directory() == directory.path()) result.push_back(log);
    }
  }
  return result;
}

std::shared_ptr<Log> LogManager::State::look_up(const Logs& map, const TopicPartition& topic_partition) const {
  std::lock_guard lock(mutex);
  auto found = map.find(topic_partition);
  return found == map.end() ? nullptr : found->second;
}

LogManager::State::Directory* LogManager::State::directory_at(const std::string& path) const {
  for (const auto& directory : directories) {
    if (directory->shared->path() == path) return directory.get();
  }
  return nullptr;
}

std::shared_ptr<Log> LogManager::find(const TopicPartition& topic_partition) const {
  return state_->look_up(state_->logs, topic_partition);
}

std::vector<std::shared_ptr<Log>> LogManager::logs() const {
  std::vector<std::shared_ptr<Log>> result;
  std::lock_guard lock(state_->mutex);
  result.reserve(state_->logs.size());
  for (const auto& [topic_partition, log] : state_->logs) result.push_back(log);
  return result;
}

std::vector<LogDirectoryInfo> LogManager::directories() const {
  std::vector<LogDirectoryInfo> result;
  for (const auto& directory : state_->directories) {
    result.push_back({directory->shared->path(), directory->shared->offline()});
  }
  return result;
}

void LogManager::on_directory_failure(std::function<void(const std::string&)> callback) {
  std::lock_guard lock(state_->mutex);
  state_->on_failure = std::move(callback);
}

void LogManager::set_topic_config(const std::string& topic, const LogConfig& config) {
  std::vector<std::shared_ptr<Log>> of_topic;
  {
    std::lock_guard lock(state_->mutex);
    for (const State::Logs* map : {&state_->logs, &state_->futures, &state_->retiring}) {
      for (const auto& [topic_partition, log] : *map) {
        if (topic_partition.topic == topic) of_topic.push_back(log);
      }
    }
  }
  for (const auto& log : of_topic) log->set_config(config);  // a log before its copy: see pass_config_on()
}

void LogManager::set_configs(const std::function<LogConfig(const std::string& topic)>& config_of) {
  std::vector<std::shared_ptr<Log>> all;
  {
    std::lock_guard lock(state_->mutex);
    for (const State::Logs* map : {&state_->logs, &state_->futures, &state_->retiring}) {
      for (const auto& [topic_partition, log] : *map) all.push_back(log);
    }
  }
  for (const auto& log : all) log->set_config(config_of(log->topic_partition().topic));  // in the order of the above
}

LogManager::State::Directory* LogManager::State::choose_directory(const std::string& wanted) const {
  std::map<std::string_view, std::size_t> counts;
  for (const auto& directory : directories) {
    bool fits = wanted.empty() || wanted == directory->shared->path();
    if (fits && !directory->shared->offline()) counts[directory->shared->path()] = 0;
  }
  if (counts.empty()) return nullptr;
  if (counts.size() > 1) {
    std::lock_guard lock(mutex);
    for (const Logs* map : {&logs, &futures}) {
      for (const auto& [topic_partition, log] : *map) {
        auto counted = counts.find(log->parent_directory());
        if (counted != counts.end()) ++counted->second;
      }
    }
  }
  // The first of those with the fewest, in the order of log.dirs.
  Directory* chosen = nullptr;
  for (const auto& directory : directories) {
    auto counted = counts.find(directory->shared->path());
    if (counted == counts.end()) continue;
    if (chosen == nullptr || counted->second < counts[chosen->shared->path()]) chosen = directory.get();
  }
  return chosen;
}

Result<std::shared_ptr<Log>> LogManager::State::make(Directory& directory, const LogOptions& options) {
  std::shared_ptr<Log> log;
  bool made = attempt(*directory.shared, [&] {
    forget_the_gone(directory);
    log = Log::open(files, clock, options);
  });
  if (!made) return ErrorCode::kafka_storage_error;
  base::log_info(kLogger, "Created log for partition {} in {}", options.topic_partition.to_string(), options.directory);
  return log;
}

Result<std::shared_ptr<Log>> LogManager::get_or_create(const TopicPartition& topic_partition, const LogConfig& config,
                                                       std::optional<base::Uuid> topic_id, const Creation& creation) {
  const auto creating = state_->lock_to_change(topic_partition);
  std::shared_ptr<Log> log = find(topic_partition);
  if (!log) {
    if (!creation.is_new && any_offline()) {
      base::log_error(kLogger, "Can not create log for {} because a log directory is offline, which may hold it",
                      topic_partition.to_string());
      return ErrorCode::kafka_storage_error;
    }
    std::string wanted = creation.directory;
    {
      std::lock_guard lock(state_->mutex);
      auto preferred = state_->preferred_directories.find(topic_partition);
      if (wanted.empty() && preferred != state_->preferred_directories.end()) wanted = preferred->second;
    }
    // One that fails goes offline, and the next is tried.
    while (!log) {
      State::Directory* chosen = state_->choose_directory(wanted);
      if (chosen == nullptr) return ErrorCode::kafka_storage_error;
      LogOptions options = state_->options_for(*chosen, topic_partition);
      options.config = config;
      options.clean_shutdown = true;
      auto made = state_->make(*chosen, options);
      if (made) log = *made;
    }
    {
      std::lock_guard lock(state_->mutex);
      state_->logs[topic_partition] = log;
      state_->preferred_directories.erase(topic_partition);
    }
    if (creation.is_new) (void)state_->take_out_future(topic_partition);
  }
  if (topic_id) {
    ErrorCode error = log->set_topic_id(*topic_id);
    if (error != ErrorCode::none) return error;
  }
  return log;
}

bool LogManager::any_offline() const {
  return std::ranges::any_of(state_->directories, [](const auto& one) { return one->shared->offline(); });
}

void LogManager::State::schedule_directory_delete(const std::shared_ptr<LogDirectory>& directory,
                                                  const std::string& path, std::int64_t delay_ms) {
  std::lock_guard lock(mutex);
  pending_deletes.push_back({directory, path, base::saturating_add(clock.monotonic_ms(), delay_ms)});
}

ErrorCode LogManager::State::retire(const std::shared_ptr<Log>& log) {
  const TopicPartition& topic_partition = log->topic_partition();
  directory_at(log->parent_directory())->names_the_gone = true;
  std::shared_ptr<LogDirectory> directory = directory_at(log->parent_directory())->shared;
  std::string path = directory->path() + "/" + deleted_directory_name(topic_partition);
  bool renamed = false;  // nor is it if the stop has closed it: then it is there at the next start
  attempt(*directory, [&] {
    log->rename_directory(path);
    renamed = true;
  });
  if (!renamed) return ErrorCode::kafka_storage_error;
  base::log_info(kLogger, "Log for partition {} is renamed to {} and is scheduled for deletion",
                 topic_partition.to_string(), path);
  schedule_directory_delete(directory, path, log->config().file_delete_delay_ms);
  return ErrorCode::none;
}

ErrorCode LogManager::remove(const TopicPartition& topic_partition) {
  const auto creating = state_->lock_to_change(topic_partition);
  std::shared_ptr<Log> log = find(topic_partition);
  if (!log) return ErrorCode::unknown_topic_or_partition;
  {
    std::lock_guard lock(state_->mutex);
    state_->logs.erase(topic_partition);
  }
  (void)state_->take_out_future(topic_partition);
  const ErrorCode error = state_->retire(log);
  if (log->first_dirty_offset()) checkpoint_cleaner_offsets(log->parent_directory());  // nothing writes it anew by itself
  return error;
}

ErrorCode LogManager::State::shorten(Log& log, const std::function<void()>& work) {
  struct Kept {
    const char* file;
    std::optional<std::int64_t> (*of)(const Log&);
    std::optional<std::int64_t> before = {};
  };
  std::array<Kept, 3> all{
      {{kRecoveryPointFile, recovery_point_of}, {kLogStartFile, log_start_of}, {kCleanerFile, first_dirty_of}}};
  for (Kept& kept : all) kept.before = kept.of(log);
  const std::int64_t flushed_before = log.recovery_point();
  Directory& directory = *directory_at(log.parent_directory());
  const bool done = attempt(*directory.shared, [&] {
    work();
    // A clean stop leaves the log's end on disk, which what is to be kept of an open log is below; so does a cut within the
    // active segment.
    if (log.recovery_point() < flushed_before) all[0].before = flushed_before;
    for (const Kept& kept : all) {
      if (kept.of(log) < kept.before) checkpoint_directory(directory, kept.file, kept.of);
    }
  });
  return done ? ErrorCode::none : ErrorCode::kafka_storage_error;
}

ErrorCode LogManager::truncate(Log& log, std::int64_t offset) {
  return state_->shorten(log, [&] { log.truncate_to(offset); });
}

ErrorCode LogManager::truncate_fully(Log& log, std::int64_t offset) {
  return state_->shorten(log, [&] { log.truncate_fully_and_start_at(offset); });
}

void LogManager::run_retention(const std::string& path) {
  std::int64_t now_ms = state_->clock.wall_ms();
  state_->for_each_at(path, [&](State::Directory& directory) {
    for (const auto& log : state_->logs_of(*directory.shared)) {
      if (log->config().cleanup_compact) continue;
      state_->attempt(*directory.shared, [&] { log->delete_old_segments(now_ms); });
    }
  });
}

void LogManager::flush_dirty_logs(const std::string& path) {
  std::int64_t now_ms = state_->clock.monotonic_ms();
  state_->for_each_at(path, [&](State::Directory& directory) {
    for (const auto& log : state_->logs_of(*directory.shared)) {
      if (log->needs_flush(now_ms)) state_->attempt(*directory.shared, [&] { log->flush(); });
    }
  });
}

void LogManager::flush_closed_segments(const std::string& path) {
  state_->for_each_at(path, [&](State::Directory& directory) { state_->flush_closed_segments(directory); });
}

void LogManager::State::flush_closed_segments(Directory& directory) {
  std::vector<std::shared_ptr<Log>> to_flush = logs_of(*directory.shared);
  std::erase_if(to_flush, [](const auto& log) { return !log->has_closed_segments_to_flush(); });
  if (to_flush.size() <= kManyLogs) {
    for (const auto& log : to_flush) attempt(*directory.shared, [&] { log->flush_closed_segments(); });
    return;
  }
  std::vector<std::pair<std::shared_ptr<Log>, Log::PlannedFlush>> plans;
  for (const auto& log : to_flush) {
    attempt(*directory.shared, [&] { plans.emplace_back(log, log->plan_flush_of_closed_segments()); });
  }
  bool synced = attempt(*directory.shared, [&] { directory.lock->sync_file_system(); });
  if (!synced) return;
  for (const auto& [log, plan] : plans) log->finish_flush(plan);
}

void LogManager::expire_producers(const std::string& path) {
  std::int64_t now_ms = state_->clock.wall_ms();
  state_->for_each_at(path, [&](State::Directory& directory) {
    for (const auto& log : state_->logs_of(*directory.shared)) log->expire_producers(now_ms);
  });
}

void LogManager::set_producer_id_expiration(std::int64_t expiration_ms) {
  std::lock_guard creating(state_->create_mutex);  // none comes to be that doesn't hear of it
  state_->producer_id_expiration_ms = expiration_ms;
  for (const auto& log : logs()) log->set_producer_id_expiration(expiration_ms);
}

void LogManager::run_deletes(const std::string& path) {
  std::int64_t now_ms = state_->clock.monotonic_ms();
  std::vector<State::PendingDelete> due;
  {
    std::lock_guard lock(state_->mutex);
    auto& pending = state_->pending_deletes;
    auto first_due = std::partition(pending.begin(), pending.end(), [&](const State::PendingDelete& one) {
      return one.due_ms > now_ms || (!path.empty() && path != one.directory->path());
    });
    std::move(first_due, pending.end(), std::back_inserter(due));
    pending.erase(first_due, pending.end());
  }
  for (const State::PendingDelete& one : due) {
    state_->attempt(*one.directory, [&] { state_->files.remove_all(one.path); });
  }
  state_->for_each_at(path, [&](State::Directory& directory) {
    for (const auto& log : state_->logs_of(*directory.shared)) {
      state_->attempt(*directory.shared, [&] { log->run_deletes(now_ms); });
    }
  });
}

void LogManager::State::checkpoint_directory(Directory& directory, const char* file,
                                             const std::function<std::optional<std::int64_t>(const Log&)>& offset_of) {
  OffsetCheckpoint offsets;
  std::lock_guard writing(directory.checkpoint_mutex);
  for (const auto& log : logs_of(*directory.shared)) {
    if (auto offset = offset_of(*log)) offsets[log->topic_partition()] = *offset;
  }
  base::write_file_atomically(files, directory.shared->path() + "/" + file,
                              base::as_bytes(encode_offset_checkpoint(offsets)));
}

void LogManager::State::checkpoint(const std::string& path, const char* file,
                                   const std::function<std::optional<std::int64_t>(const Log&)>& offset_of) {
  for_each_at(path, [&](Directory& directory) {
    if (!directory.loaded) return;
    attempt(*directory.shared, [&] { checkpoint_directory(directory, file, offset_of); });
  });
}

// The first to come does it for all that are gone by then.
void LogManager::State::forget_the_gone(Directory& directory) {
  if (directory.names_the_gone.exchange(false)) write_all_checkpoints(directory);
}

void LogManager::State::write_all_checkpoints(Directory& directory) {
  checkpoint_directory(directory, kRecoveryPointFile, recovery_point_of);
  checkpoint_directory(directory, kLogStartFile, log_start_of);
  checkpoint_directory(directory, kCleanerFile, first_dirty_of);
  checkpoint_directory(directory, kHighWatermarkFile, high_watermark_of);
}

void LogManager::checkpoint_recovery_points(const std::string& path) {
  state_->checkpoint(path, kRecoveryPointFile, recovery_point_of);
}

void LogManager::checkpoint_log_start_offsets(const std::string& path) {
  state_->checkpoint(path, kLogStartFile, log_start_of);
}

void LogManager::checkpoint_cleaner_offsets(const std::string& path) {
  state_->checkpoint(path, kCleanerFile, first_dirty_of);
}

void LogManager::checkpoint_high_watermarks(const std::string& path) {
  state_->checkpoint(path, kHighWatermarkFile, high_watermark_of);
}

}  // namespace storage
