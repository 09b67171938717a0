// The working part of Session, apart from its users because of Asio's headers. Everything runs on the session's one
// thread, but submit() and session_id().
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/tls/engine.h"
#include "zk/client/session.h"
#include "zk/client/wire.h"

namespace zk::client {

class Session::Impl : public std::enable_shared_from_this<Session::Impl> {
 public:
  // Requests of one execute() call and the responses that are there.
  struct Batch {
    std::vector<Request> requests;
    std::vector<Response> responses;
    std::size_t missing = 0;
    bool retry = true;
    base::OneShot<std::vector<Response>> done;
  };

  Impl(boost::asio::any_io_executor executor, SessionOptions options, SessionEvents events);

  void start();
  void stop();  // drops the connection; whatever waits gets SESSIONEXPIRED
  void submit(std::shared_ptr<Batch> batch);
  std::int64_t session_id() const { return session_id_; }
  void add_connect_waiter(base::OneShot<bool> waiter, std::int32_t timeout_ms);
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  using Clock = std::chrono::steady_clock;
  using Timer = boost::asio::steady_timer;

  struct Item {
    std::shared_ptr<Batch> batch;
    std::size_t index = 0;
    const Request& request() const { return batch->requests[index]; }
  };
  struct Sent {
    std::int32_t xid = 0;
    Item item;
    bool large = false;  // above the usual limit of servers
  };
  struct ConnectWaiter {
    base::OneShot<bool> answer;
    std::shared_ptr<Timer> timer;
  };
  enum class Phase { idle, connecting, attaching, authenticating, attached, over };

  void connect_next();
  void resolved(std::uint64_t attempt, const boost::system::error_code& error,
                const boost::asio::ip::tcp::resolver::results_type& addresses);
  void connected(std::uint64_t attempt, const boost::system::error_code& error);
  void attached(const wire::Attach& answer);
  void open();

  // session_sasl.cpp
  void start_sasl();
  using Exchange = std::shared_ptr<sasl::ClientExchange>;
  // Calls continue_sasl() with what `make` returns.
  void make_token(std::function<sasl::Step(Exchange&)> make);
  void continue_sasl(const sasl::Step& step);
  bool handle_sasl(base::ByteView frame);
  void fail_authentication(const std::string& reason);

  void lose_connection(const std::string& reason);
  void tell_failure(const std::string& reason);  // session_failures.cpp
  void pause_and_connect();
  void finish(SessionState state);

  void tick(std::uint64_t attempt);
  void arm_timer(std::chrono::milliseconds delay);

  void read();
  void received(std::uint64_t attempt, const boost::system::error_code& error, std::size_t size);
  bool handle_frame(base::ByteView frame);
  bool refuse_reply(base::ByteView header, std::size_t length);
  bool handle_reply(const wire::Header& header, base::ByteView body);
  void note_watch(const Request& request, Error error);
  void forget_watch(const WatchEvent& event);

  void give_rules(Request& request) const;
  void enqueue(const std::shared_ptr<Batch>& batch);
  void send_waiting();
  void restore_watches();
  void flush();
  std::optional<std::string> unseal(base::ByteView sealed);
  void seal_output();
  void complete(const Item& item, Response response);
  void set_state(SessionState state);
  void answer_connect_waiters(bool connected);

  boost::asio::any_io_executor executor_;
  SessionOptions options_;
  SessionEvents events_;
  std::mt19937_64 random_;

  Phase phase_ = Phase::idle;
  SessionState state_ = SessionState::disconnected;
  std::uint64_t attempt_ = 0;  // of connecting; handlers of an earlier one are ignored
  std::size_t next_server_ = 0;
  Server server_;  // that it is connected or connecting to
  struct Told {
    std::string reason;
    Clock::time_point at;
  };
  std::map<std::string, Told> told_;  // in the log of servers that couldn't be reached, by address; since the last connection
  Exchange exchange_;  // with sasl_thread_ while a token is made
  std::int32_t sasl_xid_ = 0;
  bool last_token_sent_ = false;  // only the server's last word is missing
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<base::tls::Engine> tls_;  // of this connection
  Timer timer_;
  std::chrono::milliseconds timeout_;  // as the server granted it
  Clock::time_point heard_;
  Clock::time_point spoken_;

  std::atomic<std::int64_t> session_id_{0};
  std::string password_ = std::string(16, '\0');
  std::int64_t last_zxid_ = 0;
  std::int32_t next_xid_ = 1;

  std::deque<Item> waiting_;
  std::deque<Sent> sent_;
  base::Bytes out_;
  base::Bytes writing_;
  bool write_busy_ = false;
  base::Bytes in_;
  std::size_t skipped_ = 0;  // bytes still to come of a response that is too large
  std::array<std::uint8_t, 16384> chunk_{};

  std::set<std::string> data_watches_;
  std::set<std::string> exists_watches_;
  std::set<std::string> child_watches_;
  std::vector<ConnectWaiter> connect_waiters_;
  std::unique_ptr<boost::asio::thread_pool> sasl_thread_;  // ends with the session; made when first needed
};

}  // namespace zk::client
