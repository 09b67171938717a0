// Task<T>: a coroutine on an event loop. OneShot<T>: one value from any thread to one waiting coroutine, which goes on
// on its own executor. g++ 12 traps: pass named locals with std::move; no aggregate temporaries, lambdas with captures,
// ?: or braces inside a co_await expression; lambda captures die before the coroutine does.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace base {

template <class T>
using Task = boost::asio::awaitable<T>;

// Copyable handle to a shared cell. set() may come before or after wait(), once each; later set() calls are ignored and
// return false (so that a timer and an event may race). Thread-safe.
template <class T>
class OneShot {
 public:
  OneShot() : cell_(std::make_shared<Cell>()) {}

  bool set(T value) const {
    std::function<void(T)> resume;
    {
      std::lock_guard lock(cell_->mutex);
      if (cell_->done) return false;
      cell_->done = true;
      if (!cell_->resume) {
        cell_->value = std::move(value);
        return true;
      }
      resume = std::move(cell_->resume);
    }
    resume(std::move(value));
    return true;
  }

  bool is_set() const {
    std::lock_guard lock(cell_->mutex);
    return cell_->done;
  }

  Task<T> wait() const {
    std::shared_ptr<Cell> cell = cell_;
    // A lambda with captures written inside the co_await expression would be destroyed twice by g++ 12.
    auto initiate = [cell](auto handler) { cell->start(std::move(handler)); };
    co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(T)>(
        std::move(initiate), boost::asio::use_awaitable);
  }

 private:
  struct Cell {
    std::mutex mutex;
    bool done = false;
    std::optional<T> value;
    std::function<void(T)> resume;

    template <class Handler>
    void start(Handler handler) {
      auto executor = boost::asio::get_associated_executor(handler);
      // The work guard keeps the loop alive while something outside it owes the value.
      auto work = boost::asio::make_work_guard(executor);
      auto shared = std::make_shared<Handler>(std::move(handler));
      auto deliver = [shared, work = std::move(work)](T result) {
        boost::asio::post(work.get_executor(),
                          [shared, result = std::move(result)]() mutable { (*shared)(std::move(result)); });
      };
      std::optional<T> ready;
      {
        std::lock_guard lock(mutex);
        if (value) {
          ready = std::move(value);
        } else {
          resume = deliver;
          return;
        }
      }
      deliver(std::move(*ready));
    }
  };

  std::shared_ptr<Cell> cell_;
};

}  // namespace base
