// Memory for request frames. A large frame is read straight into a buffer of its own; who holds the shared_ptr keeps
// its bytes alive, and the last holder gives the memory back to the pool, which saves the page faults of fresh memory.
// One pool for each event loop; release may come from any thread. FrameBudget bounds what all connections of the
// broker hold in large frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace broker::net {

class FrameBudget {
 public:
  // As Kafka's queued.max.request.bytes: the limit may be passed by the one request that was let in last.
  explicit FrameBudget(std::int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  bool try_acquire(std::size_t bytes);
  void release(std::size_t bytes);
  // `wake` is called once, from any thread, when the bytes have been acquired. First come, first served; nobody gets ahead
  // of those who wait.
  void wait(std::size_t bytes, std::function<void()> wake);
  // Drops the waiters, who are never called any more.
  void stop();
  bool has_waiters() const;
  std::int64_t used_bytes() const;

 private:
  const std::int64_t limit_bytes_;
  mutable std::mutex mutex_;
  std::int64_t used_bytes_ = 0;
  bool stopped_ = false;
  struct Waiter {
    std::size_t bytes = 0;
    std::function<void()> wake;
  };
  bool has_room() const { return limit_bytes_ < 0 || used_bytes_ < limit_bytes_; }

  std::deque<Waiter> waiters_;
};

struct Buffer {
  Buffer() {}
  std::unique_ptr<std::uint8_t[]> data;
  std::size_t capacity = 0;
};

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  explicit BufferPool(std::size_t cached_bytes_max) : cached_bytes_max_(cached_bytes_max) {}

  // At least `capacity` bytes, uninitialised. With a budget, `charged` bytes of it are given back with the buffer.
  std::shared_ptr<Buffer> take(std::size_t capacity, std::shared_ptr<FrameBudget> budget = nullptr,
                               std::size_t charged = 0);
  std::size_t cached_bytes() const;

 private:
  void give_back(Buffer buffer);

  const std::size_t cached_bytes_max_;
  mutable std::mutex mutex_;
  std::size_t cached_bytes_ = 0;
  std::vector<Buffer> free_;
};

}  // namespace broker::net
