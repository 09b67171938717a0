// A small HTTP server on a thread of its own, for administration: few connections, small requests, answers made by
// someone else at any time. Whoever owns it calls start() and stop() once each from one thread. start() throws
// std::system_error if the port can't be had. Requests are bounded in size, connections in number; an idle connection
// is closed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace zk::admin {

struct HttpServerOptions {
  std::string name;     // for log lines
  std::string address;  // a host or an address; empty: all
  std::uint16_t port = 0;
  std::int64_t idle_timeout_ms = 30'000;
  std::size_t connections_max = 64;
};

struct HttpRequest {
  std::string method;
  std::string target;  // path and query
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  // Runs on the server's thread; `respond` may be called once from any thread, also after stop(). What it is given
  // makes the response, on the server's thread.
  using Respond = std::function<void(std::function<HttpResponse()> make)>;
  using Handler = std::function<void(const HttpRequest& request, Respond respond)>;

  HttpServer(HttpServerOptions options, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();
  void stop();
  std::uint16_t port() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace zk::admin
