// Who waits for what: one table of watchers (a connection's number each) by path. The state keeps two, one for a
// znode's data and existence, one for its children. Owned by the state, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace zk::tree {

using WatcherId = std::uint64_t;

enum class EventType : std::int32_t { created = 1, deleted = 2, data_changed = 3, children_changed = 4 };

// A watcher may hold several modes on one path; only the standard one goes when it fires.
enum WatchMode : std::uint8_t { kStandardWatch = 1, kPersistentWatch = 2, kRecursiveWatch = 4, kAnyWatch = 7 };

class WatchTable {
 public:
  void add(std::string_view path, WatcherId watcher, WatchMode mode);
  // Takes these modes off; false if the watcher held none of them there.
  bool remove(std::string_view path, WatcherId watcher, std::uint8_t modes);
  bool holds(std::string_view path, WatcherId watcher, std::uint8_t modes) const;
  void remove_watcher(WatcherId watcher);

  // The watchers that hear of a change of `path`: those on it, whose standard watches are used up, and the recursive
  // ones of its ancestors. Sorted, each once.
  std::vector<WatcherId> fire(std::string_view path);

  // For listings, in no order.
  std::vector<std::pair<std::string_view, std::vector<WatcherId>>> by_path() const;
  std::vector<std::pair<WatcherId, std::vector<std::string_view>>> by_watcher() const;

  std::size_t watch_count() const { return watches_; }
  std::size_t path_count() const { return by_path_.size(); }
  std::size_t watcher_count() const { return by_watcher_.size(); }

 private:
  struct Watch {
    WatcherId watcher;
    std::uint8_t modes;
  };
  using Watches = std::vector<Watch>;  // sorted by watcher
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using PathMap = std::unordered_map<std::string, Watches, Hash, std::equal_to<>>;

  void forget_path(WatcherId watcher, const std::string& path);
  void fire_here(std::string_view path, std::vector<WatcherId>& into);

  PathMap by_path_;
  // Points to the keys of by_path_, which stay where they are while an entry lives.
  std::unordered_map<WatcherId, std::unordered_set<const std::string*>> by_watcher_;
  std::size_t watches_ = 0;
  std::size_t recursive_ = 0;
};

}  // namespace zk::tree
