// A small HTTP server on a thread of its own, for administration: few connections, small requests, answers made by
// someone else at any time, large bodies in pieces either way; with TLS if it is given a context. Whoever owns it calls
// start() and stop() once each from one thread. start() throws std::system_error if the port can't be had. Requests are
// bounded in size, connections in number; an idle connection is closed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/file_system.h"
#include "base/tls/context.h"

namespace base::http {

struct HttpServerOptions {
  std::string name;     // for log lines
  std::string address;  // a host or an address; empty: all
  std::uint16_t port = 0;
  std::int64_t idle_timeout_ms = 30'000;
  std::size_t connections_max = 64;
  std::shared_ptr<const base::tls::Context> tls;  // null: plain HTTP alone
  bool plain_too = false;                         // with TLS: the first byte of a connection tells
  std::function<void()> on_plain;                 // with plain_too: somebody came without TLS. On the server's thread
};

struct HttpRequest {
  std::string method;
  std::string target;  // path and query
  std::string authorization;
  bool has_authorization = false;
  std::string forwarded_for;
  std::string address;              // of the client, without the port
  std::string certificate_subject;  // of a client that showed one, as access lists name it
};

class HttpUpload;

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::shared_ptr<base::File> file = nullptr;      // in place of the body
  std::shared_ptr<HttpUpload> upload = nullptr;    // no response yet: this takes the request's body first
};

// What makes a response, on the server's thread; called once at most, so that it may give away what it holds.
using MakeResponse = std::function<HttpResponse()>;
// May be called once, from any thread, also after stop().
using HttpRespond = std::function<void(MakeResponse)>;

// Takes a request's body, as large as it is. On the server's thread; it goes with its connection.
class HttpUpload {
 public:
  virtual ~HttpUpload() = default;
  virtual void take(base::ByteView piece) = 0;
  // All of it was there. The response must not be another upload.
  virtual void finish(HttpRespond respond) = 0;
};

class HttpServer {
 public:
  // Runs on the server's thread, once a request's head is there.
  using Handler = std::function<void(const HttpRequest& request, HttpRespond respond)>;

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

}  // namespace base::http
