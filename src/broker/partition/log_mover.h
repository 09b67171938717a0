// Moves partitions from one log directory to another (AlterReplicaLogDirs): fills the copies that LogManager has made,
// piece by piece, within a rate, and exchanges each for its log once it has everything. Owned by the app; made after the
// PartitionManager. Thread-safe; the threads begin with the first move and may wait for disks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "broker/partition/partition_manager.h"
#include "log/log_manager.h"

namespace broker::partition {

// How many bytes may go per second: after a piece the next one waits until its share of time is over. No clock inside.
class RateLimit {
 public:
  void set_bytes_per_second(std::int64_t rate) { rate_ = rate; }
  // Called when `bytes` went through at `now_ms`; answers when the next may go.
  std::int64_t next_at_ms(std::int64_t now_ms, std::uint64_t bytes);

 private:
  std::int64_t rate_ = INT64_MAX;
  double free_at_ms_ = 0;
};

class LogMover {
 public:
  LogMover(const base::Clock& clock, storage::LogManager& logs, PartitionManager& partitions, std::size_t threads);
  ~LogMover() { stop(); }
  LogMover(const LogMover&) = delete;
  LogMover& operator=(const LogMover&) = delete;

  // The copy of it grows from now on. No-op if it does already.
  void add(const storage::TopicPartition& name);
  // Those that the last run of this broker left unfinished.
  void resume();
  void set_bytes_per_second(std::int64_t rate);  // replica.alter.log.dirs.io.max.bytes.per.second
  // The copies stay as they are, for the next start.
  void stop();

  enum class Step {
    copied,   // there may be more
    waiting,  // nothing to copy now, but not done: the partition isn't led yet, or the exchange didn't come off
    done,     // it was exchanged
    damaged,  // within: the log can't be read on
    given_up  // there is no copy any more, or a disk failed
  };
  // One piece of one move, on the caller's thread; for tests and the threads. `bytes` is what was copied.
  Step step(const storage::TopicPartition& name, std::uint64_t& bytes);

 private:
  void run();
  Step copy_piece(const storage::TopicPartition& name, storage::Log& log, storage::Log& copy, std::uint64_t& bytes);
  Step exchange(Partition& partition, const std::shared_ptr<storage::Log>& copy, std::uint64_t& bytes);

  const base::Clock& clock_;
  storage::LogManager& logs_;
  PartitionManager& partitions_;
  const std::size_t thread_count_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<storage::TopicPartition> moving_;
  std::set<storage::TopicPartition> again_;    // those of them that were added meanwhile: their copy may be a new one
  std::deque<storage::TopicPartition> queue_;  // those of them that no thread is at
  RateLimit rate_;
  std::int64_t next_at_ms_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace broker::partition
