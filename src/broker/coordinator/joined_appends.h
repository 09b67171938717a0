// Records of concurrent operations on a partition go into one batch (KIP-848's linger, with nothing to configure and no delay):
// of those that come in the same turn of an event loop, which appends at the end of the turn. That costs as much as a small
// append, so a loop does it while it joins some, while another one appends, and else now and then to see whether it would pay;
// otherwise an operation is appended at once. A loop appends its own operations alone: to tell another loop costs more than
// an append, and may wake a processor. So operations of several loops have no order but for those of one subject that ask for it, and
// whatever else is appended to the partition comes behind all that was added before it. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/task.h"
#include "broker/coordinator/coordinator_log.h"
#include "broker/coordinator/record_list.h"

namespace broker::coordinator {

class JoinedAppends {
 public:
  // The offset after the last record.
  struct Outcome : protocol::Result<std::int64_t> {
    using protocol::Result<std::int64_t>::Result;
    Outcome(protocol::Result<std::int64_t> end) : Result(std::move(end)) {}
    Outcome(CoordinatorLog::Appended appended) : Result(std::move(appended.end)), committed(appended.committed) {}
    bool committed = false;  // already; else it isn't known
  };
  struct Operation;
  // Move-only. Dropped without having been awaited, as by what throws in between, it appends at once what was added.
  struct Ticket {
    Ticket() = default;
    explicit Ticket(Outcome at_once) : outcome(std::move(at_once)) {}
    explicit Ticket(std::shared_ptr<Operation> later) : operation(std::move(later)) {}
    Ticket(Ticket&&) = default;
    Ticket& operator=(Ticket&& other) {
      std::swap(outcome, other.outcome);
      std::swap(operation, other.operation);
      return *this;
    }
    ~Ticket() {
      if (operation) give_up(*operation);
    }

    std::optional<Outcome> outcome;        // at once
    std::shared_ptr<Operation> operation;  // or later
  };
  enum class Joining {
    adaptive,
    always,  // for tests
  };

  // Batches have the sender's header, unless add() is given another one: a joined batch has that of its first operation, as
  // senders without a producer differ in nothing that counts. More than `bytes_max` of keys and values aren't joined.
  static constexpr std::size_t kBytesMax = 64 << 10;
  JoinedAppends(CoordinatorLog& log, const BatchSender& sender, std::size_t bytes_max = kBytesMax,
                Joining joining = Joining::adaptive);
  ~JoinedAppends();

  // Called in the lock that orders the caller's decisions on `subject`, so that the log has them in their order. On an event
  // loop, whose coroutine asks for the outcome next.
  Ticket add(std::int32_t partition, RecordList records, std::int64_t timestamp, const BatchSender& sender,
             const void* subject);
  // Of what may stand in the log before or behind what other loops add of the subject, unless it `is_behind` that. Called in such a
  // lock, too, and appends nothing of its own in it: append_now() comes behind the lock.
  Ticket line_up(std::int32_t partition, RecordList records, std::int64_t timestamp,
                 const void* subject = nullptr, bool is_behind = false);
  // If it isn't to be joined with others: the ticket has its outcome then.
  void append_now(Ticket& ticket);
  // Not in a lock. Where operations are too large together, each is appended alone, and has its own error. Where the log
  // throws, the log of the process tells of it, and what wasn't appended yet ends with UNKNOWN_SERVER_ERROR.
  base::Task<Outcome> appended(Ticket ticket);
  // Appends at once what was added before.
  void flush(std::int32_t partition) { append_added(queue_of(partition)); }
  // The same for all partitions, once nobody adds anything any more: whoever waits is told before its loop ends, and none of it is
  // left in here.
  void flush_all();
  // CoordinatorLog::append, behind what was added before.
  Outcome append(std::int32_t partition, base::Bytes batch, std::optional<std::uint64_t> verification_guard = std::nullopt);

 private:
  using OperationPtr = std::shared_ptr<Operation>;
  enum class Resume { here, later };  // later: in a lock, so coroutines go on in their own loop's next turn
  struct Turn;
  struct Queue;

  static void give_up(const Operation& operation) noexcept;
  static void wake_all(const std::vector<OperationPtr>& operations, Resume resume);
  Queue& queue_of(std::int32_t partition);
  static Turn& turn_of(Queue& queue, std::thread::id loop);
  void append_before(Queue& queue, const void* subject, std::thread::id loop);
  bool is_to_wait(const Queue& queue, Turn& turn) const;
  static Ticket add_to(Turn& turn, const OperationPtr& operation);
  static OperationPtr operation_of(RecordList records, std::int64_t timestamp, const BatchSender& sender);
  static OperationPtr operation_in(Turn& turn);
  bool append_single(Ticket& ticket);
  void append_added(Queue& queue);
  void append_added(Turn& turn, Resume resume);
  void end_turn(Turn& turn);
  void append_together(std::int32_t partition, std::span<const OperationPtr> operations);
  Outcome append_alone(Queue& queue, base::Bytes batch);
  Outcome append_batch(std::int32_t partition, const OperationPtr* first, const OperationPtr* last);
  void append_joined(std::int32_t partition, const OperationPtr* first, const OperationPtr* last);

  CoordinatorLog& log_;
  const BatchSender sender_;
  const std::size_t bytes_max_;
  const Joining joining_;
  std::shared_mutex mutex_;
  std::unordered_map<std::int32_t, std::unique_ptr<Queue>> queues_;
};

}  // namespace broker::coordinator
