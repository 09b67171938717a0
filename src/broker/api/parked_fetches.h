// The fetches of one connection that wait for data: woken when it closes, as nobody takes their answers any more, and
// bounded in what they hold, since a client may ask for many partitions many times without waiting, and for long waits.
// Used on the connection's event loop alone.
#pragma once

#include <cstddef>
#include <functional>
#include <list>

namespace broker::api {

class ParkedFetches {
 public:
  // Of all that wait together. One alone may have more; a client that doesn't send the next before the former is answered,
  // as those of Kafka, never meets this limit.
  static constexpr std::size_t kPartitionsMax = 10'000;

  // False: it is to be answered with what there is.
  bool has_room(std::size_t partitions) const {
    return !closed_ && (waiters_.empty() || partitions_ + partitions <= kPartitionsMax);
  }
  bool closed() const { return closed_; }
  std::size_t size() const { return waiters_.size(); }
  // The connection is closed.
  void give_up();

  // One of them, while it exists. `wake` has it look whether the connection is closed.
  class Place {
   public:
    Place(ParkedFetches& all, std::function<void()> wake, std::size_t partitions);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    ParkedFetches& all_;
    std::size_t partitions_;
    std::list<std::function<void()>>::iterator at_;
  };

 private:
  std::list<std::function<void()>> waiters_;
  std::size_t partitions_ = 0;
  bool closed_ = false;
};

}  // namespace broker::api
