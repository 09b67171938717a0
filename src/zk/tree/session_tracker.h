// Which sessions are due. Time is rounded up to whole ticks, so that many sessions fall into one bucket and a touch
// costs one store. Pure state: one thread; the time comes in.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

namespace zk::tree {

class SessionTracker {
 public:
  explicit SessionTracker(std::int64_t tick_ms) : tick_ms_(tick_ms) {}

  // Also adds a session that isn't known.
  void touch(std::int64_t session_id, std::int64_t timeout_ms, std::int64_t now_ms);
  void remove(std::int64_t session_id) { due_.erase(session_id); }
  // Those whose time is over; they are forgotten.
  std::vector<std::int64_t> take_expired(std::int64_t now_ms);
  std::size_t size() const { return due_.size(); }
  std::map<std::int64_t, std::vector<std::int64_t>> by_due_time() const;

 private:
  struct Due {
    std::int64_t at_ms = 0;
    std::int64_t listed_ms = 0;  // the earliest bucket that names it
  };

  std::int64_t tick_ms_;
  std::unordered_map<std::int64_t, Due> due_;
  std::map<std::int64_t, std::vector<std::int64_t>> buckets_;  // may name sessions that were touched or went since
};

}  // namespace zk::tree
