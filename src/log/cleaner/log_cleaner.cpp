#include "log/cleaner/log_cleaner.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <string>

#include "base/logging.h"
#include "base/saturating.h"

namespace storage {
namespace {

constexpr std::string_view kLogger = "kafka.log.LogCleaner";

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024 * 1024); }
double seconds(std::int64_t ms) { return static_cast<double>(std::max<std::int64_t>(ms, 1)) / 1000; }
double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

// In the words of Kafka's cleaner, which people look for.
void log_stats(int thread_number, const Log& log, std::int64_t from, std::int64_t to, const CleanerStats& stats) {
  const double all_s = seconds(stats.ended_ms - stats.started_ms);
  const double map_s = seconds(stats.mapped_ms - stats.started_ms);
  const double clean_s = seconds(stats.ended_ms - stats.mapped_ms);
  const double read = megabytes(stats.bytes_read);
  const double mapped = megabytes(stats.map_bytes_read);
  const std::string text = fmt::format(
      "[kafka-log-cleaner-thread-{}]: \n\tLog cleaner thread {} cleaned log {} (dirty section = [{}, {}])\n"
      "\t{:.1f} MB of log processed in {:.1f} seconds ({:.1f} MB/sec).\n"
      "\tIndexed {:.1f} MB in {:.1f} seconds ({:.1f} Mb/sec, {:.1f}% of total time)\n"
      "\tBuffer utilization: {:.1f}%\n"
      "\tCleaned {:.1f} MB in {:.1f} seconds ({:.1f} Mb/sec, {:.1f}% of total time)\n"
      "\tStart size: {:.1f} MB ({} messages)\n\tEnd size: {:.1f} MB ({} messages)\n"
      "\t{:.1f}% size reduction ({:.1f}% fewer messages)",
      thread_number, thread_number, log.topic_partition().to_string(), from, to, read, all_s, read / all_s, mapped, map_s,
      mapped / map_s, 100 * map_s / all_s, 100 * stats.map_utilization, read, clean_s, read / clean_s,
      100 * clean_s / all_s, read, stats.records_read, megabytes(stats.bytes_written), stats.records_written,
      100 - percent(stats.bytes_written, stats.bytes_read), 100 - percent(stats.records_written, stats.records_read));
  base::write_log_lines(base::LogLevel::info, kLogger, text);
  if (stats.keyless_records > 0) {
    base::log_warn(kLogger, "[kafka-log-cleaner-thread-{}]: \tFound {} invalid messages during compaction.",
                   thread_number, stats.keyless_records);
  }
}

}  // namespace

LogCleaner::LogCleaner(LogManager& logs, const base::Clock& clock, LogCleanerConfig config)
    : logs_(logs),
      clock_(clock),
      config_(config),
      throttle_(std::make_shared<Throttle>(config_.io_bytes_per_second_max)) {}

LogCleaner::~LogCleaner() { stop(); }

bool LogCleaner::stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void LogCleaner::wait_ms(std::int64_t ms) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, base::saturating_wait(ms), [&] { return stopping_; });
}

void LogCleaner::start() {
  std::lock_guard control(control_mutex_);
  LogCleanerConfig config;
  {
    std::lock_guard lock(mutex_);
    config = config_;
    stopping_ = false;
  }
  if (!config.enabled || started_) return;
  started_ = true;
  base::log_info(kLogger, "Starting the log cleaner");
  for (int number = 0; number < config.threads; ++number) {
    threads_.emplace_back([this, number] { run_loop(number); });
    pthread_setname_np(threads_.back().native_handle(), ("cleaner-" + std::to_string(number)).c_str());
  }
}

void LogCleaner::stop() {
  std::lock_guard control(control_mutex_);
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (!threads_.empty()) base::log_info(kLogger, "Shutting down the log cleaner.");
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  started_ = false;
}

void LogCleaner::reconfigure(const LogCleanerConfig& config) {
  bool was_started = false;
  {
    std::lock_guard control(control_mutex_);
    std::lock_guard lock(mutex_);
    if (config == config_) return;
    was_started = started_;
  }
  stop();
  {
    std::lock_guard lock(mutex_);
    config_ = config;
    throttle_ = std::make_shared<Throttle>(config_.io_bytes_per_second_max);
  }
  if (was_started) start();
}

std::unique_ptr<Compactor> LogCleaner::make_compactor() {
  std::lock_guard lock(mutex_);
  const std::int64_t threads = std::max(1, config_.threads);
  CompactorOptions options;
  options.map_bytes_max = static_cast<std::size_t>(std::max<std::int64_t>(config_.dedupe_buffer_bytes / threads, 0));
  options.map_load_factor = config_.dedupe_load_factor;
  options.write_bytes =
      static_cast<std::size_t>(std::clamp<std::int64_t>(config_.io_buffer_bytes / threads / 2, 65'536, 8 << 20));
  auto compactor = std::make_unique<Compactor>(clock_, throttle_, options);
  compactor->pause = [this](std::int64_t ms) { wait_ms(ms); };
  compactor->stop_requested = [this] { return stopping(); };
  return compactor;
}

void LogCleaner::run_loop(int thread_number) {
  std::unique_ptr<Compactor> compactor = make_compactor();
  std::int64_t backoff_ms = 0;
  {
    std::lock_guard lock(mutex_);
    backoff_ms = std::max<std::int64_t>(config_.backoff_ms, 1);
  }
  while (!stopping()) {
    bool cleaned = false;
    try {
      cleaned = clean_with(*compactor, thread_number);
      if (!stopping()) delete_old_segments();
    } catch (const std::exception& error) {
      base::log_error(kLogger, "[kafka-log-cleaner-thread-{}]: {}", thread_number, error.what());
    }
    if (!cleaned) wait_ms(backoff_ms);
  }
}

bool LogCleaner::clean_one() {
  std::unique_ptr<Compactor> compactor = make_compactor();
  return clean_with(*compactor, 0);
}

bool LogCleaner::clean_with(Compactor& compactor, int thread_number) {
  Chosen chosen = choose();
  if (!chosen.session) return false;
  clean(compactor, thread_number, std::move(chosen));
  return true;
}

bool LogCleaner::is_uncleanable(const Log& log) const {
  std::lock_guard lock(mutex_);
  return std::any_of(uncleanable_.begin(), uncleanable_.end(),
                     [&](const auto& one) { return one.lock().get() == &log; });
}

bool LogCleaner::is_copied(const Log& log) const { return logs_.find_future(log.topic_partition()) != nullptr; }

std::map<std::string, std::set<TopicPartition>> LogCleaner::uncleanable_partitions() const {
  std::map<std::string, std::set<TopicPartition>> result;
  std::lock_guard lock(mutex_);
  for (const auto& one : uncleanable_) {
    if (auto log = one.lock()) result[log->parent_directory()].insert(log->topic_partition());
  }
  return result;
}

void LogCleaner::mark_uncleanable(const std::shared_ptr<Log>& log, const std::exception& error) {
  base::log_warn(kLogger,
                 "Unexpected exception thrown when cleaning log {}. Marking its partition ({}) as uncleanable: {}",
                 log->directory(), log->topic_partition().to_string(), error.what());
  std::lock_guard lock(mutex_);
  std::erase_if(uncleanable_, [](const auto& one) { return one.expired(); });
  uncleanable_.push_back(log);
}

std::optional<Cleanable> LogCleaner::assess(Log& log) {
  const std::optional<CleaningFacts> facts = log.cleaning_facts();
  if (!facts) return std::nullopt;
  Cleanable cleanable = find_cleanable(*facts, clock_.wall_ms());
  if (cleanable.checkpoint_invalid) {
    const LogConfig config = log.config();
    const bool expected = config.cleanup_delete && *facts->checkpoint < facts->offsets.log_start_offset;
    if (!expected) {
      base::log_warn(kLogger,
                     "Resetting first dirty offset of {} to log start offset {} since the checkpointed offset {} is "
                     "invalid.",
                     log.topic_partition().to_string(), cleanable.first_dirty_offset, *facts->checkpoint);
    }
    log.set_first_dirty_offset(cleanable.first_dirty_offset);
    logs_.checkpoint_cleaner_offsets(log.parent_directory());
  }
  return cleanable;
}

LogCleaner::Chosen LogCleaner::choose() {
  std::lock_guard choosing(choose_mutex_);
  std::vector<Candidate> candidates;
  for (const auto& log : logs_.logs()) {
    if (!log->config().cleanup_compact || is_uncleanable(*log) || is_copied(*log)) continue;
    try {
      std::optional<Cleanable> cleanable = assess(*log);
      if (cleanable && cleanable->worth_cleaning) candidates.push_back({log, cleanable->ratio});
    } catch (const std::system_error&) {
      // Its directory is offline by now.
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& one, const Candidate& other) { return one.ratio > other.ratio; });
  for (const Candidate& candidate : candidates) {
    Chosen chosen;
    chosen.session = CleaningSession::try_begin(candidate.log);
    if (!chosen.session) continue;
    // Again, as another thread may have just cleaned it, or a copy may have been made.
    if (is_copied(*candidate.log)) continue;
    try {
      std::optional<Cleanable> cleanable = assess(*candidate.log);
      if (!cleanable || !cleanable->worth_cleaning) continue;
      chosen.cleanable = *cleanable;
      return chosen;
    } catch (const std::system_error&) {
    }
  }
  return {};
}

void LogCleaner::clean(Compactor& compactor, int thread_number, Chosen chosen) {
  std::shared_ptr<Log> log = chosen.session->shared_log();
  base::log_info(kLogger, "Cleaner {}: Beginning cleaning of log {} ({} to {})", thread_number,
                 log->topic_partition().to_string(), chosen.cleanable.first_dirty_offset,
                 chosen.cleanable.first_uncleanable_offset);
  CleanerStats stats;
  try {
    const std::int64_t end = compactor.clean(*chosen.session, chosen.cleanable, stats);
    chosen.session->set_first_dirty_offset(end);
    chosen.session.reset();
    logs_.checkpoint_cleaner_offsets(log->parent_directory());
    log_stats(thread_number, *log, chosen.cleanable.first_dirty_offset, end, stats);
  } catch (const CleaningStopped&) {
    base::log_info(kLogger, "Cleaner {}: The cleaning of log {} was stopped", thread_number,
                   log->topic_partition().to_string());
  } catch (const LogClosed&) {
    // Its directory went offline for another reason.
  } catch (const std::system_error& error) {
    chosen.session.reset();
    log->report_failure(error);
  } catch (const std::exception& error) {
    chosen.session.reset();
    mark_uncleanable(log, error);
  }
}

void LogCleaner::delete_old_segments() {
  const std::int64_t now_ms = clock_.wall_ms();
  for (const auto& log : logs_.logs()) {
    if (stopping()) return;
    if (!log->config().cleanup_compact || is_uncleanable(*log)) continue;
    try {
      log->delete_old_segments(now_ms);
    } catch (const std::system_error&) {
      // Its directory is offline by now.
    }
  }
}

}  // namespace storage
