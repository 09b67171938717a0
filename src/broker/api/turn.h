// The place of one request among those of its connection that are served one after the other.
#pragma once

#include <optional>
#include <utility>

#include "base/task.h"

namespace broker::api {

// Whatever becomes of the request, the next one's turn comes when this is gone. Used on the connection's event loop alone.
class Turn {
 public:
  // `last` is set when the turn of the last request is over; from now on, when this one's is.
  explicit Turn(std::optional<base::OneShot<bool>>& last) : before_(std::move(last)) { last = mine_; }
  ~Turn() { mine_.set(true); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  bool has_come() const { return !before_ || before_->is_set(); }
  base::Task<bool> wait() const { return before_->wait(); }  // once, if it hasn't come

 private:
  std::optional<base::OneShot<bool>> before_;
  base::OneShot<bool> mine_;
};

}  // namespace broker::api
