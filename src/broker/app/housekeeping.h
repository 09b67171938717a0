// The periodic work on the logs: retention, removal of files, checkpoints, expiry of producers, fsyncs. Each entry of
// log.dirs has two threads of its own, one of them for fsyncs alone, which can take long: a disk that hangs holds up the
// work on no other one. Owned by the app; starts when it is made, and its end waits for the work under way.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "broker/app/scheduler.h"
#include "log/log_manager.h"

namespace broker::app {

struct HousekeepingTimes {
  std::int64_t first_ms = 30'000;           // log.initial.task.delay.ms
  std::int64_t retention_ms = 300'000;      // log.retention.check.interval.ms
  std::int64_t recovery_points_ms = 60'000;  // log.flush.offset.checkpoint.interval.ms
  std::int64_t log_starts_ms = 60'000;      // log.flush.start.offset.checkpoint.interval.ms
  std::int64_t high_watermarks_ms = 5'000;  // replica.high.watermark.checkpoint.interval.ms
  std::int64_t producers_ms = 600'000;      // producer.id.expiration.check.interval.ms
  std::int64_t flush_ms = 1'000;            // how often rolled segments are looked for, and logs past their flush.ms
  std::int64_t delete_ms = 1'000;           // how often files past file.delete.delay.ms are looked for
};

class Housekeeping {
 public:
  // The logs are loaded and outlive it.
  Housekeeping(storage::LogManager& logs, const HousekeepingTimes& times);
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

 private:
  Scheduler& add_thread(const char* name);
  void keep(storage::LogManager& logs, const std::string& directory, const HousekeepingTimes& times);

  std::vector<std::unique_ptr<Scheduler>> threads_;
};

}  // namespace broker::app
