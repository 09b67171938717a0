#include "broker/partition/flush_threads.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <utility>
#include <vector>

#include "base/logging.h"

namespace broker::partition {

// Of one directory.
class FlushThreads::Pool {
 public:
  explicit Pool(const StartThread& start_thread) : start_thread_(start_thread) { threads_.reserve(kThreadsPerDirectory); }
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    for (std::thread& each : threads_) each.join();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void run(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(work));
    if (free_ < waiting_.size() && threads_.size() < kThreadsPerDirectory) add_thread();
    changed_.notify_one();
  }

 private:
  void add_thread() {
    try {
      threads_.push_back(start_thread_([this] { serve(); }));
    } catch (const std::exception&) {
      if (!threads_.empty()) return;  // they do it, later
      waiting_.pop_back();
      throw;
    }
    const std::string name = "log-flush-" + std::to_string(threads_.size() - 1);
    pthread_setname_np(threads_.back().native_handle(), name.c_str());
  }
  void serve() {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      if (waiting_.empty()) {
        ++free_;
        changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
        --free_;
        continue;
      }
      std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      try {
        work();
      } catch (const std::exception& error) {  // only that work is lost
        base::log_error("kafka.log.LogManager", "Uncaught exception while flushing: {}", error.what());
      }
      work = nullptr;  // with what it holds, outside of the lock
      lock.lock();
    }
  }

  const StartThread& start_thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::size_t free_ = 0;  // threads
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

FlushThreads::FlushThreads()
    : FlushThreads([](std::function<void()> body) { return std::thread(std::move(body)); }) {}

FlushThreads::FlushThreads(StartThread start_thread) : start_thread_(std::move(start_thread)) {}

FlushThreads::~FlushThreads() { stop(); }

void FlushThreads::run(const std::string& directory, std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  auto& pool = pools_[directory];
  if (!pool) pool = std::make_unique<Pool>(start_thread_);
  pool->run(std::move(work));
}

void FlushThreads::stop() {
  std::map<std::string, std::unique_ptr<Pool>> pools;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    pools.swap(pools_);
  }
  pools.clear();
}

}  // namespace broker::partition
