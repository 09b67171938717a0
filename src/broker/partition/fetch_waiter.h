// A fetch that waits for bytes on several partitions at once. Its owner registers it with each of them; appends count
// down what is missing, and the last one needed wakes it, once, on its own event loop. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/task.h"

namespace broker::partition {

class FetchWaiter {
 public:
  explicit FetchWaiter(std::int64_t missing_bytes) : missing_bytes_(missing_bytes) {}

  void bytes_arrived(std::int64_t bytes) {
    if (missing_bytes_.fetch_sub(bytes, std::memory_order_relaxed) <= bytes) wake();
  }
  // Something happened that the fetch must look at: its time is up, or a partition is led elsewhere.
  void wake() { woken_.set(true); }
  base::Task<bool> wait() const { return woken_.wait(); }

 private:
  std::atomic<std::int64_t> missing_bytes_;
  base::OneShot<bool> woken_;
};

}  // namespace broker::partition
