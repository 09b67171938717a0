// New members that were told their id and haven't joined with it yet, each with its deadline. Anybody can add any number of
// them, and each request asks for the first deadline: nothing here goes through all of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace broker::group {

class PendingMembers {
 public:
  void add(const std::string& member_id, std::int64_t deadline) {
    erase(member_id);
    by_deadline_.emplace(deadline, member_id);
    deadlines_[member_id] = deadline;
  }
  void erase(const std::string& member_id) {
    const auto found = deadlines_.find(member_id);
    if (found == deadlines_.end()) return;
    by_deadline_.erase({found->second, member_id});
    deadlines_.erase(found);
  }
  // Whether there were any.
  bool erase_until(std::int64_t now) {
    bool any = false;
    for (; !empty() && by_deadline_.begin()->first <= now; any = true) erase(std::string(by_deadline_.begin()->second));
    return any;
  }
  void clear() {
    by_deadline_.clear();
    deadlines_.clear();
  }
  bool contains(const std::string& member_id) const { return deadlines_.contains(member_id); }
  bool empty() const { return deadlines_.empty(); }
  std::optional<std::int64_t> next_deadline() const {
    return empty() ? std::nullopt : std::optional(by_deadline_.begin()->first);
  }

 private:
  std::map<std::string, std::int64_t> deadlines_;
  std::set<std::pair<std::int64_t, std::string>> by_deadline_;
};

}  // namespace broker::group
