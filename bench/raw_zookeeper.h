// A raw client of ZooKeeper for measurements: one thread, one epoll, many sessions, requests as bytes. Throws
// std::runtime_error when anything is not as it should be. Knows nothing of Milena, so that both servers meet the same.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

enum : std::int32_t {
  kCreate = 1,
  kDelete = 2,
  kExists = 3,
  kGetData = 4,
  kSetData = 5,
  kPing = 11,
  kCloseSession = -11
};
inline constexpr std::int32_t kEventXid = -1;
inline constexpr std::int32_t kPingXid = -2;
inline constexpr std::int32_t kSessionTimeoutMs = 40'000;
inline constexpr std::size_t kReplyHeaderBytes = 16;

inline std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }

template <class T>
void put(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff));
  }
}

inline void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::int32_t>(text.size()));
  out.append(text);
}

template <class T>
T take(const char* data) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<unsigned char>(data[i]);
  return static_cast<T>(value);
}

/// A connected socket.
inline int connect_to(int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(std::string("socket: ") + std::strerror(errno));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail(std::string("connect: ") + std::strerror(errno));
  }
  return fd;
}

/// The answer to a four-letter word.
inline std::string ask(int port, std::string_view word) {
  int fd = connect_to(port);
  if (::send(fd, word.data(), word.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(word.size())) fail("send");
  std::string text;
  char buffer[16384];
  for (ssize_t count; (count = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) text.append(buffer, static_cast<std::size_t>(count));
  ::close(fd);
  return text;
}

/// One session on one socket. Answers come in the order of the requests, so their start times are a queue.
class Session {
 public:
  explicit Session(int port) {
    fd_ = connect_to(port);
    int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    std::string body;
    put<std::int32_t>(body, 0);
    put<std::int64_t>(body, 0);
    put<std::int32_t>(body, kSessionTimeoutMs);
    put<std::int64_t>(body, 0);
    put_text(body, std::string(16, '\0'));
    body.push_back('\0');
    put_text(out_, body);
    write();
  }
  ~Session() { ::close(fd_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int fd() const { return fd_; }
  bool open() const { return open_; }
  std::size_t in_flight() const { return started_ns_.size(); }

  void request(std::int32_t type, const std::function<void(std::string&)>& body) {
    std::size_t start = out_.size();
    put<std::int32_t>(out_, 0);
    put<std::int32_t>(out_, type == kPing ? kPingXid : ++xid_);
    put<std::int32_t>(out_, type);
    body(out_);
    std::string size;
    put(size, static_cast<std::int32_t>(out_.size() - start - 4));
    out_.replace(start, 4, size);
    if (type != kPing) started_ns_.push_back(now_ns());
  }

  /// Writes what it can without waiting.
  void write() {
    while (written_ < out_.size()) {
      ssize_t count = ::send(fd_, out_.data() + written_, out_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0 && errno == EAGAIN) return;
      if (count < 0) fail(std::string("send: ") + std::strerror(errno));
      written_ += static_cast<std::size_t>(count);
    }
    out_.clear();
    written_ = 0;
  }
  bool has_output() const { return !out_.empty(); }

  /// Reads what is there. on_answer(latency in ns), on_event() for each.
  template <class OnAnswer, class OnEvent>
  void read(OnAnswer&& on_answer, OnEvent&& on_event) {
    char buffer[65536];
    ssize_t count = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) fail("the server closed a connection");
    in_.append(buffer, static_cast<std::size_t>(count));
    std::size_t position = 0;
    while (in_.size() - position >= 4) {
      auto size = static_cast<std::size_t>(take<std::int32_t>(in_.data() + position));
      if (in_.size() - position - 4 < size) break;
      on_frame(in_.data() + position + 4, size, on_answer, on_event);
      position += 4 + size;
    }
    in_.erase(0, position);
  }

 private:
  template <class OnAnswer, class OnEvent>
  void on_frame(const char* frame, std::size_t size, OnAnswer& on_answer, OnEvent& on_event) {
    if (!open_) {
      if (size < 16 || take<std::int32_t>(frame + 4) <= 0) fail("no session");
      open_ = true;
      return;
    }
    if (size < kReplyHeaderBytes) fail("a short answer");
    auto xid = take<std::int32_t>(frame);
    if (xid == kEventXid) return on_event();
    if (xid == kPingXid) return;
    if (auto error = take<std::int32_t>(frame + 12); error != 0) fail("error " + std::to_string(error));
    if (started_ns_.empty() || xid != xid_ - static_cast<std::int32_t>(started_ns_.size()) + 1)
      fail("answers out of order");
    std::uint64_t latency = now_ns() - started_ns_.front();
    started_ns_.pop_front();
    on_answer(latency);
  }

  int fd_ = -1;
  bool open_ = false;
  std::int32_t xid_ = 0;
  std::string out_, in_;
  std::size_t written_ = 0;
  std::deque<std::uint64_t> started_ns_;
};

using Sessions = std::vector<std::unique_ptr<Session>>;

/// The sessions of a run and the loop over them.
class Client {
 public:
  Client(int port, std::size_t count) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    constexpr std::size_t kAtOnce = 32;  // not more than wait in ZooKeeper's accept queue (50)
    for (std::size_t i = 0; i < count; ++i) {
      sessions_.push_back(std::make_unique<Session>(port));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, sessions_.back()->fd(), &event) != 0) fail("epoll_ctl");
      if (i % kAtOnce == kAtOnce - 1 || i + 1 == count) wait_open(i + 1);
    }
  }
  ~Client() { ::close(epoll_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Session& operator[](std::size_t index) { return *sessions_[index]; }
  std::size_t size() const { return sessions_.size(); }

  /// One round of reading; after(index) once a session's frames are served.
  template <class OnAnswer, class OnEvent, class After>
  void poll(int timeout_ms, OnAnswer&& on_answer, OnEvent&& on_event, After&& after) {
    epoll_event events[256];
    int count = ::epoll_wait(epoll_, events, 256, timeout_ms);
    for (int i = 0; i < count; ++i) {
      std::size_t index = events[i].data.u64;
      sessions_[index]->read(on_answer, [&] { on_event(index); });
      after(index);
      sessions_[index]->write();
    }
    if (count == 0) {
      for (auto& session : sessions_) {
        if (session->has_output()) session->write();
      }
    }
  }

  /// Does `total` requests, `in_flight` at a time on each session; make(session, number) queues one.
  void all(std::size_t total, std::size_t in_flight, const std::function<void(Session&, std::size_t)>& make) {
    std::size_t made = 0, done = 0;
    auto feed = [&](std::size_t index) {
      while (made < total && sessions_[index]->in_flight() < in_flight) make(*sessions_[index], made++);
    };
    for (std::size_t i = 0; i < size(); ++i) feed(i), sessions_[i]->write();
    while (done < total)
      poll(
          10, [&](std::uint64_t) { ++done; }, [](std::size_t) {}, feed);
  }

 private:
  void wait_open(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      while (!sessions_[i]->open())
        poll(
            1000, [](std::uint64_t) {}, [](std::size_t) {}, [](std::size_t) {});
    }
  }

  int epoll_;
  Sessions sessions_;
};

}  // namespace bench
