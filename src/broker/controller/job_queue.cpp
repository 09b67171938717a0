#include "broker/controller/job_queue.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <string>

#include "base/logging.h"

namespace broker::controller {

void JobQueue::post(Job job) {
  boost::asio::post(executor_, [self = shared_from_this(), job = std::move(job)]() mutable {
    if (self->closed_) return;
    self->jobs_.push_back(std::move(job));
    if (self->running_) return;
    self->running_ = true;
    boost::asio::co_spawn(self->executor_, self->run(), boost::asio::detached);
  });
}

void JobQueue::close() {
  closed_ = true;
  jobs_.clear();
}

base::Task<void> JobQueue::run() {
  const std::shared_ptr<JobQueue> self = shared_from_this();
  while (!jobs_.empty()) {
    // The coroutine lives in the lambda's captures: the job must outlast it.
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    try {
      co_await job();
    } catch (const std::exception& failure) {
      base::log_error("kafka.controller.ControllerEventManager", "A controller event failed: {}", failure.what());
    }
  }
  running_ = false;
}

}  // namespace broker::controller
