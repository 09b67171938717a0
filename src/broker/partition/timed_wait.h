// Waiting with a limit of time, on the caller's event loop, without holding a thread.
#pragma once

#include <cstdint>
#include <memory>

#include "base/task.h"
#include "broker/partition/fetch_waiter.h"
#include "protocol/error.h"

namespace broker::partition {

// Returns when the waiter is woken, which happens after `timeout_ms` at the latest.
base::Task<void> wait_for_data(std::shared_ptr<FetchWaiter> waiter, std::int64_t timeout_ms);
// What it was set to; REQUEST_TIMED_OUT, also for everybody else who waits for it, when the time is up.
base::Task<protocol::ErrorCode> wait_for_commit(base::OneShot<protocol::ErrorCode> done, std::int64_t timeout_ms);

}  // namespace broker::partition
