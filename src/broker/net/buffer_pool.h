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
#include <optional>
#include <vector>

namespace broker::net {

// Of the budget: bytes that count, or all that a frame still needs, beyond the limit.
struct FrameGrant {
  std::size_t bytes = 0;
  bool overdraft = false;
  bool is_there() const { return bytes > 0 || overdraft; }
};

// A frame pays for its bytes piece by piece, as they come in. So many may have begun, and all want more than there is: one at
// a time has an overdraft, or they would wait for each other for ever.
class FrameBudget {
 public:
  using Wake = std::function<void(FrameGrant)>;

  // As Kafka's queued.max.request.bytes: the limit may be passed by the one that was let in last.
  explicit FrameBudget(std::int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  bool try_acquire(std::size_t bytes);
  // For a frame that has begun, when there is no room.
  bool try_overdraw();
  void give_back(FrameGrant grant);
  // `wake` is called once, from any thread, when the bytes have been acquired, or instead the overdraft by a frame that has
  // begun. First come, first served, but frames that have begun before others; nobody gets ahead of those who wait.
  void wait(std::size_t bytes, bool has_begun, Wake wake);
  // Drops the waiters, who are never called any more.
  void stop();
  bool has_waiters() const;
  std::int64_t used_bytes() const;

 private:
  const std::int64_t limit_bytes_;
  mutable std::mutex mutex_;
  std::int64_t used_bytes_ = 0;
  bool stopped_ = false;
  bool overdrawn_ = false;
  struct Waiter {
    FrameGrant wanted;
    Wake wake;
  };
  bool has_room() const { return limit_bytes_ < 0 || used_bytes_ < limit_bytes_; }
  std::optional<Waiter> take_next();

  std::deque<Waiter> begun_;
  std::deque<Waiter> newcomers_;
};

struct Buffer {
  Buffer() {}
  std::unique_ptr<std::uint8_t[]> data;
  std::size_t capacity = 0;
  FrameGrant granted;  // given back with the buffer
};

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  explicit BufferPool(std::size_t cached_bytes_max) : cached_bytes_max_(cached_bytes_max) {}

  // At least `capacity` bytes, uninitialised: of a large one the system gives the pages as they are written. The budget is the
  // one that the buffer's grant is of.
  std::shared_ptr<Buffer> take(std::size_t capacity, std::shared_ptr<FrameBudget> budget = nullptr);
  std::size_t cached_bytes() const;

 private:
  void give_back(Buffer buffer);

  const std::size_t cached_bytes_max_;
  mutable std::mutex mutex_;
  std::size_t cached_bytes_ = 0;
  std::vector<Buffer> free_;
};

}  // namespace broker::net
