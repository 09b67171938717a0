#include "broker/controller/job_queue.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <string>

#include "base/logging.h"

namespace broker::controller {

void JobQueue::post(Job job) { post(std::move(job), Moment::max()); }

void JobQueue::post_asked(Job job) { post(std::move(job), std::chrono::steady_clock::now() + asked_wait_max_); }

void JobQueue::post(Job job, Moment drop_at) {
  boost::asio::post(executor_, [self = shared_from_this(), job = std::move(job), drop_at]() mutable {
    if (self->closed_) return;
    self->jobs_.push_back(Waiting{std::move(job), drop_at});
    if (self->running_) return self->drop_in_time();
    self->running_ = true;
    try {
      boost::asio::co_spawn(self->executor_, self->run(), boost::asio::detached);
    } catch (...) {  // no memory for it: the next job starts it
      self->running_ = false;
      throw;
    }
  });
}

void JobQueue::drop_in_time() {
  if (!timer_.expired()) return;
  const auto next = std::ranges::min_element(jobs_, {}, &Waiting::drop_at);
  if (next == jobs_.end() || next->drop_at == Moment::max()) return;
  auto timer = std::make_shared<boost::asio::steady_timer>(executor_, next->drop_at);
  timer_ = timer;
  timer->async_wait([self = shared_from_this(), timer](const boost::system::error_code&) mutable {
    timer.reset();
    const Moment now = std::chrono::steady_clock::now();
    std::erase_if(self->jobs_, [now](const Waiting& each) { return each.drop_at <= now; });
    self->drop_in_time();
  });
}

void JobQueue::close() {
  closed_ = true;
  jobs_.clear();
  stop_waiting();
}

void JobQueue::stop_waiting() {
  if (const auto timer = timer_.lock()) timer->cancel();
}

base::Task<void> JobQueue::run() {
  // Also when it ends in the middle: Asio lets go of a coroutine that it has no memory to go on with.
  struct Running {
    std::shared_ptr<JobQueue> queue;
    ~Running() { queue->running_ = false; }
  };
  const Running running{shared_from_this()};
  while (!jobs_.empty()) {
    // The coroutine lives in the lambda's captures: the job must outlast it.
    const Job job = std::move(jobs_.front().job);
    jobs_.pop_front();
    if (jobs_.empty()) stop_waiting();
    try {
      co_await job();
    } catch (const std::exception& failure) {
      base::log_error("kafka.controller.ControllerEventManager", "A controller event failed: {}", failure.what());
    }
  }
}

}  // namespace broker::controller
