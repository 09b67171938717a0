// How much of their time threads had nothing to do between two looks at the processor time that they have spent: for Kafka's
// NetworkProcessorAvgIdlePercent and RequestHandlerAvgIdlePercent, 1 for no work at all. Costs those threads nothing. Not thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace broker::metrics {

class IdleShare {
 public:
  using CpuTimes = std::vector<std::chrono::nanoseconds>;  // one for each thread, always in the same order

  // Since the last look, over the threads that were there then; nothing at the first one. A look that comes too soon after the last one
  // to tell anything is answered as that was.
  std::optional<double> look(CpuTimes now, std::int64_t now_ms) {
    const std::size_t threads = std::min(now.size(), before_.size());
    const double wall_ms = static_cast<double>(now_ms - before_ms_) * static_cast<double>(threads);
    if (threads > 0 && now_ms - before_ms_ < kApartMs) return share_;
    share_.reset();
    if (threads > 0) {
      std::chrono::nanoseconds spent{};
      for (std::size_t i = 0; i < threads; ++i) spent += now[i] - before_[i];
      const double spent_ms = std::chrono::duration<double, std::milli>(spent).count();
      share_ = std::clamp(1 - spent_ms / wall_ms, 0.0, 1.0);
    }
    before_ = std::move(now);
    before_ms_ = now_ms;
    return share_;
  }

 private:
  static constexpr std::int64_t kApartMs = 1000;
  CpuTimes before_;
  std::int64_t before_ms_ = 0;
  std::optional<double> share_;
};

}  // namespace broker::metrics
