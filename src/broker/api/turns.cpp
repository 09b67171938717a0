#include "broker/api/turns.h"

#include <utility>

namespace broker::api {

void Turns::Place::leave() {
  if (waiting_ && !waiting_->has_come) {  // given up
    turns_->waiting_bytes_ -= waiting_->bytes;
    turns_->waiting_.remove(waiting_);
  } else {
    --turns_->begun_;
    if (lets_produces_pass_) --turns_->passable_;
  }
  turns_->begin_next();
}

void Turns::Place::swap(Place& other) noexcept {
  std::swap(turns_, other.turns_);
  std::swap(waiting_, other.waiting_);
  std::swap(lets_produces_pass_, other.lets_produces_pass_);
}

base::Task<bool> Turns::Place::wait() const {
  co_await waiting_->come.wait();
  co_return !turns_->last_word_;
}

void Turns::Place::let_produces_pass() {
  if (turns_ == nullptr || std::exchange(lets_produces_pass_, true)) return;
  ++turns_->passable_;
  turns_->begin_next();
  if (turns_->tell_) turns_->tell_();
}

Turns::Place Turns::begin() {
  ++begun_;
  return {*this, nullptr};
}

Turns::Place Turns::line_up(bool is_produce, std::size_t bytes) {
  auto waiting = std::make_shared<Waiting>();
  waiting->is_produce = is_produce;
  waiting->bytes = bytes;
  waiting_.push_back(waiting);
  waiting_bytes_ += bytes;
  return {*this, std::move(waiting)};
}

void Turns::hold(bool held) {
  held_ = held;
  begin_next();
}

void Turns::begin_next() {
  while (!held_ && !waiting_.empty() && is_clear_for(waiting_.front()->is_produce)) {
    const std::shared_ptr<Waiting> next = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= next->bytes;
    next->has_come = true;
    ++begun_;
    next->come.set(true);  // which goes on from the loop, not from here
  }
}

}  // namespace broker::api
