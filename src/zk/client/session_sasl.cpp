// SASL between the attach and all else, again on each connection. Where ZooKeeper's client goes to AUTH_FAILED, the
// session ends.
#include "base/logging.h"
#include "zk/client/session_impl.h"

namespace zk::client {
namespace {

constexpr const char* kLogger = "milena.zk.Session";

}  // namespace

void Session::Impl::start_sasl() {
  phase_ = Phase::authenticating;
  const auto servers = options_.connect.servers.size();
  const Server& server = options_.connect.servers[(next_server_ + servers - 1) % servers];
  boost::system::error_code ignored;
  const std::string address = socket_.remote_endpoint(ignored).address().to_string();
  exchange_ = options_.login->start(server.host, address);
  last_token_sent_ = false;
  continue_sasl(exchange_->start());
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
    continue_sasl(exchange_->evaluate(**token));
  }
  return true;
}

void Session::Impl::fail_authentication(const std::string& reason) {
  base::log_error(kLogger, "SASL authentication ({}) with ZooKeeper failed: {}", options_.login->mechanism(), reason);
  finish(SessionState::auth_failed);
}

}  // namespace zk::client
