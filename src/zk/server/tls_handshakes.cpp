#include "zk/server/tls_handshakes.h"

#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "base/listen.h"
#include "base/logging.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Tls";
constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kThreadsThatWait = 8;  // for revocation lists and responders

using boost::asio::ip::tcp;
using boost::system::error_code;

}  // namespace

class TlsHandshakes::Handshake : public std::enable_shared_from_this<Handshake> {
 public:
  Handshake(TlsHandshakes& owner, tcp::socket accepted, const tcp::endpoint& came_from, bool detect,
            std::int64_t now_ms)
      : socket(std::move(accepted)), from(came_from), began_ms(now_ms), owner_(owner), detect_(detect) {
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.set_option(tcp::no_delay(true), ignored);
  }

  void wait_readable() {
    socket.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const error_code& error) {
      if (self->over) return;
      if (error) return self->fail(error.message());
      self->on_readable();
    });
  }

  void fail(const std::string& reason) {
    const std::string address = base::java_address_text(from.address());
    if (!reached_tls_) {
      base::log_debug(kLogger, "{} sent nothing: {}", address, reason);
    } else {
      base::log_warn(kLogger, "TLS handshake with {} failed: {}", address, reason);
    }
    owner_.finish(shared_from_this(), false);
  }

  tcp::socket socket;
  const tcp::endpoint from;
  std::int64_t began_ms;
  std::unique_ptr<base::tls::Engine> engine;
  base::Bytes input;
  std::atomic<bool> over = false;  // set by the loop; the threads look whether what waits for them is still worth it

 private:
  void on_readable() {
    error_code error;
    if (detect_) {
      std::array<std::uint8_t, 1> first{};
      const std::size_t seen = socket.receive(boost::asio::buffer(first), tcp::socket::message_peek, error);
      if (error == boost::asio::error::would_block) return wait_readable();
      if (error) return fail(error.message());
      detect_ = false;
      if (seen == 1 && first[0] != base::tls::kHandshakeRecord) return owner_.finish(shared_from_this(), true);
    }
    if (engine == nullptr) engine = std::make_unique<base::tls::Engine>(owner_.context_);
    base::Bytes sealed(kReadBytes);
    const std::size_t got = socket.read_some(boost::asio::buffer(sealed), error);
    if (error == boost::asio::error::would_block) return wait_readable();
    if (error) return fail("the client closed it");
    // OpenSSL would wait for the rest of a record's header.
    if (!reached_tls_ && sealed[0] != base::tls::kHandshakeRecord) {
      reached_tls_ = true;
      return fail("it doesn't speak TLS");
    }
    reached_tls_ = true;
    sealed.resize(got);
    boost::asio::post(owner_.threads_, [self = shared_from_this(), sealed = std::move(sealed)] { self->work(sealed); });
  }

  // On the thread for handshakes; nobody else touches the engine meanwhile.
  void work(const base::Bytes& sealed) {
    if (over) return;
    const bool good = engine->receive(sealed, input);
    boost::asio::post(owner_.io_, [self = shared_from_this(), good] { self->worked(good); });
  }

  void worked(bool good) {
    if (over) return;
    output_ = engine->take_output();
    if (output_.empty()) return written(good);
    boost::asio::async_write(socket, boost::asio::buffer(output_),
                             [self = shared_from_this(), good](const error_code& error, std::size_t) {
                               if (self->over) return;
                               if (error) return self->fail(error.message());
                               self->written(good);
                             });
  }

  void written(bool good) {
    // One that asks and says goodbye in one go is still to be answered.
    const bool asked = engine->established() && engine->failure().empty() && !input.empty();
    if (!good && !asked) return fail(engine->failure().empty() ? "the client closed it" : engine->failure());
    if (!engine->established()) return wait_readable();
    owner_.finish(shared_from_this(), true);
  }

  TlsHandshakes& owner_;
  bool detect_;
  bool reached_tls_ = false;  // the client sent something
  base::Bytes output_;
};

TlsHandshakes::TlsHandshakes(boost::asio::io_context& io, std::shared_ptr<const base::tls::Context> context,
                             Events events)
    : io_(io),
      context_(std::move(context)),
      events_(std::move(events)),
      threads_(context_->checks_revocation() ? kThreadsThatWait : 1) {}

TlsHandshakes::~TlsHandshakes() { stop(); }

void TlsHandshakes::start(tcp::socket socket, const tcp::endpoint& from, bool detect, std::int64_t now_ms) {
  auto handshake = std::make_shared<Handshake>(*this, std::move(socket), from, detect, now_ms);
  handshakes_.insert(handshake);
  handshake->wait_readable();
}

void TlsHandshakes::finish(const std::shared_ptr<Handshake>& handshake, bool good) {
  if (handshake->over) return;
  handshake->over = true;
  handshakes_.erase(handshake);
  if (stopped_) return;
  if (good) {
    return events_.done(Done{std::move(handshake->socket), handshake->from, std::move(handshake->engine),
                             std::move(handshake->input)});
  }
  error_code ignored;
  handshake->socket.shutdown(tcp::socket::shutdown_both, ignored);
  handshake->socket.close(ignored);
  events_.failed(handshake->from);
}

void TlsHandshakes::expire(std::int64_t began_before_ms) {
  const auto all = handshakes_;
  for (const auto& handshake : all) {
    if (handshake->began_ms < began_before_ms) handshake->fail("it took too long");
  }
}

void TlsHandshakes::stop() {
  stopped_ = true;
  const auto all = std::move(handshakes_);
  handshakes_.clear();
  error_code ignored;
  for (const auto& handshake : all) {
    handshake->over = true;
    handshake->socket.close(ignored);
  }
  threads_.stop();  // what waits is over
  threads_.join();
}

}  // namespace zk::server
