// A Session on a thread of its own, for owners whose loop waits for disks at times: pings go out, and the session lives on.
// Events come on the owner's executor, in order, and before responses that the server sent after them. Destroy it on the
// owner's thread, or after the owner's loop has ended; no event comes after that.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "zk/client/session.h"

namespace zk::client {

class SessionThread final : public ZooKeeper {
 public:
  SessionThread(boost::asio::any_io_executor owner, SessionOptions options, SessionEvents events);
  ~SessionThread() override;
  SessionThread(const SessionThread&) = delete;
  SessionThread& operator=(const SessionThread&) = delete;

  base::Task<std::vector<Response>> execute(std::vector<Request> requests) override;
  base::Task<bool> wait_connected(std::int32_t timeout_ms) override;
  std::int64_t session_id() const override;
  base::Task<void> close() override;

 private:
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::shared_ptr<SessionEvents> events_;  // touched by the owner's thread alone
  std::optional<Session> session_;
  std::thread thread_;
};

}  // namespace zk::client
