#include "zk/client/session_impl.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "base/logging.h"

namespace zk::client {
namespace {

using boost::system::error_code;
using std::chrono::milliseconds;

constexpr const char* kLogger = "milena.zk.Session";
// As the Java client: a setWatches frame must stay well below the server's limit.
constexpr std::size_t kSetWatchesBytesMax = 128 * 1024;

// A multi itself has no path.
const std::string& subject_of(const Request& request) {
  return request.operations.empty() ? request.path : request.operations.back().path;
}

}  // namespace

Session::Impl::Impl(boost::asio::any_io_executor executor, SessionOptions options, SessionEvents events)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      events_(std::move(events)),
      random_(std::random_device{}()),
      resolver_(executor_),
      socket_(executor_),
      timer_(executor_),
      timeout_(options_.session_timeout_ms) {
  std::shuffle(options_.connect.servers.begin(), options_.connect.servers.end(), random_);
}

void Session::Impl::start() { connect_next(); }

// ---- connecting

void Session::Impl::connect_next() {
  if (phase_ == Phase::over) return;
  phase_ = Phase::connecting;
  const std::uint64_t attempt = ++attempt_;
  server_ = options_.connect.servers[next_server_ % options_.connect.servers.size()];
  ++next_server_;
  const auto servers = static_cast<std::int32_t>(options_.connect.servers.size());
  arm_timer(milliseconds(std::max(options_.session_timeout_ms / servers, 100)));
  resolver_.async_resolve(server_.host, std::to_string(server_.port),
                          [self = shared_from_this(), attempt](const error_code& error, auto addresses) {
                            self->resolved(attempt, error, addresses);
                          });
}

void Session::Impl::resolved(std::uint64_t attempt, const error_code& error,
                             const boost::asio::ip::tcp::resolver::results_type& addresses) {
  if (attempt != attempt_ || phase_ != Phase::connecting) return;
  if (error) return lose_connection("host not found: " + error.message());
  boost::asio::async_connect(socket_, addresses,
                             [self = shared_from_this(), attempt](const error_code& failed, const auto&) {
                               self->connected(attempt, failed);
                             });
}

void Session::Impl::connected(std::uint64_t attempt, const error_code& error) {
  if (attempt != attempt_ || phase_ != Phase::connecting) return;
  if (error) return lose_connection(error.message());
  error_code ignored;
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);  // Asio would wait for room with the last words to a server that reads nothing
  phase_ = Phase::attaching;
  wire::Attach attach;
  attach.last_zxid = last_zxid_;
  attach.timeout_ms = options_.session_timeout_ms;
  attach.session_id = session_id_;
  attach.password = password_;
  in_.clear();
  skipped_ = 0;
  out_.clear();
  wire::append_connect(out_, attach);
  if (options_.tls) tls_ = std::make_unique<base::tls::Engine>(options_.tls, server_.host);
  flush();
  read();
}

void Session::Impl::attached(const wire::Attach& answer) {
  if (answer.timeout_ms <= 0) {
    base::log_warn(kLogger, "Session 0x{:x} has expired", session_id_.load());
    return finish(SessionState::expired);
  }
  if (session_id_ != answer.session_id) {
    base::log_info(kLogger, "Session 0x{:x} established, negotiated timeout {} ms", answer.session_id,
                   answer.timeout_ms);
  } else {
    base::log_info(kLogger, "Session 0x{:x} re-attached", answer.session_id);
  }
  session_id_ = answer.session_id;
  password_ = answer.password;
  timeout_ = milliseconds(answer.timeout_ms);
  if (options_.login) return start_sasl();
  open();
}

void Session::Impl::open() {
  phase_ = Phase::attached;
  told_.clear();
  if (options_.last_failure) options_.last_failure->set("");
  arm_timer(timeout_ / 6);
  restore_watches();
  set_state(SessionState::connected);
  answer_connect_waiters(true);
  send_waiting();
}

void Session::Impl::lose_connection(const std::string& reason) {
  if (phase_ == Phase::over) return;
  const bool was_attached = phase_ == Phase::attached;
  tell_failure(reason);
  phase_ = Phase::idle;
  ++attempt_;
  error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);
  tls_.reset();
  out_.clear();
  exchange_.reset();
  std::deque<Item> again;
  std::vector<Item> failed;
  for (Sent& sent : sent_) {
    const bool closing = sent.item.request().op == OpCode::close_session;
    if (sent.large) {
      base::log_error(kLogger, "A large request for {} was not answered and is not sent again: see the server's jute.maxbuffer",
                      subject_of(sent.item.request()));
    }
    if (sent.item.batch->retry && !closing && !sent.large) {
      again.push_back(std::move(sent.item));
    } else {
      failed.push_back(std::move(sent.item));
    }
  }
  sent_.clear();
  for (Item& item : waiting_) {
    (item.batch->retry ? again.emplace_back() : failed.emplace_back()) = std::move(item);
  }
  waiting_ = std::move(again);
  if (was_attached) set_state(SessionState::disconnected);
  for (const Item& item : failed) complete(item, Response(Error::connection_loss));
  if (phase_ == Phase::over) return;
  // A pause before the first try, so that all clients of a server that died don't come to the next one at once; then
  // straight on over the list, with a pause after each round.
  if (!was_attached && next_server_ % options_.connect.servers.size() != 0) return connect_next();
  pause_and_connect();
}

void Session::Impl::pause_and_connect() {
  const std::uint64_t attempt = attempt_;
  std::uniform_int_distribution<std::int32_t> pause(0, options_.reconnect_pause_ms);
  timer_.expires_after(milliseconds(pause(random_)));
  timer_.async_wait([self = shared_from_this(), attempt](const error_code& error) {
    if (!error && attempt == self->attempt_) self->connect_next();
  });
}

void Session::Impl::finish(SessionState state) {
  if (phase_ == Phase::over) return;
  phase_ = Phase::over;
  ++attempt_;
  error_code ignored;
  resolver_.cancel();
  timer_.cancel();
  socket_.close(ignored);
  tls_.reset();
  std::deque<Item> items = std::move(waiting_);
  for (auto sent = sent_.rbegin(); sent != sent_.rend(); ++sent) items.push_front(std::move(sent->item));
  waiting_.clear();
  sent_.clear();
  set_state(state);
  answer_connect_waiters(false);
  for (const Item& item : items) complete(item, Response(Error::session_expired));
}

void Session::Impl::stop() {
  events_ = SessionEvents();
  finish(SessionState::closed);
  if (!sasl_thread_) return;
  sasl_thread_->stop();  // what hasn't begun isn't done
  sasl_thread_->join();
}

void Session::Impl::set_state(SessionState state) {
  if (state_ == state) return;
  state_ = state;
  if (events_.state) events_.state(state);
}

void Session::Impl::answer_connect_waiters(bool connected) {
  for (const ConnectWaiter& waiter : std::exchange(connect_waiters_, {})) {
    waiter.answer.set(connected);
    waiter.timer->cancel();
  }
}

// ---- time

void Session::Impl::arm_timer(milliseconds delay) {
  timer_.expires_after(delay);
  timer_.async_wait([self = shared_from_this(), attempt = attempt_](const error_code& error) {
    if (!error) self->tick(attempt);
  });
}

void Session::Impl::tick(std::uint64_t attempt) {
  if (attempt != attempt_ || phase_ == Phase::over) return;
  if (phase_ != Phase::attached) return lose_connection("no answer in time");
  const Clock::time_point now = Clock::now();
  // Late ourselves: what the server said meanwhile may still be in the socket.
  const bool late = now - timer_.expiry() > timeout_ / 6;
  if (!late && now - heard_ > timeout_ * 2 / 3) return lose_connection("the server is silent");
  if (now - spoken_ >= timeout_ / 3 || now - heard_ >= timeout_ / 3) {
    wire::append_ping(out_);
    flush();
  }
  arm_timer(timeout_ / 6);
}

// ---- in

void Session::Impl::read() {
  heard_ = Clock::now();
  socket_.async_read_some(boost::asio::buffer(chunk_),
                          [self = shared_from_this(), attempt = attempt_](const error_code& error, std::size_t size) {
                            self->received(attempt, error, size);
                          });
}

void Session::Impl::received(std::uint64_t attempt, const error_code& error, std::size_t size) {
  if (attempt != attempt_ || phase_ == Phase::over) return;
  if (error) return lose_connection(error.message());
  const base::ByteView bytes = base::ByteView(chunk_).first(size);
  std::optional<std::string> end;  // it is told after the last frames
  if (tls_) {
    end = unseal(bytes);
  } else {
    in_.insert(in_.end(), bytes.begin(), bytes.end());
  }
  std::size_t used = 0;
  for (;;) {
    const std::size_t skipped = std::min(skipped_, in_.size() - used);
    skipped_ -= skipped;
    used += skipped;
    if (in_.size() - used < 4) break;
    const auto length = base::load_big_endian<std::uint32_t>(in_.data() + used);
    if (length > options_.frame_bytes_max) {
      if (in_.size() - used < 4 + wire::kReplyHeaderBytes) break;
      const bool refused = refuse_reply(base::ByteView(in_).subspan(used + 4, wire::kReplyHeaderBytes), length);
      if (attempt != attempt_ || phase_ == Phase::over) return;
      if (!refused) return lose_connection("a frame of " + std::to_string(length) + " bytes");
      skipped_ = 4 + std::size_t{length};
      continue;
    }
    if (in_.size() - used - 4 < length) break;
    const bool good = handle_frame(base::ByteView(in_).subspan(used + 4, length));
    if (attempt != attempt_ || phase_ == Phase::over) return;
    if (!good) return lose_connection("a malformed frame");
    used += 4 + length;
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(used));
  if (end) return lose_connection(*end);
  read();
}

bool Session::Impl::handle_frame(base::ByteView frame) {
  if (phase_ == Phase::attaching) {
    const std::optional<wire::Attach> answer = wire::parse_connect(frame);
    if (!answer) return false;
    attached(*answer);
    return true;
  }
  if (phase_ == Phase::authenticating) return handle_sasl(frame);
  const std::optional<wire::Header> header = wire::parse_header(frame);
  if (!header) return false;
  if (header->xid == wire::kWatchXid) {
    const std::optional<WatchEvent> event = wire::parse_event(frame, options_.connect.chroot);
    if (!event) return false;
    forget_watch(*event);
    if (events_.watch) events_.watch(*event);
    return true;
  }
  if (header->xid == wire::kPingXid || header->xid == wire::kSetWatchesXid) return true;
  return handle_reply(*header, frame);
}

// What doesn't fit once won't the next time: the request fails. Its response is passed over, so that others lose nothing.
bool Session::Impl::refuse_reply(base::ByteView frame, std::size_t length) {
  if (phase_ != Phase::attached || length > INT32_MAX || sent_.empty()) return false;
  const std::optional<wire::Header> header = wire::parse_header(frame);
  if (!header || header->xid != sent_.front().xid || header->error != Error::ok) return false;
  if (header->zxid > 0) last_zxid_ = header->zxid;
  const Item item = std::move(sent_.front().item);
  sent_.pop_front();
  base::log_error(kLogger, "The response for {} has {} bytes, more than jute.maxbuffer of this client, {}", subject_of(item.request()),
                  length, options_.frame_bytes_max);
  complete(item, Response(Error::marshalling_error));
  return true;
}

bool Session::Impl::handle_reply(const wire::Header& header, base::ByteView body) {
  if (sent_.empty() || sent_.front().xid != header.xid) return false;
  const Item item = sent_.front().item;
  std::optional<Response> response = wire::parse_response(item.request(), header.error, body, options_.connect.chroot);
  if (!response) return false;
  if (header.zxid > 0) last_zxid_ = header.zxid;
  sent_.pop_front();
  if (item.request().watch) note_watch(item.request(), header.error);
  const bool closing = item.request().op == OpCode::close_session;
  complete(item, std::move(*response));
  if (closing) finish(SessionState::closed);
  return true;
}

void Session::Impl::note_watch(const Request& request, Error error) {
  if (request.op == OpCode::get_children2) {
    if (error == Error::ok) child_watches_.insert(request.path);
  } else if (error == Error::ok) {
    data_watches_.insert(request.path);
  } else if (error == Error::no_node && request.op == OpCode::exists) {
    exists_watches_.insert(request.path);
  }
}

void Session::Impl::forget_watch(const WatchEvent& event) {
  if (event.type != EventType::children_changed) {
    data_watches_.erase(event.path);
    exists_watches_.erase(event.path);
  }
  if (event.type == EventType::children_changed || event.type == EventType::deleted) {
    child_watches_.erase(event.path);
  }
}

// ---- out

void Session::Impl::submit(std::shared_ptr<Batch> batch) {
  boost::asio::post(executor_, [self = shared_from_this(), batch = std::move(batch)] { self->enqueue(batch); });
}

// A create without rules gets its znode's; so does each create of a multi.
void Session::Impl::give_rules(Request& request) const {
  if (request.op == OpCode::create && request.acl.empty()) request.acl = options_.acl_of(request.path);
  for (Request& operation : request.operations) give_rules(operation);
}

void Session::Impl::enqueue(const std::shared_ptr<Batch>& batch) {
  const bool over = phase_ == Phase::over;
  const bool refuse = over || (!batch->retry && phase_ != Phase::attached);
  for (std::size_t i = 0; i < batch->requests.size(); ++i) {
    Item item;
    item.batch = batch;
    item.index = i;
    if (options_.acl_of) give_rules(batch->requests[i]);
    if (refuse) {
      complete(item, Response(over ? Error::session_expired : Error::connection_loss));
    } else {
      waiting_.push_back(std::move(item));
    }
  }
  send_waiting();
}

void Session::Impl::send_waiting() {
  if (phase_ != Phase::attached) return;
  while (!waiting_.empty()) {
    Sent sent;
    sent.xid = next_xid_;
    next_xid_ = next_xid_ == 0x7fffffff ? 1 : next_xid_ + 1;
    sent.item = std::move(waiting_.front());
    waiting_.pop_front();
    const std::size_t before = out_.size();
    wire::append_request(out_, sent.xid, sent.item.request(), options_.connect.chroot);
    const std::size_t length = out_.size() - before - 4;
    if (length > options_.frame_bytes_max) {
      out_.resize(before);
      next_xid_ = sent.xid;
      base::log_error(kLogger, "A request of {} bytes for {} is not sent: more than jute.maxbuffer, {}", length,
                      subject_of(sent.item.request()), options_.frame_bytes_max);
      complete(sent.item, Response(Error::marshalling_error));
      continue;
    }
    sent.large = length > wire::kServerFrameBytesMax;
    sent_.push_back(std::move(sent));
  }
  flush();
}

void Session::Impl::restore_watches() {
  wire::Watches watches;
  std::size_t bytes = 0;
  const auto send = [&] {
    if (bytes != 0) wire::append_set_watches(out_, last_zxid_, watches, options_.connect.chroot);
    watches = wire::Watches();
    bytes = 0;
  };
  const auto add = [&](const std::set<std::string>& from, std::vector<std::string> wire::Watches::*to) {
    for (const std::string& path : from) {
      (watches.*to).push_back(path);
      bytes += 4 + options_.connect.chroot.size() + path.size();
      if (bytes >= kSetWatchesBytesMax) send();
    }
  };
  add(data_watches_, &wire::Watches::data);
  add(exists_watches_, &wire::Watches::exists);
  add(child_watches_, &wire::Watches::children);
  send();
}

// Appends what the server said; why the connection is over, if it is.
std::optional<std::string> Session::Impl::unseal(base::ByteView sealed) {
  const bool was_established = tls_->established();
  if (!tls_->receive(sealed, in_)) {
    // The server may be told why; whether that arrives doesn't matter.
    error_code ignored;
    const base::Bytes alert = tls_->take_output();
    if (!alert.empty() && !write_busy_) socket_.write_some(boost::asio::buffer(alert), ignored);
    return tls_->failure().empty() ? "the server closed it" : "TLS: " + tls_->failure();
  }
  if (!was_established && tls_->established()) base::log_debug(kLogger, "TLS with {} established", server_.host);
  flush();
  return std::nullopt;
}

void Session::Impl::seal_output() {
  if (tls_->established()) {
    tls_->send(out_);
    out_.clear();
  }
  writing_ = tls_->take_output();
}

void Session::Impl::flush() {
  if (write_busy_) return;
  if (tls_) {
    seal_output();
  } else {
    writing_.swap(out_);
    out_.clear();
  }
  if (writing_.empty()) return;
  write_busy_ = true;
  spoken_ = Clock::now();
  boost::asio::async_write(socket_, boost::asio::buffer(writing_),
                           [self = shared_from_this(), attempt = attempt_](const error_code& error, std::size_t) {
                             self->write_busy_ = false;
                             if (self->phase_ == Phase::over) return;
                             if (error && attempt == self->attempt_) return self->lose_connection(error.message());
                             self->flush();
                           });
}

void Session::Impl::complete(const Item& item, Response response) {
  Batch& batch = *item.batch;
  batch.responses[item.index] = std::move(response);
  if (--batch.missing == 0) batch.done.set(std::move(batch.responses));
}

void Session::Impl::add_connect_waiter(base::OneShot<bool> waiter, std::int32_t timeout_ms) {
  boost::asio::post(executor_, [self = shared_from_this(), waiter, timeout_ms] {
    if (self->phase_ == Phase::attached) {
      waiter.set(true);
      return;
    }
    if (self->phase_ == Phase::over) {
      waiter.set(false);
      return;
    }
    auto timer = std::make_shared<Timer>(self->executor_, milliseconds(timeout_ms));
    timer->async_wait([waiter](const error_code&) { waiter.set(false); });
    self->connect_waiters_.push_back(ConnectWaiter{waiter, std::move(timer)});
  });
}

}  // namespace zk::client
