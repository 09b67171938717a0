#include "broker/coordinator/joined_appends.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <utility>

#include "base/logging.h"
#include "protocol/record_batch_builder.h"

namespace broker::coordinator {

namespace asio = boost::asio;
using protocol::ErrorCode;

namespace {

// A coroutine that waits for its outcome.
struct Waiting {
  virtual ~Waiting() = default;
  virtual void go_on(JoinedAppends::Outcome outcome, bool here) = 0;
};

template <class Handler>
struct WaitingHandler final : Waiting {
  explicit WaitingHandler(Handler all) : work(asio::make_work_guard(all)), handler(std::move(all)) {}
  void go_on(JoinedAppends::Outcome outcome, bool here) override {
    auto resume = [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
      std::move(handler)(std::move(outcome));
    };
    if (here) {
      asio::dispatch(work.get_executor(), std::move(resume));  // at once, if this is its loop
    } else {
      asio::post(work.get_executor(), std::move(resume));
    }
  }
  decltype(asio::make_work_guard(std::declval<Handler&>())) work;  // the loop stays while something outside owes the outcome
  Handler handler;
};

constexpr std::string_view kLogger = "milena.coordinator.JoinedAppends";
constexpr std::size_t kWorthJoining = 4;  // operations in a turn; as measured, fewer cost more than their appends
constexpr std::uint32_t kLookEvery = 64;  // operations

std::string message_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

[[gnu::cold]] void tell_of(const std::exception_ptr& failure, std::size_t operations, std::int32_t partition) {
  base::log_error(kLogger, "Appending {} operations to partition {} failed: {}", operations, partition, message_of(failure));
}

bool is_too_large(ErrorCode error) {
  return error == ErrorCode::message_too_large || error == ErrorCode::record_list_too_large ||
         error == ErrorCode::invalid_fetch_size;
}

}  // namespace

struct JoinedAppends::Operation {
  // Read without the lock by whoever took it out of its turn.
  Turn* turn = nullptr;
  const void* subject = nullptr;
  BatchSender sender;
  RecordList records;
  std::size_t bytes = 0;
  std::int64_t timestamp = 0;
  bool ends_turn = false;  // whoever has its ticket sees to it that its turn is appended
  bool at_once = false;    // by append_now()

  std::mutex mutex;  // the rest
  std::optional<Outcome> outcome;
  std::unique_ptr<Waiting> waiting;

  void settle(Outcome result) {
    std::lock_guard lock(mutex);
    if (!outcome) outcome = std::move(result);
  }
  void wake(bool here) {
    std::unique_ptr<Waiting> woken;
    {
      std::lock_guard lock(mutex);
      woken = std::move(waiting);
    }
    if (woken) woken->go_on(*outcome, here);
  }
  template <class Handler>
  void start(Handler handler) {
    auto one = std::make_unique<WaitingHandler<Handler>>(std::move(handler));
    {
      std::lock_guard lock(mutex);
      if (!outcome) {
        waiting = std::move(one);
        return;
      }
    }
    one->go_on(*outcome, false);
  }
};

// What one loop has added to a queue.
struct JoinedAppends::Turn {
  Turn(Queue& in, std::thread::id of) : queue(in), loop(of) {}
  Queue& queue;
  const std::thread::id loop;
  std::mutex appending;  // held from taking operations out until they are in the log; before the queue's

  // The rest in the queue's lock.
  std::vector<OperationPtr> added;
  std::span<const OperationPtr> taken;               // not yet in the log
  OperationPtr spare;                                // of one that ended at once, for the next one
  bool has_end = false;                              // somebody has a ticket that ends it
  bool joins = false;                                // the last one had some to join
  std::size_t count = 0;                             // of this turn's operations
  std::uint32_t until_look = kLookEvery;

  bool has(const void* subject) const {
    const auto is_of = [subject](const OperationPtr& one) { return one->subject == subject; };
    return std::ranges::any_of(added, is_of) || std::ranges::any_of(taken, is_of);
  }
};

struct JoinedAppends::Queue {
  Queue(JoinedAppends& in, std::int32_t of) : appends(in), partition(of) {}
  JoinedAppends& appends;
  const std::int32_t partition;
  std::atomic<int> appending = 0;  // how many do
  std::mutex mutex;                // guards the rest; held for moments
  std::vector<std::unique_ptr<Turn>> turns;  // one for each loop that has added
};

JoinedAppends::JoinedAppends(CoordinatorLog& log, const BatchSender& sender, std::size_t bytes_max, Joining joining)
    : log_(log), sender_(sender), bytes_max_(bytes_max), joining_(joining) {}
JoinedAppends::~JoinedAppends() = default;

JoinedAppends::Queue& JoinedAppends::queue_of(std::int32_t partition) {
  {
    std::shared_lock lock(mutex_);
    if (const auto found = queues_.find(partition); found != queues_.end()) return *found->second;
  }
  std::lock_guard lock(mutex_);
  std::unique_ptr<Queue>& queue = queues_[partition];
  if (!queue) queue = std::make_unique<Queue>(*this, partition);
  return *queue;
}

// In the queue's lock.
JoinedAppends::Turn& JoinedAppends::turn_of(Queue& queue, std::thread::id loop) {
  for (const auto& turn : queue.turns) {
    if (turn->loop == loop) return *turn;
  }
  return *queue.turns.emplace_back(std::make_unique<Turn>(queue, loop));
}

// In the queue's lock, of a turn that an operation is about to be added to.
bool JoinedAppends::is_to_wait(const Queue& queue, Turn& turn) const {
  const bool looks = --turn.until_look == 0;
  if (looks) turn.until_look = kLookEvery;
  return looks || turn.joins || turn.has_end || !turn.added.empty() || joining_ == Joining::always || queue.appending > 0;
}

// What other loops have added of the subject.
void JoinedAppends::append_before(Queue& queue, const void* subject, std::thread::id loop) {
  std::vector<Turn*> before;
  {
    std::lock_guard lock(queue.mutex);
    for (const auto& turn : queue.turns) {
      if (turn->loop != loop && turn->has(subject)) before.push_back(turn.get());
    }
  }
  for (Turn* turn : before) append_added(*turn, Resume::later);
}

// In the queue's lock: a new one, or the last one's memory.
JoinedAppends::OperationPtr JoinedAppends::operation_in(Turn& turn) {
  return turn.spare ? std::move(turn.spare) : std::make_shared<Operation>();
}

JoinedAppends::OperationPtr JoinedAppends::operation_of(RecordList records, std::int64_t timestamp,
                                                        const BatchSender& sender) {
  auto operation = std::make_shared<Operation>();
  operation->sender = sender;
  operation->timestamp = timestamp;
  operation->bytes = records.bytes();
  operation->records = std::move(records);
  return operation;
}

// In the queue's lock.
JoinedAppends::Ticket JoinedAppends::add_to(Turn& turn, const OperationPtr& operation) {
  operation->turn = &turn;
  operation->ends_turn = !turn.has_end;
  turn.added.push_back(operation);  // the last that may throw: it has a ticket then
  turn.has_end = true;
  ++turn.count;
  return Ticket(operation);
}

JoinedAppends::Ticket JoinedAppends::add(std::int32_t partition, RecordList records, std::int64_t timestamp,
                                         const BatchSender& sender, const void* subject) {
  Queue& queue = queue_of(partition);
  const std::thread::id loop = std::this_thread::get_id();
  append_before(queue, subject, loop);
  {
    std::lock_guard lock(queue.mutex);
    Turn& turn = turn_of(queue, loop);
    if (is_to_wait(queue, turn)) {
      const OperationPtr operation = operation_of(std::move(records), timestamp, sender);
      operation->subject = subject;
      return add_to(turn, operation);
    }
  }
  return Ticket(append_alone(queue, records.build_batch(timestamp, sender)));
}

JoinedAppends::Ticket JoinedAppends::line_up(std::int32_t partition, RecordList records, std::int64_t timestamp,
                                             const void* subject, bool is_behind) {
  Queue& queue = queue_of(partition);
  const std::thread::id loop = std::this_thread::get_id();
  if (is_behind) append_before(queue, subject, loop);
  std::lock_guard lock(queue.mutex);
  Turn& turn = turn_of(queue, loop);
  const OperationPtr operation = operation_in(turn);
  operation->sender = sender_;
  operation->timestamp = timestamp;
  operation->bytes = records.bytes();
  operation->records = std::move(records);
  operation->subject = subject;
  operation->at_once = !is_to_wait(queue, turn);
  return add_to(turn, operation);
}

void JoinedAppends::append_now(Ticket& ticket) {
  if (!ticket.operation || !ticket.operation->at_once) return;
  if (append_single(ticket)) return;
  end_turn(*ticket.operation->turn);
  ticket.outcome = ticket.operation->outcome;  // set, and by nobody any more
  ticket.operation = nullptr;
}

// What end_turn() does, where the turn has this one alone, as mostly: nobody else waits for it, and it is told without its lock. False:
// another loop has taken it, or is about to.
bool JoinedAppends::append_single(Ticket& ticket) {
  const OperationPtr& operation = ticket.operation;
  Turn& turn = *operation->turn;
  Queue& queue = turn.queue;
  std::exception_ptr failure;
  {
    std::lock_guard one_at_a_time(turn.appending);
    {
      std::lock_guard lock(queue.mutex);
      if (turn.added.size() != 1 || turn.added.front() != operation) return false;
      turn.has_end = false;
      turn.count = 0;
      turn.added.clear();
      turn.taken = {&operation, 1};
    }
    ++queue.appending;
    try {
      ticket.outcome = append_batch(queue.partition, &operation, &operation + 1);
    } catch (...) {  // as in append_added()
      failure = std::current_exception();
      ticket.outcome = Outcome(ErrorCode::unknown_server_error);
    }
    --queue.appending;
    operation->records = RecordList();
    std::lock_guard lock(queue.mutex);
    turn.taken = {};
    turn.spare = std::move(ticket.operation);
  }
  if (failure) tell_of(failure, 1, queue.partition);
  return true;
}

void JoinedAppends::give_up(const Operation& operation) noexcept {
  if (!operation.ends_turn) return;
  try {
    operation.turn->queue.appends.end_turn(*operation.turn);
  } catch (...) {  // all have their outcomes, and who drops a ticket has an error of its own
  }
}

base::Task<JoinedAppends::Outcome> JoinedAppends::appended(Ticket ticket) {
  if (ticket.outcome) co_return std::move(*ticket.outcome);
  const OperationPtr operation = ticket.operation;
  if (operation->ends_turn) {
    const auto executor = co_await asio::this_coro::executor;
    // Behind what the loop has found to do in this turn.
    asio::post(executor, [this, turn = operation->turn] {
      {
        std::lock_guard lock(turn->queue.mutex);
        turn->has_end = false;
        turn->joins = turn->count >= kWorthJoining;
        turn->count = 0;
      }
      append_added(*turn, Resume::here);
    });
  }
  ticket.operation = nullptr;
  // Named, since g++ 12 destroys a lambda with captures inside a co_await expression twice.
  auto initiate = [&operation](auto handler) { operation->start(std::move(handler)); };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Outcome)>(std::move(initiate),
                                                                                         asio::use_awaitable);
}

JoinedAppends::Outcome JoinedAppends::append(std::int32_t partition, base::Bytes batch,
                                             std::optional<std::uint64_t> verification_guard) {
  append_added(queue_of(partition));
  return log_.append_and_look(partition, std::move(batch), verification_guard);
}

void JoinedAppends::flush_all() {
  std::vector<Queue*> queues;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [partition, queue] : queues_) queues.push_back(queue.get());
  }
  for (Queue* queue : queues) append_added(*queue);
}

void JoinedAppends::append_added(Queue& queue) {
  std::vector<Turn*> turns;
  {
    std::lock_guard lock(queue.mutex);
    for (const auto& turn : queue.turns) {
      if (!turn->added.empty() || !turn->taken.empty()) turns.push_back(turn.get());
    }
  }
  for (Turn* turn : turns) append_added(*turn, Resume::later);
}

// One that joins nothing.
void JoinedAppends::end_turn(Turn& turn) {
  {
    std::lock_guard lock(turn.queue.mutex);
    turn.has_end = false;
    turn.count = 0;
  }
  append_added(turn, Resume::later);
}

void JoinedAppends::append_added(Turn& turn, Resume resume) {
  Queue& queue = turn.queue;
  std::vector<OperationPtr> operations;
  std::exception_ptr failure;
  {
    std::lock_guard one_at_a_time(turn.appending);
    {
      std::lock_guard lock(queue.mutex);
      operations.swap(turn.added);
      if (operations.empty()) return;
      turn.taken = operations;
    }
    ++queue.appending;
    try {
      append_together(queue.partition, operations);
    } catch (...) {  // a bug, or no memory: nobody shall wait for ever for it, and it is nobody's own who calls this
      failure = std::current_exception();
      for (const OperationPtr& one : operations) one->settle(ErrorCode::unknown_server_error);
    }
    --queue.appending;
    std::lock_guard lock(queue.mutex);
    turn.taken = {};
  }
  wake_all(operations, resume);
  if (failure) tell_of(failure, operations.size(), queue.partition);
}

JoinedAppends::Outcome JoinedAppends::append_alone(Queue& queue, base::Bytes batch) {
  struct Counted {
    explicit Counted(std::atomic<int>& of) : count(of) { ++count; }
    ~Counted() { --count; }
    std::atomic<int>& count;
  };
  const Counted counted(queue.appending);
  return log_.append_and_look(queue.partition, std::move(batch), std::nullopt);
}

void JoinedAppends::wake_all(const std::vector<OperationPtr>& operations, Resume resume) {
  std::exception_ptr failure;  // of one that couldn't be told, as without memory; the others are told first
  for (const OperationPtr& one : operations) {
    try {
      one->wake(resume == Resume::here);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// In as few batches as the bound on their size allows.
void JoinedAppends::append_together(std::int32_t partition, std::span<const OperationPtr> operations) {
  const OperationPtr* const end = operations.data() + operations.size();
  for (const OperationPtr* first = operations.data(); first != end;) {
    std::size_t bytes = (*first)->bytes;
    const OperationPtr* last = first + 1;
    for (; last != end && bytes + (*last)->bytes <= bytes_max_; ++last) bytes += (*last)->bytes;
    append_joined(partition, first, last);
    first = last;
  }
}

void JoinedAppends::append_joined(std::int32_t partition, const OperationPtr* first, const OperationPtr* last) {
  Outcome end = append_batch(partition, first, last);
  if (!end && is_too_large(end.error()) && last - first > 1) {
    for (const OperationPtr* one = first; one != last; ++one) append_joined(partition, one, one + 1);
    return;
  }
  for (const OperationPtr* one = last; one-- != first;) {
    (*one)->settle(end);
    if (end) *end -= static_cast<std::int64_t>((*one)->records.size());
  }
}

JoinedAppends::Outcome JoinedAppends::append_batch(std::int32_t partition, const OperationPtr* first, const OperationPtr* last) {
  protocol::RecordBatchBuilder builder;
  builder.header.base_sequence = (*first)->sender.base_sequence;
  std::size_t bytes = 0;
  for (const OperationPtr* one = first; one != last; ++one) bytes += (*one)->records.bytes_in_batch_max();
  builder.reserve(bytes);
  for (const OperationPtr* one = first; one != last; ++one) (*one)->records.append_to(builder, (*one)->timestamp);
  return log_.append_and_look(partition, builder.build(), std::nullopt);
}

}  // namespace broker::coordinator
