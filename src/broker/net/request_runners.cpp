#include "broker/net/request_runners.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "broker/net/connection.h"

namespace broker::net {

namespace asio = boost::asio;

// A suspended coroutine, and how to go on with it.
struct RequestRunners::Parked {
  virtual ~Parked() = default;
  virtual void resume() = 0;  // on the caller's stack; `this` must outlive the call
};

template <class Handler>
struct RequestRunners::ParkedHandler final : Parked {
  explicit ParkedHandler(Handler all) : handler(std::move(all)) {}
  void resume() override { std::move(handler)(); }
  Handler handler;
};

struct RequestRunners::Runner {
  Runner() {}
  std::shared_ptr<Connection> connection;
  std::uint64_t slot = 0;
  std::optional<base::Task<api::Reply>> task;
  std::unique_ptr<Parked> parked;  // while it is idle
};

RequestRunners::RequestRunners(asio::any_io_executor executor) : executor_(std::move(executor)) {}

RequestRunners::~RequestRunners() {
  for (auto& each : idle_) each->parked.reset();  // the coroutine and its runner keep each other
}

void RequestRunners::start(std::shared_ptr<Connection> connection, std::uint64_t slot,
                           base::Task<api::Reply> task) {
  std::shared_ptr<Runner> runner;
  if (!idle_.empty()) {
    runner = std::move(idle_.back());
    idle_.pop_back();
  } else {
    runner = std::make_shared<Runner>();
  }
  runner->connection = std::move(connection);
  runner->slot = slot;
  runner->task.emplace(std::move(task));
  if (std::unique_ptr<Parked> parked = std::move(runner->parked)) {
    parked->resume();
  } else {
    asio::co_spawn(executor_, run(std::move(runner)), asio::detached);  // run() lets nothing out
  }
}

base::Task<void> RequestRunners::run(std::shared_ptr<Runner> runner) {
  for (;;) {
    std::exception_ptr failure;
    try {
      base::Task<api::Reply> task = std::move(*runner->task);
      runner->task.reset();
      api::Reply reply = co_await std::move(task);
      runner->connection->answered(runner->slot, std::move(reply));
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) runner->connection->failed(failure);
    runner->connection.reset();
    if (idle_.size() >= kIdleMax) co_return;
    co_await park(runner);
  }
}

base::Task<void> RequestRunners::park(std::shared_ptr<Runner> runner) {
  // Named, since g++ 12 destroys a lambda with captures inside a co_await expression twice.
  auto initiate = [this, &runner](auto handler) {
    runner->parked = std::make_unique<ParkedHandler<decltype(handler)>>(std::move(handler));
    idle_.push_back(std::move(runner));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(std::move(initiate), asio::use_awaitable);
}

}  // namespace broker::net
