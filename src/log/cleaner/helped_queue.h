// Jobs that its owner's thread and one helper share: whoever is free begins the oldest that waits, and the owner gets them
// back in the order in which they came. The helper begins, and is woken, with the second job that waits, so that small work
// needs no thread; without one (the system has none left, or the owner wants none) the owner does all. Belongs to one thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace storage {

class HelpedQueue {
 public:
  static constexpr std::size_t kWorkers = 2;  // 0 is the owner, 1 the helper: who has buffers has them for each

  class Job {
   public:
    virtual ~Job() = default;
    // Touches nothing but what is its own, its worker's, or unchanged while it is in the queue. Long ones look at
    // `abandoned` now and then: their end is waited for.
    virtual void run(std::size_t worker, const std::atomic<bool>& abandoned) = 0;

   private:
    friend class HelpedQueue;
    bool done_ = false;
    std::exception_ptr error_;
  };

  explicit HelpedQueue(bool with_helper) : with_helper_(with_helper) {}
  ~HelpedQueue();
  HelpedQueue(const HelpedQueue&) = delete;
  HelpedQueue& operator=(const HelpedQueue&) = delete;

  // The job stays the caller's, who keeps it until it is taken or abandoned.
  void add(Job& job);
  bool empty() const { return added_ == 0; }
  // The oldest job, once it has run, or what it threw. Until then the others get on.
  Job& take();
  // No job is in the queue or running afterwards.
  void abandon();

 private:
  void start_helper();
  void help();
  void run_next(std::unique_lock<std::mutex>& lock, std::size_t worker);

  const bool with_helper_;
  std::size_t added_ = 0;  // and not taken; the owner's

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Job*> jobs_;
  std::size_t begun_ = 0;  // that many of them, the oldest
  bool helper_runs_job_ = false;
  bool helper_waits_ = false;
  bool owner_waits_ = false;
  bool ending_ = false;
  std::atomic<bool> abandoned_ = false;
  bool helper_failed_ = false;  // to start; the owner's
  std::thread helper_;
};

}  // namespace storage
