#include "zk/server/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>

#include "base/listen.h"
#include "base/logging.h"
#include "zk/server/four_letter.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Connection";
constexpr std::size_t kKeptBufferMax = 64 * 1024;
constexpr int kReadsPerWakeUp = 4;
constexpr std::size_t kSealedAtOnce = 256 * 1024;

}  // namespace

using boost::asio::ip::tcp;

Connection::Connection(tcp::socket socket, const tcp::endpoint& from, ConnectionShared& shared,
                       std::unique_ptr<base::tls::Engine> tls)
    : socket_(std::move(socket)), shared_(shared), tls_(std::move(tls)) {
  is_secure = tls_ != nullptr;
  if (tls_) certificate_subject = tls_->peer_subject();
  address = base::java_address_text(from.address());
  port = from.port();
}

void Connection::start(base::ByteView input) {
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(tcp::no_delay(true), error);
  shared_.coordinator.add_peer(*this);
  if (!input.empty()) take_input(input);
  receive();
}

void Connection::receive() {
  if (reading_ || closed_ || closing_ || stalled_) return;
  reading_ = true;
  socket_.async_receive(boost::asio::buffer(arriving_), [self = shared_from_this()](
                                                            const boost::system::error_code& error, std::size_t bytes) {
    self->reading_ = false;
    if (self->closed_) return;
    if (error) return self->close_now();
    self->on_received(bytes);
    self->shared_.after_work();
  });
}

void Connection::on_received(std::size_t bytes) {
  base::Bytes& buffer = shared_.read_buffer;
  std::copy_n(arriving_.begin(), bytes, buffer.begin());
  bool is_all = bytes < arriving_.size();
  bool is_over = false;
  for (int reads = 0; reads < kReadsPerWakeUp; ++reads) {
    if (!is_all) {
      boost::system::error_code error;
      const std::size_t room = buffer.size() - bytes;
      const std::size_t got = socket_.read_some(boost::asio::buffer(buffer.data() + bytes, room), error);
      is_over = error && error != boost::asio::error::would_block;
      is_all = got < room;
      bytes += got;
    }
    if (bytes > 0) take_bytes(base::ByteView(buffer.data(), bytes));
    bytes = 0;
    if (is_over) return close_now();
    if (is_all || closed_ || closing_ || stalled_) break;
  }
  receive();
}

void Connection::take_bytes(base::ByteView bytes) {
  if (!tls_) return take_input(bytes);
  shared_.plain_buffer.clear();
  const bool good = tls_->receive(bytes, shared_.plain_buffer);
  take_input(shared_.plain_buffer);
  if (!good) close_now();
}

void Connection::take_input(base::ByteView bytes) {
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
}

bool Connection::take_word(base::ByteView bytes) {
  std::string_view word = base::as_text(bytes.first(4));
  first_bytes_ = false;
  if (!is_four_letter_word(word)) return false;
  ++received;
  ServerStats& stats = shared_.coordinator.stats();
  ++stats.received;
  stats.metrics.bytes_received_count += 4;
  std::string text = answer_four_letter_word(word, bytes.subspan(4), shared_.coordinator);
  output.insert(output.end(), text.begin(), text.end());
  ++stats.sent;
  close_after_output();
  return true;
}

std::size_t Connection::take_frames(base::ByteView bytes) {
  std::size_t used = 0;
  while (bytes.size() - used >= 4 && !closed_ && !closing_) {
    base::ByteView rest = bytes.subspan(used);
    // This word alone has an argument, eight bytes.
    if (first_bytes_ && rest.size() < 12 && base::as_text(rest.first(4)) == "stmk") break;
    if (first_bytes_ && take_word(rest)) return bytes.size();
    auto length = base::load_big_endian<std::int32_t>(rest.data());
    if (length < 0 || static_cast<std::size_t>(length) >= shared_.coordinator.config().frame_bytes_max) {
      base::log_warn(kLogger, "Closing {}: a frame of {} bytes, allowed are less than {} (jute.maxbuffer)", address,
                     length, shared_.coordinator.config().frame_bytes_max);
      close_now();
      return bytes.size();
    }
    std::size_t size = static_cast<std::size_t>(length);
    if (rest.size() < 4 + size && !shared_.coordinator.accepts_size(size)) {
      base::log_warn(kLogger,
                     "Closing {}: a request of {} bytes, too large beside those under way (largeRequestMaxBytes)",
                     address, size);
      close_now();
      return bytes.size();
    }
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
  receive();
  if (used > 0) shared_.after_work();
}

bool Connection::send_all(base::Bytes& bytes, std::size_t& done) {
  while (done < bytes.size()) {
    boost::system::error_code error;
    std::size_t sent_now = socket_.write_some(boost::asio::buffer(bytes.data() + done, bytes.size() - done), error);
    if (error == boost::asio::error::would_block) {
      // What is sent already makes room, so that the bound on output counts what still has to go.
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(done));
      done = 0;
      writing_ = true;
      socket_.async_wait(tcp::socket::wait_write,
                         [self = shared_from_this()](const boost::system::error_code& failure) {
                           self->writing_ = false;
                           if (self->closed_) return;
                           if (failure) return self->close_now();
                           self->flush();
                         });
      return false;
    }
    if (error) {
      close_now();
      return false;
    }
    done += sent_now;
  }
  return true;
}

bool Connection::send_sealed() {
  for (;;) {
    if (sealed_sent_ == sealed_.size()) {
      const std::size_t size = std::min(output.size() - output_sent_, kSealedAtOnce);
      if (size > 0) tls_->send(base::ByteView(output).subspan(output_sent_, size));
      output_sent_ += size;
      sealed_ = tls_->take_output();
      sealed_sent_ = 0;
      if (sealed_.empty()) return true;
    }
    if (!send_all(sealed_, sealed_sent_)) break;
  }
  output.erase(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(output_sent_));
  output_sent_ = 0;
  return false;
}

void Connection::flush() {
  if (closed_ || writing_) return;
  if (!(tls_ ? send_sealed() : send_all(output, output_sent_))) return;
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

// Without it a client would take the end for a broken connection.
void Connection::say_goodbye() {
  if (writing_ || sealed_sent_ < sealed_.size()) return;
  tls_->close();
  const base::Bytes last = tls_->take_output();
  boost::system::error_code ignored;
  if (!last.empty()) socket_.write_some(boost::asio::buffer(last), ignored);
}

void Connection::close_now() {
  if (closed_) return;
  closed_ = true;
  auto self = shared_from_this();
  shared_.coordinator.remove_peer(*this);
  if (tls_) say_goodbye();
  boost::system::error_code ignored;
  // Without it, data that the client sent and nobody read would turn the close into a reset, and the last answer be
  // lost.
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  shared_.on_closed(id);
}

}  // namespace zk::server
