#include "broker/net/buffer_pool.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace broker::net {

bool FrameBudget::try_acquire(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  if (!has_room()) return false;  // so it is while anybody waits
  used_bytes_ += static_cast<std::int64_t>(bytes);
  return true;
}

bool FrameBudget::try_overdraw() {
  std::lock_guard lock(mutex_);
  return !std::exchange(overdrawn_, true);
}

// Whose turn it is, with what was acquired for him. Called in the lock.
std::optional<FrameBudget::Waiter> FrameBudget::take_next() {
  const bool room = has_room();
  std::deque<Waiter>& waiters = begun_.empty() ? newcomers_ : begun_;
  if (waiters.empty() || (!room && (overdrawn_ || begun_.empty()))) return std::nullopt;
  Waiter next = std::move(waiters.front());
  waiters.pop_front();
  if (room) {
    used_bytes_ += static_cast<std::int64_t>(next.wanted.bytes);
  } else {
    next.wanted = {0, true};
    overdrawn_ = true;
  }
  return next;
}

void FrameBudget::give_back(FrameGrant grant) {
  std::vector<Waiter> woken;
  {
    std::lock_guard lock(mutex_);
    used_bytes_ -= static_cast<std::int64_t>(grant.bytes);
    if (grant.overdraft) overdrawn_ = false;
    while (auto next = take_next()) woken.push_back(std::move(*next));
  }
  for (const Waiter& each : woken) each.wake(each.wanted);
}

void FrameBudget::wait(std::size_t bytes, bool has_begun, Wake wake) {
  std::optional<Waiter> next;
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    (has_begun ? begun_ : newcomers_).push_back({{bytes, false}, std::move(wake)});
    next = take_next();  // itself, if some was given back meanwhile: else nobody who could be served is left waiting
  }
  if (next) next->wake(next->wanted);
}

void FrameBudget::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  begun_.clear();
  newcomers_.clear();
}

bool FrameBudget::has_waiters() const {
  std::lock_guard lock(mutex_);
  return !begun_.empty() || !newcomers_.empty();
}

std::int64_t FrameBudget::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_bytes_;
}

std::shared_ptr<Buffer> BufferPool::take(std::size_t capacity, std::shared_ptr<FrameBudget> budget) {
  Buffer buffer;
  {
    std::lock_guard lock(mutex_);
    // The tightest that fits; one that is far too large stays for a frame that needs it.
    auto best = free_.end();
    for (auto each = free_.begin(); each != free_.end(); ++each) {
      if (each->capacity < capacity || each->capacity / 4 > capacity) continue;
      if (best == free_.end() || each->capacity < best->capacity) best = each;
    }
    if (best != free_.end()) {
      cached_bytes_ -= best->capacity;
      buffer = std::move(*best);
      *best = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (!buffer.data) {
    // Whole pages up to a power of two, so that frames of similar size share; exact when huge.
    buffer.capacity = capacity <= (4u << 20) ? std::bit_ceil(std::max<std::size_t>(capacity, 4096)) : capacity;
    buffer.data = std::make_unique_for_overwrite<std::uint8_t[]>(buffer.capacity);
  }
  auto give = [pool = shared_from_this(), budget = std::move(budget)](Buffer* done) {
    const FrameGrant granted = std::exchange(done->granted, {});
    pool->give_back(std::move(*done));
    delete done;
    if (budget) budget->give_back(granted);
  };
  return {new Buffer(std::move(buffer)), std::move(give)};
}

std::size_t BufferPool::cached_bytes() const {
  std::lock_guard lock(mutex_);
  return cached_bytes_;
}

void BufferPool::give_back(Buffer buffer) {
  std::lock_guard lock(mutex_);
  if (cached_bytes_ + buffer.capacity > cached_bytes_max_) return;
  cached_bytes_ += buffer.capacity;
  free_.push_back(std::move(buffer));
}

}  // namespace broker::net
