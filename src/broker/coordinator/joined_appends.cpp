#include "broker/coordinator/joined_appends.h"

#include <algorithm>
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

bool is_too_large(ErrorCode error) {
  return error == ErrorCode::message_too_large || error == ErrorCode::record_list_too_large ||
         error == ErrorCode::invalid_fetch_size;
}

}  // namespace

struct JoinedAppends::Operation {
  // Read without the lock by whoever took it out of its queue.
  Queue* queue = nullptr;
  BatchSender sender;
  std::vector<KeyAndValue> records;
  std::size_t bytes = 0;
  std::int64_t timestamp = 0;
  std::thread::id loop;
  bool ends_turn = false;  // whoever has its ticket sees to it that the queue is appended

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

struct JoinedAppends::Queue {
  Queue(JoinedAppends& in, std::int32_t of) : appends(in), partition(of) {}
  JoinedAppends& appends;
  const std::int32_t partition;
  std::mutex appending;  // held from taking operations out until they are in the log; before the next one
  std::mutex mutex;      // the rest
  std::vector<OperationPtr> added;
  std::vector<std::thread::id> loops;  // will append at the end of their turn
  bool joins = false;                  // the last turn had some to join
  std::uint32_t until_look = kLookEvery;
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

JoinedAppends::Ticket JoinedAppends::add(std::int32_t partition, std::vector<KeyAndValue> records, std::int64_t timestamp,
                                         const BatchSender& sender) {
  Queue& queue = queue_of(partition);
  std::unique_lock lock(queue.mutex);
  const bool waits = queue.joins || !queue.added.empty() || joining_ == Joining::always || --queue.until_look == 0;
  if (!waits) {
    std::unique_lock appending(queue.appending, std::try_to_lock);
    if (appending) {
      lock.unlock();
      return Ticket(log_.append(partition, build_batch(records, timestamp, sender), std::nullopt));
    }
  }
  queue.until_look = kLookEvery;
  auto operation = std::make_shared<Operation>();
  operation->queue = &queue;
  operation->sender = sender;
  operation->timestamp = timestamp;
  for (const KeyAndValue& one : records) operation->bytes += one.key.size() + (one.value ? one.value->size() : 0);
  operation->records = std::move(records);
  operation->loop = std::this_thread::get_id();
  operation->ends_turn = std::ranges::find(queue.loops, operation->loop) == queue.loops.end();
  queue.added.push_back(operation);
  if (operation->ends_turn) queue.loops.push_back(operation->loop);  // the last that may throw: it has a ticket then
  return Ticket(std::move(operation));
}

void JoinedAppends::give_up(const Operation& operation) noexcept {
  if (!operation.ends_turn) return;
  Queue& queue = *operation.queue;
  {
    std::lock_guard lock(queue.mutex);
    std::erase(queue.loops, operation.loop);
  }
  try {
    queue.appends.append_added(queue, Resume::later);
  } catch (...) {  // all have their outcomes, and who drops a ticket has an error of its own
  }
}

base::Task<JoinedAppends::Outcome> JoinedAppends::appended(Ticket ticket) {
  if (ticket.outcome) co_return std::move(*ticket.outcome);
  const OperationPtr operation = ticket.operation;
  if (operation->ends_turn) {
    const auto executor = co_await asio::this_coro::executor;
    // Behind what the loop has found to do in this turn.
    asio::post(executor, [this, queue = operation->queue, loop = operation->loop] {
      {
        std::lock_guard lock(queue->mutex);
        std::erase(queue->loops, loop);
      }
      append_added(*queue, Resume::here);
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
  append_added(queue_of(partition), Resume::later);
  return log_.append(partition, std::move(batch), verification_guard);
}

void JoinedAppends::flush_all() {
  std::vector<Queue*> queues;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [partition, queue] : queues_) queues.push_back(queue.get());
  }
  for (Queue* queue : queues) append_added(*queue, Resume::later);
}

void JoinedAppends::append_added(Queue& queue, Resume resume) {
  std::vector<OperationPtr> operations;
  std::exception_ptr failure;
  {
    std::lock_guard one_at_a_time(queue.appending);
    {
      std::lock_guard lock(queue.mutex);
      operations.swap(queue.added);
    }
    try {
      append_together(queue.partition, operations);
    } catch (...) {  // a bug, or no memory: nobody shall wait for ever for it, and it is nobody's own who calls this
      failure = std::current_exception();
      for (const OperationPtr& one : operations) one->settle(ErrorCode::unknown_server_error);
    }
    if (resume == Resume::here) {
      std::lock_guard lock(queue.mutex);
      queue.joins = operations.size() >= kWorthJoining;
    }
  }
  wake_all(operations, resume);
  if (failure) {
    base::log_error(kLogger, "Appending {} operations to partition {} failed: {}", operations.size(), queue.partition,
                    message_of(failure));
  }
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
void JoinedAppends::append_together(std::int32_t partition, const std::vector<OperationPtr>& operations) {
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
    if (end) end = *end - static_cast<std::int64_t>((*one)->records.size());
  }
}

JoinedAppends::Outcome JoinedAppends::append_batch(std::int32_t partition, const OperationPtr* first, const OperationPtr* last) {
  protocol::RecordBatchBuilder builder;
  builder.header.base_sequence = (*first)->sender.base_sequence;
  for (const OperationPtr* one = first; one != last; ++one) {
    for (const KeyAndValue& each : (*one)->records) {
      protocol::NewRecord record;
      record.key = each.key;
      if (each.value) record.value = *each.value;
      record.timestamp = (*one)->timestamp;
      builder.append(record);
    }
  }
  return log_.append(partition, builder.build(), std::nullopt);
}

}  // namespace broker::coordinator
