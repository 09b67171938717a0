// The inside of TransactionCoordinator. Included by its .cpp files alone. Locks: an entry's mutex may be held while
// mutex_ is taken, never the other way round. Neither is held across a co_await.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "broker/coordinator/joined_appends.h"
#include "broker/transaction/transaction.h"
#include "broker/transaction/transaction_coordinator.h"
#include "broker/transaction/transaction_loader.h"

namespace broker::transaction {

// A transactional id with what guards it. Shared, as a request may still hold it when it is dropped.
struct Entry {
  Entry(std::string in_id, std::int32_t in_partition, std::int32_t in_epoch, TransactionImage image)
      : id(std::move(in_id)), partition(in_partition), coordinator_epoch(in_epoch), transaction(std::move(image)) {}

  const std::string id;
  const std::int32_t partition;          // of __transaction_state
  const std::int32_t coordinator_epoch;  // leader epoch of that partition
  std::mutex mutex;
  Transaction transaction;
};
using EntryPtr = std::shared_ptr<Entry>;

// A record that is in the log or on its way to it, and not yet known to be committed.
struct PendingTransition {
  coordinator::JoinedAppends::Ticket record;
  TransactionImage next;
  bool fences = false;
};

// Who completes a decided transaction. If that gets lost, as where memory can't be had, the transaction is nobody's again,
// and the next check of all finds it. Not to be destroyed in the entry's lock.
class Claim {
 public:
  Claim() = default;
  explicit Claim(EntryPtr entry) noexcept : entry_(std::move(entry)) {}
  Claim(Claim&&) noexcept = default;
  Claim& operator=(Claim&& other) noexcept {
    entry_.swap(other.entry_);
    return *this;
  }
  ~Claim() {
    if (!entry_) return;
    std::lock_guard lock(entry_->mutex);
    if (!entry_->transaction.dead()) entry_->transaction.abandon();
  }
  void done() { entry_.reset(); }

 private:
  EntryPtr entry_;
};

// A transaction whose outcome is decided and whose markers aren't all written, or whose end isn't.
struct Completion {
  EntryPtr entry;
  Claim claim;
  TransactionMarker marker;
  std::vector<TopicPartition> remaining;
  std::int64_t due_ms = 0;  // monotonic; of the next attempt
  int attempts = 0;
};

class TransactionCoordinator::Impl {
 public:
  Impl(Environment environment, TransactionLimits limits, Threads threads, Joining joining);
  ~Impl() { stop(); }

  Environment& environment() { return environment_; }
  const TransactionLimits& limits() const { return limits_; }
  std::int64_t now_ms() const { return environment_.clock.wall_ms(); }

  // Which partition of the topic an id belongs to, if it can be served now.
  struct Place {
    ErrorCode error = ErrorCode::none;
    std::int32_t partition = -1;
  };
  base::Task<Place> locate(std::string transactional_id);
  // The same without waiting. Nothing, while it isn't known how many partitions there are.
  std::optional<Place> locate_now(std::string_view transactional_id);
  // How many the topic has, which counts from the first time that it is there: as in Kafka, ids stay where they are if it grows.
  base::Task<std::int32_t> partition_count(bool create);
  // The entry, or why it can't be had; `missing` if the id isn't known.
  base::Task<protocol::Result<EntryPtr>> find(std::string transactional_id, ErrorCode missing);
  // Makes none while the partition isn't loaded: its leadership may have gone, or come anew, since the id was located.
  base::Task<protocol::Result<EntryPtr>> find_or_create(InitProducerIdRequest request);
  std::vector<EntryPtr> all_entries();
  bool is_loading();

  // In the entry's lock: begins the transition and appends its record, perhaps with those of other ids at the end of this turn
  // of the event loop. Nothing of an id is decided while one of its records is on its way.
  PendingTransition append(Entry& entry, TransactionImage next, bool fences = false);
  // Waits until it is committed and completes the transition, or abandons it.
  base::Task<ErrorCode> commit(EntryPtr entry, PendingTransition pending);

  // The way to an end: the decision and its record, in the entry's lock, then the rest.
  struct EndStep {
    ProducerResult answer;
    bool needs_producer_id = false;
    bool done_before = false;
    PendingTransition pending;
  };
  EndStep start_end(Entry& entry, const EndTransactionRequest& request, bool from_client,
                    std::optional<std::int64_t> fresh_producer_id);
  // Aborts an ongoing transaction and locks its producer out. The same way.
  EndStep start_fence(Entry& entry, std::optional<std::int64_t> fresh_producer_id);
  base::Task<ProducerResult> finish_end(EntryPtr entry, EndStep step);

  void elected(std::int32_t partition);
  void resigned(std::int32_t partition);
  base::Task<void> run_due_work();
  void stop();

 private:
  struct PartitionState {
    std::int32_t coordinator_epoch = -1;
    bool loaded = false;
  };

  ErrorCode check_partition(std::int32_t partition);
  protocol::Result<std::int32_t> coordinator_epoch(std::int32_t partition) const;  // of what is loaded; in mutex_
  void load(std::int32_t partition, std::int32_t coordinator_epoch);
  void install(std::int32_t partition, std::int32_t coordinator_epoch, TransactionLoader& loader);
  void drop_entries(std::int32_t partition);

  // Of a transaction whose end is prepared, in the entry's lock: nobody else may touch it from now on.
  Completion begin_completion(const EntryPtr& entry);
  // One attempt. What remains is put off.
  base::Task<void> complete(Completion completion);
  base::Task<ErrorCode> write_markers(Completion& completion);
  coordinator::JoinedAppends::Ticket add_record(const Entry& entry, const TransactionImage& next);
  base::Task<ErrorCode> committed(EntryPtr entry, coordinator::JoinedAppends::Ticket record);
  // Mostly the append is all that it takes. Then nothing has to be awaited, which costs more than to ask.
  static bool is_committed(const coordinator::JoinedAppends::Ticket& record);
  base::Task<ErrorCode> store_completed(EntryPtr entry);
  void put_off(Completion completion);
  std::vector<Completion> take_due_completions();

  // Aborts those that take too long, and completes those that are decided and nobody's.
  void check_all(std::vector<base::Task<void>>& jobs);
  base::Task<void> abort(EntryPtr entry);
  void forget_expired();
  bool append_tombstone(const Entry& entry);
  void forget(const EntryPtr& entry);
  std::int64_t milliseconds_to_wait();
  base::Task<void> work_loop();

  Environment environment_;
  const TransactionLimits limits_;
  const bool own_thread_;
  std::atomic<std::int32_t> partition_count_{0};
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;  // all below
  std::unordered_map<std::string, EntryPtr> entries_;
  std::map<std::int32_t, PartitionState> partitions_;
  std::vector<Completion> put_off_;
  std::int64_t next_abort_check_ = 0;
  std::int64_t next_expiration_check_ = 0;

  boost::asio::io_context loop_{1};
  boost::asio::steady_timer timer_{loop_};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  std::thread thread_;
  coordinator::JoinedAppends appends_;  // all that is appended goes through it; its waiting coroutines are of loops that live longer
};

}  // namespace broker::transaction
