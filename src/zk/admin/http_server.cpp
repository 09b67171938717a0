#include "zk/admin/http_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <set>
#include <thread>

#include "base/logging.h"

namespace zk::admin {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr const char* kLogger = "milena.zookeeper.HttpServer";
constexpr std::uint32_t kHeaderBytesMax = 16 * 1024;
constexpr std::uint64_t kBodyBytesMax = 64 * 1024;
constexpr std::chrono::milliseconds kAcceptPause(100);

}  // namespace

class HttpServer::Core : public std::enable_shared_from_this<HttpServer::Core> {
 public:
  Core(HttpServerOptions options, Handler handler) : options_(std::move(options)), handler_(std::move(handler)) {}

  void start();
  void stop();
  std::uint16_t port = 0;

 private:
  class Session;
  void accept();
  void close_all();
  void remove(const std::shared_ptr<Session>& session) { sessions_.erase(session); }

  HttpServerOptions options_;
  Handler handler_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  tcp::acceptor acceptor_{io_};
  asio::steady_timer pause_{io_};
  std::set<std::shared_ptr<Session>> sessions_;
  bool stopping_ = false;
  std::thread thread_;
};

// One connection. It lives in the core's set; an answer that comes when it has gone is dropped.
class HttpServer::Core::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core> core, tcp::socket socket) : core_(std::move(core)), stream_(std::move(socket)) {}

  void read();
  void close();

 private:
  void on_request(http::request<http::string_body> request);
  void write(HttpResponse response);

  std::shared_ptr<Core> core_;  // it goes when this does: the core's set is empty by then
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool keep_alive_ = false;
  bool head_ = false;
};

void HttpServer::Core::Session::read() {
  parser_.emplace();
  parser_->header_limit(kHeaderBytesMax);
  parser_->body_limit(kBodyBytesMax);
  stream_.expires_after(std::chrono::milliseconds(core_->options_.idle_timeout_ms));
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
                     if (error) return self->close();
                     self->on_request(self->parser_->release());
                   });
}

void HttpServer::Core::Session::on_request(http::request<http::string_body> request) {
  keep_alive_ = request.keep_alive();
  head_ = request.method() == http::verb::head;
  HttpRequest asked{std::string(request.method_string()), std::string(request.target())};
  std::weak_ptr<Session> weak = weak_from_this();
  core_->handler_(asked, [weak](std::function<HttpResponse()> make) {
    auto self = weak.lock();
    if (!self) return;
    asio::post(self->core_->io_, [weak, make = std::move(make)] {
      if (auto session = weak.lock()) session->write(make());
    });
  });
}

void HttpServer::Core::Session::write(HttpResponse response) {
  if (core_->stopping_) return;
  response_ = {};
  response_.result(static_cast<unsigned>(response.status));
  response_.version(11);
  response_.set(http::field::content_type, response.content_type);
  response_.set(http::field::cache_control, "no-cache");
  response_.keep_alive(keep_alive_);
  response_.body() = std::move(response.body);
  response_.prepare_payload();
  if (head_) response_.body().clear();
  stream_.expires_after(std::chrono::milliseconds(core_->options_.idle_timeout_ms));
  http::async_write(stream_, response_,
                    [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
                      if (error || !self->keep_alive_) return self->close();
                      self->read();
                    });
}

void HttpServer::Core::Session::close() {
  boost::system::error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
  stream_.close();
  core_->remove(shared_from_this());
}

void HttpServer::Core::start() {
  boost::system::error_code error;
  tcp::endpoint endpoint(tcp::v4(), options_.port);
  if (!options_.address.empty()) {
    auto found = tcp::resolver(io_).resolve(options_.address, std::to_string(options_.port), error);
    if (!error && !found.empty()) endpoint = found.begin()->endpoint();
  }
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    throw std::system_error(error, "Cannot listen on " + (options_.address.empty() ? "*" : options_.address) + ":" +
                                       std::to_string(options_.port));
  }
  port = acceptor_.local_endpoint().port();
  base::log_info(kLogger, "Started {} on address {}, port {}", options_.name, endpoint.address().to_string(), port);
  accept();
  thread_ = std::thread([this] { io_.run(); });
}

void HttpServer::Core::accept() {
  acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
    if (stopping_) return;
    if (error) {  // out of descriptors, most likely
      pause_.expires_after(kAcceptPause);
      return pause_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) accept();
      });
    }
    if (sessions_.size() >= options_.connections_max) {
      base::log_warn(kLogger, "{}: too many connections, {} at most", options_.name, options_.connections_max);
    } else {
      auto session = std::make_shared<Session>(shared_from_this(), std::move(socket));
      sessions_.insert(session);
      session->read();
    }
    accept();
  });
}

void HttpServer::Core::close_all() {
  stopping_ = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  auto sessions = sessions_;
  for (const auto& session : sessions) session->close();
  sessions_.clear();
  work_.reset();
}

void HttpServer::Core::stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { close_all(); });
  thread_.join();
}

HttpServer::HttpServer(HttpServerOptions options, Handler handler)
    : core_(std::make_shared<Core>(std::move(options), std::move(handler))) {}

HttpServer::~HttpServer() { stop(); }

void HttpServer::start() { core_->start(); }
void HttpServer::stop() { core_->stop(); }
std::uint16_t HttpServer::port() const { return core_->port; }

}  // namespace zk::admin
