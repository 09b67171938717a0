// Runs coroutines one after another on one executor: whatever touches the controller's state is a job, so that no two
// changes interleave at their awaits. post() is thread-safe; all else happens on the executor's one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>

#include "base/task.h"

namespace broker::controller {

class JobQueue : public std::enable_shared_from_this<JobQueue> {
 public:
  using Job = std::function<base::Task<void>()>;

  // What requests ask and what hasn't begun within `asked_wait_max` is dropped: while ZooKeeper is away a job may take for
  // ever, and those who asked for the ones behind it have given up by then and ask again.
  explicit JobQueue(boost::asio::any_io_executor executor,
                    std::chrono::milliseconds asked_wait_max = std::chrono::seconds(30))
      : executor_(std::move(executor)), asked_wait_max_(asked_wait_max) {}

  // A job must catch its own failures; one that throws is logged and forgotten.
  void post(Job job);
  void post_asked(Job job);
  // From the executor's thread: jobs not yet begun are dropped, and so is every later one.
  void close();
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  using Moment = std::chrono::steady_clock::time_point;
  struct Waiting {
    Job job;
    Moment drop_at;
  };

  void post(Job job, Moment drop_at);
  void drop_in_time();
  void stop_waiting();
  base::Task<void> run();

  boost::asio::any_io_executor executor_;
  std::chrono::milliseconds asked_wait_max_;
  std::deque<Waiting> jobs_;
  // Of the next drop, while there is one to wait for. Its own handler owns it: the executor's loop may end before the queue.
  std::weak_ptr<boost::asio::steady_timer> timer_;
  bool running_ = false;
  bool closed_ = false;
};

// Who asks: a request, which is given up in time, or the start of this broker, which waits for its turn however long it takes.
enum class Asker { request, start };

// Runs `job` in the queue and resumes the caller on its own executor with the result; with `otherwise` if the queue is
// closed before the job is done, if a request's waits for too long or if it throws. What `answer` is set to before that is the result.
template <class T>
base::Task<T> ask(std::shared_ptr<JobQueue> queue, std::function<base::Task<T>()> job, T otherwise, Asker asker = Asker::request,
                  base::OneShot<T> answer = base::OneShot<T>()) {
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
  if (asker == Asker::request) {
    queue->post_asked(std::move(wrapped));
  } else {
    queue->post(std::move(wrapped));
  }
  wrapped = nullptr;
  co_return co_await answer.wait();
}

}  // namespace broker::controller
