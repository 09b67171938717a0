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

void FrameBudget::release(std::size_t bytes) {
  std::vector<std::function<void()>> woken;
  {
    std::lock_guard lock(mutex_);
    used_bytes_ -= static_cast<std::int64_t>(bytes);
    while (!waiters_.empty() && has_room()) {
      used_bytes_ += static_cast<std::int64_t>(waiters_.front().bytes);
      woken.push_back(std::move(waiters_.front().wake));
      waiters_.pop_front();
    }
  }
  for (const auto& wake : woken) wake();
}

void FrameBudget::wait(std::size_t bytes, std::function<void()> wake) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    if (!has_room()) {
      waiters_.push_back({bytes, std::move(wake)});
      return;
    }
    used_bytes_ += static_cast<std::int64_t>(bytes);  // given back since try_acquire
  }
  wake();
}

void FrameBudget::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  waiters_.clear();
}

bool FrameBudget::has_waiters() const {
  std::lock_guard lock(mutex_);
  return !waiters_.empty();
}

std::int64_t FrameBudget::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_bytes_;
}

std::shared_ptr<Buffer> BufferPool::take(std::size_t capacity, std::shared_ptr<FrameBudget> budget,
                                         std::size_t charged) {
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
  auto give = [pool = shared_from_this(), budget = std::move(budget), charged](Buffer* done) {
    pool->give_back(std::move(*done));
    delete done;
    if (budget) budget->release(charged);
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
