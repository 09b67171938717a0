#include "broker/net/connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <exception>
#include <utility>

#include "base/logging.h"
#include "base/tls_hello.h"

namespace broker::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kScratchBytes = 64u << 10;
constexpr std::size_t kLargeFrameBytes = 32u << 10;
constexpr std::size_t kPeekBytes = 4096;
constexpr std::size_t kLengthBytes = 4;
constexpr int kReadsInARow = 16;  // then the other connections of the loop get their turn
constexpr std::string_view kLogger = "kafka.network.Processor";

std::string text_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an unknown exception";
  }
}

}  // namespace

Connection::Connection(LoopState& loop, std::unique_ptr<Transport> transport, api::ConnectionInfo info)
    : loop_(loop),
      transport_(std::move(transport)),
      info_(std::move(info)) {}

Connection::~Connection() { give_back_grant(); }

void Connection::start(std::function<void(Connection&)> closed) {
  on_closed_ = std::move(closed);
  info_.turns.when_produces_may_pass([this] { resume(); });
  go_on_reading();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  transport_->socket().close(ignored);
  pending_.reset();
  give_back_grant();
  outbox_.give_up();
  info_.parked_fetch.give_up();
  info_.turns.hold(false);
  resume();
  if (auto tell = std::exchange(on_closed_, nullptr)) tell(*this);
}

void Connection::finish() {
  finishing_ = true;
  if (idle()) close();
  resume();
}

void Connection::refuse(std::string_view reason) {
  if (closed_) return;
  base::log_warn(kLogger, "Closing the connection from {} on listener {}: {}", info_.peer, info_.listener, reason);
  close();
}

// Callbacks, not a coroutine: what a coroutine does to wait costs as much as the rest of a small request's way through here.
void Connection::go_on_reading() {
  try {
    read_until_it_waits();
  } catch (...) {
    failed(std::current_exception());
  }
}

void Connection::read_until_it_waits() {
  while (!closed_ && !finishing_) {
    if (paused()) {
      reader_paused_ = true;
      return;
    }
    const ReadStatus status = read_some();
    if (status == ReadStatus::end) break;
    if (status == ReadStatus::progress && ++reads_ % kReadsInARow != 0) continue;
    if (!paused()) return wait_for_bytes();
  }
  end_reading();
}

void Connection::wait_for_bytes() {
  if (transport_->has_arrived()) return give_way();
  transport_->socket().async_receive(
      transport_->arrival_space(), [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
        if (error) return self->end_reading();
        self->transport_->arrived(bytes);
        self->go_on_reading();
      });
}

void Connection::give_way() {
  asio::post(transport_->socket().get_executor(), [self = shared_from_this()] { self->go_on_reading(); });
}

void Connection::end_reading() {
  if (!finishing_) close();
}

Connection::ReadStatus Connection::read_some() { return pending_ ? read_on() : read_fresh(); }

// Into the loop's own buffer, which is big enough for many small frames; what is left over moves to one of ours.
Connection::ReadStatus Connection::read_fresh() {
  std::shared_ptr<Buffer> scratch = std::move(loop_.scratch);
  if (!scratch) scratch = loop_.pool->take(kScratchBytes);
  std::size_t begin = 0;
  std::size_t end = 0;
  ReadStatus status = receive_into(*scratch, end, large_frames_ ? kPeekBytes : kScratchBytes);
  serve_frames(scratch, begin, end);
  if (begin < end && !closed_) {
    pending_ = loop_.pool->take(end - begin);
    pending_begin_ = 0;
    pending_end_ = end - begin;
    std::memcpy(pending_->data.get(), scratch->data.get() + begin, end - begin);
  }
  // Somebody who still holds views of it keeps it; the next read takes another one.
  if (scratch.use_count() == 1) loop_.scratch = std::move(scratch);
  return closed_ ? ReadStatus::end : status;
}

Connection::ReadStatus Connection::read_on() {
  serve_pending();  // whole frames that a pause has left
  if (closed_) return ReadStatus::end;
  if (!pending_ || paused() || !make_room_for_frame()) return ReadStatus::progress;
  std::size_t limit = pending_->capacity;
  if (frame_charged_) limit = pending_begin_ + std::min(frame_bytes(*pending_, pending_begin_), paid_bytes());
  ReadStatus status = receive_into(*pending_, pending_end_, limit);
  serve_pending();
  return closed_ ? ReadStatus::end : status;
}

void Connection::serve_pending() {
  serve_frames(pending_, pending_begin_, pending_end_);
  if (closed_ || pending_begin_ < pending_end_) return;
  pending_.reset();
  frame_charged_ = false;
}

Connection::ReadStatus Connection::receive_into(Buffer& buffer, std::size_t& end, std::size_t limit) {
  IoResult result = transport_->receive({buffer.data.get() + end, limit - end});
  if (result.status == IoStatus::again) return ReadStatus::again;
  if (result.status != IoStatus::done) return ReadStatus::end;
  bytes_received_ += result.bytes;
  end += result.bytes;
  return end == limit ? ReadStatus::progress : ReadStatus::again;  // less than asked for: the socket is empty
}

// The size of the frame that starts at `begin` with its length, whose four bytes are there and were checked.
std::size_t Connection::frame_bytes(const Buffer& buffer, std::size_t begin) {
  return kLengthBytes + base::load_big_endian<std::uint32_t>(buffer.data.get() + begin);
}

void Connection::serve_frames(const std::shared_ptr<Buffer>& buffer, std::size_t& begin, std::size_t end) {
  bool paused_before = false;
  do {
    serve_frames_in_a_row(buffer, begin, end);
    paused_before = paused();
    flush();
    // Those that were answered at once make room for more, and what is in the buffer already wakes nobody.
  } while (paused_before && !paused() && !closed_ && !finishing_);
}

void Connection::serve_frames_in_a_row(const std::shared_ptr<Buffer>& buffer, std::size_t& begin, std::size_t end) {
  serving_ = true;
  while (!closed_ && !finishing_ && end - begin >= kLengthBytes && !paused()) {
    const std::uint8_t* start = buffer->data.get() + begin;
    auto size = base::load_big_endian<std::int32_t>(start);
    if (size <= 0 || size > loop_.request_bytes_max) {
      refuse(fmt::format("invalid receive (size = {}, allowed are 1 to {}){}", size, loop_.request_bytes_max,
                         base::is_tls_hello(static_cast<std::uint32_t>(size)) ? ": it speaks TLS, which this listener doesn't" : ""));
      break;
    }
    std::size_t whole = frame_bytes(*buffer, begin);
    large_frames_ = whole > kLargeFrameBytes;
    if (end - begin < whole) break;
    start_request(api::Frame({start + kLengthBytes, whole - kLengthBytes}, buffer));
    begin += whole;
  }
  serving_ = false;
}

// Makes pending_ hold at least the frame that it starts with. A large one has to be paid for.
bool Connection::make_room_for_frame() {
  const std::size_t held = pending_end_ - pending_begin_;
  const std::size_t whole = held < kLengthBytes ? kLengthBytes : frame_bytes(*pending_, pending_begin_);
  if (whole > kScratchBytes) return pay_for_frame(whole);
  if (whole > pending_->capacity - pending_begin_) move_pending(loop_.pool->take(whole));
  return true;
}

// Piece by piece: who announces much and sends little must not have all the memory.
bool Connection::pay_for_frame(std::size_t whole) {
  const std::size_t paid = std::min(paid_bytes(), whole);
  if (pending_end_ - pending_begin_ < paid) return true;
  const std::size_t piece = std::min(whole - paid, kPaidAtOnceMax);
  if (granted_.is_there()) {
    // It has waited for it.
  } else if (loop_.budget->try_acquire(piece)) {
    granted_.bytes = piece;
  } else if (paid > 0 && loop_.budget->try_overdraw()) {
    granted_.overdraft = true;
  } else {
    wait_for_budget(piece);
    return false;
  }
  if (!frame_charged_) move_pending(loop_.pool->take(whole, loop_.budget));
  frame_charged_ = true;
  pending_->granted.bytes += granted_.bytes;
  pending_->granted.overdraft |= granted_.overdraft;
  granted_ = {};
  return true;
}

void Connection::move_pending(std::shared_ptr<Buffer> larger) {
  const std::size_t held = pending_end_ - pending_begin_;
  std::memcpy(larger->data.get(), pending_->data.get() + pending_begin_, held);
  pending_ = std::move(larger);
  pending_begin_ = 0;
  pending_end_ = held;
}

std::size_t Connection::paid_bytes() const {
  if (!frame_charged_) return 0;
  return pending_->granted.overdraft ? pending_->capacity : pending_->granted.bytes;
}

std::size_t Connection::unfilled_frame_bytes() const {
  if (!frame_charged_) return 0;
  const std::size_t paid = std::min(paid_bytes(), frame_bytes(*pending_, pending_begin_));  // the buffer may be larger
  const std::size_t filled = pending_end_ - pending_begin_;
  return std::max(paid, filled) - filled;
}

bool Connection::peer_has_gone() const {
  if (!waiting_for_budget_) return false;
  pollfd socket{transport_->socket().native_handle(), POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) > 0;
}

void Connection::wait_for_budget(std::size_t bytes) {
  waiting_for_budget_ = true;
  auto executor = transport_->socket().get_executor();
  loop_.budget->wait(bytes, frame_charged_, [self = weak_from_this(), executor, budget = loop_.budget](FrameGrant grant) {
    asio::post(executor, [self, budget, grant] {
      auto connection = self.lock();
      if (!connection || connection->closed_) return budget->give_back(grant);  // the next one's turn
      connection->waiting_for_budget_ = false;
      connection->granted_ = grant;
      connection->resume();
    });
  });
}

void Connection::give_back_grant() {
  if (const FrameGrant grant = std::exchange(granted_, {}); grant.is_there()) loop_.budget->give_back(grant);
}

bool Connection::paused() const {
  return outbox_.open_slots() >= kRequestsInFlightMax || info_.turns.waiting_bytes() >= kWaitingBytesMax ||
         outbox_.blocked() || waiting_for_budget_ || holds_back_a_large_frame();
}

// A large one isn't read before its turn: it would keep its memory from other connections for as long as those in front wait.
bool Connection::holds_back_a_large_frame() const {
  return large_frames_ && pending_ && !frame_charged_ && !info_.turns.may_begin(true);
}

void Connection::resume() {
  if (std::exchange(reader_paused_, false)) give_way();
}

void Connection::start_request(api::Frame frame) {
  const std::uint64_t slot = outbox_.open();
  try {
    api::Answer<api::Reply> answer = loop_.handler->serve(info_, std::move(frame));
    if (!answer.is_there()) return loop_.runners->start(shared_from_this(), slot, answer.task());
    answered(slot, std::move(answer.value()));
  } catch (...) {
    failed(std::current_exception());
  }
}

void Connection::answered(std::uint64_t slot, api::Reply&& reply) {
  if (closed_) return;
  if (reply.kind == api::Reply::Kind::close) {
    base::log_warn(kLogger, "Closing the connection from {} on listener {}: {}", info_.peer, info_.listener,
                   reply.close_reason.get());
  }
  if (reply.kind == api::Reply::Kind::close || reply.close_after) {  // what comes behind it isn't served
    finishing_ = true;
    info_.turns.say_last_word();
  }
  gathered_bytes_ += reply.message.size();
  outbox_.fill(slot, std::move(reply));
  // While frames are served, their responses gather for one write, but not without bound: a full socket must stop it.
  if (!serving_ || gathered_bytes_ >= kGatheredBytesMax) flush();
}

void Connection::failed(const std::exception_ptr& failure) { refuse(text_of(failure)); }

void Connection::flush() {
  gathered_bytes_ = 0;
  if (closed_ || writing_) return;
  FlushStatus status = outbox_.flush(*transport_);
  if (status == FlushStatus::close) return close();
  if (status == FlushStatus::blocked) {
    writing_ = true;
    info_.turns.hold(true);
    asio::co_spawn(transport_->socket().get_executor(), write_loop(),
                   [self = shared_from_this()](const std::exception_ptr& failure) {
                     if (failure) self->failed(failure);
                   });
    return;
  }
  if (finishing_ && idle()) return close();
  resume();
}

base::Task<void> Connection::write_loop() {
  FlushStatus status = FlushStatus::blocked;
  while (!closed_ && status == FlushStatus::blocked) {
    boost::system::error_code error;
    co_await transport_->socket().async_wait(asio::ip::tcp::socket::wait_write,
                                             asio::redirect_error(asio::use_awaitable, error));
    if (error || closed_) break;
    status = outbox_.flush(*transport_);
  }
  writing_ = false;
  info_.turns.hold(false);
  if (status == FlushStatus::idle) flush();  // closes or resumes as any other
  if (status != FlushStatus::idle) close();
}

}  // namespace broker::net
