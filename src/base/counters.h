// Counters that cost a few nanoseconds where they count. Each thread has a stripe of its own, as long as there are
// enough, so that no cache line wanders between cores; who reads adds the stripes up. Thread-safe, relaxed: a reader
// may see one counter a little later than another.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace base {

inline constexpr std::size_t kCounterStripes = 8;
inline constexpr std::size_t kCacheLineBytes = 64;

inline constinit thread_local std::size_t thread_stripe = kCounterStripes;  // none yet
[[gnu::cold, gnu::noinline]] inline void take_counter_stripe() {
  static std::atomic<std::size_t> threads{0};
  thread_stripe = threads.fetch_add(1, std::memory_order_relaxed) % kCounterStripes;
}
// Of the calling thread; given out in the order in which threads count first.
inline std::size_t counter_stripe() {
  if (thread_stripe == kCounterStripes) [[unlikely]]
    take_counter_stripe();
  return thread_stripe;
}

template <std::size_t kCounters>
class StripedCounters {
 public:
  void add(std::size_t which, std::uint64_t by) {
    stripes_[counter_stripe()].values[which].fetch_add(by, std::memory_order_relaxed);
  }
  std::uint64_t sum(std::size_t which) const {
    std::uint64_t total = 0;
    for (const Stripe& stripe : stripes_) total += stripe.values[which].load(std::memory_order_relaxed);
    return total;
  }

 private:
  struct alignas(kCacheLineBytes) Stripe {
    std::array<std::atomic<std::uint64_t>, kCounters> values{};
  };
  std::array<Stripe, kCounterStripes> stripes_{};
};

}  // namespace base
