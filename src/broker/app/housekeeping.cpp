#include "broker/app/housekeeping.h"

namespace broker::app {

Housekeeping::Housekeeping(storage::LogManager& logs, const HousekeepingTimes& times) {
  for (const storage::LogDirectoryInfo& each : logs.directories()) keep(logs, each.path, times);
  for (const auto& thread : threads_) thread->start();
}

Scheduler& Housekeeping::add_thread(const char* name) {
  return *threads_.emplace_back(std::make_unique<Scheduler>(name));
}

void Housekeeping::keep(storage::LogManager& logs, const std::string& directory, const HousekeepingTimes& times) {
  const std::int64_t first = times.first_ms;
  Scheduler& keeper = add_thread("log-housekeeper");
  keeper.add("kafka-log-retention", first, times.retention_ms, [&logs, directory] { logs.run_retention(directory); });
  keeper.add("kafka-recovery-point-checkpoint", first, times.recovery_points_ms,
             [&logs, directory] { logs.checkpoint_recovery_points(directory); });
  keeper.add("kafka-log-start-offset-checkpoint", first, times.log_starts_ms,
             [&logs, directory] { logs.checkpoint_log_start_offsets(directory); });
  keeper.add("highwatermark-checkpoint", times.high_watermarks_ms, times.high_watermarks_ms,
             [&logs, directory] { logs.checkpoint_high_watermarks(directory); });
  keeper.add("producer-expiration", times.producers_ms, times.producers_ms,
             [&logs, directory] { logs.expire_producers(directory); });
  keeper.add("kafka-delete-logs", times.delete_ms, times.delete_ms, [&logs, directory] { logs.run_deletes(directory); });

  Scheduler& flusher = add_thread("log-flush");
  flusher.add("kafka-log-flusher", first, times.flush_ms, [&logs, directory] { logs.flush_dirty_logs(directory); });
  // Where Kafka's flusher runs only once, rolled segments are flushed all the same.
  const std::int64_t closed_ms = times.flush_ms > 0 ? times.flush_ms : HousekeepingTimes().flush_ms;
  flusher.add("flush-log", closed_ms, closed_ms, [&logs, directory] { logs.flush_closed_segments(directory); });
}

}  // namespace broker::app
