// A ZooKeeper session as its user sees it: requests in, responses out, events by callback. `Session` is the real one;
// testing/fake_zookeeper.h keeps the znodes in memory.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/task.h"
#include "zk/client/types.h"

namespace zk::client {

// Called on the session's executor, one at a time, in the order of arrival: an event that the server sent before a
// response is delivered before that response's coroutine resumes. They must not block and not destroy the session.
struct SessionEvents {
  std::function<void(const WatchEvent&)> watch;  // all one-shot watches of the session end here
  std::function<void(SessionState)> state;
};

class ZooKeeper {
 public:
  virtual ~ZooKeeper() = default;

  // Sends all in order without waiting between them; resumes the caller on its own executor with one response each.
  // Requests that a lost connection leaves unanswered are sent again after the re-attach, as Kafka's client does: a
  // write whose first answer was lost can then meet its own effect (NODEEXISTS, BADVERSION). When the session is gone
  // for good the rest gets SESSIONEXPIRED. Thread-safe.
  virtual base::Task<std::vector<Response>> execute(std::vector<Request> requests) = 0;

  // Resumes with true once connected, with false if that takes longer, or can't happen any more.
  virtual base::Task<bool> wait_connected(std::int32_t timeout_ms) = 0;
  virtual std::int64_t session_id() const = 0;  // 0 before the first connect

  // Ends the session at the server, ephemeral nodes included; resumes when that is done or the connection is lost.
  virtual base::Task<void> close() = 0;
};

// One request.
base::Task<Response> execute(ZooKeeper& zookeeper, Request request);

// Creates a persistent node; on NONODE its parents from the top with null data, and then the node again.
base::Task<Response> create_recursive(ZooKeeper& zookeeper, std::string path, Data data);

}  // namespace zk::client
