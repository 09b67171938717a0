#include "zk/tree/watches.h"

#include <algorithm>

#include "zk/tree/path.h"

namespace zk::tree {

namespace {

template <class Watches>
auto position_of(Watches& watches, WatcherId watcher) {
  return std::lower_bound(watches.begin(), watches.end(), watcher,
                          [](const auto& watch, WatcherId id) { return watch.watcher < id; });
}

}  // namespace

void WatchTable::add(std::string_view path, WatcherId watcher, WatchMode mode) {
  auto entry = by_path_.find(path);
  if (entry == by_path_.end()) entry = by_path_.emplace(std::string(path), Watches{}).first;
  auto at = position_of(entry->second, watcher);
  if (at == entry->second.end() || at->watcher != watcher) {
    at = entry->second.insert(at, Watch{watcher, 0});
    by_watcher_[watcher].insert(&entry->first);
    ++watches_;
  }
  if (mode == kRecursiveWatch && (at->modes & kRecursiveWatch) == 0) ++recursive_;
  at->modes = static_cast<std::uint8_t>(at->modes | mode);
}

void WatchTable::forget_path(WatcherId watcher, const std::string& path) {
  auto entry = by_watcher_.find(watcher);
  if (entry == by_watcher_.end()) return;
  entry->second.erase(&path);
  if (entry->second.empty()) by_watcher_.erase(entry);
}

bool WatchTable::remove(std::string_view path, WatcherId watcher, std::uint8_t modes) {
  auto entry = by_path_.find(path);
  if (entry == by_path_.end()) return false;
  auto at = position_of(entry->second, watcher);
  if (at == entry->second.end() || at->watcher != watcher || (at->modes & modes) == 0) return false;
  if ((at->modes & modes & kRecursiveWatch) != 0) --recursive_;
  at->modes = static_cast<std::uint8_t>(at->modes & ~modes);
  if (at->modes == 0) {
    entry->second.erase(at);
    --watches_;
    forget_path(watcher, entry->first);
    if (entry->second.empty()) by_path_.erase(entry);
  }
  return true;
}

bool WatchTable::holds(std::string_view path, WatcherId watcher, std::uint8_t modes) const {
  auto entry = by_path_.find(path);
  if (entry == by_path_.end()) return false;
  auto at = position_of(entry->second, watcher);
  return at != entry->second.end() && at->watcher == watcher && (at->modes & modes) != 0;
}

void WatchTable::remove_watcher(WatcherId watcher) {
  auto entry = by_watcher_.find(watcher);
  if (entry == by_watcher_.end()) return;
  for (const std::string* path : entry->second) {
    auto watches = by_path_.find(*path);
    auto at = position_of(watches->second, watcher);
    if ((at->modes & kRecursiveWatch) != 0) --recursive_;
    watches->second.erase(at);
    --watches_;
    if (watches->second.empty()) by_path_.erase(watches);
  }
  by_watcher_.erase(entry);
}

void WatchTable::fire_here(std::string_view path, std::vector<WatcherId>& into) {
  auto entry = by_path_.find(path);
  if (entry == by_path_.end()) return;
  Watches& watches = entry->second;
  auto kept = watches.begin();
  for (Watch& watch : watches) {
    into.push_back(watch.watcher);
    watch.modes = static_cast<std::uint8_t>(watch.modes & ~kStandardWatch);
    if (watch.modes != 0) {
      *kept++ = watch;
    } else {
      --watches_;
      forget_path(watch.watcher, entry->first);
    }
  }
  watches.erase(kept, watches.end());
  if (watches.empty()) by_path_.erase(entry);
}

std::vector<std::pair<std::string_view, std::vector<WatcherId>>> WatchTable::by_path() const {
  std::vector<std::pair<std::string_view, std::vector<WatcherId>>> all;
  for (const auto& [path, watches] : by_path_) {
    auto& entry = all.emplace_back(path, std::vector<WatcherId>());
    for (const Watch& watch : watches) entry.second.push_back(watch.watcher);
  }
  return all;
}

std::vector<std::pair<WatcherId, std::vector<std::string_view>>> WatchTable::by_watcher() const {
  std::vector<std::pair<WatcherId, std::vector<std::string_view>>> all;
  for (const auto& [watcher, paths] : by_watcher_) {
    auto& entry = all.emplace_back(watcher, std::vector<std::string_view>());
    for (const std::string* path : paths) entry.second.push_back(*path);
  }
  return all;
}

std::vector<WatcherId> WatchTable::fire(std::string_view path) {
  std::vector<WatcherId> fired;
  fire_here(path, fired);
  if (recursive_ == 0) return fired;
  for (std::string_view above = path; above != "/";) {
    above = parent_of(above);
    auto entry = by_path_.find(above);
    if (entry == by_path_.end()) continue;
    for (const Watch& watch : entry->second) {
      if ((watch.modes & kRecursiveWatch) != 0) fired.push_back(watch.watcher);
    }
  }
  std::sort(fired.begin(), fired.end());
  fired.erase(std::unique(fired.begin(), fired.end()), fired.end());
  return fired;
}

}  // namespace zk::tree
