// What the coordinator does without being asked: loading partitions, and timeouts.
#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "base/logging.h"
#include "base/saturating.h"
#include "broker/group/coordinator_impl.h"

namespace broker::group {
namespace {

constexpr std::string_view kLogger = "kafka.coordinator.group.GroupMetadataManager";
constexpr std::int64_t kTimerWaitMaxMs = 1000;

}  // namespace

// Told again while this broker leads it, with a later epoch, nothing has to be read: nobody else has written in between.
void GroupCoordinator::Impl::elected(std::int32_t partition) {
  ToLoad one;
  one.partition = partition;
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || partitions_.contains(partition)) return;
    // Who asks for a partition may have seen a leader that has resigned since. The next election must find nothing.
    if (!log_.leader_epoch(partition)) return;
    one.tenure = partitions_[partition].number = ++last_tenure_;
    if (own_threads_) {
      to_load_.push_back(one);
      changed_.notify_all();
      return;
    }
  }
  load(one);
}

bool GroupCoordinator::Impl::is_current(ToLoad one) const {
  const auto found = partitions_.find(one.partition);
  return found != partitions_.end() && found->second.number == one.tenure;
}

void GroupCoordinator::Impl::resigned(std::int32_t partition) {
  {
    std::lock_guard lock(mutex_);
    partitions_.erase(partition);
    ended_while_loading_.erase(partition);
    deleted_while_loading_.erase(partition);
    std::erase_if(to_load_, [&](const ToLoad& one) { return one.partition == partition; });
  }
  unload(partition);
  // No decision of this tenure is left over for the next one, which wouldn't know of it.
  appends_.flush(partition);
}

void GroupCoordinator::Impl::unload(std::int32_t partition) {
  std::vector<GroupPtr> dropped;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(groups_in_transaction_, [&](const auto& one) { return one.first.second == partition; });
    for (auto it = groups_.begin(); it != groups_.end();) {
      if (it->second->partition == partition) {
        dropped.push_back(std::move(it->second));
        it = groups_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const GroupPtr& group : dropped) {
    run(group, [](Group& one, Effects& effects) { one.unload(effects); });
  }
}

void GroupCoordinator::Impl::load(ToLoad one) {
  const std::int32_t partition = one.partition;
  GroupLoader loader(limits_.consumer);
  const std::int64_t started = clock_.monotonic_ms();
  bool loaded = false;
  std::string problem;
  try {
    const auto end = log_.read_all(
        partition, [&loader](base::ByteView batches) { loader.add(batches); }, [&loader] { loader.pass_over_damage(); });
    loaded = end.has_value();
    if (!loaded) problem = protocol::name_of(end.error());
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  if (loaded) {
    install(one, loader);
    base::log_info(kLogger,
                   "Finished loading offsets and group metadata from __consumer_offsets-{} in {} milliseconds: "
                   "{} records, {} groups",
                   partition, clock_.monotonic_ms() - started, loader.record_count(), loader.groups().size());
  } else {
    base::log_error(kLogger, "Error loading offsets from __consumer_offsets-{}: {}", partition, problem);
  }
  if (loaded && loader.damage_count() > 0) {
    base::log_error(kLogger,
                    "Error loading offsets from __consumer_offsets-{}: {} places can't be read. "
                    "Serving it without what they held",
                    partition, loader.damage_count());
  }
  if (loader.unknown_count() > 0) {
    base::log_warn(kLogger, "Ignored {} records of __consumer_offsets-{} of unknown kinds",
                   loader.unknown_count(), partition);
  }
  if (loaded) return end_loading(one);
  give_up_loading(one);
}

// The next request tries again.
void GroupCoordinator::Impl::give_up_loading(ToLoad one) {
  {
    std::lock_guard lock(mutex_);
    if (!is_current(one)) return;
    ended_while_loading_.erase(one.partition);
    deleted_while_loading_.erase(one.partition);
    partitions_.erase(one.partition);
  }
  unload(one.partition);
}

void GroupCoordinator::Impl::install(ToLoad one, GroupLoader& loader) {
  const std::int32_t partition = one.partition;
  {
    std::lock_guard lock(mutex_);
    if (!is_current(one)) return;
    for (const auto& [producer_id, groups] : loader.groups_in_transaction()) {
      groups_in_transaction_[{producer_id, partition}] = groups;
    }
  }
  for (auto& [id, loaded] : loader.groups()) {
    if (!loaded.group && !loaded.consumers && loaded.offsets.empty()) continue;  // deleted
    auto group = std::make_shared<Group>(id, partition, limits_);
    group->offsets = std::move(loaded.offsets);
    if (loaded.consumers) {
      group->consumers.emplace(std::move(*loaded.consumers));
      std::lock_guard lock(group->mutex);
      group->consumers->set_times(times_of(id));
      group->consumers->loaded(now());
      set_timer(*group);
    } else if (loaded.group) {
      const StoredGroup& stored = *loaded.group;
      run(group, [&](Group& empty, Effects& effects) { empty.members.replay(stored, now(), effects); });
    }
    GroupPtr other;
    {
      std::lock_guard lock(mutex_);
      if (!is_current(one)) return;
      other = std::exchange(groups_[id], group);
    }
    if (other) {
      base::log_error(kLogger, "Group {} of __consumer_offsets-{} was there before it was loaded, which is a bug; dropped it",
                      id, partition);
      run(other, [](Group& before, Effects& effects) { before.unload(effects); });
    }
    std::lock_guard lock(group->mutex);
    if (group->consumers) group->consumers->set_times(times_of(id));  // it may have changed meanwhile
  }
}

// Called in the group's lock. A timer that is too early only costs a look; one that is too late would be a bug.
void GroupCoordinator::Impl::set_timer(Group& group) {
  std::int64_t next = group.members.next_deadline().value_or(kNever);
  if (group.consumers && group.members.state() != GroupState::dead) {
    const std::int64_t of_consumers = group.consumers->next_deadline().value_or(kNever);
    next = std::min(next, std::max(of_consumers, group.expiry_retry_at));
  }
  if (next >= group.timer_at) return;
  group.timer_at = next;
  std::lock_guard lock(mutex_);
  timers_.emplace(next, group.weak_from_this());
  changed_.notify_all();
}

void GroupCoordinator::Impl::run_timeouts() {
  const std::int64_t until = clock_.monotonic_ms();
  while (true) {
    GroupPtr group;
    std::int64_t deadline = 0;
    {
      std::lock_guard lock(mutex_);
      if (timers_.empty() || timers_.begin()->first > until) break;
      deadline = timers_.begin()->first;
      group = timers_.begin()->second.lock();
      timers_.erase(timers_.begin());
    }
    if (!group) continue;
    run(group, [this, deadline](Group& one, Effects& effects) {
      if (one.timer_at != deadline) return;  // an earlier timer took its place
      one.timer_at = kNever;
      one.members.on_time(now(), effects);
      expire_consumers(one, effects);
    });
  }
  bool check_expiry = false;
  {
    std::lock_guard lock(mutex_);
    check_expiry = until >= next_expiry_check_;
    if (check_expiry) next_expiry_check_ = base::saturating_add(until, limits_.offsets_retention_check_interval_ms);
  }
  if (check_expiry) clean_up_expired();
}

std::int64_t GroupCoordinator::Impl::milliseconds_to_wait() {
  const std::int64_t first =
      timers_.empty() ? next_expiry_check_ : std::min(next_expiry_check_, timers_.begin()->first);
  return std::clamp<std::int64_t>(first - clock_.monotonic_ms(), 0, kTimerWaitMaxMs);
}

void GroupCoordinator::Impl::timer_loop() {
  bool failed = false;
  while (true) {
    try {
      {
        std::unique_lock lock(mutex_);
        if (stopping_) return;
        const std::int64_t wait_ms = std::exchange(failed, false) ? kTimerWaitMaxMs : milliseconds_to_wait();
        if (wait_ms > 0) changed_.wait_for(lock, std::chrono::milliseconds(wait_ms));
        if (stopping_) return;
      }
      run_timeouts();
    } catch (const std::exception& failure) {  // the loop goes on, after a pause: no member of any group would time out any more
      failed = true;
      base::log_error(kLogger, "Uncaught exception while looking at timeouts: {}", failure.what());
    }
  }
}

void GroupCoordinator::Impl::load_loop() {
  while (true) {
    ToLoad one;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !to_load_.empty(); });
      if (stopping_) return;
      one = to_load_.front();
      to_load_.pop_front();
    }
    bool given_up = true;
    try {
      load(one);
      given_up = false;
    } catch (const std::exception& failure) {
      try {
        base::log_error(kLogger, "Error loading offsets from __consumer_offsets-{}: {}", one.partition, failure.what());
      } catch (const std::exception&) {  // no memory for the line either
      }
    }
    while (given_up) {
      try {
        give_up_loading(one);
        given_up = false;
      } catch (const std::exception&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
  }
}

}  // namespace broker::group
