// Runs the broker's periodic work, one thing at a time, on a thread of its own that may wait for disks. Owned by the
// app. add() before start(); what a task throws is logged and the task runs again at its next time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace broker::app {

class Scheduler {
 public:
  explicit Scheduler(std::string name) : name_(std::move(name)) {}
  ~Scheduler() { stop(); }
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // The period counts from the end of one run to the start of the next. As in Kafka's scheduler a task without one (0 or
  // less) runs once, and the longest times are for ever.
  void add(std::string task, std::int64_t first_delay_ms, std::int64_t period_ms, std::function<void()> run);
  void start();
  // Waits for the task that is running; no further one starts. May be called twice.
  void stop();

 private:
  struct Entry {
    std::string task;
    std::int64_t due_ms;
    std::int64_t period_ms;
    std::function<void()> run;
  };

  void run_loop();

  std::string name_;
  std::vector<Entry> entries_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace broker::app
