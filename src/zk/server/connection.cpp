#include "zk/server/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/listen.h"
#include "base/logging.h"
#include "base/tls_hello.h"
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
    : executor_(socket.get_executor()), socket_(-1), shared_(shared), tls_(std::move(tls)) {
  is_secure = tls_ != nullptr;
  if (tls_) certificate_subject = tls_->peer_subject();
  address = base::java_address_text(from.address());
  port = from.port();
  boost::system::error_code error;
  socket.non_blocking(true, error);
  socket.set_option(tcp::no_delay(true), error);
  socket_ = socket.release(error);
}

Connection::~Connection() {
  if (socket_ >= 0) ::close(socket_);
}

void Connection::start(base::ByteView input) {
  shared_.coordinator.add_peer(*this);
  if (!input.empty()) take_input(input);
  if (closed_) return;
  has_input_ = true;
  if (shared_.sockets.add(socket_, *this)) return;
  const std::string reason = std::generic_category().message(errno);
  base::log_warn(kLogger,
                 "Closing {}: the system watches no further socket: {}. Is fs.epoll.max_user_watches (sysctl) too low?",
                 address, reason);
  close_now();
}

void Connection::on_ready(const ReadySockets::Ready& ready) {
  if (closed_) return;
  has_input_ = has_input_ || ready.to_read;
  has_end_ = has_end_ || ready.is_over;
  if (ready.to_write && writing_) {
    writing_ = false;
    flush();
  }
  if (has_input_ && !closed_ && !closing_ && !stalled_) receive_for_round();
}

// Once: what else there is, and the end, is left to receive().
void Connection::receive_for_round() {
  std::uint8_t* room = shared_.round_buffer.room();
  if (room == nullptr) return;
  const ssize_t got = ::recv(socket_, room, RoundBuffer::kEachMax, MSG_DONTWAIT);
  if (got <= 0) return;
  const auto size = static_cast<std::size_t>(got);
  // Less than there is room for is all there is, unless the end is behind it.
  has_input_ = has_end_ || size == RoundBuffer::kEachMax;
  received_ = base::ByteView(room, size);
  shared_.round_buffer.use(size);
}

void Connection::on_all_ready() {
  if (!received_.empty()) {
    if (!closed_) take_bytes(received_);
    received_ = {};
    shared_.round_buffer.release();
    if (!has_input_) shared_.after_work();
  }
  if (has_input_) receive();
}

// A few times at most, so that others have their turn.
void Connection::receive() {
  base::Bytes& buffer = shared_.read_buffer;
  for (int reads = 0; has_input_ && reads < kReadsPerWakeUp; ++reads) {
    if (closed_ || closing_ || stalled_) break;
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
      close_now();
      break;  // what came before is served
    }
    has_input_ = got > 0 && (has_end_ || static_cast<std::size_t>(got) == buffer.size());
    if (got > 0) take_bytes(base::ByteView(buffer.data(), static_cast<std::size_t>(got)));
  }
  if (has_input_ && !stalled_) receive_later();
  shared_.after_work();
}

void Connection::receive_later() {
  if (is_read_later_ || closed_ || closing_) return;
  is_read_later_ = true;
  boost::asio::post(executor_, [self = shared_from_this()] {
    self->is_read_later_ = false;
    if (!self->closed_) self->receive();
  });
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
    if (length < 0 || static_cast<std::size_t>(length) > shared_.coordinator.config().frame_bytes_max) {
      if (!tls_ && base::is_tls_hello(base::load_big_endian<std::uint32_t>(rest.data()))) {
        base::log_warn(kLogger, "Closing {}: it speaks TLS, which this port doesn't: that is what secureClientPort is for", address);
      } else {
        base::log_warn(kLogger, "Closing {}: a frame of {} bytes, allowed are {} (jute.maxbuffer)", address, length,
                       shared_.coordinator.config().frame_bytes_max);
      }
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
  if (has_input_ && !stalled_) receive_later();
  if (used > 0) shared_.after_work();
}

bool Connection::send_all(base::Bytes& bytes, std::size_t& done) {
  while (done < bytes.size()) {
    const ssize_t sent_now = ::send(socket_, bytes.data() + done, bytes.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent_now < 0 && errno == EINTR) continue;
    if (sent_now < 0 && errno == EAGAIN) {
      // What is sent already makes room, so that the bound on output counts what still has to go.
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(done));
      done = 0;
      writing_ = true;  // until on_ready()
      return false;
    }
    if (sent_now < 0) {
      close_now();
      return false;
    }
    done += static_cast<std::size_t>(sent_now);
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
  if (!last.empty()) std::ignore = ::send(socket_, last.data(), last.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Connection::close_now() {
  if (closed_) return;
  closed_ = true;
  auto self = shared_from_this();
  shared_.coordinator.remove_peer(*this);
  if (tls_) say_goodbye();
  // Without it, data that the client sent and nobody read would turn the close into a reset, and the last answer be
  // lost.
  ::shutdown(socket_, SHUT_RDWR);
  ::close(std::exchange(socket_, -1));
  shared_.on_closed(id);
}

}  // namespace zk::server
