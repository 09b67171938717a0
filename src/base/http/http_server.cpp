#include "base/http/http_server.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>
#include <thread>

#include "base/http/http_session.h"
#include "base/listen.h"
#include "base/logging.h"
#include "base/run_loop.h"

namespace base::http {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr const char* kLogger = "milena.HttpServer";
constexpr std::chrono::milliseconds kAcceptPause(100);

}  // namespace

class HttpServer::Core : public std::enable_shared_from_this<HttpServer::Core> {
 public:
  Core(HttpServerOptions options, Handler handler) {
    shared_.options = std::move(options);
    shared_.handler = std::move(handler);
    shared_.on_closed = [this](const std::shared_ptr<HttpSession>& session) { sessions_.erase(session); };
  }

  void start();
  void stop();
  std::uint16_t port = 0;

 private:
  void accept();
  void close_all();

  HttpSession::Shared shared_;
  std::set<std::shared_ptr<HttpSession>> sessions_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  tcp::acceptor acceptor_{io_};
  tcp::endpoint from_;  // of the connection being accepted
  asio::steady_timer pause_{io_};
  std::thread thread_;
};

void HttpServer::Core::start() {
  boost::system::error_code error;
  const asio::ip::address bound = base::listen(acceptor_, shared_.options.address, shared_.options.port, 0, error);
  if (error) {
    const std::string& address = shared_.options.address;
    throw std::system_error(error, "Cannot listen on " + (address.empty() ? "*" : address) + ":" +
                                       std::to_string(shared_.options.port));
  }
  port = acceptor_.local_endpoint().port();
  base::log_info(kLogger, "Started {} on address {}, port {}", shared_.options.name, bound.to_string(), port);
  accept();
  thread_ = std::thread([this] { base::run_loop(io_, kLogger); });
  pthread_setname_np(thread_.native_handle(), "http");
}

void HttpServer::Core::accept() {
  acceptor_.async_accept(from_, [this](const boost::system::error_code& error, tcp::socket socket) {
    if (shared_.stopping) return;
    if (error) {  // out of descriptors, most likely
      pause_.expires_after(kAcceptPause);
      return pause_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) accept();
      });
    }
    if (sessions_.size() >= shared_.options.connections_max) {
      base::log_warn(kLogger, "{}: too many connections, {} at most", shared_.options.name,
                     shared_.options.connections_max);
    } else {
      auto session = std::make_shared<HttpSession>(std::shared_ptr<HttpSession::Shared>(shared_from_this(), &shared_),
                                                   std::move(socket), from_);
      sessions_.insert(session);
      session->start();
    }
    accept();
  });
}

void HttpServer::Core::close_all() {
  shared_.stopping = true;
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

}  // namespace base::http
