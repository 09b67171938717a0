// Whether a group of writes should wait a moment for more before it is synced. Clients that wait for their answers write again
// as soon as they have them: who syncs the first of them at once leaves the others to the next sync, and from then on
// two half groups alternate. So a group waits until as many writes are there as were under way when the last sync ended, but
// for a fraction of what a sync takes; and where fewer than half of the missing ones came, not again for a while. No IO, no clock. (PostgreSQL
// has the idea as commit_delay and commit_siblings.)
#pragma once

#include <chrono>
#include <cstdint>

namespace zk::server {

class CommitDelay {
 public:
  using Duration = std::chrono::nanoseconds;  // times are since any epoch

  // A sync made `answered` writes durable, `waiting` more came meanwhile; the answers are out.
  void on_answered(std::uint64_t answered, std::uint64_t waiting, Duration sync_took, Duration now);
  // Asked before each sync, with the writes that are there, until it says no.
  bool should_wait(std::uint64_t writes, Duration now);
  // When it says no at the latest.
  Duration wait_until() const { return wait_until_; }

 private:
  std::uint64_t expected_ = 0;
  Duration wait_until_{};
  bool is_waiting_ = false;
  std::uint64_t began_with_ = 0;  // writes, when the wait began
  unsigned skipped_ = 0;  // groups that didn't wait since one waited in vain
  unsigned skips_ = 0;    // so many are to be
};

}  // namespace zk::server
