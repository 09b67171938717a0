#include "broker/net/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/listen.h"
#include "base/logging.h"
#include "base/process_limits.h"
#include "broker/net/event_loop.h"
#include "broker/net/open_listener.h"

namespace broker::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Moment = std::chrono::steady_clock::time_point;

constexpr std::size_t kPoolBytesPerLoop = 4u << 20;
constexpr int kAcceptsPerWakeUp = 64;
constexpr std::chrono::milliseconds kAcceptPause(100);
constexpr std::string_view kLogger = "kafka.network.SocketServer";

// A listener that is open, and where it may be bound again.
struct Opened {
  ListenerOptions options;
  Addresses addresses;
};

// One more as long as this lives, however the coroutine that holds it ends.
class Counted {
 public:
  explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::atomic<int>& count_;
};

const Opened* find(const std::vector<Opened>& all, std::string_view name) {
  const auto found = std::ranges::find_if(all, [&](const Opened& each) { return each.options.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions all, api::FrameHandler& served)
      : options(std::move(all)), handler(served), limits(options.limits) {
    auto bytes_max = options.queued_request_bytes_max <= 0 ? kDefaultQueuedBytes : options.queued_request_bytes_max;
    budget = std::make_shared<FrameBudget>(bytes_max);
    active_loops = static_cast<std::size_t>(std::max(1, options.network_threads));
    while (loops.size() < active_loops) add_loop();
    accepting = &loops.front()->context();
    for (const ListenerOptions& each : options.listeners) open(each, resolve_listener(*accepting, each));
  }

  ~Impl() {
    stop();
    budget->stop();
    listeners.clear();  // before the loops they live on
  }

  void start() {
    std::lock_guard changing(change_mutex);
    for (const auto& listener : listeners) accept_on(listener);
    std::lock_guard lock(loops_mutex);
    const std::function<void()> recover = [this] { accept_on_all(); };
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
  void close(const std::function<bool(const ListenerOptions&)>& chosen);
  void open_moved(const ListenerOptions& listener, const Addresses& addresses, const std::vector<Opened>& before,
                  ListenerFailures& failures);
  std::vector<Opened> opened() const;
  EventLoop& next();
  bool take_turn(const EventLoop& loop);
  void accept_on(const std::shared_ptr<Listener>& listener);
  void accept_on_all();
  base::Task<void> accept_loop(Accepting accepts);
  base::Task<void> accept_waiting(Listener& listener);
  base::Task<void> let_in(Listener& listener, EventLoop& loop, tcp::socket socket);
  base::Task<void> wait_for_descriptors(Listener& listener, tcp::socket& socket);
  base::Task<void> wait_for_room(Listener& listener, Moment until);
  void log_accept_failure(std::string_view reason);
  void accepted(Listener& listener, EventLoop& loop, tcp::socket socket);
  void hand_over(Listener& listener, EventLoop& loop, tcp::socket socket, const tcp::endpoint& peer,
                 const std::string& address);
  void set_socket_options(tcp::socket& socket) const;
  void wake_acceptors();

  ServerOptions options;
  api::FrameHandler& handler;
  ConnectionLimits limits;
  std::shared_ptr<FrameBudget> budget;
  std::mutex change_mutex;  // of listeners: held by the one who changes them, starts or stops; before the others
  std::mutex loops_mutex;   // guards the next five; the last two are written with both held
  std::vector<std::unique_ptr<EventLoop>> loops;  // only ever grows: requests that wait elsewhere come back to their loop
  std::size_t active_loops = 0;                   // the first ones, which get new connections
  std::size_t next_loop = 0;
  bool started = false;
  bool stopped = false;
  asio::io_context* accepting = nullptr;  // of the first loop, which accepts for all
  mutable std::mutex listeners_mutex;  // guards the next; what the listeners hold belongs to the first loop
  std::vector<std::shared_ptr<Listener>> listeners;
  std::atomic<int> acceptors_waiting = 0;  // for room or for their time
  bool accept_failure_logged = false;
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

// Unless it is being done.
void Server::Impl::accept_on(const std::shared_ptr<Listener>& listener) {
  if (listener->is_accepting.exchange(true)) return;
  asio::co_spawn(*accepting, accept_loop(Accepting(listener)), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);  // out of run(), where it is told of and begun again
  });
}

void Server::Impl::accept_on_all() {
  std::vector<std::shared_ptr<Listener>> all;
  {
    std::lock_guard lock(listeners_mutex);
    all = listeners;
  }
  for (const auto& listener : all) accept_on(listener);
}

// Runs on the first loop. At max.connections it waits for one to go, and lets new ones queue in the kernel, as Kafka.
base::Task<void> Server::Impl::accept_loop(Accepting accepts) {
  Listener& listener = accepts.listener();
  bool failed = false;
  while (listener.acceptor.is_open()) {
    try {
      if (std::exchange(failed, false)) {
        boost::system::error_code ignored;
        listener.pause.expires_after(kAcceptPause);
        co_await listener.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      }
      co_await wait_for_room(listener, Moment());
      boost::system::error_code error;
      co_await listener.acceptor.async_wait(tcp::acceptor::wait_read, asio::redirect_error(asio::use_awaitable, error));
      if (!error) co_await accept_waiting(listener);
    } catch (const std::exception& error) {  // above all no more file descriptors: those in use will be given back
      failed = true;
      log_accept_failure(error.what());
    }
  }
}

// All that have queued in the kernel: a backlog of 50 (Kafka's default) overflows soon, and each overflow
// costs a client a second. Bounded, so that a storm of connections leaves the loop to those that are there. Throws if one can't
// be accepted. (So would Asio's asynchronous accept without memory, but past the one who waits for it.)
base::Task<void> Server::Impl::accept_waiting(Listener& listener) {
  for (int i = 0; i < kAcceptsPerWakeUp && listener.acceptor.is_open() && !limits.full(listener.options.name); ++i) {
    EventLoop& loop = next();
    boost::system::error_code error;
    tcp::socket socket(loop.context());
    listener.acceptor.accept(socket, error);
    if (error == asio::error::would_block) co_return;
    if (error) throw std::runtime_error(error.message());
    co_await let_in(listener, loop, std::move(socket));
  }
}

// One that comes faster than max.connection.creation.rate is held for a while, and all behind it, as by Kafka.
base::Task<void> Server::Impl::let_in(Listener& listener, EventLoop& loop, tcp::socket socket) {
  co_await wait_for_descriptors(listener, socket);
  const Moment now = std::chrono::steady_clock::now();
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::int64_t wait_ms = limits.wait_ms(listener.options.name, now_ms);
  co_await wait_for_room(listener, now + std::chrono::milliseconds(wait_ms));
  if (!listener.acceptor.is_open()) co_return;
  if (take_turn(loop)) {
    accepted(listener, loop, std::move(socket));
    co_return;
  }
  EventLoop& another = next();  // there are fewer now
  boost::system::error_code error;
  const tcp protocol = socket.local_endpoint(error).protocol();
  const int descriptor = error ? -1 : socket.release(error);
  if (error) co_return;  // gone already
  tcp::socket moved(another.context());
  moved.assign(protocol, descriptor, error);
  if (error) {
    ::close(descriptor);
    throw std::runtime_error(error.message());
  }
  accepted(listener, another, std::move(moved));
}

// One that would cost files their descriptors waits, and all behind it.
base::Task<void> Server::Impl::wait_for_descriptors(Listener& listener, tcp::socket& socket) {
  if (socket.native_handle() < base::reserved_descriptors_begin()) {
    accept_failure_logged = false;
    co_return;
  }
  while (listener.acceptor.is_open() && !base::leave_reserve(socket, base::reserved_descriptors_begin())) {
    log_accept_failure("too few descriptors are left");
    const Counted waiting(acceptors_waiting);
    boost::system::error_code ignored;
    listener.pause.expires_after(kAcceptPause);
    co_await listener.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// Once, until one comes without any.
void Server::Impl::log_accept_failure(std::string_view reason) {
  if (std::exchange(accept_failure_logged, true)) return;
  base::log_error(kLogger, "Error while accepting connection: {}", reason);
}

base::Task<void> Server::Impl::wait_for_room(Listener& listener, Moment until) {
  while (listener.acceptor.is_open()) {
    const Counted waiting(acceptors_waiting);  // before the look at the limits, so that nobody makes room unnoticed
    const bool early = std::chrono::steady_clock::now() < until;
    const bool must_wait = early || limits.full(listener.options.name);
    if (must_wait) {
      boost::system::error_code ignored;
      listener.pause.expires_at(early ? until : Moment::max());
      co_await listener.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (!must_wait) co_return;
  }
}

void Server::Impl::accepted(Listener& listener, EventLoop& loop, tcp::socket socket) {
  boost::system::error_code error;
  const tcp::endpoint from = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const tcp::endpoint peer = base::unmapped(from);
  const std::string address = peer.address().to_string();
  if (limits.try_add(listener.options.name, address) != ConnectionLimits::Answer::accepted) {
    base::log_info(kLogger, "Rejected connection from /{}, address already has the configured maximum of connections.",
                   address);
    return;
  }
  try {
    hand_over(listener, loop, std::move(socket), peer, address);
  } catch (...) {
    limits.remove(listener.options.name, address);
    throw;
  }
}

void Server::Impl::hand_over(Listener& listener, EventLoop& loop, tcp::socket socket, const tcp::endpoint& peer,
                             const std::string& address) {
  set_socket_options(socket);
  api::ConnectionInfo info;
  bool bracket = address.find(':') != std::string::npos;
  info.peer = bracket ? fmt::format("[{}]:{}", address, peer.port()) : fmt::format("{}:{}", address, peer.port());
  info.client_host = "/" + address;
  info.listener = listener.options.name;
  loop.add(std::move(socket), std::move(info), address, [this] { wake_acceptors(); });
}

void Server::Impl::set_socket_options(tcp::socket& socket) const {
  boost::system::error_code ignored;  // a peer that is gone already shows at the first read
  socket.non_blocking(true, ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  if (options.send_buffer_bytes > 0) {
    socket.set_option(asio::socket_base::send_buffer_size(options.send_buffer_bytes), ignored);
  }
  if (options.receive_buffer_bytes > 0) {
    socket.set_option(asio::socket_base::receive_buffer_size(options.receive_buffer_bytes), ignored);
  }
}

void Server::Impl::wake_acceptors() {
  if (acceptors_waiting == 0) return;
  asio::post(*accepting, [this] {
    std::lock_guard lock(listeners_mutex);
    for (auto& listener : listeners) listener->pause.cancel();
  });
}

void Server::Impl::set_limits(ConnectionLimitOptions limit_options) {
  limits.set_options(std::move(limit_options));
  wake_acceptors();
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

// Throws std::runtime_error if it can't be bound.
void Server::Impl::open(const ListenerOptions& listener, const Addresses& addresses) {
  for (tcp::acceptor& acceptor : bind_listener(*accepting, listener, addresses, options.listen_backlog)) {
    auto opened = std::make_shared<Listener>(listener, addresses, std::move(acceptor), asio::steady_timer(*accepting));
    {
      std::lock_guard lock(listeners_mutex);
      listeners.push_back(opened);
    }
    if (started) accept_on(opened);
  }
}

// When it returns, the ports are free.
void Server::Impl::close(const std::function<bool(const ListenerOptions&)>& chosen) {
  const auto work = [&] {
    std::lock_guard lock(listeners_mutex);
    std::erase_if(listeners, [&](const std::shared_ptr<Listener>& listener) {
      if (!chosen(listener->options)) return false;
      boost::system::error_code ignored;
      listener->acceptor.close(ignored);
      listener->pause.cancel();
      return true;
    });
  };
  if (!started) return work();
  std::promise<void> closed;
  asio::post(*accepting, [&] {
    work();
    closed.set_value();
  });
  closed.get_future().wait();
}

std::vector<Opened> Server::Impl::opened() const {
  std::lock_guard lock(listeners_mutex);
  std::vector<Opened> all;
  for (const auto& listener : listeners) {
    if (find(all, listener->options.name) == nullptr) all.push_back({listener->options, listener->addresses});
  }
  return all;
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
  const std::vector<Opened> before = opened();
  ListenerFailures failures;
  std::vector<Opened> to_open;  // resolved before anything is closed: that may take its time
  for (const ListenerOptions& each : wanted) {
    const Opened* old = find(before, each.name);
    if (old != nullptr && old->options == each) continue;
    try {
      to_open.push_back({each, resolve_listener(*accepting, each)});
    } catch (const std::runtime_error& error) {
      failures[each.name] = error.what();
    }
  }
  close([&](const ListenerOptions& one) {
    return find(to_open, one.name) != nullptr || std::ranges::find(wanted, one.name, &ListenerOptions::name) == wanted.end();
  });
  for (const Opened& each : to_open) open_moved(each.options, each.addresses, before, failures);
  const std::vector<Opened> now = opened();
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
    if (!was_started) return stop_loops();  // those that were begun before a thread couldn't be had
    close([](const ListenerOptions&) { return true; });
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

std::uint16_t Server::port(const std::string& listener) const {
  std::lock_guard lock(impl_->listeners_mutex);
  for (auto& each : impl_->listeners) {
    if (each->options.name == listener) return each->acceptor.local_endpoint().port();
  }
  throw std::logic_error("no listener " + listener);
}

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
  for (Opened& each : impl_->opened()) open.push_back(std::move(each.options));
  return open;
}
void Server::set_network_threads(int threads) { impl_->set_network_threads(threads); }

}  // namespace broker::net
