#include "broker/partition/log_mover.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/logging.h"
#include "protocol/record_batch.h"

namespace broker::partition {
namespace {

using protocol::ErrorCode;

constexpr char kLogger[] = "kafka.server.ReplicaAlterLogDirsManager";
constexpr std::uint64_t kPieceBytes = 1 << 20;
constexpr std::uint64_t kNearTheEnd = 64 << 10;  // who appends all the time never leaves nothing to copy
constexpr int kCatchUpsMax = 16;
constexpr std::int64_t kIdleMs = 50;  // between looks at a move that has nothing to copy

base::ByteView whole_batches(base::ByteView bytes) {
  std::size_t size = 0;
  while (true) {
    protocol::NextBatch next = protocol::next_batch(bytes.subspan(size));
    if (next.frame != protocol::BatchFrame::whole) return bytes.first(size);
    size += next.size_in_bytes;
  }
}

// The next bytes of `log` go to the end of `copy`; false if they can't.
bool append_piece(const storage::FileSlice& slice, storage::LogManager& logs, storage::Log& copy) {
  base::Bytes buffer(slice.size);
  if (slice.file->read_at(slice.position, buffer) != slice.size) return false;
  base::ByteView batches = whole_batches(buffer);
  auto first = protocol::read_batch_header(batches);
  if (!first) return false;
  // A log start within a batch: the copy begins with all of that batch.
  if (first->base_offset < copy.log_end_offset() && copy.log_start_offset() == copy.log_end_offset()) {
    if (logs.truncate_fully(copy, first->base_offset) != ErrorCode::none) return false;
  }
  storage::AppendResult result = copy.append_as_follower(batches);
  if (!result.ok()) {
    base::log_error(kLogger, "Can't append to {}: {} {}", copy.directory(), protocol::name_of(result.error),
                    result.refusal.get().message);
  }
  return result.ok();
}

}  // namespace

std::int64_t RateLimit::next_at_ms(std::int64_t now_ms, std::uint64_t bytes) {
  if (rate_ == INT64_MAX) return now_ms;
  const double share_ms = static_cast<double>(bytes) * 1000 / static_cast<double>(std::max<std::int64_t>(rate_, 1));
  free_at_ms_ = std::max(free_at_ms_, static_cast<double>(now_ms)) + share_ms;
  return static_cast<std::int64_t>(std::min(free_at_ms_, static_cast<double>(INT64_MAX / 2)));
}

LogMover::LogMover(const base::Clock& clock, storage::LogManager& logs, PartitionManager& partitions,
                   std::size_t threads)
    : clock_(clock), logs_(logs), partitions_(partitions), thread_count_(std::max<std::size_t>(threads, 1)) {}

void LogMover::add(const storage::TopicPartition& name) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (!moving_.insert(name).second) {
    again_.insert(name);
    return;
  }
  queue_.push_back(name);
  if (threads_.size() < std::min(thread_count_, moving_.size())) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), "log-mover");
  }
  wake_.notify_one();
}

void LogMover::resume() {
  for (const auto& future : logs_.futures()) add(future->topic_partition());
}

void LogMover::set_bytes_per_second(std::int64_t rate) {
  std::lock_guard lock(mutex_);
  rate_ = RateLimit();
  rate_.set_bytes_per_second(rate);
  next_at_ms_ = 0;
  wake_.notify_all();
}

void LogMover::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

LogMover::Step LogMover::step(const storage::TopicPartition& name, std::uint64_t& bytes) {
  bytes = 0;
  std::shared_ptr<storage::Log> copy = logs_.find_future(name);
  if (!copy) return Step::given_up;
  std::shared_ptr<Partition> partition = partitions_.find(name.topic, name.partition);
  if (!partition) return Step::waiting;
  const std::int64_t end = partition->log()->log_end_offset();
  Step outcome = copy_piece(name, *partition->log(), *copy, bytes);
  // A small piece may also be the last one of a segment. Where compaction has taken the last records, nothing more comes.
  const bool near_the_end = bytes == 0 || (bytes <= kNearTheEnd && copy->log_end_offset() >= end);
  if (outcome == Step::copied && near_the_end) outcome = exchange(*partition, copy, bytes);
  if (outcome != Step::damaged) return outcome;
  // The copy would only keep the log from being cleaned.
  base::log_error(kLogger, "{} stays in {}: it can't be read from offset {} on. Its copy in {} is removed; `milena log verify` tells more",
                  name.to_string(), partition->log()->parent_directory(), copy->log_end_offset(), copy->parent_directory());
  (void)logs_.remove_future(name);
  return Step::given_up;
}

// `copied` even if there is nothing to copy.
LogMover::Step LogMover::copy_piece(const storage::TopicPartition& name, storage::Log& log, storage::Log& copy,
                                    std::uint64_t& bytes) {
  const storage::LogOffsets offsets = log.offsets();
  if (offsets.log_start_offset > copy.log_end_offset()) (void)logs_.truncate_fully(copy, offsets.log_start_offset);
  auto read = log.read(copy.log_end_offset(), kPieceBytes, storage::ReadIsolation::log_end, storage::FirstBatch::whole);
  if (!read && read.error() == ErrorCode::offset_out_of_range) {
    return logs_.truncate(copy, log.log_end_offset()) == ErrorCode::none ? Step::copied : Step::given_up;
  }
  if (!read && read.error() == ErrorCode::corrupt_message) return Step::damaged;  // it won't get better
  if (!read) return logs_.find_future(name) && logs_.find(name) ? Step::waiting : Step::given_up;
  if (read->records.size > 0) {
    if (!append_piece(read->records, logs_, copy)) return Step::given_up;
    bytes += read->records.size;
  }
  copy.update_high_watermark(std::min(log.high_watermark(), copy.log_end_offset()));
  copy.advance_log_start(log.log_start_offset());
  return Step::copied;
}

LogMover::Step LogMover::exchange(Partition& partition, const std::shared_ptr<storage::Log>& copy, std::uint64_t& bytes) {
  copy->flush();  // so that those who append meanwhile don't wait for long to be acknowledged
  const auto exchange = logs_.begin_exchange(copy);
  if (!exchange) return Step::waiting;
  // What was appended during the flush is copied without another one, in which more would come: who is appended to all the time
  // would never move. What is acknowledged waits for the exchange to flush it.
  for (int catch_ups = 0; !partition.exchange_log(copy, [&] { return exchange->swap(); }); ++catch_ups) {
    const std::uint64_t before = bytes;
    if (catch_ups == kCatchUpsMax) return Step::waiting;
    const Step outcome = copy_piece(partition.name(), *partition.log(), *copy, bytes);
    if (outcome != Step::copied) return outcome;
    if (bytes == before) return Step::waiting;  // that isn't what stands in the way
  }
  const ErrorCode error = exchange->finish();
  if (error != ErrorCode::none) {
    base::log_error(kLogger, "{} was to move to {}, which has failed; {} goes on with the log that it had before",
                    partition.name().to_string(), copy->parent_directory(),
                    logs_.find(partition.name()) ? "it" : "the next start");
    return Step::given_up;
  }
  partition.exchange_is_done();
  base::log_info(kLogger, "{} has moved to {}", partition.name().to_string(), copy->parent_directory());
  return Step::done;
}

void LogMover::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::int64_t wait_ms = next_at_ms_ - clock_.monotonic_ms();
    if (wait_ms > 0 || queue_.empty()) {
      wake_.wait_for(lock, std::chrono::milliseconds(queue_.empty() ? 1'000 : std::min<std::int64_t>(wait_ms, 1'000)));
      continue;
    }
    storage::TopicPartition name = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    Step outcome = Step::given_up;
    std::uint64_t bytes = 0;
    try {
      outcome = step(name, bytes);
    } catch (const std::exception& error) {
      base::log_error(kLogger, "The move of {} to another log directory has failed: {}", name.to_string(), error.what());
    }
    lock.lock();
    if (bytes > 0) next_at_ms_ = std::max(next_at_ms_, rate_.next_at_ms(clock_.monotonic_ms(), bytes));
    const bool over = outcome == Step::done || outcome == Step::given_up;
    if (over && again_.erase(name) == 0) {
      moving_.erase(name);
      continue;
    }
    queue_.push_back(name);
    if (outcome == Step::waiting) wake_.wait_for(lock, std::chrono::milliseconds(kIdleMs));
  }
}

}  // namespace broker::partition
