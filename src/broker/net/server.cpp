#include "broker/net/server.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/logging.h"
#include "broker/net/event_loop.h"
#include "broker/net/listeners.h"

namespace broker::net {
namespace {

constexpr std::size_t kPoolBytesPerLoop = 4u << 20;
constexpr std::string_view kLogger = "kafka.network.SocketServer";

const Opened* find(const std::vector<Opened>& all, std::string_view name) {
  const auto found = std::ranges::find_if(all, [&](const Opened& each) { return each.options.name == name; });
  return found == all.end() ? nullptr : &*found;
}

bool everything(const ListenerOptions&) { return true; }

}  // namespace

struct Server::Impl final : LoopTurns {
  Impl(ServerOptions all, api::FrameHandler& served)
      : options(std::move(all)), handler(served), limits(options.limits) {
    auto bytes_max = options.queued_request_bytes_max <= 0 ? kDefaultQueuedBytes : options.queued_request_bytes_max;
    budget = std::make_shared<FrameBudget>(bytes_max);
    active_loops = static_cast<std::size_t>(std::max(1, options.network_threads));
    while (loops.size() < active_loops) add_loop();
    listeners.emplace(loops.front()->context(), options, limits, *this);
    try {
      for (const ListenerOptions& each : options.listeners) listeners->open(each, listeners->resolve(each));
    } catch (...) {
      listeners->close_without_loop(everything);  // while there is the loop that they live on
      throw;
    }
  }

  ~Impl() override {
    stop();
    budget->stop();
  }

  void start() {
    std::lock_guard changing(change_mutex);
    listeners->accept();
    std::lock_guard lock(loops_mutex);
    const std::function<void()> recover = [this] { listeners->accept(); };
    for (std::size_t i = 0; i < loops.size(); ++i) loops[i]->start(static_cast<int>(i), i == 0 ? recover : nullptr);
    started = true;
  }

  void stop();
  void stop_loops() {
    for (auto& loop : loops) loop->stop_and_join();
  }
  void add_loop();
  void set_network_threads(int threads);
  void set_limits(ConnectionLimitOptions limit_options);
  std::optional<ListenerFailures> set_listeners(const std::vector<ListenerOptions>& wanted);
  void open(const ListenerOptions& listener, const Addresses& addresses);
  void open_moved(const ListenerOptions& listener, const Addresses& addresses, const std::vector<Opened>& before,
                  ListenerFailures& failures);
  EventLoop& next() override;
  bool take_turn(const EventLoop& loop) override;

  ServerOptions options;
  api::FrameHandler& handler;
  ConnectionLimits limits;
  std::shared_ptr<FrameBudget> budget;
  std::mutex change_mutex;  // of listeners: held by the one who changes them, starts or stops; before the others
  std::optional<Listeners> listeners;  // outlives the loops, whose coroutines use it; on the first one, which accepts for all
  std::mutex loops_mutex;  // guards the next five; the last two are written with both held
  std::vector<std::unique_ptr<EventLoop>> loops;  // only ever grows: requests that wait elsewhere come back to their loop
  std::size_t active_loops = 0;                   // the first ones, which get new connections
  std::size_t next_loop = 0;
  bool started = false;
  bool stopped = false;
};

void Server::Impl::add_loop() {
  LoopState state;
  state.handler = &handler;
  state.pool = std::make_shared<BufferPool>(kPoolBytesPerLoop);
  state.budget = budget;
  state.request_bytes_max = options.request_bytes_max;
  EventLoopOptions loop_options{options.connection_idle_ms, options.stalled_frame_ms};
  loops.push_back(std::make_unique<EventLoop>(loop_options, std::move(state), limits));
}

EventLoop& Server::Impl::next() {
  std::lock_guard lock(loops_mutex);
  return *loops[next_loop % active_loops];
}

// Whether new connections may still go to that loop; if so, the next one goes to another.
bool Server::Impl::take_turn(const EventLoop& loop) {
  std::lock_guard lock(loops_mutex);
  for (std::size_t i = 0; i < active_loops; ++i) {
    if (loops[i].get() != &loop) continue;
    ++next_loop;
    return true;
  }
  return false;
}

void Server::Impl::set_limits(ConnectionLimitOptions limit_options) {
  limits.set_options(std::move(limit_options));
  listeners->wake_waiting();
  std::lock_guard lock(loops_mutex);
  for (auto& loop : loops) loop->shed();
}

void Server::Impl::set_network_threads(int threads) {
  const auto wanted = static_cast<std::size_t>(std::max(1, threads));
  std::lock_guard lock(loops_mutex);
  if (stopped) return;
  while (loops.size() < wanted) {
    add_loop();
    try {
      if (started) loops.back()->start(static_cast<int>(loops.size() - 1));
    } catch (const std::system_error& error) {  // without a thread it must not get any connections
      loops.pop_back();
      base::log_error(kLogger, "There are {} network threads, not {}: {}", loops.size(), wanted, error.what());
      break;
    }
  }
  for (std::size_t i = wanted; i < active_loops; ++i) loops[i]->drop_connections();
  active_loops = std::min(wanted, loops.size());
}

void Server::Impl::open(const ListenerOptions& listener, const Addresses& addresses) {
  listeners->open(listener, addresses);
  if (started) listeners->accept();
}

// If it can't be had there, where it was before.
void Server::Impl::open_moved(const ListenerOptions& listener, const Addresses& addresses,
                              const std::vector<Opened>& before, ListenerFailures& failures) {
  try {
    open(listener, addresses);
    base::log_info(kLogger, "Listener {} is open on {}:{}", listener.name, listener.host, listener.port);
  } catch (const std::runtime_error& error) {
    failures[listener.name] = error.what();
    const Opened* old = find(before, listener.name);
    if (old == nullptr) return;
    try {
      open(old->options, old->addresses);
    } catch (const std::runtime_error& lost) {
      failures[listener.name].append(" And no more at its old address: ").append(lost.what());
    }
  }
}

std::optional<ListenerFailures> Server::Impl::set_listeners(const std::vector<ListenerOptions>& wanted) {
  std::lock_guard changing(change_mutex);
  if (stopped) return std::nullopt;
  const std::vector<Opened> before = listeners->opened();
  ListenerFailures failures;
  std::vector<Opened> to_open;  // resolved before anything is closed: that may take its time
  for (const ListenerOptions& each : wanted) {
    const Opened* old = find(before, each.name);
    if (old != nullptr && old->options == each) continue;
    try {
      to_open.push_back({each, listeners->resolve(each)});
    } catch (const std::runtime_error& error) {
      failures[each.name] = error.what();
    }
  }
  const auto goes = [&](const ListenerOptions& one) {
    return find(to_open, one.name) != nullptr || std::ranges::find(wanted, one.name, &ListenerOptions::name) == wanted.end();
  };
  started ? listeners->close(goes) : listeners->close_without_loop(goes);
  for (const Opened& each : to_open) open_moved(each.options, each.addresses, before, failures);
  const std::vector<Opened> now = listeners->opened();
  std::lock_guard lock(loops_mutex);
  for (const Opened& each : before) {
    if (find(now, each.options.name) != nullptr) continue;
    base::log_info(kLogger, "Listener {} on {}:{} is closed", each.options.name, each.options.host, each.options.port);
    for (auto& loop : loops) loop->drop_connections(each.options.name);
  }
  return failures;
}

void Server::Impl::stop() {
  {
    std::lock_guard changing(change_mutex);
    bool was_started = false;
    {
      std::lock_guard lock(loops_mutex);
      stopped = true;  // from here on there come no more
      was_started = started;
    }
    if (!was_started) {
      stop_loops();  // those that were begun before a thread couldn't be had
      return listeners->close_without_loop(everything);
    }
    listeners->close(everything);
    std::lock_guard lock(loops_mutex);
    started = false;
  }
  std::vector<std::shared_ptr<std::promise<void>>> finished;
  for (auto& loop : loops) {
    auto& promise = finished.emplace_back(std::make_shared<std::promise<void>>());
    loop->finish([promise] { promise->set_value(); });
  }
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(options.stop_grace_ms);
  for (auto& promise : finished) (void)promise->get_future().wait_until(until);
  stop_loops();
}

Server::Server(ServerOptions options, api::FrameHandler& handler)
    : impl_(std::make_unique<Impl>(std::move(options), handler)) {}
Server::~Server() = default;

std::uint16_t Server::port(const std::string& listener) const { return impl_->listeners->port(listener); }
void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }
std::int64_t Server::connection_count() const { return impl_->limits.count(); }
std::vector<std::chrono::nanoseconds> Server::cpu_times() const {
  std::lock_guard lock(impl_->loops_mutex);
  std::vector<std::chrono::nanoseconds> times;
  for (std::size_t i = 0; impl_->started && i < impl_->active_loops; ++i) times.push_back(impl_->loops[i]->cpu_time());
  return times;
}
void Server::set_limits(ConnectionLimitOptions limits) { impl_->set_limits(std::move(limits)); }
std::optional<ListenerFailures> Server::set_listeners(const std::vector<ListenerOptions>& wanted) {
  return impl_->set_listeners(wanted);
}
std::vector<ListenerOptions> Server::open_listeners() const {
  std::vector<ListenerOptions> open;
  for (Opened& each : impl_->listeners->opened()) open.push_back(std::move(each.options));
  return open;
}
void Server::set_network_threads(int threads) { impl_->set_network_threads(threads); }

}  // namespace broker::net
