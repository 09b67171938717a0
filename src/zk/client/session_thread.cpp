#include "zk/client/session_thread.h"

#include <pthread.h>

#include <boost/asio/post.hpp>

#include "base/run_loop.h"

namespace zk::client {
namespace {

// Calls made on the session's thread become calls on the owner's. What is still posted when the owner lets go of its
// events does nothing.
SessionEvents handed_over(const boost::asio::any_io_executor& owner, const std::weak_ptr<SessionEvents>& events) {
  SessionEvents handing;
  handing.watch = [owner, events](const WatchEvent& event) {
    boost::asio::post(owner, [events, event] {
      if (const auto alive = events.lock(); alive && alive->watch) alive->watch(event);
    });
  };
  handing.state = [owner, events](SessionState state) {
    boost::asio::post(owner, [events, state] {
      if (const auto alive = events.lock(); alive && alive->state) alive->state(state);
    });
  };
  return handing;
}

}  // namespace

SessionThread::SessionThread(boost::asio::any_io_executor owner, SessionOptions options, SessionEvents events)
    : work_(boost::asio::make_work_guard(loop_)), events_(std::make_shared<SessionEvents>(std::move(events))) {
  session_.emplace(loop_.get_executor(), std::move(options), handed_over(owner, events_));
  thread_ = std::thread([this] { base::run_loop(loop_, "milena.zk.Session"); });
  pthread_setname_np(thread_.native_handle(), "zk-session");
}

SessionThread::~SessionThread() {
  events_.reset();
  loop_.stop();
  thread_.join();
}

base::Task<std::vector<Response>> SessionThread::execute(std::vector<Request> requests) {
  return session_->execute(std::move(requests));
}

base::Task<bool> SessionThread::wait_connected(std::int32_t timeout_ms) { return session_->wait_connected(timeout_ms); }

std::int64_t SessionThread::session_id() const { return session_->session_id(); }

base::Task<void> SessionThread::close() { return session_->close(); }

}  // namespace zk::client
