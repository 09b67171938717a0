#include "broker/group/coordinator_impl.h"

#include <pthread.h>

#include <algorithm>

#include "base/logging.h"
#include "base/saturating.h"
#include "broker/coordinator/write_errors.h"

namespace broker::group {
namespace {

constexpr std::string_view kLogger = "kafka.coordinator.group.GroupCoordinator";

// What a member is told when its group's record couldn't be written.
ErrorCode error_of_group_write(ErrorCode error) {
  switch (error) {
    case ErrorCode::request_timed_out:
      return ErrorCode::rebalance_in_progress;
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large:
    case ErrorCode::invalid_fetch_size:
      return ErrorCode::unknown_server_error;
    default:
      return coordinator::error_of_write(error);
  }
}

void log_failed_store(const std::string& group_id, ErrorCode error) {
  base::log_warn(kLogger, "Failed to write the record of group {}: {}", group_id, protocol::name_of(error));
}

coordinator::BatchSender offset_commit_sender() {
  coordinator::BatchSender sender;
  sender.base_sequence = kOffsetCommitSequence;
  return sender;
}

}  // namespace

GroupCoordinator::Impl::Impl(CoordinatorLog& log, const base::Clock& clock, const metadata::MetadataCache& metadata,
                             GroupLimits limits, Threads threads, JoinedAppends::Joining joining)
    : log_(log),
      appends_(log, offset_commit_sender(), JoinedAppends::kBytesMax, joining),
      clock_(clock),
      metadata_(metadata),
      limits_(std::move(limits)),
      own_threads_(threads == Threads::own) {
  next_expiry_check_ = base::saturating_add(clock_.monotonic_ms(), limits_.offsets_retention_check_interval_ms);
  if (!own_threads_) return;
  timer_thread_ = std::thread([this] { timer_loop(); });
  load_thread_ = std::thread([this] { load_loop(); });
  pthread_setname_np(timer_thread_.native_handle(), "group-timer");
  pthread_setname_np(load_thread_.native_handle(), "group-loader");
}

void GroupCoordinator::Impl::stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  changed_.notify_all();
  if (timer_thread_.joinable()) timer_thread_.join();
  if (load_thread_.joinable()) load_thread_.join();
  for (const GroupPtr& group : all_groups()) {
    run(group, [](Group& one, Effects& effects) { one.unload(effects); });
  }
  appends_.flush_all();
}

void GroupCoordinator::Impl::Wakeups::wake() {
  for (auto& [waiter, result] : joins) waiter.set(std::move(result));
  for (auto& [waiter, result] : syncs) waiter.set(std::move(result));
}

base::Task<GroupCoordinator::Impl::Place> GroupCoordinator::Impl::locate(std::string group_id, bool may_be_empty) {
  std::optional<Place> place = locate_now(group_id, may_be_empty);
  if (!place) {
    const std::int32_t count = co_await partition_count(false);
    if (count > 0) place = locate_now(group_id, may_be_empty);
  }
  if (!place) place.emplace().error = ErrorCode::not_coordinator;
  co_return *place;
}

std::optional<GroupCoordinator::Impl::Place> GroupCoordinator::Impl::locate_now(std::string_view group_id, bool may_be_empty) {
  std::optional<Place> place;
  const std::int32_t count = partition_count_;
  if (group_id.empty() && !may_be_empty) {
    place.emplace().error = ErrorCode::invalid_group_id;
  } else if (count > 0) {
    place.emplace().partition = partition_of(group_id, count);
    place->error = check_partition(place->partition);
  }
  return place;
}

base::Task<std::int32_t> GroupCoordinator::Impl::partition_count(bool create) {
  const std::int32_t count = co_await log_.partition_count(create);
  if (count == 0) co_return 0;
  std::int32_t unknown = 0;
  partition_count_.compare_exchange_strong(unknown, count);
  co_return partition_count_;
}

ErrorCode GroupCoordinator::Impl::check_partition(std::int32_t partition) {
  if (!log_.leader_epoch(partition)) return ErrorCode::not_coordinator;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return ErrorCode::coordinator_not_available;
    auto found = partitions_.find(partition);
    if (found != partitions_.end()) {
      return found->second.loaded ? ErrorCode::none : ErrorCode::coordinator_load_in_progress;
    }
  }
  elected(partition);
  if (own_threads_) return ErrorCode::coordinator_load_in_progress;
  return ErrorCode::none;
}

ErrorCode GroupCoordinator::Impl::check_loaded(std::int32_t partition) const {
  if (stopping_) return ErrorCode::coordinator_not_available;
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) return ErrorCode::not_coordinator;
  return found->second.loaded ? ErrorCode::none : ErrorCode::coordinator_load_in_progress;
}

protocol::Result<GroupPtr> GroupCoordinator::Impl::find(const std::string& group_id, const Place& place) {
  if (place.error != ErrorCode::none) return place.error;
  std::lock_guard lock(mutex_);
  if (const ErrorCode error = check_loaded(place.partition); error != ErrorCode::none) return error;
  const auto found = groups_.find(group_id);
  return found == groups_.end() ? GroupPtr() : found->second;
}

GroupPtr GroupCoordinator::Impl::find_loaded(const std::string& group_id) {
  std::lock_guard lock(mutex_);
  const auto found = groups_.find(group_id);
  if (found == groups_.end() || check_loaded(found->second->partition) != ErrorCode::none) return nullptr;
  return found->second;
}

protocol::Result<GroupPtr> GroupCoordinator::Impl::find_or_create(const std::string& group_id, const Place& place) {
  if (place.error != ErrorCode::none) return place.error;
  std::lock_guard lock(mutex_);
  if (const ErrorCode error = check_loaded(place.partition); error != ErrorCode::none) return error;
  GroupPtr& group = groups_[group_id];
  if (!group) group = std::make_shared<Group>(group_id, place.partition, limits_);
  return group;
}

void GroupCoordinator::Impl::drop_unused(const GroupPtr& group) {
  {
    std::lock_guard lock(group->mutex);
    const ClassicGroup& members = group->members;
    const bool used = group->consumers || members.state() != GroupState::empty || members.generation() > 0 ||
                      members.protocol_type() || members.next_deadline() || !group->offsets.empty();
    if (used) return;
    group->members.mark_dead(now());  // who has found it meanwhile is told to come again
  }
  forget(*group);
}

void GroupCoordinator::Impl::forget(const Group& group) {
  std::lock_guard lock(mutex_);
  const auto found = groups_.find(group.members.id());
  if (found != groups_.end() && found->second.get() == &group) groups_.erase(found);
}

void GroupCoordinator::Impl::open_transaction(Group& group, std::int64_t producer_id) {
  std::lock_guard lock(mutex_);
  groups_in_transaction_[{producer_id, group.partition}].insert(group.members.id());
}

// Nothing was committed within it after all.
void GroupCoordinator::Impl::close_unused_transaction(Group& group, std::int64_t producer_id) {
  if (group.offsets.in_transaction(producer_id)) return;
  std::lock_guard lock(mutex_);
  auto found = groups_in_transaction_.find({producer_id, group.partition});
  if (found == groups_in_transaction_.end()) return;
  found->second.erase(group.members.id());
  if (found->second.empty()) groups_in_transaction_.erase(found);
}

// A marker that came behind what a load reads must not be missed: its load applies it at the end.
void GroupCoordinator::Impl::end_transaction(EndedTransaction ended, std::int32_t partition) {
  {
    std::lock_guard lock(mutex_);
    auto state = partitions_.find(partition);
    if (state != partitions_.end() && !state->second.loaded) {
      ended_while_loading_[partition].push_back(ended);
      return;
    }
  }
  settle_transaction(ended, partition);
}

void GroupCoordinator::Impl::settle_transaction(EndedTransaction ended, std::int32_t partition) {
  std::vector<GroupPtr> groups;
  {
    std::lock_guard lock(mutex_);
    auto node = groups_in_transaction_.extract({ended.producer_id, partition});
    if (node.empty()) return;
    for (const std::string& id : node.mapped()) {
      auto found = groups_.find(id);
      if (found != groups_.end()) groups.push_back(found->second);
    }
  }
  for (const GroupPtr& group : groups) {
    std::lock_guard lock(group->mutex);
    group->offsets.end_transaction(ended.producer_id, ended.committed);
  }
}

// What comes while a partition is loaded is told to its groups when they are there.
void GroupCoordinator::Impl::topics_deleted(const std::set<std::string>& topics) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& [partition, tenure] : partitions_) {
      if (!tenure.loaded) deleted_while_loading_[partition].insert(topics.begin(), topics.end());
    }
  }
  delete_offsets_of(topics);
}

void GroupCoordinator::Impl::delete_offsets_of(const std::set<std::string>& topics, std::optional<std::int32_t> partition) {
  const ChooseOffsets gone = [&](const Group& group) {
    std::optional<std::vector<TopicPartition>> chosen = group.offsets.of_topics(topics);
    // It isn't concerned. One that is empty anyway goes with them, as in Kafka 3.9.2; a later Kafka leaves it to its retention.
    const bool stays = group.consumers || !group.is_empty() || !group.offsets.empty();
    if (chosen->empty() && stays) chosen.reset();
    return chosen;
  };
  for (const GroupPtr& group : all_groups()) {
    if (!partition || group->partition == *partition) (void)clean_up(*group, CleanUp::offsets, gone);
  }
}

// Leaves the partition loaded, with nothing left to apply. Groups of others may have offsets of a topic that was made anew since.
void GroupCoordinator::Impl::end_loading(ToLoad one) {
  for (;;) {
    std::vector<EndedTransaction> ended;
    std::set<std::string> deleted;
    {
      std::lock_guard lock(mutex_);
      if (!is_current(one)) return;  // resigned meanwhile
      if (auto node = ended_while_loading_.extract(one.partition)) ended = std::move(node.mapped());
      if (auto node = deleted_while_loading_.extract(one.partition)) deleted = std::move(node.mapped());
      if (ended.empty() && deleted.empty()) {
        partitions_.at(one.partition).loaded = true;
        return;
      }
    }
    for (const EndedTransaction& each : ended) settle_transaction(each, one.partition);
    if (!deleted.empty()) delete_offsets_of(deleted, one.partition);
  }
}

std::vector<GroupPtr> GroupCoordinator::Impl::all_groups() {
  std::lock_guard lock(mutex_);
  std::vector<GroupPtr> groups;
  groups.reserve(groups_.size());
  for (const auto& [id, group] : groups_) groups.push_back(group);
  return groups;
}

bool GroupCoordinator::Impl::is_loading() {
  std::lock_guard lock(mutex_);
  return std::any_of(partitions_.begin(), partitions_.end(),
                     [](const auto& partition) { return !partition.second.loaded; });
}

void GroupCoordinator::Impl::collect_answers(Group& group, Effects& effects, Wakeups& wakeups) {
  for (AnswerJoin& answer : effects.joins) {
    auto node = group.joining.extract(answer.waiter);
    if (!node.empty()) wakeups.joins.emplace_back(node.mapped(), std::move(answer.result));
  }
  for (AnswerSync& answer : effects.syncs) {
    auto node = group.syncing.extract(answer.waiter);
    if (!node.empty()) wakeups.syncs.emplace_back(node.mapped(), std::move(answer.result));
  }
  for (const std::string& line : effects.log_lines) base::log_info(kLogger, "[GroupCoordinator]: {}", line);
}

// What throws, as without memory, is a failed write: the group waits for this record, and for no other.
JoinedAppends::Ticket GroupCoordinator::Impl::add_record(const Group& group, const StoreGroup& store) {
  try {
    GroupRecord record;
    record.group_id = group.members.id();
    record.value = store.value;
    return appends_.add(group.partition, {to_record(record)}, clock_.wall_ms(), coordinator::BatchSender(), &group);
  } catch (const std::exception& failure) {
    base::log_error(kLogger, "Appending the record of group {} failed: {}", group.members.id(), failure.what());
    return JoinedAppends::Ticket(ErrorCode::unknown_server_error);
  }
}

// In the group's lock, so that records of a group are in the log in the order of its decisions.
void GroupCoordinator::Impl::settle(Group& group, Effects& effects, std::vector<PendingStore>& pending,
                                    Wakeups& wakeups) {
  while (true) {
    collect_answers(group, effects, wakeups);
    std::vector<StoreGroup> stores = std::move(effects.stores);
    effects = Effects();
    if (stores.empty()) break;
    for (StoreGroup& store : stores) {
      JoinedAppends::Ticket ticket = add_record(group, store);
      if (ticket.outcome && !*ticket.outcome) {
        const ErrorCode error = ticket.outcome->error();
        log_failed_store(group.members.id(), error);
        group.members.stored(store, error_of_group_write(error), now(), effects);
      } else {
        pending.push_back({std::move(store), std::move(ticket)});
      }
    }
  }
  set_timer(group);
}

base::Task<void> GroupCoordinator::Impl::finish(GroupPtr group, std::vector<PendingStore> pending) {
  // In order: the first one's ticket may be what ends the turn for all of them.
  for (std::size_t at = 0; at < pending.size(); ++at) {
    PendingStore one = std::move(pending[at]);
    const auto end = co_await appends_.appended(std::move(one.record));
    ErrorCode outcome = end.error();
    if (end) outcome = co_await log_.await_committed(group->partition, *end);
    std::vector<PendingStore> more = run(group, [&](Group& settled, Effects& effects) {
      if (!end) log_failed_store(settled.members.id(), outcome);
      settled.members.stored(one.store, error_of_group_write(outcome), now(), effects);
    });
    for (PendingStore& next : more) pending.push_back(std::move(next));
  }
}

std::optional<std::int64_t> GroupCoordinator::Impl::clean_up(Group& group, CleanUp what, const ChooseOffsets& choose) {
  std::vector<KeyAndValue> tombstones;
  std::vector<TopicPartition> removed;
  std::optional<std::int64_t> end;
  bool dead = false;
  {
    std::lock_guard lock(group.mutex);
    if (group.members.state() == GroupState::dead) return end;
    const auto chosen = choose(group);
    if (!chosen) return end;
    for (const TopicPartition& partition : *chosen) {
      if (!group.offsets.knows(partition)) continue;
      group.offsets.remove(partition);
      OffsetRecord record;
      record.group_id = group.members.id();
      record.partition = partition;
      tombstones.push_back(to_record(record));
      removed.push_back(partition);
    }
    if (what == CleanUp::group || (group.is_empty() && group.offsets.empty())) group.members.mark_dead(now());
    dead = group.members.state() == GroupState::dead;
    // A group of generation 0 only stored offsets, and has no record of its own.
    if (dead && group.members.generation() > 0) {
      GroupRecord record;
      record.group_id = group.members.id();
      tombstones.push_back(to_record(record));
    }
    if (dead && group.consumers) {
      for (const ConsumerGroupRecord& record : group.consumers->tombstones()) {
        tombstones.push_back(to_record(group.members.id(), record));
      }
    }
    // If they get lost, the next leader expires the same again.
    if (!tombstones.empty()) {
      const auto written = appends_.append(group.partition, build_batch(tombstones, clock_.wall_ms()));
      if (!written) {
        base::log_warn(kLogger, "Failed to write {} tombstones of group {}: {}", tombstones.size(), group.members.id(),
                       protocol::name_of(written.error()));
      } else {
        end = *written;
        std::int64_t log_offset = *written - static_cast<std::int64_t>(tombstones.size());
        for (const TopicPartition& partition : removed) group.offsets.removed_at(partition, log_offset++);
      }
    }
  }
  if (dead) forget(group);
  return end;
}

void GroupCoordinator::Impl::clean_up_expired() {
  const ChooseOffsets expired = [this](const Group& group) {
    const std::int64_t now_ms = clock_.wall_ms();
    if (!group.consumers) return group.offsets.expired(group.members, now_ms, limits_.offsets_retention_ms);
    return group.offsets.expired([&](const std::string& topic) { return group.consumers->is_subscribed_to(topic); }, now_ms,
                                 limits_.offsets_retention_ms);
  };
  for (const GroupPtr& group : all_groups()) (void)clean_up(*group, CleanUp::offsets, expired);
}

}  // namespace broker::group
