// One ZooKeeper session over TCP: connects to one of several servers, re-attaches after a lost connection with its
// watches re-set, sends pings, and pipelines requests in order. Its executor must run on one thread only, and all its
// work is done there; execute() may be called from anywhere. After `expired` the owner makes a new Session.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/tls/context.h"
#include "zk/client/api.h"
#include "zk/client/connect_string.h"
#include "zk/sasl/login.h"

namespace zk::client {

// Why there is no connection, for a message of the owner's: "host:port: reason" of the last try, empty while there is one. Thread-safe.
class LastFailure {
 public:
  void set(std::string text);
  std::string get() const;

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

struct SessionOptions {
  SessionOptions() {}

  ConnectString connect;
  std::int32_t session_timeout_ms = 18000;  // zookeeper.session.timeout.ms; the server may clamp it
  // Pause before another round over all servers; the real one is a random part of it.
  std::int32_t reconnect_pause_ms = 1000;
  // jute.maxbuffer of this client: a larger request isn't sent, and the answer to one whose response is larger is
  // MARSHALLINGERROR. Kafka's default; lists of many children need it.
  std::size_t frame_bytes_max = std::size_t{4} * 1024 * 1024;
  // A client's; null: plaintext. One that checks revocation waits for lists and responders on the session's thread, up to 8 s for each new
  // connection, as ZooKeeper's client does.
  std::shared_ptr<const base::tls::Context> tls;
  // Who the client is by SASL, proved before all else on each connection; null: no SASL. A failure ends the session.
  // Kerberos may wait for the KDC: on a thread of the session's own, for which its destructor waits.
  std::shared_ptr<const sasl::ClientLogin> login;
  // The rules of a znode that a create makes without giving some; null: open to the world.
  std::function<std::vector<Acl>(const std::string& path)> acl_of;
  std::shared_ptr<LastFailure> last_failure;  // told by the session; null: nobody asks
};

inline constexpr const char* kAuthFailed =
    "Auth failed either before or while waiting for connection to ZooKeeper: see the line of milena.zk.Session above";

// Thrown by create_chroot(): the login of SessionOptions was refused, or there is none with Kerberos.
class AuthFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
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
// server could be reached in time. Throws AuthFailed.
base::Task<bool> create_chroot(boost::asio::any_io_executor executor, SessionOptions options, std::int32_t timeout_ms);

}  // namespace zk::client
