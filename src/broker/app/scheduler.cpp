#include "broker/app/scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <exception>

#include "base/clock.h"
#include "base/logging.h"
#include "base/saturating.h"

namespace broker::app {

void Scheduler::add(std::string task, std::int64_t first_delay_ms, std::int64_t period_ms, std::function<void()> run) {
  const std::int64_t now = base::SystemClock().monotonic_ms();
  entries_.push_back(Entry{std::move(task), base::saturating_add(now, first_delay_ms), period_ms, std::move(run)});
}

void Scheduler::start() {
  if (entries_.empty()) return;
  thread_ = std::thread([this] { run_loop(); });
  pthread_setname_np(thread_.native_handle(), name_.substr(0, 15).c_str());
}

void Scheduler::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Scheduler::run_loop() {
  const base::SystemClock clock;
  std::unique_lock lock(mutex_);
  while (!stopping_ && !entries_.empty()) {
    auto next = std::min_element(entries_.begin(), entries_.end(),
                                 [](const Entry& left, const Entry& right) { return left.due_ms < right.due_ms; });
    const std::int64_t wait_ms = base::saturating_sub(next->due_ms, clock.monotonic_ms());
    if (wait_ms > 0) {
      wake_.wait_for(lock, base::saturating_wait(wait_ms));
      continue;
    }
    lock.unlock();
    try {
      next->run();
    } catch (const std::exception& failure) {
      base::log_error("kafka.utils.KafkaScheduler", "Periodic task {} failed: {}", next->task, failure.what());
    }
    lock.lock();
    if (next->period_ms > 0) {
      next->due_ms = base::saturating_add(clock.monotonic_ms(), next->period_ms);
    } else {
      entries_.erase(next);
    }
  }
}

}  // namespace broker::app
