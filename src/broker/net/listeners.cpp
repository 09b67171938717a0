#include "broker/net/listeners.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <future>
#include <stdexcept>
#include <utility>

#include "base/listen.h"
#include "base/logging.h"
#include "base/process_limits.h"

namespace broker::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr int kAcceptsPerWakeUp = 64;
constexpr std::chrono::milliseconds kAcceptPause(100);
constexpr std::string_view kLogger = "kafka.network.SocketServer";

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

}  // namespace

Listeners::Listeners(asio::io_context& loop, const ServerOptions& options, ConnectionLimits& limits, LoopTurns& turns)
    : loop_(loop), options_(options), limits_(limits), turns_(turns) {}

Addresses Listeners::resolve(const ListenerOptions& listener) { return resolve_listener(loop_, listener); }

void Listeners::open(const ListenerOptions& listener, const Addresses& addresses) {
  for (tcp::acceptor& acceptor : bind_listener(loop_, listener, addresses, options_.listen_backlog)) {
    auto opened = std::make_shared<Listener>(listener, addresses, std::move(acceptor), asio::steady_timer(loop_));
    std::lock_guard lock(mutex_);
    listeners_.push_back(std::move(opened));
  }
}

void Listeners::close_without_loop(const Chosen& chosen) {
  std::lock_guard lock(mutex_);
  std::erase_if(listeners_, [&](const std::shared_ptr<Listener>& listener) {
    if (!chosen(listener->options)) return false;
    boost::system::error_code ignored;
    listener->acceptor.close(ignored);
    listener->pause.cancel();
    return true;
  });
}

void Listeners::close(const Chosen& chosen) {
  std::promise<void> closed;
  asio::post(loop_, [&] {
    close_without_loop(chosen);
    closed.set_value();
  });
  closed.get_future().wait();
}

std::uint16_t Listeners::port(std::string_view name) const {
  std::lock_guard lock(mutex_);
  for (const auto& each : listeners_) {
    if (each->options.name == name) return each->acceptor.local_endpoint().port();
  }
  throw std::logic_error("no listener " + std::string(name));
}

std::vector<Opened> Listeners::opened() const {
  std::lock_guard lock(mutex_);
  std::vector<Opened> all;
  for (const auto& listener : listeners_) {
    if (std::ranges::none_of(all, [&](const Opened& each) { return each.options.name == listener->options.name; })) {
      all.push_back({listener->options, listener->addresses});
    }
  }
  return all;
}

// Unless it is being done.
void Listeners::accept_on(const std::shared_ptr<Listener>& listener) {
  if (listener->is_accepting.exchange(true)) return;
  asio::co_spawn(loop_, accept_loop(Accepting(listener)), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);  // out of run(), where it is told of and begun again
  });
}

void Listeners::accept() {
  std::vector<std::shared_ptr<Listener>> all;
  {
    std::lock_guard lock(mutex_);
    all = listeners_;
  }
  for (const auto& listener : all) accept_on(listener);
}

// Runs on the first loop. At max.connections it waits for one to go, and lets new ones queue in the kernel, as Kafka.
base::Task<void> Listeners::accept_loop(Accepting accepts) {
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
base::Task<void> Listeners::accept_waiting(Listener& listener) {
  for (int i = 0; i < kAcceptsPerWakeUp && listener.acceptor.is_open() && !limits_.full(listener.options.name); ++i) {
    EventLoop& loop = turns_.next();
    boost::system::error_code error;
    tcp::socket socket(loop.context());
    listener.acceptor.accept(socket, error);
    if (error == asio::error::would_block) co_return;
    if (error) throw std::runtime_error(error.message());
    co_await let_in(listener, loop, std::move(socket));
  }
}

// One that comes faster than max.connection.creation.rate is held for a while, and all behind it, as by Kafka.
base::Task<void> Listeners::let_in(Listener& listener, EventLoop& loop, tcp::socket socket) {
  co_await wait_for_descriptors(listener, socket);
  const Moment now = std::chrono::steady_clock::now();
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::int64_t wait_ms = limits_.wait_ms(listener.options.name, now_ms);
  co_await wait_for_room(listener, now + std::chrono::milliseconds(wait_ms));
  if (!listener.acceptor.is_open()) co_return;
  if (turns_.take_turn(loop)) {
    accepted(listener, loop, std::move(socket));
    co_return;
  }
  EventLoop& another = turns_.next();  // there are fewer now
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
base::Task<void> Listeners::wait_for_descriptors(Listener& listener, tcp::socket& socket) {
  if (socket.native_handle() < base::reserved_descriptors_begin()) {
    failure_logged_ = false;
    co_return;
  }
  while (listener.acceptor.is_open() && !base::leave_reserve(socket, base::reserved_descriptors_begin())) {
    log_accept_failure("too few descriptors are left");
    const Counted waiting(waiting_);
    boost::system::error_code ignored;
    listener.pause.expires_after(kAcceptPause);
    co_await listener.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// Once, until one comes without any.
void Listeners::log_accept_failure(std::string_view reason) {
  if (std::exchange(failure_logged_, true)) return;
  base::log_error(kLogger, "Error while accepting connection: {}", reason);
}

base::Task<void> Listeners::wait_for_room(Listener& listener, Moment until) {
  while (listener.acceptor.is_open()) {
    const Counted waiting(waiting_);  // before the look at the limits, so that nobody makes room unnoticed
    const bool early = std::chrono::steady_clock::now() < until;
    const bool must_wait = early || limits_.full(listener.options.name);
    if (must_wait) {
      boost::system::error_code ignored;
      listener.pause.expires_at(early ? until : Moment::max());
      co_await listener.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (!must_wait) co_return;
  }
}

void Listeners::accepted(Listener& listener, EventLoop& loop, tcp::socket socket) {
  boost::system::error_code error;
  const tcp::endpoint from = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const tcp::endpoint peer = base::unmapped(from);
  const std::string address = peer.address().to_string();
  if (limits_.try_add(listener.options.name, address) != ConnectionLimits::Answer::accepted) {
    base::log_info(kLogger, "Rejected connection from /{}, address already has the configured maximum of connections.",
                   address);
    return;
  }
  try {
    hand_over(listener, loop, std::move(socket), peer, address);
  } catch (...) {
    limits_.remove(listener.options.name, address);
    throw;
  }
}

void Listeners::hand_over(Listener& listener, EventLoop& loop, tcp::socket socket, const tcp::endpoint& peer,
                          const std::string& address) {
  set_socket_options(socket);
  api::ConnectionInfo info;
  bool bracket = address.find(':') != std::string::npos;
  info.peer = bracket ? fmt::format("[{}]:{}", address, peer.port()) : fmt::format("{}:{}", address, peer.port());
  info.client_host = "/" + address;
  info.listener = listener.options.name;
  loop.add(std::move(socket), std::move(info), address, [this] { wake_waiting(); });
}

void Listeners::set_socket_options(tcp::socket& socket) const {
  boost::system::error_code ignored;  // a peer that is gone already shows at the first read
  socket.non_blocking(true, ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  if (options_.send_buffer_bytes > 0) {
    socket.set_option(asio::socket_base::send_buffer_size(options_.send_buffer_bytes), ignored);
  }
  if (options_.receive_buffer_bytes > 0) {
    socket.set_option(asio::socket_base::receive_buffer_size(options_.receive_buffer_bytes), ignored);
  }
}

void Listeners::wake_waiting() {
  if (waiting_ == 0) return;
  asio::post(loop_, [this] {
    std::lock_guard lock(mutex_);
    for (auto& listener : listeners_) listener->pause.cancel();
  });
}

}  // namespace broker::net
