// One partition as its leader: who may append and read, what is committed, and who waits for that. The records
// themselves are in its Log. Owned by PartitionManager and by requests under way; it stays readable after it was
// stopped, and then answers every call with the reason.
//
// Thread-safe. `state_mutex_` guards leadership: data calls hold it shared for as long as they use the log, so that a
// leader epoch never ends in the middle of an append. `progress_mutex_` guards the move of the high watermark and the
// lists of waiters; it is taken after the other. Waking only posts to the event loop of whoever waits: it may be done with
// `state_mutex_` held, never with `progress_mutex_`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "base/task.h"
#include "base/uuid.h"
#include "broker/metadata/partition_sink.h"
#include "broker/partition/fetch_waiter.h"
#include "broker/partition/flush_threads.h"
#include "broker/partition/topic_traffic.h"
#include "log/log.h"

namespace broker::partition {

struct AppendOptions {
  std::int16_t acks = -1;
  std::int16_t produce_version = 11;
  storage::AppendOrigin origin = storage::AppendOrigin::client;
  bool built_here = false;  // see protocol::AppendRequest
  std::int64_t now_ms = 0;
  std::optional<std::uint64_t> verification_guard;  // see storage::AppendContext
  std::int16_t marker_transaction_version = 0;      // likewise
};

struct FetchOptions {
  std::int64_t offset = 0;
  std::int32_t current_leader_epoch = -1;  // -1: not checked
  std::int32_t last_fetched_epoch = -1;    // -1: not checked
  std::uint64_t max_bytes = 0;
  storage::ReadIsolation isolation = storage::ReadIsolation::high_watermark;
  storage::FirstBatch first_batch = storage::FirstBatch::whole;
};

struct FetchOutcome {
  FetchOutcome() {}
  protocol::ErrorCode error = protocol::ErrorCode::none;
  storage::ReadResult data;
  std::optional<storage::EpochEndOffset> diverging;  // where the reader's history and ours part; then there is no data
};

class Partition : public std::enable_shared_from_this<Partition> {
 public:
  Partition(std::int32_t broker_id, base::Uuid topic_id, std::shared_ptr<storage::Log> log,
            std::shared_ptr<FlushThreads> flush_threads,
            std::shared_ptr<TopicTraffic> traffic = std::make_shared<TopicTraffic>());

  const storage::TopicPartition& name() const { return name_; }
  const base::Uuid& topic_id() const { return topic_id_; }
  std::shared_ptr<storage::Log> log() const;  // the one of now: a move to another directory puts another in its place
  std::optional<std::int32_t> leader_epoch() const;  // nothing if not led here
  std::int32_t min_insync_replicas() const;
  TopicTraffic& traffic() const { return *traffic_; }  // of its topic
  const std::shared_ptr<TopicTraffic>& shared_traffic() const { return traffic_; }

  protocol::ErrorCode become_leader(const metadata::LeaderState& state);
  // From now on everything is answered with `reason`; who waits is woken.
  void stop(protocol::ErrorCode reason);
  void set_min_insync_replicas(std::int32_t count);

  // If `copy` has all that the log has, `exchange` is called with nobody appending, and if that answers none the copy is
  // the log from then on. False if something is missing, it isn't led, or the exchange failed. `exchange` mustn't wait for a disk, since
  // event loops wait for it.
  bool exchange_log(const std::shared_ptr<storage::Log>& copy, const std::function<protocol::ErrorCode()>& exchange);
  void exchange_is_done();  // what was appended since can be acknowledged
  // One that was stopped, led again from the same state, with another log: the old one, after a move that failed. Whoever
  // appended to the lost copy knows the stopped one only, which acknowledges nothing any more. On an error it isn't led.
  protocol::Result<std::shared_ptr<Partition>> led_again(std::shared_ptr<storage::Log> log) const;

  // The records are rewritten in place. If a flush is due for them, it is begun on another thread, and the answer may go
  // out, with any acks, once flushed() of what lies behind the last one is set; with acks=-1 once committed() is.
  storage::AppendResult append(base::MutableByteView records, const AppendOptions& options);
  // Set, at once or later, with none when everything before `end_offset` is on disk that flush.messages wants there.
  base::OneShot<protocol::ErrorCode> flushed(std::int64_t end_offset);
  // Set, at once or later, with none, or with the reason why it won't be known. Whoever sets a time limit sets it too.
  base::OneShot<protocol::ErrorCode> committed(std::int64_t end_offset);

  FetchOutcome fetch(const FetchOptions& options);
  // False, and not registered, if there is news since the caller saw this high watermark.
  bool add_waiter(const std::shared_ptr<FetchWaiter>& waiter, std::int64_t seen_high_watermark);
  void remove_waiter(const std::shared_ptr<FetchWaiter>& waiter);

  protocol::Result<storage::OffsetAndTimestamp> list_offset(std::int32_t current_leader_epoch, std::int64_t timestamp,
                                                            storage::ReadIsolation isolation);
  // ListOffsets v0: Log::offsets_before; a consumer sees the high watermark in place of what lies beyond it.
  protocol::Result<std::vector<std::int64_t>> offsets_before(std::int64_t timestamp, std::int32_t max_count,
                                                             bool consumer);
  protocol::Result<storage::EpochEndOffset> epoch_end_offset(std::int32_t current_leader_epoch,
                                                             std::int32_t leader_epoch);
  // Answers the log start offset after it, which is the low watermark of its only replica. In the middle of an exchange the
  // old log's start moves too; this alone may then wait for the rename of that one's directory.
  protocol::Result<std::int64_t> delete_records(std::int64_t offset);

 private:
  enum class Awaited { flushed, committed };
  struct Waiter {
    std::int64_t end_offset = 0;
    Awaited awaited = Awaited::committed;
    base::OneShot<protocol::ErrorCode> done;
  };

  storage::AppendResult append_here(base::MutableByteView records, const AppendOptions& options);
  FetchOutcome fetch_here(const FetchOptions& options);
  protocol::ErrorCode check_leader(std::int32_t current_leader_epoch) const;  // state_mutex_ is held
  std::int64_t advance_high_watermark(std::int64_t bytes);                    // likewise; where it is then
  // The same, and gives progress_mutex_ back before it wakes.
  [[gnu::noinline]] void wake_those_who_wait(std::unique_lock<std::mutex> progress, bool alone,
                                             const storage::Log::Acknowledged& now, std::int64_t bytes);
  base::OneShot<protocol::ErrorCode> wait_for(Awaited awaited, std::int64_t end_offset);
  bool start_flush();              // state_mutex_ is held; false: it can't be begun
  bool post_flush();               // both mutexes are held; likewise
  void flush_once();               // on a thread for it
  void finish_flush(bool failed);  // state_mutex_ is held

  const std::int32_t broker_id_;
  const base::Uuid topic_id_;
  const storage::TopicPartition name_;
  const std::shared_ptr<FlushThreads> flush_threads_;
  const std::shared_ptr<TopicTraffic> traffic_;

  mutable std::shared_mutex state_mutex_;
  bool leader_ = false;
  protocol::ErrorCode stopped_reason_ = protocol::ErrorCode::not_leader_or_follower;
  std::int32_t leader_epoch_ = -1;
  std::int32_t partition_epoch_ = -1;
  std::vector<std::int32_t> replicas_;
  std::vector<std::int32_t> isr_;
  std::int32_t min_insync_replicas_ = 1;
  std::shared_ptr<storage::Log> log_;  // changes with both mutexes held
  // Until the exchange is done a crash, or a disk that fails, may bring it back.
  std::shared_ptr<storage::Log> retiring_log_;

  mutable std::mutex progress_mutex_;
  bool stopped_ = false;
  std::vector<std::shared_ptr<FetchWaiter>> fetch_waiters_;
  std::vector<Waiter> waiters_;  // producers
  bool flushing_ = false;        // one flush at a time, for all that was appended before it began
};

}  // namespace broker::partition
