// One ZooKeeper session over TCP: connects to one of several servers, re-attaches after a lost connection with its
// watches re-set, sends pings, and pipelines requests in order. Its executor must run on one thread only, and all its
// work is done there; execute() may be called from anywhere. After `expired` the owner makes a new Session.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/tls/context.h"
#include "zk/client/api.h"
#include "zk/client/connect_string.h"

namespace zk::client {

struct SessionOptions {
  SessionOptions() {}

  ConnectString connect;
  std::int32_t session_timeout_ms = 18000;  // zookeeper.session.timeout.ms; the server may clamp it
  // Pause before another round over all servers; the real one is a random part of it.
  std::int32_t reconnect_pause_ms = 1000;
  // A client's; null: plaintext.
  std::shared_ptr<const base::tls::Context> tls;
};

class Session final : public ZooKeeper {
 public:
  // Starts to connect at once.
  Session(boost::asio::any_io_executor executor, SessionOptions options, SessionEvents events);
  // Without close(): drops the connection and leaves the session to its timeout. Only on the executor's thread, or
  // after its loop has ended.
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  base::Task<std::vector<Response>> execute(std::vector<Request> requests) override;
  // The same, but what a lost connection leaves unanswered fails with CONNECTIONLOSS, also when not connected now.
  base::Task<std::vector<Response>> execute_once(std::vector<Request> requests);
  std::int64_t session_id() const override;
  base::Task<void> close() override;

  base::Task<bool> wait_connected(std::int32_t timeout_ms) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// Makes the path of options.connect.chroot, if any, by a short session of its own, as Kafka does at start. False if no
// server could be reached in time.
base::Task<bool> create_chroot(boost::asio::any_io_executor executor, SessionOptions options, std::int32_t timeout_ms);

}  // namespace zk::client
