// Time as an interface, so that tests and one day a simulation own it. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace base {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t wall_ms() const = 0;       // since 1970, UTC: record times, znode times
  virtual std::int64_t monotonic_ms() const = 0;  // for timeouts; not related to wall time
};

class SystemClock final : public Clock {
 public:
  std::int64_t wall_ms() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  }
  std::int64_t monotonic_ms() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
  }
};

class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t start_ms = 1'700'000'000'000) : now_ms_(start_ms) {}
  std::int64_t wall_ms() const override { return now_ms_; }
  std::int64_t monotonic_ms() const override { return now_ms_; }
  void advance_ms(std::int64_t by) { now_ms_ += by; }

 private:
  std::atomic<std::int64_t> now_ms_;
};

}  // namespace base
