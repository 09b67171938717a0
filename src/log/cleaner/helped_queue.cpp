#include "log/cleaner/helped_queue.h"

#include <pthread.h>

#include <cassert>
#include <system_error>

namespace storage {

HelpedQueue::~HelpedQueue() {
  abandon();
  if (!helper_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
  helper_.join();
}

void HelpedQueue::start_helper() {
  if (!with_helper_ || helper_failed_ || helper_.joinable()) return;
  try {
    helper_ = std::thread([this] { help(); });
    pthread_setname_np(helper_.native_handle(), "cleaner-helper");
  } catch (const std::system_error&) {
    helper_failed_ = true;  // no fault of the disk, which this exception would stand for
  }
}

void HelpedQueue::add(Job& job) {
  bool wake = false;
  bool several = false;
  {
    std::lock_guard lock(mutex_);
    job.done_ = false;
    job.error_ = nullptr;
    jobs_.push_back(&job);
    several = jobs_.size() - begun_ > 1;
    wake = several && helper_waits_;
  }
  ++added_;
  if (several) start_helper();
  if (wake) work_.notify_one();  // a single one is sooner done by the owner than that
}

void HelpedQueue::run_next(std::unique_lock<std::mutex>& lock, std::size_t worker) {
  Job& job = *jobs_[begun_++];
  lock.unlock();
  std::exception_ptr error;
  try {
    job.run(worker, abandoned_);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  job.error_ = std::move(error);
  job.done_ = true;
}

HelpedQueue::Job& HelpedQueue::take() {
  assert(!empty());
  std::unique_lock lock(mutex_);
  Job& oldest = *jobs_.front();
  while (!oldest.done_) {
    if (begun_ < jobs_.size()) {
      run_next(lock, 0);
    } else {
      owner_waits_ = true;
      done_.wait(lock);
      owner_waits_ = false;
    }
  }
  jobs_.pop_front();
  --begun_;
  --added_;
  if (oldest.error_) std::rethrow_exception(oldest.error_);
  return oldest;
}

void HelpedQueue::abandon() {
  std::unique_lock lock(mutex_);
  abandoned_ = true;
  jobs_.resize(begun_);
  owner_waits_ = true;
  done_.wait(lock, [&] { return !helper_runs_job_; });
  owner_waits_ = false;
  jobs_.clear();
  begun_ = 0;
  added_ = 0;
  abandoned_ = false;
}

void HelpedQueue::help() {
  std::unique_lock lock(mutex_);
  while (true) {
    helper_waits_ = true;
    work_.wait(lock, [&] { return ending_ || begun_ < jobs_.size(); });
    helper_waits_ = false;
    if (ending_) return;
    helper_runs_job_ = true;
    run_next(lock, 1);
    helper_runs_job_ = false;
    if (owner_waits_) done_.notify_one();
  }
}

}  // namespace storage
