// Runs coroutines one after another on one executor: whatever touches the controller's state is a job, so that no two
// changes interleave at their awaits. post() is thread-safe; all else happens on the executor's one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <functional>
#include <memory>

#include "base/task.h"

namespace broker::controller {

class JobQueue : public std::enable_shared_from_this<JobQueue> {
 public:
  using Job = std::function<base::Task<void>()>;

  explicit JobQueue(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // A job must catch its own failures; one that throws is logged and forgotten.
  void post(Job job);
  // From the executor's thread: jobs not yet begun are dropped, and so is every later one.
  void close();
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  base::Task<void> run();

  boost::asio::any_io_executor executor_;
  std::deque<Job> jobs_;
  bool running_ = false;
  bool closed_ = false;
};

// Runs `job` in the queue and resumes the caller on its own executor with the result; with `otherwise` if the queue is
// closed before the job is done or the job throws.
template <class T>
base::Task<T> ask(std::shared_ptr<JobQueue> queue, std::function<base::Task<T>()> job, T otherwise) {
  base::OneShot<T> answer;
  // Answers in its destructor, so that a dropped job is answered too.
  struct Promise {
    base::OneShot<T> shot;
    T value;
    Promise(base::OneShot<T> cell, T fallback) : shot(std::move(cell)), value(std::move(fallback)) {}
    Promise(const Promise&) = delete;
    Promise& operator=(const Promise&) = delete;
    ~Promise() { shot.set(std::move(value)); }
  };
  auto promise = std::make_shared<Promise>(answer, std::move(otherwise));
  JobQueue::Job wrapped = [job = std::move(job), promise]() -> base::Task<void> { promise->value = co_await job(); };
  promise.reset();
  queue->post(std::move(wrapped));
  wrapped = nullptr;
  co_return co_await answer.wait();
}

}  // namespace broker::controller
