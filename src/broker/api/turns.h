// The order of the requests of one connection. Kafka doesn't read a request before the one in front of it is answered, so
// each sees what those before it changed, and none of those after it. Here requests are read ahead, and begin in turn.
//
// One kind overtakes: a Produce begins while those in front of it are Produces that have appended, and wait for the disk or
// for other replicas alone. Whoever sent them can't tell: the appends are in order, and so are the answers.
//
// Used on the connection's event loop alone. A request that is answered at once never has a place here, which costs nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "base/task.h"

namespace broker::api {

class Turns {
  struct Waiting;

 public:
  // A request that has begun or waits for its turn, until it is answered. The next one's turn comes when this is gone.
  // Movable; an empty one stands for nothing. Must not outlive the Turns.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { swap(other); }
    Place& operator=(Place&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Place() {
      if (turns_ != nullptr) leave();
    }
    // Until its turn has come; once, for one that was lined up. False: what is in front of it has ended the connection.
    base::Task<bool> wait() const;
    void let_produces_pass();       // it is a Produce that has appended

   private:
    friend class Turns;
    Place(Turns& turns, std::shared_ptr<Waiting> waiting) : turns_(&turns), waiting_(std::move(waiting)) {}
    void swap(Place& other) noexcept;
    void leave();

    Turns* turns_ = nullptr;
    std::shared_ptr<Waiting> waiting_;  // of one that was lined up
    bool lets_produces_pass_ = false;
  };

  Turns() = default;
  Turns(Turns&&) = default;  // while nothing has a place in it
  Turns& operator=(Turns&&) = delete;

  bool may_begin(bool is_produce) const { return waiting_.empty() && is_clear_for(is_produce); }
  // The request has begun, and isn't answered yet.
  Place begin();
  // The request must wait. `bytes` is what it holds meanwhile.
  Place line_up(bool is_produce, std::size_t bytes);

  // An answer ends the connection: of the requests behind it none that hasn't begun is to be served.
  void say_last_word() { last_word_ = true; }
  // `tell` is called whenever one that has begun lets Produces pass: what is large, and wasn't read yet, may be one.
  void when_produces_may_pass(std::function<void()> tell) { tell_ = std::move(tell); }
  // While it is held, none of those that wait begins: the peer takes no answers.
  void hold(bool held);
  std::size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  struct Waiting {
    Waiting() {}
    bool is_produce = false;
    std::size_t bytes = 0;
    bool has_come = false;
    base::OneShot<bool> come;
  };

  bool is_clear_for(bool is_produce) const { return begun_ == 0 || (is_produce && begun_ == passable_); }
  void begin_next();

  std::size_t begun_ = 0;     // and not answered
  std::size_t passable_ = 0;  // of them: let Produces pass
  std::list<std::shared_ptr<Waiting>> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::function<void()> tell_;
  bool held_ = false;
  bool last_word_ = false;
};

}  // namespace broker::api
