// Looking up, creating and deleting logs, and their periodic work. Start and shutdown are in log_manager_start.cpp.
#include "log/log_manager.h"

#include <algorithm>

#include "base/logging.h"
#include "log/log_manager_state.h"

namespace storage {

using protocol::ErrorCode;
using protocol::Result;

namespace {

constexpr std::string_view kLogger = "kafka.log.LogManager";

}  // namespace

LogManager::LogManager(base::FileSystem& files, const base::Clock& clock, LogManagerConfig config)
    : state_(std::make_unique<State>(files, clock, std::move(config))) {}

LogManager::~LogManager() = default;

std::vector<std::shared_ptr<Log>> LogManager::State::logs_of(const LogDirectory& directory) const {
  std::vector<std::shared_ptr<Log>> result;
  std::lock_guard lock(mutex);
  for (const auto& [topic_partition, log] : logs) {
    if (log->parent_directory() == directory.path()) result.push_back(log);
  }
  return result;
}

std::shared_ptr<Log> LogManager::find(const TopicPartition& topic_partition) const {
  std::lock_guard lock(state_->mutex);
  auto found = state_->logs.find(topic_partition);
  return found == state_->logs.end() ? nullptr : found->second;
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
  for (const auto& log : logs()) {
    if (log->topic_partition().topic == topic) log->set_config(config);
  }
}

std::shared_ptr<LogDirectory> LogManager::State::choose_directory(const std::string& wanted) const {
  std::vector<std::shared_ptr<LogDirectory>> candidates;
  for (const auto& directory : directories) {
    bool fits = wanted.empty() || wanted == directory->shared->path();
    if (fits && !directory->shared->offline()) candidates.push_back(directory->shared);
  }
  if (candidates.empty()) return nullptr;
  if (candidates.size() == 1) return candidates.front();
  return *std::min_element(candidates.begin(), candidates.end(), [&](const auto& one, const auto& other) {
    return logs_of(*one).size() < logs_of(*other).size();
  });
}

Result<std::shared_ptr<Log>> LogManager::get_or_create(const TopicPartition& topic_partition, const LogConfig& config,
                                                       std::optional<base::Uuid> topic_id,
                                                       const std::string& directory) {
  std::lock_guard creating(state_->create_mutex);
  std::shared_ptr<Log> log = find(topic_partition);
  if (!log) {
    std::shared_ptr<LogDirectory> chosen = state_->choose_directory(directory);
    if (!chosen) return ErrorCode::kafka_storage_error;
    auto owner = std::find_if(state_->directories.begin(), state_->directories.end(),
                              [&](const auto& candidate) { return candidate->shared == chosen; });
    LogOptions options = state_->options_for(**owner, topic_partition);
    options.config = config;
    options.clean_shutdown = true;
    bool made = state_->attempt(*chosen, [&] { log = Log::open(state_->files, state_->clock, options); });
    if (!made) return ErrorCode::kafka_storage_error;
    base::log_info(kLogger, "Created log for partition {} in {}", topic_partition.to_string(), options.directory);
    std::lock_guard lock(state_->mutex);
    state_->logs[topic_partition] = log;
  }
  if (topic_id) {
    ErrorCode error = log->set_topic_id(*topic_id);
    if (error != ErrorCode::none) return error;
  }
  return log;
}

void LogManager::State::schedule_directory_delete(const std::shared_ptr<LogDirectory>& directory,
                                                  const std::string& path, std::int64_t delay_ms) {
  std::lock_guard lock(mutex);
  pending_deletes.push_back({directory, path, clock.monotonic_ms() + delay_ms});
}

ErrorCode LogManager::remove(const TopicPartition& topic_partition) {
  std::lock_guard creating(state_->create_mutex);
  std::shared_ptr<Log> log = find(topic_partition);
  if (!log) return ErrorCode::unknown_topic_or_partition;
  std::string path = log->parent_directory() + "/" + deleted_directory_name(topic_partition);
  std::shared_ptr<LogDirectory> directory;
  for (const auto& candidate : state_->directories) {
    if (candidate->shared->path() == log->parent_directory()) directory = candidate->shared;
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->logs.erase(topic_partition);
  }
  if (!state_->attempt(*directory, [&] { log->rename_directory(path); })) return ErrorCode::kafka_storage_error;
  base::log_info(kLogger, "Log for partition {} is renamed to {} and is scheduled for deletion",
                 topic_partition.to_string(), path);
  state_->schedule_directory_delete(directory, path, log->config().file_delete_delay_ms);
  return ErrorCode::none;
}

void LogManager::run_retention() {
  std::int64_t now_ms = state_->clock.wall_ms();
  for (const auto& directory : state_->directories) {
    for (const auto& log : state_->logs_of(*directory->shared)) {
      state_->attempt(*directory->shared, [&] { log->delete_old_segments(now_ms); });
    }
  }
}

void LogManager::flush_dirty_logs() {
  std::int64_t now_ms = state_->clock.monotonic_ms();
  for (const auto& directory : state_->directories) {
    for (const auto& log : state_->logs_of(*directory->shared)) {
      if (log->needs_flush(now_ms)) state_->attempt(*directory->shared, [&] { log->flush(); });
    }
  }
}

void LogManager::flush_closed_segments() {
  for (const auto& directory : state_->directories) {
    for (const auto& log : state_->logs_of(*directory->shared)) {
      state_->attempt(*directory->shared, [&] { log->flush_closed_segments(); });
    }
  }
}

void LogManager::expire_producers() {
  std::int64_t now_ms = state_->clock.wall_ms();
  for (const auto& log : logs()) log->expire_producers(now_ms);
}

void LogManager::run_deletes() {
  std::int64_t now_ms = state_->clock.monotonic_ms();
  std::vector<State::PendingDelete> due;
  {
    std::lock_guard lock(state_->mutex);
    auto& pending = state_->pending_deletes;
    auto first_due = std::partition(pending.begin(), pending.end(),
                                    [&](const State::PendingDelete& one) { return one.due_ms > now_ms; });
    std::move(first_due, pending.end(), std::back_inserter(due));
    pending.erase(first_due, pending.end());
  }
  for (const State::PendingDelete& one : due) {
    state_->attempt(*one.directory, [&] { state_->files.remove_all(one.path); });
  }
  for (const auto& directory : state_->directories) {
    for (const auto& log : state_->logs_of(*directory->shared)) {
      state_->attempt(*directory->shared, [&] { log->run_deletes(now_ms); });
    }
  }
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

void LogManager::State::checkpoint(const char* file,
                                   const std::function<std::optional<std::int64_t>(const Log&)>& offset_of) {
  for (const auto& directory : directories) {
    if (!directory->loaded) continue;
    attempt(*directory->shared, [&] { checkpoint_directory(*directory, file, offset_of); });
  }
}

void LogManager::checkpoint_recovery_points() {
  state_->checkpoint(kRecoveryPointFile, [](const Log& log) { return std::optional(log.recovery_point()); });
}

void LogManager::checkpoint_log_start_offsets() {
  state_->checkpoint(kLogStartFile, [](const Log& log) { return log.log_start_to_checkpoint(); });
}

void LogManager::checkpoint_high_watermarks() {
  state_->checkpoint(kHighWatermarkFile, [](const Log& log) { return std::optional(log.high_watermark()); });
}

}  // namespace storage
