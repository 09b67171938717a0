#include "broker/partition/timed_wait.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>

namespace broker::partition {

namespace asio = boost::asio;

base::Task<void> wait_for_data(std::shared_ptr<FetchWaiter> waiter, std::int64_t timeout_ms) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::milliseconds(std::max<std::int64_t>(timeout_ms, 0)));
  timer.async_wait([waiter](const boost::system::error_code& error) {
    if (!error) waiter->wake();
  });
  co_await waiter->wait();
}

base::Task<protocol::ErrorCode> wait_for_commit(base::OneShot<protocol::ErrorCode> done, std::int64_t timeout_ms) {
  if (done.is_set()) co_return co_await done.wait();
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::milliseconds(std::max<std::int64_t>(timeout_ms, 0)));
  timer.async_wait([done](const boost::system::error_code& error) {
    if (!error) done.set(protocol::ErrorCode::request_timed_out);
  });
  co_return co_await done.wait();
}

}  // namespace broker::partition
