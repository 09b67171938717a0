#include "zk/server/connection.h"

#include <boost/asio/buffer.hpp>

#include "base/logging.h"
#include "zk/server/four_letter.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Connection";
constexpr std::size_t kKeptBufferMax = 64 * 1024;
constexpr int kReadsPerWakeUp = 4;

}  // namespace

using boost::asio::ip::tcp;

Connection::Connection(tcp::socket socket, ConnectionShared& shared) : socket_(std::move(socket)), shared_(shared) {
  boost::system::error_code ignored;
  tcp::endpoint remote = socket_.remote_endpoint(ignored);
  address = remote.address().to_string();
  port = remote.port();
}

void Connection::start() {
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(tcp::no_delay(true), error);
  shared_.coordinator.add_peer(*this);
  wait_readable();
}

void Connection::wait_readable() {
  if (reading_ || closed_ || closing_ || stalled_) return;
  reading_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
    self->reading_ = false;
    if (self->closed_) return;
    if (error) return self->close_now();
    self->on_readable();
    self->shared_.after_work();
  });
}

void Connection::on_readable() {
  for (int reads = 0; reads < kReadsPerWakeUp && !closed_ && !closing_ && !stalled_; ++reads) {
    base::Bytes& buffer = shared_.read_buffer;
    boost::system::error_code error;
    std::size_t got = socket_.read_some(boost::asio::buffer(buffer), error);
    if (error == boost::asio::error::would_block) break;
    if (error) return close_now();
    base::ByteView bytes(buffer.data(), got);
    if (input_.empty()) {
      std::size_t used = take_frames(bytes);
      bytes = bytes.subspan(used);
      input_.assign(bytes.begin(), bytes.end());
    } else {
      input_.insert(input_.end(), bytes.begin(), bytes.end());
      std::size_t used = take_frames(input_);
      input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
    }
    if (input_.empty() && input_.capacity() > 0) base::Bytes().swap(input_);
    if (got < buffer.size()) break;
  }
  wait_readable();
}

bool Connection::take_word(base::ByteView bytes) {
  first_bytes_ = false;
  std::string_view word = base::as_text(bytes.first(4));
  if (!is_four_letter_word(word)) return false;
  std::string text = answer_four_letter_word(word, shared_.coordinator);
  output.insert(output.end(), text.begin(), text.end());
  close_after_output();
  return true;
}

std::size_t Connection::take_frames(base::ByteView bytes) {
  std::size_t used = 0;
  while (bytes.size() - used >= 4 && !closed_ && !closing_) {
    base::ByteView rest = bytes.subspan(used);
    if (first_bytes_ && take_word(rest)) return bytes.size();
    auto length = base::load_big_endian<std::int32_t>(rest.data());
    if (length < 0 || static_cast<std::size_t>(length) >= shared_.coordinator.config().frame_bytes_max) {
      base::log_warn(kLogger, "Closing {}: a frame of {} bytes, allowed are less than {} (jute.maxbuffer)", address,
                     length, shared_.coordinator.config().frame_bytes_max);
      close_now();
      return bytes.size();
    }
    std::size_t size = static_cast<std::size_t>(length);
    if (rest.size() < 4 + size) break;
    if (!shared_.coordinator.accepts(*this)) {
      stalled_ = true;
      break;
    }
    used += 4 + size;
    shared_.coordinator.on_frame(*this, rest.subspan(4, size));
  }
  return used;
}

void Connection::resume() {
  if (!stalled_ || closed_ || closing_) return;
  stalled_ = false;
  base::Bytes bytes = std::move(input_);
  std::size_t used = take_frames(bytes);
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
  input_ = std::move(bytes);
  wait_readable();
  if (used > 0) shared_.after_work();
}

void Connection::flush() {
  if (closed_ || writing_) return;
  while (output_sent_ < output.size()) {
    boost::system::error_code error;
    std::size_t sent_now =
        socket_.write_some(boost::asio::buffer(output.data() + output_sent_, output.size() - output_sent_), error);
    if (error == boost::asio::error::would_block) {
      // What is sent already makes room, so that the bound on output counts what still has to go.
      output.erase(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(output_sent_));
      output_sent_ = 0;
      writing_ = true;
      socket_.async_wait(tcp::socket::wait_write,
                         [self = shared_from_this()](const boost::system::error_code& failure) {
                           self->writing_ = false;
                           if (self->closed_) return;
                           if (failure) return self->close_now();
                           self->flush();
                         });
      return;
    }
    if (error) return close_now();
    output_sent_ += sent_now;
  }
  output_sent_ = 0;
  output.clear();
  if (output.capacity() > kKeptBufferMax || (waiting.empty() && output.capacity() > 1024)) base::Bytes().swap(output);
  if (closing_) return close_now();
  resume();
}

void Connection::close_after_output() {
  phase = PeerPhase::closed;
  closing_ = true;
  flush();
}

void Connection::close_now() {
  if (closed_) return;
  closed_ = true;
  auto self = shared_from_this();
  shared_.coordinator.remove_peer(*this);
  boost::system::error_code ignored;
  // Without it, data that the client sent and nobody read would turn the close into a reset, and the last answer be
  // lost.
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  shared_.on_closed(id);
}

}  // namespace zk::server
