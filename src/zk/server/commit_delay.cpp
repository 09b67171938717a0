#include "zk/server/commit_delay.h"

#include <algorithm>

namespace zk::server {

namespace {

constexpr CommitDelay::Duration kWaitMax = std::chrono::microseconds(150);
constexpr unsigned kSkipsMax = 63;

}  // namespace

void CommitDelay::on_answered(std::uint64_t answered, std::uint64_t waiting, Duration sync_took, Duration now) {
  expected_ = answered + waiting;
  wait_until_ = now + std::min(sync_took * 3 / 4, kWaitMax);
}

bool CommitDelay::should_wait(std::uint64_t writes, Duration now) {
  const bool all_are_there = writes >= expected_;
  if (!all_are_there && skipped_ < skips_) {
    ++skipped_;
    return false;
  }
  if (!all_are_there && now < wait_until_) {
    if (!is_waiting_) began_with_ = writes;
    is_waiting_ = true;
    return true;
  }
  if (is_waiting_) {
    const bool most_came = all_are_there || 2 * (writes - began_with_) >= expected_ - began_with_;
    skips_ = most_came ? 0 : std::min(2 * skips_ + 1, kSkipsMax);
    skipped_ = 0;
  }
  is_waiting_ = false;
  return false;
}

}  // namespace zk::server
