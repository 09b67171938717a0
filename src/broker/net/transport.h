// How bytes move between a connection and its socket. Plain TCP today; TLS would be another implementation. Used on the
// connection's loop alone; never blocks: who gets `again` waits for the socket to become readable or writable.
#pragma once

#include <sys/uio.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/file_system.h"

namespace broker::net {

enum class IoStatus { done, again, closed, failed };

struct IoResult {
  IoStatus status = IoStatus::done;
  std::size_t bytes = 0;
  int error_number = 0;  // with `failed`
};

class Transport {
 public:
  explicit Transport(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}
  virtual ~Transport() = default;

  virtual IoResult receive(base::MutableByteView into) = 0;
  // `more`: something follows at once, so a short packet had better wait for it.
  virtual IoResult send(std::span<const iovec> pieces, bool more) = 0;
  virtual IoResult send_file(const base::File& file, std::uint64_t position, std::size_t size) = 0;

  boost::asio::ip::tcp::socket& socket() { return socket_; }

  // A connection waits by a receive into this space and tells how much came: that saves the system call that asks for a wake-up
  // when the socket is readable. The next receive() hands it out first.
  boost::asio::mutable_buffer arrival_space() { return boost::asio::buffer(arrived_); }
  void arrived(std::size_t bytes);
  bool has_arrived() const { return arrived_begin_ < arrived_end_; }

 protected:
  struct Taken {
    std::size_t bytes = 0;
    bool is_all = false;  // the socket had no more, or `into` has no room
  };
  Taken take_arrived(base::MutableByteView into);

  boost::asio::ip::tcp::socket socket_;

 private:
  std::array<std::uint8_t, 512> arrived_;
  std::size_t arrived_begin_ = 0;
  std::size_t arrived_end_ = 0;
};

std::unique_ptr<Transport> make_plain_transport(boost::asio::ip::tcp::socket socket);

}  // namespace broker::net
