// A Kafka client of few lines over our own codec, for load generators: blocking, one request at a time. Throws
// std::runtime_error when anything is not as it should be.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "protocol/codec/codec.h"
#include "protocol/codec/frame.h"
#include "protocol/error.h"
#include "protocol/messages/find_coordinator.h"

namespace bench {

inline constexpr auto kRetryPause = std::chrono::milliseconds(20);  // of Kafka's producer after CONCURRENT_TRANSACTIONS

[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }

inline void require(protocol::ErrorCode error, const char* what) {
  if (error != protocol::ErrorCode::none) fail(std::string(what) + ": " + std::string(protocol::name_of(error)));
}

class Connection {
 public:
  explicit Connection(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
    int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // What the response points to lives until the next one.
  template <class Response, class Request>
  Response ask(const Request& request, std::int16_t version) {
    tell(request, version);
    return hear<Response>(version);
  }
  // The halves of it, for who has several connections, or several requests in flight on one: answers come in their order.
  template <class Request>
  void tell(const Request& request, std::int16_t version) {
    const base::Bytes frame = protocol::encode_request(request, version, ++correlation_id_, "bench").to_bytes();
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t count = ::send(socket_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) fail("send");
      sent += static_cast<std::size_t>(count);
    }
  }
  template <class Response>
  Response hear(std::int16_t version) {
    std::copy(answer_.begin() + static_cast<std::ptrdiff_t>(heard_), answer_.begin() + static_cast<std::ptrdiff_t>(end_), answer_.begin());
    end_ -= std::exchange(heard_, 0);
    receive(kSizeBytes);
    const std::size_t whole = whole_answer();
    receive(whole);
    heard_ = whole;
    const std::int16_t header = protocol::response_header_version(protocol::api_info(Response::kApiKey), version);
    const std::size_t prefix = protocol::response_prefix_bytes(header);
    Response response;
    const protocol::Decoded decoded = protocol::decode(response, version, base::ByteView(answer_).first(whole).subspan(prefix));
    if (!decoded) fail(std::string(Response::kName) + ": " + decoded.error);
    return response;
  }
  // One more has come with the last one, so that the socket won't tell of it.
  bool has_heard_more() const { return end_ - heard_ >= kSizeBytes && end_ - heard_ >= whole_answer(); }
  int socket() const { return socket_; }

 private:
  static constexpr std::size_t kSizeBytes = 4;
  static constexpr std::size_t kAnswerBytes = 16 << 10;  // most answers come in one call

  std::size_t whole_answer() const { return kSizeBytes + base::load_big_endian<std::uint32_t>(answer_.data() + heard_); }

  // Until there are `wanted` bytes of the answer.
  void receive(std::size_t wanted) {
    if (answer_.size() < std::max(wanted, kAnswerBytes)) answer_.resize(std::max(wanted, kAnswerBytes));
    while (end_ < wanted) {
      const ssize_t count = ::recv(socket_, answer_.data() + end_, answer_.size() - end_, 0);
      if (count <= 0) fail("the broker closed the connection");
      end_ += static_cast<std::size_t>(count);
    }
  }

  int socket_;
  std::int32_t correlation_id_ = 0;
  base::Bytes answer_;
  std::size_t heard_ = 0;  // bytes of the last answer, at the front
  std::size_t end_ = 0;    // of what has come
};

inline bool asks_for_patience(protocol::ErrorCode error) {
  return error == protocol::ErrorCode::coordinator_load_in_progress || error == protocol::ErrorCode::coordinator_not_available ||
         error == protocol::ErrorCode::not_coordinator;
}

inline void wait_for_coordinator(Connection& connection, const std::string& key, std::int8_t type) {
  protocol::FindCoordinatorRequest request;
  request.key = key;
  request.key_type = type;
  while (connection.ask<protocol::FindCoordinatorResponse>(request, 2).error_code != protocol::ErrorCode::none) {
    std::this_thread::sleep_for(kRetryPause);
  }
}

}  // namespace bench
