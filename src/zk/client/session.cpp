#include "zk/client/session.h"

#include "zk/client/session_impl.h"

namespace zk::client {
namespace {

template <class Impl>
base::Task<std::vector<Response>> run(std::shared_ptr<Impl> impl, std::vector<Request> requests, bool retry) {
  auto batch = std::make_shared<typename Impl::Batch>();
  batch->responses.resize(requests.size());
  batch->missing = requests.size();
  batch->requests = std::move(requests);
  batch->retry = retry;
  if (batch->missing == 0) co_return std::vector<Response>();
  const base::OneShot<std::vector<Response>> done = batch->done;
  impl->submit(std::move(batch));
  co_return co_await done.wait();
}

}  // namespace

Session::Session(boost::asio::any_io_executor executor, SessionOptions options, SessionEvents events)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(events))) {
  boost::asio::post(impl_->executor(), [impl = impl_] { impl->start(); });
}

Session::~Session() { impl_->stop(); }

base::Task<std::vector<Response>> Session::execute(std::vector<Request> requests) {
  return run(impl_, std::move(requests), true);
}

base::Task<std::vector<Response>> Session::execute_once(std::vector<Request> requests) {
  return run(impl_, std::move(requests), false);
}

std::int64_t Session::session_id() const { return impl_->session_id(); }

base::Task<void> Session::close() {
  std::vector<Request> requests;
  requests.emplace_back(OpCode::close_session, "");
  co_await run(impl_, std::move(requests), false);
}

base::Task<bool> Session::wait_connected(std::int32_t timeout_ms) {
  base::OneShot<bool> waiter;
  impl_->add_connect_waiter(waiter, timeout_ms);
  co_return co_await waiter.wait();
}

base::Task<bool> create_chroot(boost::asio::any_io_executor executor, SessionOptions options, std::int32_t timeout_ms) {
  if (options.connect.chroot.empty()) co_return true;
  std::string chroot = std::move(options.connect.chroot);
  options.connect.chroot.clear();
  const auto auth_failed = std::make_shared<bool>(false);
  SessionEvents events;
  events.state = [auth_failed](SessionState state) { *auth_failed = state == SessionState::auth_failed; };
  Session session(std::move(executor), std::move(options), std::move(events));
  const bool connected = co_await session.wait_connected(timeout_ms);
  if (*auth_failed) throw AuthFailed(kAuthFailed);
  if (!connected) co_return false;
  Request look = exists(chroot);
  const Response found = co_await zk::client::execute(session, std::move(look));
  bool made = found.ok();
  if (!made) {
    const Response created = co_await create_recursive(session, std::move(chroot), std::nullopt);
    made = created.ok() || created.error == Error::node_exists;
  }
  co_await session.close();
  co_return made;
}

}  // namespace zk::client
