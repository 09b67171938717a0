#include "zk/tree/session_tracker.h"

namespace zk::tree {

void SessionTracker::touch(std::int64_t session_id, std::int64_t timeout_ms, std::int64_t now_ms) {
  std::int64_t at_ms = ((now_ms + timeout_ms) / tick_ms_ + 1) * tick_ms_;
  auto [entry, added] = due_.try_emplace(session_id);
  entry->second.at_ms = at_ms;
  if (!added && entry->second.listed_ms <= at_ms) return;
  entry->second.listed_ms = at_ms;
  buckets_[at_ms].push_back(session_id);
}

std::vector<std::int64_t> SessionTracker::take_expired(std::int64_t now_ms) {
  std::vector<std::int64_t> expired;
  while (!buckets_.empty() && buckets_.begin()->first <= now_ms) {
    std::int64_t bucket_ms = buckets_.begin()->first;
    std::vector<std::int64_t> sessions = std::move(buckets_.begin()->second);
    buckets_.erase(buckets_.begin());
    for (std::int64_t session_id : sessions) {
      auto entry = due_.find(session_id);
      if (entry == due_.end() || entry->second.listed_ms != bucket_ms) continue;
      if (entry->second.at_ms <= now_ms) {
        expired.push_back(session_id);
        due_.erase(entry);
      } else {
        entry->second.listed_ms = entry->second.at_ms;
        buckets_[entry->second.at_ms].push_back(session_id);
      }
    }
  }
  return expired;
}

std::map<std::int64_t, std::vector<std::int64_t>> SessionTracker::by_due_time() const {
  std::map<std::int64_t, std::vector<std::int64_t>> sorted;
  for (const auto& [session_id, due] : due_) sorted[due.at_ms].push_back(session_id);
  return sorted;
}

}  // namespace zk::tree
