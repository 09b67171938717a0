// Runs compaction: threads that take the dirtiest log of all that are worth cleaning, clean it, keep the checkpoint
// cleaner-offset-checkpoint, and do the retention of compacted logs. Owned by the app; thread-safe. Without start() it
// has no threads, and clean_one() works on the caller's.
//
// A log that can't be cleaned (a corrupt batch) is left as it is, reported with file and position, and not tried again
// until the next start; the others go on. A failed file call takes the log's directory offline.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "log/cleaner/compactor.h"
#include "log/log_manager.h"

namespace storage {

struct LogCleanerConfig {
  bool enabled = true;                                                  // log.cleaner.enable
  int threads = 1;                                                      // log.cleaner.threads
  std::int64_t dedupe_buffer_bytes = 134'217'728;                       // log.cleaner.dedupe.buffer.size
  double dedupe_load_factor = 0.9;                                      // log.cleaner.io.buffer.load.factor
  std::int64_t io_buffer_bytes = 524'288;                               // log.cleaner.io.buffer.size
  double io_bytes_per_second_max = std::numeric_limits<double>::max();  // log.cleaner.io.max.bytes.per.second
  std::int64_t backoff_ms = 15'000;                                     // log.cleaner.backoff.ms
  bool operator==(const LogCleanerConfig&) const = default;
};

class LogCleaner {
 public:
  LogCleaner(LogManager& logs, const base::Clock& clock, LogCleanerConfig config);
  ~LogCleaner();
  LogCleaner(const LogCleaner&) = delete;
  LogCleaner& operator=(const LogCleaner&) = delete;

  void start();
  // Stops cleanings where they are, which loses nothing, and waits for the threads. May be called twice.
  void stop();
  // Restarts the threads if something changed, and they were started.
  void reconfigure(const LogCleanerConfig& config);

  // Cleans the dirtiest log that is worth it. False if there is none.
  bool clean_one();
  // Retention of compacted logs: for compact,delete, and what DeleteRecords left behind.
  void delete_old_segments();

  // Those whose cleaning failed, by their entry of log.dirs: they grow until somebody looks at them.
  std::map<std::string, std::set<TopicPartition>> uncleanable_partitions() const;

 private:
  struct Candidate {
    std::shared_ptr<Log> log;
    double ratio = 0;
  };
  struct Chosen {
    std::unique_ptr<CleaningSession> session;
    Cleanable cleanable;
  };

  void run_loop(int thread_number);
  bool clean_with(Compactor& compactor, int thread_number);
  Chosen choose();
  std::optional<Cleanable> assess(Log& log);
  void clean(Compactor& compactor, int thread_number, Chosen chosen);
  void mark_uncleanable(const std::shared_ptr<Log>& log, const std::exception& error);
  bool is_uncleanable(const Log& log) const;
  bool is_copied(const Log& log) const;  // a copy of it grows in another directory
  std::unique_ptr<Compactor> make_compactor();
  bool stopping() const;
  void wait_ms(std::int64_t ms);

  LogManager& logs_;
  const base::Clock& clock_;

  std::mutex control_mutex_;  // start, stop, reconfigure: one at a time
  std::vector<std::thread> threads_;
  bool started_ = false;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  LogCleanerConfig config_;
  std::shared_ptr<Throttle> throttle_;
  // By identity: a topic made anew under the same name may be cleaned. Weak, as a log may be deleted.
  std::vector<std::weak_ptr<const Log>> uncleanable_;
  std::mutex choose_mutex_;  // one thread chooses at a time
};

}  // namespace storage
