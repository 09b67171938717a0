// Logs that move from one directory to another.
#include <utility>

#include "base/logging.h"
#include "log/log_manager_state.h"

namespace storage {

using protocol::ErrorCode;
using protocol::Result;

namespace {

constexpr std::string_view kLogger = "kafka.log.LogManager";

// The copy's settings become those of its log. set_topic_config() comes to the log before the copy, if it knows of the copy
// at all: what changes meanwhile is taken too, and nothing older is put over it.
void pass_config_on(const Log& log, Log& copy) {
  LogConfig passed_on;
  do {
    passed_on = log.config();
    copy.set_config(passed_on);
  } while (log.config() != passed_on);
}

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
  const auto creating = state_->lock_to_change(topic_partition);
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
  pass_config_on(*current, **future);  // it may have changed while nobody knew of the copy
  // The cleaner leaves the log alone from here on; what it has begun ends before the first record is copied.
  current->end_cleaning();
  return future;
}

ErrorCode LogManager::remove_future(const TopicPartition& topic_partition) {
  const auto creating = state_->lock_to_change(topic_partition);
  return state_->take_out_future(topic_partition);
}

ErrorCode LogManager::State::take_out_future(const TopicPartition& topic_partition) {
  std::shared_ptr<Log> future;
  {
    std::lock_guard lock(mutex);
    auto found = futures.extract(topic_partition);
    if (found.empty()) return ErrorCode::none;
    future = std::move(found.mapped());
  }
  return retire(future);
}

// Whoever has seen that a copy has everything may come late: a wish for another directory has put an empty one in its place.
std::unique_ptr<LogManager::Exchange> LogManager::begin_exchange(const std::shared_ptr<Log>& copy) {
  const TopicPartition& topic_partition = copy->topic_partition();
  const auto creating = state_->lock_to_change(topic_partition);
  std::shared_ptr<Log> old = find(topic_partition);
  if (!old || find_future(topic_partition) != copy) return nullptr;
  return std::make_unique<Exchange>(*state_, std::move(old), copy);
}

LogManager::Exchange::Exchange(State& state, std::shared_ptr<Log> old, std::shared_ptr<Log> copy)
    : state_(state), old_(std::move(old)), copy_(std::move(copy)) {
  state_.exchanging.insert(old_->topic_partition());
}

LogManager::Exchange::~Exchange() {
  {
    std::lock_guard creating(state_.create_mutex);
    state_.exchanging.erase(old_->topic_partition());
    std::lock_guard lock(state_.mutex);
    state_.can_go_back.erase(old_->topic_partition());
  }
  state_.exchanged.notify_all();
}

ErrorCode LogManager::Exchange::swap() {
  const TopicPartition& name = old_->topic_partition();
  pass_config_on(*old_, *copy_);
  copy_->update_high_watermark(old_->high_watermark());
  // Nor is what the old one still waits to have flushed.
  copy_->hold_acknowledgements(old_->acknowledgeable_end());
  std::lock_guard lock(state_.mutex);
  const bool both_online = state_.logs.contains(name) && state_.futures.contains(name);
  if (!both_online) return ErrorCode::kafka_storage_error;
  state_.futures.erase(name);
  state_.logs[name] = copy_;
  state_.retiring[name] = old_;
  state_.can_go_back.insert(name);
  return ErrorCode::none;
}

void LogManager::State::go_back() {
  std::erase_if(can_go_back, [this](const TopicPartition& name) {
    if (logs.contains(name)) return false;
    const auto old = retiring.find(name);
    if (old == retiring.end()) return true;
    base::log_warn(kLogger, "The current replica of {} stays the one in {}: the directory that it was to move to has failed",
                   name.to_string(), old->second->parent_directory());
    logs[name] = std::move(old->second);
    retiring.erase(old);
    return true;
  });
}

// From here on the copy may have the plain name, and a start that found that and the old log couldn't tell which one went on.
bool LogManager::Exchange::pass_the_last_way_back() {
  const TopicPartition& name = old_->topic_partition();
  std::lock_guard lock(state_.mutex);
  if (state_.directory_at(copy_->parent_directory())->shared->offline()) {
    // Whoever met the failure may not have come to that yet.
    std::erase_if(state_.logs, [&](const auto& entry) { return entry.second == copy_; });
    state_.go_back();
    return false;
  }
  state_.can_go_back.erase(name);
  return true;
}

// The copy takes the plain name before the old log loses it: a crash in between leaves two of that name, each with all
// that was acknowledged, and the next start asks the operator which one to keep, as Kafka does. The other order could
// leave none. A crash before leaves a copy, which is cut to the end of the old log.
ErrorCode LogManager::Exchange::finish() {
  const TopicPartition& name = old_->topic_partition();
  State::Directory& target = *state_.directory_at(copy_->parent_directory());
  State::Directory& source = *state_.directory_at(old_->parent_directory());
  const std::string path = copy_->parent_directory() + "/" + name.to_string();
  state_.attempt(*target.shared, [&] { copy_->flush(); });
  if (!pass_the_last_way_back()) return ErrorCode::kafka_storage_error;
  const bool renamed =
      state_.attempt(*target.shared, [&] { copy_->rename_directory(path, Log::AfterRename::goes_on); });
  if (!renamed) return ErrorCode::kafka_storage_error;
  base::log_info(kLogger, "The current replica of {} is replaced by the one in {}", name.to_string(), path);
  // If this fails the old directory is offline, which changes nothing for the new one.
  (void)state_.retire(old_);
  {
    std::lock_guard lock(state_.mutex);
    state_.retiring.erase(name);
    source.names_the_gone = true;  // whoever made a log there meanwhile may have written checkpoints with this one
  }
  copy_->release_acknowledgements();
  for (State::Directory* directory : {&source, &target}) {
    state_.attempt(*directory->shared, [&] {
      state_.checkpoint_directory(*directory, kRecoveryPointFile,
                                  [](const Log& log) { return std::optional(log.recovery_point_to_checkpoint()); });
      state_.checkpoint_directory(*directory, kLogStartFile, [](const Log& log) { return log.log_start_to_checkpoint(); });
      state_.checkpoint_directory(*directory, kHighWatermarkFile,
                                  [](const Log& log) { return std::optional(log.high_watermark()); });
    });
  }
  return ErrorCode::none;
}

}  // namespace storage
