// Logs that move from one directory to another.
#include "base/logging.h"
#include "log/log_manager_state.h"

namespace storage {

using protocol::ErrorCode;
using protocol::Result;

namespace {

constexpr std::string_view kLogger = "kafka.log.LogManager";

}  // namespace

ErrorCode LogManager::check_directory(const std::string& directory) const {
  const State::Directory* found = state_->directory_at(directory);
  if (found == nullptr) return ErrorCode::log_dir_not_found;
  return found->shared->offline() ? ErrorCode::kafka_storage_error : ErrorCode::none;
}

void LogManager::prefer_directory(const TopicPartition& topic_partition, const std::string& directory) {
  std::lock_guard lock(state_->mutex);
  // A client can name what it likes, and nothing takes these out but the creation of that partition.
  constexpr std::size_t kPreferredMax = 100'000;
  if (state_->preferred_directories.size() < kPreferredMax) state_->preferred_directories[topic_partition] = directory;
}

std::shared_ptr<Log> LogManager::find_future(const TopicPartition& topic_partition) const {
  return state_->look_up(state_->futures, topic_partition);
}

std::vector<std::shared_ptr<Log>> LogManager::futures() const {
  std::vector<std::shared_ptr<Log>> result;
  std::lock_guard lock(state_->mutex);
  for (const auto& [topic_partition, log] : state_->futures) result.push_back(log);
  return result;
}

Result<std::shared_ptr<Log>> LogManager::get_or_create_future(const TopicPartition& topic_partition,
                                                              const std::string& directory) {
  std::lock_guard creating(state_->create_mutex);
  if (std::shared_ptr<Log> there = find_future(topic_partition)) return there;
  if (ErrorCode error = check_directory(directory); error != ErrorCode::none) return error;
  std::shared_ptr<Log> current = find(topic_partition);
  if (!current) return ErrorCode::kafka_storage_error;
  if (current->parent_directory() == directory) return std::shared_ptr<Log>();
  State::Directory& owner = *state_->directory_at(directory);
  LogOptions options = state_->options_for(owner, topic_partition);
  options.directory = directory + "/" + future_directory_name(topic_partition);
  options.config = current->config();
  options.clean_shutdown = true;
  auto future = state_->make(owner, options);
  if (!future) return future;
  if (auto topic_id = current->topic_id()) {
    ErrorCode error = (*future)->set_topic_id(*topic_id);
    if (error != ErrorCode::none) return error;
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->futures[topic_partition] = *future;
  }
  // The cleaner leaves the log alone from here on; what it has begun ends before the first record is copied.
  current->end_cleaning();
  return future;
}

ErrorCode LogManager::remove_future(const TopicPartition& topic_partition) {
  std::lock_guard creating(state_->create_mutex);
  std::shared_ptr<Log> future = find_future(topic_partition);
  if (!future) return ErrorCode::none;
  {
    std::lock_guard lock(state_->mutex);
    state_->futures.erase(topic_partition);
  }
  return state_->retire(future);
}

// The copy takes the plain name before the old log loses it: a crash in between leaves two of that name, each whole, and
// the next start asks the operator which one to keep, as Kafka does. The other order could leave none.
ErrorCode LogManager::replace_with_future(const TopicPartition& topic_partition) {
  std::lock_guard creating(state_->create_mutex);
  std::shared_ptr<Log> old = find(topic_partition);
  std::shared_ptr<Log> future = find_future(topic_partition);
  if (!old || !future) return ErrorCode::kafka_storage_error;
  State::Directory& target = *state_->directory_at(future->parent_directory());
  State::Directory& source = *state_->directory_at(old->parent_directory());
  const std::string path = future->parent_directory() + "/" + topic_partition.to_string();
  bool renamed = state_->attempt(*target.shared, [&] {
    // What was acknowledged with a flush must be as safe in its new place.
    future->flush();
    future->rename_directory(path, Log::AfterRename::goes_on);
  });
  if (!renamed) return ErrorCode::kafka_storage_error;
  future->update_high_watermark(old->high_watermark());
  {
    std::lock_guard lock(state_->mutex);
    state_->futures.erase(topic_partition);
    state_->logs[topic_partition] = future;
  }
  base::log_info(kLogger, "The current replica of {} is replaced by the one in {}", topic_partition.to_string(), path);
  // If this fails the old directory is offline, which changes nothing for the new one.
  (void)state_->retire(old);
  for (State::Directory* directory : {&source, &target}) {
    state_->attempt(*directory->shared, [&] {
      state_->checkpoint_directory(*directory, kRecoveryPointFile,
                                   [](const Log& log) { return std::optional(log.recovery_point()); });
      state_->checkpoint_directory(*directory, kLogStartFile,
                                   [](const Log& log) { return log.log_start_to_checkpoint(); });
      state_->checkpoint_directory(*directory, kHighWatermarkFile,
                                   [](const Log& log) { return std::optional(log.high_watermark()); });
    });
  }
  return ErrorCode::none;
}

}  // namespace storage
