#include "broker/net/event_loop.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

#include "base/logging.h"

namespace broker::net {
namespace {

constexpr std::chrono::milliseconds kRecoveryPause(100);

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void log_uncaught(const std::exception& failure) {
  try {
    base::log_error("kafka.network.Processor", "Uncaught exception on a network thread: {}", failure.what());
  } catch (...) {  // no memory for the line either
  }
}

}  // namespace

EventLoop::EventLoop(EventLoopOptions options, LoopState state, ConnectionLimits& limits)
    : options_(options),
      state_(std::move(state)),
      limits_(limits),
      context_(1),
      runners_(context_.get_executor()),
      work_(context_.get_executor()),
      sweep_timer_(context_) {
  state_.runners = &runners_;
}

EventLoop::~EventLoop() { stop_and_join(); }

void EventLoop::start(int number, std::function<void()> recover) {
  recover_ = std::move(recover);
  schedule_sweep();
  thread_ = std::thread([this, number] {
    pthread_setname_np(pthread_self(), ("network-" + std::to_string(number)).c_str());
    run();
  });
}

void EventLoop::run() {
  bool is_whole = true;
  // How often something was thrown, up to which of these what was let go has ended, and up to which that was asked.
  std::uint64_t thrown = 0, ended = 0, asked = 0;
  while (!context_.stopped()) {
    try {
      if (is_whole) {
        context_.run();
      } else {
        // A coroutine that Asio let go of ends in a handler of its own, which is in front of this one.
        if (asked != thrown) boost::asio::post(context_, [&ended, of = thrown] { ended = of; });
        asked = thrown;
        context_.run_for(kRecoveryPause);
        is_whole = ended == thrown && recover();
      }
    } catch (const std::exception& e) {  // connections catch their own; a bug, or no memory, which must not end the broker
      is_whole = false;
      ++thrown;
      log_uncaught(e);
    }
  }
}

std::chrono::nanoseconds EventLoop::cpu_time() {
  clockid_t clock{};
  timespec spent{};
  if (pthread_getcpuclockid(thread_.native_handle(), &clock) != 0 || clock_gettime(clock, &spent) != 0) return {};
  return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

// False: not yet.
bool EventLoop::recover() {
  try {
    if (!sweep_is_due_) schedule_sweep();
    if (recover_) recover_();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void EventLoop::add(boost::asio::ip::tcp::socket socket, api::ConnectionInfo info, std::string address,
                    std::function<void()> removed) {
  boost::asio::dispatch(context_, [this, socket = std::move(socket), info = std::move(info),
                                   address = std::move(address), removed = std::move(removed)]() mutable {
    on_loop_add(std::move(socket), std::move(info), std::move(address), std::move(removed));
  });
}

void EventLoop::on_loop_add(boost::asio::ip::tcp::socket socket, api::ConnectionInfo info, std::string address,
                            std::function<void()> removed) {
  const std::string listener = info.listener;
  std::shared_ptr<Connection> connection;
  try {
    connection = std::make_shared<Connection>(state_, make_plain_transport(std::move(socket)), std::move(info));
    connections_[connection.get()].connection = connection;
  } catch (const std::exception& error) {
    base::log_error("kafka.network.Processor", "A new connection from {} is lost: {}", address, error.what());
    limits_.remove(listener, address);
    if (removed) removed();
    return;
  }
  Entry& entry = connections_[connection.get()];
  entry.address = std::move(address);
  entry.removed = std::move(removed);
  connection->still_since_ms = connection->frame_watched_since_ms = now_ms();
  connection->start([this](Connection& closed) { remove(closed); });
  if (finishing_) connection->finish();
}

void EventLoop::remove(Connection& connection) {
  auto found = connections_.find(&connection);
  if (found == connections_.end()) return;
  Entry entry = std::move(found->second);
  connections_.erase(found);
  limits_.remove(connection.info().listener, entry.address);
  if (entry.removed) entry.removed();
  if (finishing_ && connections_.empty() && finished_) std::exchange(finished_, nullptr)();
}

void EventLoop::finish(std::function<void()> done) {
  boost::asio::post(context_, [this, done = std::move(done)]() mutable {
    finishing_ = true;
    finished_ = std::move(done);
    std::vector<std::shared_ptr<Connection>> all;
    for (auto& [key, entry] : connections_) all.push_back(entry.connection);
    for (auto& each : all) each->finish();
    if (connections_.empty() && finished_) std::exchange(finished_, nullptr)();
  });
}

void EventLoop::drop_connections(std::optional<std::string> listener) {
  boost::asio::post(context_, [this, listener = std::move(listener)] {
    std::vector<std::shared_ptr<Connection>> dropped;
    for (auto& [key, entry] : connections_) {
      if (!listener || entry.connection->info().listener == *listener) dropped.push_back(entry.connection);
    }
    for (auto& each : dropped) each->finish();
  });
}

void EventLoop::shed() {
  boost::asio::post(context_, [this] {
    if (shed_one(false)) shed();  // one at a time, so that the other loops do their part
  });
}

bool EventLoop::shed_one(bool also_busy) {
  std::shared_ptr<Connection> quietest;
  const auto rank = [](const Connection& one) { return std::pair(!one.idle(), one.still_since_ms); };
  for (auto& [key, entry] : connections_) {
    if (!also_busy && !entry.connection->idle()) continue;
    if (!quietest || rank(*entry.connection) < rank(*quietest)) quietest = entry.connection;
  }
  if (!quietest || !limits_.claim_excess(quietest->info().listener)) return false;
  base::log_debug("kafka.network.Processor", "Closing the connection from {}: there are more than max.connections",
                  quietest->info().peer);
  quietest->close();
  return true;
}

void EventLoop::stop_and_join() {
  if (!thread_.joinable()) return;
  boost::asio::post(context_, [this] {
    std::vector<std::shared_ptr<Connection>> all;
    for (auto& [key, entry] : connections_) all.push_back(entry.connection);
    for (auto& each : all) each->close();
    sweep_timer_.cancel();
    // What the closing has woken is already queued and runs before this.
    boost::asio::post(context_, [this] { context_.stop(); });
  });
  thread_.join();
}

void EventLoop::schedule_sweep() {
  std::int64_t every_ms = options_.connection_idle_ms < 0 ? 1000 : options_.connection_idle_ms / 4;
  every_ms = std::min(
      {std::clamp<std::int64_t>(every_ms, 10, 1000), std::max<std::int64_t>(options_.stalled_frame_ms / 4, 10)});
  sweep_timer_.expires_after(std::chrono::milliseconds(every_ms));
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    sweep_is_due_ = false;
    if (error) return;
    schedule_sweep();  // first: what ends one sweep must not end all
    sweep();
  });
  sweep_is_due_ = true;
}

// A large frame that comes too slowly while its memory is reserved, so that few clients of little bandwidth could have it all.
bool EventLoop::holds_memory_in_vain(Connection& connection, std::int64_t now_ms) const {
  const auto begin_to_watch = [&] {
    connection.frame_watched_since_ms = now_ms;
    connection.frame_progress = connection.progress();
    connection.frame_bytes_to_fill = static_cast<std::int64_t>(connection.unfilled_frame_bytes());
  };
  if (!connection.holds_memory_for_frame()) {
    begin_to_watch();
    return false;
  }
  const std::int64_t watched_ms = now_ms - connection.frame_watched_since_ms;
  if (watched_ms < options_.stalled_frame_ms) return false;
  const auto bytes = static_cast<std::int64_t>(connection.progress() - connection.frame_progress);
  const std::int64_t bytes_min = options_.frame_bytes_per_second_min * watched_ms / 1000;
  const bool too_slow = bytes < std::max(bytes_min, connection.frame_bytes_to_fill);
  begin_to_watch();
  return too_slow;
}

// Closes who was idle for too long: nothing moved and no request waits but a fetch for data, or its responses aren't taken.
// And who holds up others by not finishing a large frame.
void EventLoop::sweep() {
  std::int64_t now = now_ms();
  std::vector<std::shared_ptr<Connection>> idle;
  bool memory_wanted = state_.budget->has_waiters();
  for (auto& [key, entry] : connections_) {
    Connection& connection = *entry.connection;
    if ((holds_memory_in_vain(connection, now) && memory_wanted) || connection.peer_has_gone()) {
      idle.push_back(entry.connection);
      continue;
    }
    if (connection.progress() != connection.seen_progress) {
      connection.seen_progress = connection.progress();
      connection.still_since_ms = now;
      continue;
    }
    std::int64_t still_ms = now - connection.still_since_ms;
    bool quiet = options_.connection_idle_ms >= 0 && still_ms >= options_.connection_idle_ms;
    const bool waits_for_peer = connection.idle() || connection.blocked() || connection.has_parked_fetch();
    if (quiet && waits_for_peer) idle.push_back(entry.connection);
  }
  for (auto& each : idle) {
    base::log_debug("kafka.network.Processor", "Closing the idle connection from {}", each->info().peer);
    each->close();
  }
  shed_one(true);
}

}  // namespace broker::net
