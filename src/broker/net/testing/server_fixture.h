// A running server whose handler does what the frames say, and clients that speak to it.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "base/file_system.h"
#include "broker/net/connection.h"
#include "broker/net/server.h"

namespace broker::net::testing {

namespace asio = boost::asio;
using asio::ip::tcp;

inline constexpr std::uint8_t kEcho = 0, kWait = 1, kSilent = 2, kRefuse = 3, kThrow = 4, kFile = 5, kBulk = 6, kLast = 7,
                              kThrowLater = 8, kPark = 9, kInTurn = 10, kRefuseInTurn = 11, kLetPass = 12;

// The first byte of a frame says what to do; the answer is the frame itself with a length in front.
class TestHandler final : public api::FrameHandler {
 public:
  api::Answer<api::Reply> serve(api::ConnectionInfo& connection, api::Frame frame) override {
    const std::uint8_t command = frame.bytes[0];
    {
      std::lock_guard lock(mutex_);
      threads_.insert(std::this_thread::get_id());
      last_host_ = connection.client_host;
    }
    started.fetch_add(1);
    if (command == kWait || command == kThrowLater) return serve_later(std::move(frame));
    if (command == kPark) return park(connection, std::move(frame));
    if (command == kInTurn || command == kRefuseInTurn) {
      const bool waits = !connection.turns.may_begin(false);
      api::Turns::Place turn = waits ? connection.turns.line_up(false, frame.bytes.size()) : connection.turns.begin();
      return serve_in_turn(std::move(turn), waits, std::move(frame));
    }
    if (command == kLetPass) return let_pass(connection.turns.begin(), std::move(frame));
    if (command == kThrow) throw std::runtime_error("thrown by the test");
    return reply_to(frame);
  }

  base::OneShot<bool> gate_of(std::uint8_t number) {
    std::lock_guard lock(mutex_);
    return gates_[number];
  }

  std::string last_host() {
    std::lock_guard lock(mutex_);
    return last_host_;
  }

  std::size_t threads_seen() {
    std::lock_guard lock(mutex_);
    return threads_.size();
  }
  void forget_threads() {
    std::lock_guard lock(mutex_);
    threads_.clear();
  }

  std::atomic<int> started = 0;
  std::atomic<int> finished = 0;
  std::shared_ptr<const void> kept;  // with each reply, until it is sent
  std::shared_ptr<const base::File> file;
  std::size_t file_bytes = 0;

 private:
  base::Task<api::Reply> park(api::ConnectionInfo& connection, api::Frame frame) {
    base::OneShot<bool> woken;
    std::function<void()> wake = [woken] { woken.set(true); };
    const api::ParkedFetch::Place place(connection.parked_fetch, std::move(wake));
    co_await woken.wait();
    co_return reply_to(frame);
  }

  base::Task<api::Reply> serve_in_turn(api::Turns::Place turn, bool waits, api::Frame frame) {
    bool is_served = true;
    if (waits) is_served = co_await turn.wait();
    if (!is_served) co_return api::Reply();
    if (frame.bytes.size() > 1 && frame.bytes[1] != 0) co_await gate_of(frame.bytes[1]).wait();
    co_return reply_to(frame);
  }

  // Lets Produces pass at the first gate, and is answered at the second.
  base::Task<api::Reply> let_pass(api::Turns::Place turn, api::Frame frame) {
    co_await gate_of(frame.bytes[1]).wait();
    turn.let_produces_pass();
    co_await gate_of(frame.bytes[2]).wait();
    co_return reply_to(frame);
  }

  base::Task<api::Reply> serve_later(api::Frame frame) {
    base::OneShot<bool> gate = gate_of(frame.bytes.size() > 1 ? frame.bytes[1] : 0);
    co_await gate.wait();
    if (frame.bytes[0] == kThrowLater) throw std::runtime_error("thrown by the test");
    co_return reply_to(frame);
  }

  api::Reply reply_to(const api::Frame& frame) {
    const std::uint8_t command = frame.bytes[0];
    api::Reply reply;
    reply.kind = api::Reply::Kind::response;
    if (command == kSilent) reply.kind = api::Reply::Kind::none;
    if (command == kRefuse || command == kRefuseInTurn) {
      reply.kind = api::Reply::Kind::close;
      reply.close_reason.make() = "refused by the test";
    }
    reply.close_after = command == kLast;
    reply.until_sent.make() = kept;
    if (reply.kind == api::Reply::Kind::response) reply.message = message(command, frame.bytes);
    finished.fetch_add(1);
    return reply;
  }

  protocol::EncodedMessage message(std::uint8_t command, base::ByteView frame) {
    std::size_t body = command == kBulk || command == kInTurn ? std::size_t{1} << 20 : frame.size();
    protocol::EncodedMessage result(4, 4 + body);
    std::memcpy(result.buffer().data() + 4, frame.data(), std::min(body, frame.size()));
    if (command == kFile) result.add_slice(5, protocol::Records::slice(file, 3, file_bytes - 3));
    base::store_big_endian(result.prefix().data(), static_cast<std::int32_t>(result.size() - 4));
    return result;
  }

  std::mutex mutex_;
  std::map<std::uint8_t, base::OneShot<bool>> gates_;
  std::set<std::thread::id> threads_;  // that have served
  std::string last_host_;
};

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(context_) {
    socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port));
    timeval limit{.tv_sec = 20, .tv_usec = 0};  // a hang becomes a failure
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  static base::Bytes framed(base::ByteView body) {
    base::Bytes bytes;
    base::append_big_endian(bytes, static_cast<std::int32_t>(body.size()));
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
  }
  void send_raw(base::ByteView bytes) { asio::write(socket_, asio::buffer(bytes.data(), bytes.size())); }
  void send(base::Bytes body) { send_raw(framed(body)); }
  bool read_exactly(base::MutableByteView into) {
    std::size_t got = 0;
    while (got < into.size()) {
      ssize_t n = ::recv(socket_.native_handle(), into.data() + got, into.size() - got, 0);
      if (n <= 0) return false;
      got += static_cast<std::size_t>(n);
    }
    return true;
  }
  std::optional<base::Bytes> receive() {
    std::uint8_t size[4];
    if (!read_exactly(size)) return {};
    base::Bytes body(base::load_big_endian<std::uint32_t>(size));
    if (!read_exactly(body)) return {};
    return body;
  }
  bool closed_by_peer() {
    std::uint8_t one;
    return ::recv(socket_.native_handle(), &one, 1, 0) == 0 || errno == ECONNRESET;
  }
  tcp::socket& socket() { return socket_; }

 private:
  asio::io_context context_;
  tcp::socket socket_;
};

class ServerTest : public ::testing::Test {
 protected:
  void start(int threads = 1) {
    options.network_threads = threads;
    if (options.listeners.empty()) options.listeners.push_back({"PLAINTEXT", "127.0.0.1", 0});
    server = std::make_unique<Server>(options, handler);
    server->start();
    port = server->port("PLAINTEXT");
  }
  void eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(condition());
  }

  TestHandler handler;
  ServerOptions options;
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;
};

}  // namespace broker::net::testing
