// One connection of the HTTP server: bytes through TLS or not, requests one after the other. Runs on the server's
// thread; the server holds it, and so do handlers under way. Private to http_*.cpp.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>

#include "base/tls/engine.h"
#include "base/http/http_server.h"

namespace base::http {

class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  // What the sessions of a server share; each keeps it, and with it the server's loop.
  struct Shared {
    HttpServerOptions options;
    HttpServer::Handler handler;
    std::function<void(const std::shared_ptr<HttpSession>&)> on_closed;
    bool stopping = false;
  };

  // `from` is what the accept said: the socket of a client that has gone doesn't know.
  HttpSession(std::shared_ptr<Shared> shared, boost::asio::ip::tcp::socket socket,
              const boost::asio::ip::tcp::endpoint& from);

  void start();
  void close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;
  enum class State { head, busy, body, writing, lingering };

  void wait_for_more();
  void on_bytes(std::size_t size);
  bool choose_tls(std::uint8_t first_byte);
  bool unseal(base::ByteView sealed);
  void proceed();
  bool parse();
  bool parse_body();
  void on_head();
  HttpRespond respond_once(bool may_upload);
  void on_response(HttpResponse response, bool may_upload);
  void write_head(HttpResponse& response);
  void write_file();
  void finish_response();
  void say_goodbye();
  void linger();
  // Sends, with body_ behind it, and goes on with `then`.
  void send(base::ByteView plain, std::function<void()> then);
  void arm_timer();
  const HttpServerOptions& options() const { return shared_->options; }

  std::shared_ptr<Shared> shared_;
  boost::asio::ip::tcp::socket socket_;
  std::string address_;
  boost::asio::steady_timer timer_;
  bool detected_ = false;
  bool closed_ = false;
  std::unique_ptr<base::tls::Engine> tls_;
  State state_ = State::head;
  std::array<std::uint8_t, 16 * 1024> chunk_{};
  base::Bytes input_;  // plain bytes that aren't parsed yet
  base::Bytes output_;
  std::optional<Parser> parser_;
  std::array<std::uint8_t, 16 * 1024> body_piece_{};
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool expects_continue_ = false;
  std::uint64_t lingered_bytes_ = 0;
  std::shared_ptr<HttpUpload> upload_;
  std::string body_;  // of a response; leaves without being copied
  std::shared_ptr<base::File> file_;
  std::uint64_t file_position_ = 0;
};

}  // namespace base::http
