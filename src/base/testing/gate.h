// A gate that holds whoever comes to it until it is opened, such as each fsync of a disk that hangs. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>

namespace base::testing {

class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrivals_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for_arrivals(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrivals_ >= count; });
  }
  int arrivals() const {
    std::lock_guard lock(mutex_);
    return arrivals_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int arrivals_ = 0;
  bool open_ = false;
};

// Opens a gate at the end of its scope at the latest, so that a test that fails in the middle ends too. To be declared after
// what joins the threads that may be at the gate.
class OpensAtTheEnd {
 public:
  explicit OpensAtTheEnd(Gate& gate) : gate_(gate) {}
  ~OpensAtTheEnd() { gate_.open(); }
  OpensAtTheEnd(const OpensAtTheEnd&) = delete;
  OpensAtTheEnd& operator=(const OpensAtTheEnd&) = delete;

 private:
  Gate& gate_;
};

}  // namespace base::testing
