#include "zk/server/ready_sockets.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

namespace zk::server {

namespace {

int make_set() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
  return descriptor;
}

}  // namespace

ReadySockets::ReadySockets(boost::asio::io_context& io, std::function<void()> after_round)
    : set_(io, make_set()), after_round_(std::move(after_round)) {
  watch();
}

bool ReadySockets::add(int descriptor, Owner& owner) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &owner;
  return ::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void ReadySockets::watch() {
  set_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;  // it is going
    serve();
    watch();
    if (after_round_) after_round_();
  });
}

std::size_t ReadySockets::serve() {
  std::array<epoll_event, kServedAtOnce> events;
  is_serving_ = true;
  const int count = ::epoll_wait(set_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    Ready ready;
    ready.is_over = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    ready.to_read = ready.is_over || (event.events & EPOLLIN) != 0;
    ready.to_write = ready.is_over || (event.events & EPOLLOUT) != 0;
    static_cast<Owner*>(event.data.ptr)->on_ready(ready);
  }
  for (int i = 0; i < count; ++i) static_cast<Owner*>(events[static_cast<std::size_t>(i)].data.ptr)->on_all_ready();
  is_serving_ = false;
  return static_cast<std::size_t>(std::max(count, 0));
}

void ReadySockets::sleep(std::chrono::nanoseconds at_most) {
  pollfd set{set_.native_handle(), POLLIN, 0};
  timespec time{};
  time.tv_nsec = std::clamp<std::int64_t>(at_most.count(), 0, 999'999'999);
  ::ppoll(&set, 1, &time, nullptr);
}

}  // namespace zk::server
