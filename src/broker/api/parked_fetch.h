// The fetch of a connection that waits for data: there is one at most, as requests are served in turn. It is woken when the
// connection closes, as nobody takes its answer any more. Used on the connection's event loop alone.
#pragma once

#include <functional>
#include <utility>

namespace broker::api {

class ParkedFetch {
 public:
  bool is_there() const { return wake_ != nullptr; }
  bool closed() const { return closed_; }
  // The connection is closed.
  void give_up() {
    closed_ = true;
    if (wake_) wake_();
  }

  // While it exists, a fetch waits. `wake` has it look whether the connection is closed.
  class Place {
   public:
    Place(ParkedFetch& parked, std::function<void()> wake) : parked_(parked) { parked_.wake_ = std::move(wake); }
    ~Place() { parked_.wake_ = nullptr; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    ParkedFetch& parked_;
  };

 private:
  std::function<void()> wake_;
  bool closed_ = false;
};

}  // namespace broker::api
