// SASL between the attach and all else, again on each connection. Where ZooKeeper's client goes to AUTH_FAILED, the
// session ends. Tokens are made on a thread of the session's own, since Kerberos may ask the name service and wait for
// the KDC; what comes too late, for a connection that is no more, is dropped.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "base/logging.h"
#include "zk/client/session_impl.h"

namespace zk::client {
namespace {

constexpr const char* kLogger = "milena.zk.Session";

}  // namespace

void Session::Impl::start_sasl() {
  phase_ = Phase::authenticating;
  boost::system::error_code ignored;
  const std::string address = socket_.remote_endpoint(ignored).address().to_string();
  last_token_sent_ = false;
  make_token([login = options_.login, host = server_.host, address](Exchange& exchange) {
    exchange = login->start(host, address);
    return exchange->start();
  });
}

void Session::Impl::make_token(std::function<sasl::Step(Exchange&)> make) {
  if (!sasl_thread_) sasl_thread_ = std::make_unique<boost::asio::thread_pool>(1);
  // The executor's loop may have nothing else to wait for. The thread must not be the last to hold the session.
  boost::asio::post(*sasl_thread_, [weak = weak_from_this(), attempt = attempt_, exchange = exchange_,
                                    work = boost::asio::make_work_guard(executor_), make = std::move(make)]() mutable {
    sasl::Step step;
    try {
      step = make(exchange);
    } catch (const std::exception& error) {
      step = sasl::Step::failed(error.what());
    }
    boost::asio::post(work.get_executor(), [weak, attempt, exchange, step = std::move(step)] {
      auto self = weak.lock();
      if (!self || attempt != self->attempt_ || self->phase_ != Phase::authenticating) return;
      self->exchange_ = exchange;
      self->continue_sasl(step);
    });
  });
}

void Session::Impl::continue_sasl(const sasl::Step& step) {
  if (step.state == sasl::StepState::failed) return fail_authentication(step.failure);
  last_token_sent_ = step.state == sasl::StepState::done;
  if (last_token_sent_ && !step.token) {
    exchange_.reset();
    return open();
  }
  sasl_xid_ = next_xid_;
  next_xid_ = next_xid_ == 0x7fffffff ? 1 : next_xid_ + 1;
  wire::append_sasl(out_, sasl_xid_, step.token.value_or(""));
  flush();
}

bool Session::Impl::handle_sasl(base::ByteView frame) {
  const std::optional<wire::Header> header = wire::parse_header(frame);
  if (!header) return false;
  if (header->xid == wire::kPingXid) return true;
  if (header->xid != sasl_xid_) return false;
  if (header->error != Error::ok) {
    fail_authentication("the server answers " + std::string(name_of(header->error)));
    return true;
  }
  const auto token = wire::parse_sasl(frame);
  if (!token) return false;
  if (last_token_sent_) {
    exchange_.reset();
    open();
  } else if (!*token) {
    fail_authentication("the server has no login for SASL");
  } else {
    make_token([challenge = **token](Exchange& exchange) { return exchange->evaluate(challenge); });
  }
  return true;
}

void Session::Impl::fail_authentication(const std::string& reason) {
  base::log_error(kLogger, "SASL authentication ({}) with ZooKeeper failed: {}", options_.login->mechanism(), reason);
  finish(SessionState::auth_failed);
}

}  // namespace zk::client
