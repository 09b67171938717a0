#include "base/http/http_session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/write.hpp>
#include <sstream>
#include <utility>

#include "base/listen.h"
#include "base/logging.h"

namespace base::http {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr const char* kLogger = "milena.HttpServer";
constexpr std::uint32_t kHeaderBytesMax = 16 * 1024;
constexpr std::size_t kFilePieceBytes = 64 * 1024;
// How much of a body that nobody wants is still read, so that the answer to it isn't lost in a reset.
constexpr std::uint64_t kLingerBytesMax = 16 * 1024 * 1024;

}  // namespace

HttpSession::HttpSession(std::shared_ptr<Shared> shared, tcp::socket socket, const tcp::endpoint& from)
    : shared_(std::move(shared)),
      socket_(std::move(socket)),
      address_(base::java_address_text(base::unmapped(from).address())),
      timer_(socket_.get_executor()) {}

void HttpSession::start() {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);  // Asio would wait for room with the last words to a client that reads nothing
  detected_ = options().tls == nullptr;
  arm_timer();
  wait_for_more();
}

void HttpSession::close() {
  if (closed_) return;
  closed_ = true;
  auto self = shared_from_this();
  upload_.reset();
  timer_.cancel();
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  shared_->on_closed(self);
}

void HttpSession::arm_timer() {
  timer_.expires_after(std::chrono::milliseconds(options().idle_timeout_ms));
  timer_.async_wait([weak = weak_from_this()](const error_code& cancelled) {
    auto self = weak.lock();
    if (!cancelled && self) self->close();
  });
}

// Bytes in
// ---------------------------------------------------------------------------------------------------------------------

void HttpSession::wait_for_more() {
  if (state_ == State::body) arm_timer();  // a head, and what is read in vain, must come within one span
  socket_.async_read_some(asio::buffer(chunk_), [self = shared_from_this()](const error_code& error, std::size_t size) {
    if (self->closed_) return;
    if (error) return self->close();
    self->on_bytes(size);
  });
}

void HttpSession::on_bytes(std::size_t size) {
  const base::ByteView bytes(chunk_.data(), size);
  if (!detected_ && !choose_tls(bytes[0])) return close();
  if (tls_ != nullptr) {
    const bool good = unseal(bytes);
    output_ = tls_->take_output();
    if (!output_.empty()) {  // of a handshake
      return asio::async_write(socket_, asio::buffer(output_),
                               [self = shared_from_this(), good](const error_code& error, std::size_t) {
                                 if (self->closed_) return;
                                 if (error || !good) return self->close();
                                 self->proceed();
                               });
    }
    if (!good && input_.empty()) return close();
  } else {
    input_.insert(input_.end(), bytes.begin(), bytes.end());
  }
  proceed();
}

bool HttpSession::choose_tls(std::uint8_t first_byte) {
  detected_ = true;
  const HttpServerOptions& options = this->options();
  if (first_byte == base::tls::kHandshakeRecord) {
    tls_ = std::make_unique<base::tls::Engine>(options.tls);
    return true;
  }
  if (!options.plain_too) {
    base::log_warn(kLogger, "{}: a client doesn't speak TLS", options.name);
    return false;
  }
  if (options.on_plain) options.on_plain();
  return true;
}

bool HttpSession::unseal(base::ByteView sealed) {
  if (tls_->receive(sealed, input_)) return true;
  if (!tls_->failure().empty()) base::log_warn(kLogger, "{}: TLS: {}", options().name, tls_->failure());
  return false;
}

void HttpSession::proceed() {
  if (state_ == State::lingering) {
    lingered_bytes_ += input_.size();
    input_.clear();
    return lingered_bytes_ > kLingerBytesMax ? close() : wait_for_more();
  }
  const bool goes_on = state_ == State::body ? parse_body() : parse();
  if (goes_on && !closed_) wait_for_more();
}

// Requests
// ---------------------------------------------------------------------------------------------------------------------

// Whether more must be read for it.
bool HttpSession::parse() {
  if (!parser_) {
    parser_.emplace();
    parser_->header_limit(kHeaderBytesMax);
    parser_->body_limit(boost::none);  // a body is taken in pieces, or not at all
  }
  error_code error;
  const std::size_t used = parser_->put(asio::buffer(input_.data(), input_.size()), error);
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
  if (error && error != http::error::need_more && error != http::error::need_buffer) {
    close();
    return false;
  }
  if (!parser_->is_header_done()) return true;
  state_ = State::busy;
  on_head();
  return false;
}

void HttpSession::on_head() {
  const auto& head = parser_->get();
  keep_alive_ = head.keep_alive();
  head_only_ = head.method() == http::verb::head;
  expects_continue_ = head[http::field::expect] == "100-continue";
  HttpRequest request;
  request.method = head.method_string();
  request.target = head.target();
  request.authorization = head[http::field::authorization];
  request.has_authorization = head.find(http::field::authorization) != head.end();
  request.forwarded_for = head["X-Forwarded-For"];
  request.address = address_;
  if (tls_ != nullptr) request.certificate_subject = tls_->peer_subject();
  timer_.cancel();
  shared_->handler(request, respond_once(true));
}

HttpRespond HttpSession::respond_once(bool may_upload) {
  return [weak = weak_from_this(), may_upload](MakeResponse make) {
    auto held = weak.lock();
    if (!held) return;
    asio::post(held->socket_.get_executor(), [weak, may_upload, make = std::move(make)]() mutable {
      auto self = weak.lock();
      if (self && !self->closed_ && !self->shared_->stopping) self->on_response(make(), may_upload);
    });
  };
}

// Whether more must be read for it.
bool HttpSession::parse_body() {
  for (;;) {
    auto& body = parser_->get().body();
    body.data = body_piece_.data();
    body.size = body_piece_.size();
    error_code error;
    std::size_t used = 0;
    if (!parser_->is_done()) used = parser_->put(asio::buffer(input_.data(), input_.size()), error);
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
    if (error && error != http::error::need_more && error != http::error::need_buffer) {
      close();
      return false;
    }
    const std::size_t got = body_piece_.size() - body.size;
    if (got > 0) upload_->take(base::ByteView(body_piece_.data(), got));
    if (parser_->is_done()) break;
    if (used == 0 && got == 0) return true;
  }
  state_ = State::busy;
  timer_.cancel();
  upload_->finish(respond_once(false));
  return false;
}

// Responses
// ---------------------------------------------------------------------------------------------------------------------

void HttpSession::on_response(HttpResponse response, bool may_upload) {
  if (response.upload != nullptr && may_upload) {
    upload_ = std::move(response.upload);
    state_ = State::body;
    if (!expects_continue_) return proceed();
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    return send(base::as_bytes(kContinue), [this] { proceed(); });
  }
  upload_.reset();
  state_ = State::writing;
  file_ = std::move(response.file);
  file_position_ = 0;
  write_head(response);
}

void HttpSession::write_head(HttpResponse& response) {
  if (!parser_->is_done()) keep_alive_ = false;  // the rest of the request's body would be taken for a request
  http::response<http::empty_body> head;
  head.version(11);
  head.result(static_cast<unsigned>(response.status));
  head.set(http::field::content_type, response.content_type);
  head.set(http::field::cache_control, "no-cache");
  if (tls_ != nullptr) head.set(http::field::strict_transport_security, "max-age=86400; includeSubDomains");
  for (const auto& [name, value] : response.headers) head.set(name, value);
  head.keep_alive(keep_alive_);
  head.content_length(file_ ? file_->size() : response.body.size());
  std::ostringstream text;
  text << head.base();
  if (head_only_) file_.reset();
  if (!head_only_ && !file_) body_ = std::move(response.body);
  const std::string plain = text.str();
  send(base::as_bytes(plain), [this] { file_ ? write_file() : finish_response(); });
}

void HttpSession::write_file() {
  base::Bytes piece(kFilePieceBytes);
  std::size_t got = 0;
  try {
    got = file_->read_at(file_position_, piece);
  } catch (const std::exception& error) {
    base::log_error(kLogger, "{}: {}", options().name, error.what());
    return close();
  }
  if (got == 0) return finish_response();
  file_position_ += got;
  send(base::ByteView(piece).first(got), [this] { write_file(); });
}

void HttpSession::finish_response() {
  file_.reset();
  if (!parser_->is_done()) return linger();
  if (!keep_alive_) {
    say_goodbye();
    return close();
  }
  parser_.reset();
  state_ = State::head;
  arm_timer();
  if (parse()) wait_for_more();
}

// Without it a client would take the end for a broken connection.
void HttpSession::say_goodbye() {
  if (tls_ == nullptr) return;
  tls_->close();
  const base::Bytes last = tls_->take_output();
  error_code ignored;
  if (!last.empty()) socket_.write_some(asio::buffer(last), ignored);
}

void HttpSession::linger() {
  state_ = State::lingering;
  say_goodbye();
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  proceed();
}

void HttpSession::send(base::ByteView plain, std::function<void()> then) {
  if (tls_ == nullptr) {
    output_.assign(plain.begin(), plain.end());
  } else {
    tls_->send(plain);
    if (!body_.empty()) tls_->send(base::as_bytes(std::exchange(body_, std::string())));
    output_ = tls_->take_output();
  }
  arm_timer();
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(output_), asio::buffer(body_)};
  asio::async_write(socket_, parts,
                    [self = shared_from_this(), then = std::move(then)](const error_code& error, std::size_t) {
                      self->body_ = std::string();  // may be large, and the connection lives on
                      if (self->closed_) return;
                      if (error) return self->close();
                      then();
                    });
}

}  // namespace base::http
