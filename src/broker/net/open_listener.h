// What the server keeps of a listener that is open. Belongs to the first loop, but for what says otherwise.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

#include "broker/net/binding.h"
#include "broker/net/server.h"

namespace broker::net {

struct Listener {
  Listener(ListenerOptions asked, Addresses candidates, boost::asio::ip::tcp::acceptor open, boost::asio::steady_timer timer)
      : options(std::move(asked)),
        addresses(std::move(candidates)),
        acceptor(std::move(open)),
        pause(std::move(timer)) {}
  const ListenerOptions options;
  const Addresses addresses;  // that it may be bound to
  boost::asio::ip::tcp::acceptor acceptor;
  boost::asio::steady_timer pause;
  std::atomic<bool> is_accepting = false;  // whoever sets it makes an Accepting, from any thread
};

// Held by the coroutine that accepts on a listener, so that it shows when there is none any more: Asio lets go of a coroutine whose next
// operation it has no memory for, past all that could catch in it.
class Accepting {
 public:
  explicit Accepting(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}
  Accepting(Accepting&&) noexcept = default;
  Accepting& operator=(Accepting&&) = delete;
  ~Accepting() {
    if (listener_) listener_->is_accepting = false;
  }
  Listener& listener() const { return *listener_; }

 private:
  std::shared_ptr<Listener> listener_;
};

}  // namespace broker::net
