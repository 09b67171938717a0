// What a request costs on this machine without a broker's work: requests of one API are cut out of the stream, written to a file (the page
// cache) and answered with the answer that a real broker gave to the first of them on its connection; all others are handed to that broker.
// Those that come together are written together, and answered together.
//   answering_loop PORT BROKER_PORT FILE API_KEY          the broker's advertised listener is PORT
// One thread, blocking towards the broker. It prints "listening", and ends by a signal.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t LENGTH_BYTES = 4;
constexpr std::size_t CORRELATION_ID_IN_REQUEST = 8;
constexpr std::size_t CORRELATION_ID_IN_RESPONSE = 4;

int checked(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  return result;
}

std::uint32_t big_endian(const char* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return ntohl(value);
}

sockaddr_in loopback(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void without_delay(int socket) {
  const int on = 1;
  checked(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
}

void send_all(int socket, std::span<const char> bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(static_cast<std::size_t>(checked(static_cast<int>(send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL)), "send")));
}

/// One client's connection with a connection of its own to the broker.
class Relay {
 public:
  Relay(int client, const char* broker_port, int api_key)
      : client_(client), broker_(checked(socket(AF_INET, SOCK_STREAM, 0), "socket")), api_key_(api_key) {
    const sockaddr_in address = loopback(broker_port);
    checked(connect(broker_, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect to the broker");
    without_delay(client_);
    without_delay(broker_);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    close(client_);
    close(broker_);
  }

  /// Serves what has arrived. False: the client is gone.
  bool serve(int file, off_t& position) {
    for (;;) {
      const ssize_t count = recv(client_, buffer_.data() + held_, buffer_.size() - held_, MSG_DONTWAIT);
      if (count < 0 && errno == EAGAIN) return true;
      if (count <= 0) return false;
      held_ += static_cast<std::size_t>(count);
      answer(file, position);
      if (held_ == buffer_.size()) throw std::runtime_error("a request above 1 MiB");
    }
  }

 private:
  void answer(int file, off_t& position) {
    std::size_t at = 0, written = 0;
    while (held_ - at >= LENGTH_BYTES) {
      const std::size_t size = LENGTH_BYTES + big_endian(buffer_.data() + at);
      if (held_ - at < size) break;
      const std::span<const char> request(buffer_.data() + at, size);
      const bool is_answered = api_key_of(request) == api_key_;
      if (is_answered && !answer_.empty()) {
        std::memcpy(answer_.data() + CORRELATION_ID_IN_RESPONSE, request.data() + CORRELATION_ID_IN_REQUEST, 4);
        answers_.insert(answers_.end(), answer_.begin(), answer_.end());
      } else {
        write_and_send(file, position, std::span(buffer_).subspan(written, at - written));
        written = at + size;
        const std::vector<char> answered = ask_broker(request);
        send_all(client_, answered);
        if (is_answered) answer_ = answered;
      }
      at += size;
    }
    write_and_send(file, position, std::span(buffer_).subspan(written, at - written));
    std::memmove(buffer_.data(), buffer_.data() + at, held_ - at);
    held_ -= at;
  }

  static int api_key_of(std::span<const char> request) { return static_cast<int>(big_endian(request.data() + LENGTH_BYTES) >> 16); }

  void write_and_send(int file, off_t& position, std::span<const char> requests) {
    if (requests.empty()) return;
    position += checked(static_cast<int>(pwrite(file, requests.data(), requests.size(), position)), "write");
    send_all(client_, answers_);
    answers_.clear();
  }

  std::vector<char> ask_broker(std::span<const char> request) const {
    send_all(broker_, request);
    std::vector<char> answer(LENGTH_BYTES);
    receive(answer);
    const std::size_t size = big_endian(answer.data());
    answer.resize(LENGTH_BYTES + size);
    receive(std::span(answer).subspan(LENGTH_BYTES));
    return answer;
  }

  void receive(std::span<char> bytes) const {
    if (recv(broker_, bytes.data(), bytes.size(), MSG_WAITALL) != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("the broker is gone");
  }

  int client_;
  int broker_;
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
  std::size_t held_ = 0;
  int api_key_;
  std::vector<char> answer_;   // to what has that key
  std::vector<char> answers_;  // not yet sent
};

[[noreturn]] void run(const char* port, const char* broker_port, const char* path, int api_key) {
  const int file = checked(open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), path);
  const int listener = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
  const sockaddr_in address = loopback(port);
  checked(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  checked(listen(listener, SOMAXCONN), "listen");
  const int events = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const auto watch = [events](int socket, std::uint32_t how) {
    epoll_event event{.events = how, .data = {.fd = socket}};
    checked(epoll_ctl(events, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
  };
  watch(listener, EPOLLIN);
  std::puts("listening");
  std::fflush(stdout);
  std::map<int, Relay> relays;
  off_t position = 0;
  for (;;) {
    std::array<epoll_event, 16> ready{};
    const int count = epoll_wait(events, ready.data(), static_cast<int>(ready.size()), -1);
    for (const epoll_event& event : std::span(ready).first(static_cast<std::size_t>(count < 0 ? 0 : count))) {
      if (event.data.fd == listener) {
        const int client = checked(accept(listener, nullptr, nullptr), "accept");
        relays.try_emplace(client, client, broker_port, api_key);
        watch(client, EPOLLIN | EPOLLET);
      } else if (!relays.at(event.data.fd).serve(file, position)) {
        relays.erase(event.data.fd);
      }
    }
  }
}

}  // namespace
}  // namespace bench

int main(int count, char** values) {
  if (count != 5) {
    std::fputs("usage: answering_loop PORT BROKER_PORT FILE API_KEY\n", stderr);
    return 2;
  }
  try {
    bench::run(values[1], values[2], values[3], std::atoi(values[4]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "answering_loop: %s\n", error.what());
    return 1;
  }
}
