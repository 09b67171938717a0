#include "broker/net/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <future>
#include <stdexcept>
#include <utility>

#include "base/logging.h"
#include "broker/net/event_loop.h"

namespace broker::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t kPoolBytesPerLoop = 4u << 20;
constexpr int kAcceptsPerWakeUp = 64;
constexpr std::string_view kLogger = "kafka.network.SocketServer";

struct Listener {
  Listener(ListenerOptions asked, tcp::acceptor open, asio::steady_timer timer)
      : options(std::move(asked)), acceptor(std::move(open)), pause(std::move(timer)) {}
  ListenerOptions options;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
};

// Of a name all addresses, those of IPv4 first.
std::vector<tcp::endpoint> endpoints_of(asio::io_context& context, const ListenerOptions& options) {
  if (options.host.empty()) return {tcp::endpoint(tcp::v6(), options.port), tcp::endpoint(tcp::v4(), options.port)};
  boost::system::error_code error;
  auto address = asio::ip::make_address(options.host, error);
  if (!error) return {tcp::endpoint(address, options.port)};
  tcp::resolver resolver(context);
  auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty())
    throw std::runtime_error(fmt::format("cannot resolve {}: {}", options.host, error.message()));
  std::vector<tcp::endpoint> endpoints(found.begin(), found.end());
  std::stable_partition(endpoints.begin(), endpoints.end(),
                        [](const tcp::endpoint& each) { return each.protocol() == tcp::v4(); });
  return endpoints;
}

tcp::acceptor try_to_bind(asio::io_context& context, const tcp::endpoint& endpoint, bool v6_only, int backlog,
                          boost::system::error_code& error) {
  tcp::acceptor acceptor(context);
  acceptor.open(endpoint.protocol(), error);
  if (error) return acceptor;
  acceptor.set_option(asio::socket_base::reuse_address(true));
  if (endpoint.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(v6_only), error);
  acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(backlog, error);
  if (!error) acceptor.non_blocking(true, error);
  return acceptor;
}

// Without a host, the first of the candidates that the system has: a machine without IPv6 gets 0.0.0.0. A name is bound at its
// first address, of IPv4 if it has one, as by Java; and at its others where that works, since clients may take any of
// them: in most systems localhost is ::1 first.
std::vector<tcp::acceptor> bind(asio::io_context& context, const ListenerOptions& options, int backlog) {
  std::vector<tcp::acceptor> bound;
  boost::system::error_code error;
  const bool any_host = options.host.empty();
  for (tcp::endpoint endpoint : endpoints_of(context, options)) {
    if (!bound.empty()) endpoint.port(bound.front().local_endpoint().port());
    tcp::acceptor acceptor = try_to_bind(context, endpoint, !bound.empty(), backlog, error);
    if (error == asio::error::address_in_use && bound.empty()) break;
    if (error) continue;
    bound.push_back(std::move(acceptor));
    if (any_host) break;
  }
  if (!bound.empty()) return bound;
  throw std::runtime_error(
      fmt::format("Socket server failed to bind to {}:{}: {}.", options.host, options.port, error.message()));
}

std::string text_of(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions all, api::FrameHandler& served)
      : options(std::move(all)), handler(served), limits(options.limits) {
    auto bytes_max = options.queued_request_bytes_max < 0 ? kDefaultQueuedBytes : options.queued_request_bytes_max;
    budget = std::make_shared<FrameBudget>(bytes_max);
    EventLoopOptions loop_options{options.connection_idle_ms, options.stalled_frame_ms};
    for (int i = 0; i < std::max(1, options.network_threads); ++i) {
      LoopState state;
      state.handler = &handler;
      state.pool = std::make_shared<BufferPool>(kPoolBytesPerLoop);
      state.budget = budget;
      state.request_bytes_max = options.request_bytes_max;
      loops.push_back(std::make_unique<EventLoop>(loop_options, std::move(state), limits));
    }
    asio::io_context& context = loops.front()->context();
    for (const ListenerOptions& each : options.listeners) {
      for (tcp::acceptor& acceptor : bind(context, each, options.listen_backlog)) {
        listeners.push_back(std::make_unique<Listener>(each, std::move(acceptor), asio::steady_timer(context)));
      }
    }
  }

  ~Impl() {
    stop();
    budget->stop();
    listeners.clear();  // before the loops they live on
  }

  void start() {
    for (auto& listener : listeners) {
      asio::co_spawn(loops.front()->context(), accept_loop(*listener), asio::detached);
    }
    for (std::size_t i = 0; i < loops.size(); ++i) loops[i]->start(static_cast<int>(i));
    started = true;
  }

  void stop();
  base::Task<void> accept_loop(Listener& listener);
  void accept_waiting(Listener& listener);
  void accepted(Listener& listener, EventLoop& loop, tcp::socket socket);
  void set_socket_options(tcp::socket& socket) const;
  void wake_acceptors();

  ServerOptions options;
  api::FrameHandler& handler;
  ConnectionLimits limits;
  std::shared_ptr<FrameBudget> budget;
  std::vector<std::unique_ptr<EventLoop>> loops;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::size_t next_loop = 0;
  bool accept_failure_logged = false;
  bool started = false;
};

// Runs on the first loop. At max.connections it waits for one to go, and lets new ones queue in the kernel, as Kafka.
base::Task<void> Server::Impl::accept_loop(Listener& listener) {
  while (listener.acceptor.is_open()) {
    boost::system::error_code error;
    if (limits.full()) {
      listener.pause.expires_after(std::chrono::seconds(1));
      co_await listener.pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    EventLoop& loop = *loops[next_loop++ % loops.size()];
    tcp::socket socket(loop.context());
    co_await listener.acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // above all no more file descriptors: those in use will be given back
      if (!std::exchange(accept_failure_logged, true)) {
        base::log_error(kLogger, "Error while accepting connection: {}", error.message());
      }
      listener.pause.expires_after(std::chrono::milliseconds(100));
      co_await listener.pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    accept_failure_logged = false;
    accepted(listener, loop, std::move(socket));
    accept_waiting(listener);
  }
}

// What else has queued in the kernel meanwhile: a backlog of 50 (Kafka's default) overflows soon, and each overflow
// costs a client a second. Bounded, so that a storm of connections leaves the loop to those that are there.
void Server::Impl::accept_waiting(Listener& listener) {
  for (int i = 0; i < kAcceptsPerWakeUp && !limits.full(); ++i) {
    EventLoop& loop = *loops[next_loop % loops.size()];
    boost::system::error_code error;
    tcp::socket socket(loop.context());
    listener.acceptor.accept(socket, error);
    if (error) return;  // there is none; what else it may be shows at the next wait
    ++next_loop;
    accepted(listener, loop, std::move(socket));
  }
}

void Server::Impl::accepted(Listener& listener, EventLoop& loop, tcp::socket socket) {
  boost::system::error_code error;
  tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;  // gone already
  std::string address = text_of(peer.address());
  if (limits.try_add(address) != ConnectionLimits::Answer::accepted) {
    base::log_info(kLogger, "Rejected connection from /{}, address already has the configured maximum of connections.",
                   address);
    return;
  }
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
  if (limits.count() + 1 < options.limits.connections_max) return;  // nobody waits
  asio::post(loops.front()->context(), [this] {
    for (auto& listener : listeners) listener->pause.cancel();
  });
}

void Server::Impl::stop() {
  if (!std::exchange(started, false)) return;
  std::promise<void> closed;
  asio::post(loops.front()->context(), [this, &closed] {
    for (auto& listener : listeners) {
      boost::system::error_code ignored;
      listener->acceptor.close(ignored);
      listener->pause.cancel();
    }
    closed.set_value();
  });
  closed.get_future().wait();
  std::vector<std::shared_ptr<std::promise<void>>> finished;
  for (auto& loop : loops) {
    auto& promise = finished.emplace_back(std::make_shared<std::promise<void>>());
    loop->finish([promise] { promise->set_value(); });
  }
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(options.stop_grace_ms);
  for (auto& promise : finished) (void)promise->get_future().wait_until(until);
  for (auto& loop : loops) loop->stop_and_join();
}

Server::Server(ServerOptions options, api::FrameHandler& handler)
    : impl_(std::make_unique<Impl>(std::move(options), handler)) {}
Server::~Server() = default;

std::uint16_t Server::port(const std::string& listener) const {
  for (auto& each : impl_->listeners) {
    if (each->options.name == listener) return each->acceptor.local_endpoint().port();
  }
  throw std::logic_error("no listener " + listener);
}

void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }
std::int64_t Server::connection_count() const { return impl_->limits.count(); }
void Server::set_limits(ConnectionLimitOptions limits) { impl_->limits.set_options(std::move(limits)); }

}  // namespace broker::net
