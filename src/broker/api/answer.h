// What a request is answered with: a value that is there, or the coroutine that will give it. Most requests need to wait for
// nothing, and a coroutine for each costs more than all else that is done for a small one.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "base/task.h"

namespace broker::api {

// A function that returns one is a plain function, or a coroutine, which then starts when its task is awaited. Move-only.
template <class T>
class [[nodiscard]] Answer {
 public:
  Answer(T&& value) : value_(std::move(value)) {}
  Answer(base::Task<T> task) : task_(std::move(task)) {}

  bool is_there() const { return value_.has_value(); }
  T& value() { return *value_; }  // if it is there
  base::Task<T> task() {          // once, whether it is there or not
    if (value_) return give(std::move(*value_));
    return std::move(task_);
  }

 private:
  static base::Task<T> give(T value) { co_return value; }

  std::optional<T> value_;
  base::Task<T> task_;
};

}  // namespace broker::api

template <class T, class... Arguments>
struct std::coroutine_traits<broker::api::Answer<T>, Arguments...> : std::coroutine_traits<base::Task<T>, Arguments...> {};
