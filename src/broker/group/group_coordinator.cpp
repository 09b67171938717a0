#include "broker/group/group_coordinator.h"

#include <utility>

#include "base/utf8.h"
#include "base/uuid.h"
#include "broker/group/coordinator_impl.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {
namespace {

constexpr std::size_t kClientBytesMax = 255;  // of a member id

// "client-1-" or "instance-", and a UUID in its usual form. Anybody may be told any number of ids, which are kept until their
// time is up: of a long name there is a part only.
std::string make_member_id(const JoinRequest& request) {
  const std::string hex = base::to_hex(base::Uuid::random().bytes);
  std::string id = base::shortened(request.group_instance_id.value_or(request.client_id), kClientBytesMax);
  for (const auto& [from, count] : {std::pair{0U, 8U}, {8U, 4U}, {12U, 4U}, {16U, 4U}, {20U, 12U}}) {
    id += "-" + hex.substr(from, count);
  }
  return id;
}

std::string_view or_empty(const std::optional<std::string>& text) { return text ? std::string_view(*text) : ""; }

}  // namespace

GroupCoordinator::GroupCoordinator(CoordinatorLog& log, const base::Clock& clock,
                                   const metadata::MetadataCache& metadata, GroupLimits limits, Threads threads,
                                   Joining joining)
    : impl_(std::make_unique<Impl>(log, clock, metadata, std::move(limits), threads, joining)) {}
GroupCoordinator::~GroupCoordinator() = default;

void GroupCoordinator::partition_elected(std::int32_t partition) { impl_->elected(partition); }
void GroupCoordinator::partition_resigned(std::int32_t partition) { impl_->resigned(partition); }
void GroupCoordinator::stop() { impl_->stop(); }
void GroupCoordinator::run_timeouts() { impl_->run_timeouts(); }

base::Task<std::int32_t> GroupCoordinator::partition_count_or_create() { return impl_->partition_count(true); }

base::Task<std::optional<std::int32_t>> GroupCoordinator::partition_for(std::string group_id) {
  const std::int32_t count = co_await impl_->partition_count(true);
  std::optional<std::int32_t> partition;
  if (count > 0) partition = partition_of(group_id, count);
  co_return partition;
}

void GroupCoordinator::topics_deleted(const std::set<std::string>& topics) { impl_->topics_deleted(topics); }

base::Task<JoinResult> GroupCoordinator::join(JoinRequest request) {
  Impl& impl = *impl_;
  const Impl::Place place = co_await impl.locate(request.group_id, false);
  if (place.error != ErrorCode::none) co_return JoinResult(request.member_id, place.error);
  if (request.session_timeout_ms < impl.limits().session_timeout_min_ms ||
      request.session_timeout_ms > impl.limits().session_timeout_max_ms) {
    co_return JoinResult(request.member_id, ErrorCode::invalid_session_timeout);
  }
  const auto found = request.member_id.empty() ? impl.find_or_create(request.group_id, place) : impl.find(request.group_id, place);
  if (!found) co_return JoinResult(request.member_id, found.error());
  GroupPtr group = *found;
  if (!group) co_return JoinResult(request.member_id, ErrorCode::unknown_member_id);
  base::OneShot<JoinResult> answer;
  JoinResult among_consumers;
  std::optional<std::int64_t> end;
  std::vector<PendingStore> pending = impl.run(group, [&](Group& joined, Effects& effects) {
    if (impl.has_consumers(joined)) {
      among_consumers = impl.classic_join(joined, request, end, effects);
      if (!end) answer.set(std::move(among_consumers));
      return;
    }
    if (const ErrorCode error = impl.make_classic(joined); error != ErrorCode::none) {
      answer.set(JoinResult(request.member_id, error));
      return;
    }
    const WaiterId waiter = impl.next_waiter();
    joined.joining.emplace(waiter, answer);
    std::string new_member_id = make_member_id(request);
    joined.members.join(std::move(request), std::move(new_member_id), waiter, impl.now(), effects);
  });
  if (end) {
    const ErrorCode outcome = co_await impl.await_committed(*group, *end);
    co_return outcome == ErrorCode::none ? std::move(among_consumers) : JoinResult("", outcome);
  }
  co_await impl.finish(std::move(group), std::move(pending));
  co_return co_await answer.wait();
}

base::Task<SyncResult> GroupCoordinator::sync(SyncRequest request) {
  Impl& impl = *impl_;
  const Impl::Place place = co_await impl.locate(request.group_id, false);
  const auto found = impl.find(request.group_id, place);
  // After a load the rebalance that this belongs to is forgotten. Old clients don't know the proper code here.
  if (found.error() == ErrorCode::coordinator_load_in_progress) co_return SyncResult(ErrorCode::rebalance_in_progress);
  if (!found) co_return SyncResult(found.error());
  GroupPtr group = *found;
  if (!group) co_return SyncResult(ErrorCode::unknown_member_id);
  base::OneShot<SyncResult> answer;
  std::vector<PendingStore> pending = impl.run(group, [&](Group& synced, Effects& effects) {
    if (impl.has_consumers(synced)) {
      answer.set(synced.consumers->classic_sync(request, impl.cluster(), impl.now()));
      return;
    }
    const WaiterId waiter = impl.next_waiter();
    synced.syncing.emplace(waiter, answer);
    synced.members.sync(request, waiter, impl.now(), effects);
  });
  co_await impl.finish(std::move(group), std::move(pending));
  co_return co_await answer.wait();
}

base::Task<ErrorCode> GroupCoordinator::heartbeat(std::string group_id, MemberIdentity who, std::int32_t generation) {
  const Impl::Place place = co_await impl_->locate(group_id, false);
  const auto found = impl_->find(group_id, place);
  if (found.error() == ErrorCode::coordinator_load_in_progress) co_return ErrorCode::none;
  if (!found) co_return found.error();
  const GroupPtr group = *found;
  if (!group) co_return ErrorCode::unknown_member_id;
  std::lock_guard lock(group->mutex);
  co_return impl_->classic_heartbeat(*group, who, generation);
}

base::Task<LeaveResult> GroupCoordinator::leave(std::string group_id, std::vector<MemberIdentity> members) {
  LeaveResult result;
  const Impl::Place place = co_await impl_->locate(group_id, false);
  const auto found = impl_->find(group_id, place);
  result.error = found.error();
  if (!found) co_return result;
  GroupPtr group = *found;
  if (!group) {
    result.members.assign(members.size(), ErrorCode::unknown_member_id);
    co_return result;
  }
  std::optional<std::int64_t> end;
  std::vector<PendingStore> pending = impl_->run(group, [&](Group& left, Effects& effects) {
    result = impl_->has_consumers(left) ? impl_->classic_leave(left, members, end, effects)
                                        : left.members.leave(members, impl_->now(), effects);
  });
  if (!end) {
    // As in Kafka 3.9, whose append has flushed what flush.messages wants: with the answer an empty group can be read.
    co_await impl_->finish(std::move(group), std::move(pending));
    co_return result;
  }
  const ErrorCode outcome = co_await impl_->await_committed(*group, *end);
  if (outcome != ErrorCode::none) result = LeaveResult{outcome, {}};
  co_return result;
}

base::Task<CommitVerification> GroupCoordinator::start_verification(std::string group_id, std::int64_t producer_id,
                                                                  std::int16_t producer_epoch) {
  CommitVerification verification;
  const Impl::Place place = co_await impl_->locate(group_id, false);
  verification.error = place.error;
  verification.partition = place.partition;
  if (place.error == ErrorCode::none) {
    verification.guard = impl_->log().start_verification(place.partition, producer_id, producer_epoch);
  }
  co_return verification;
}

void GroupCoordinator::cancel_verification(const CommitVerification& verification, std::int64_t producer_id) {
  if (verification.guard == 0) return;
  impl_->log().cancel_verification(verification.partition, producer_id, verification.guard);
}

void GroupCoordinator::transaction_ended(std::int64_t producer_id, std::int32_t partition, bool committed) {
  impl_->end_transaction({producer_id, committed}, partition);
}

base::Task<FetchOffsetsResult> GroupCoordinator::fetch_offsets(std::string group_id,
                                                               std::optional<std::vector<TopicPartition>> partitions,
                                                               bool require_stable, FetchingMember member) {
  FetchOffsetsResult result;
  const Impl::Place place = co_await impl_->locate(group_id, true);
  const auto found = impl_->find(group_id, place);
  result.error = found.error();
  if (!found) co_return result;
  const GroupPtr group = *found;
  std::unique_lock<std::mutex> lock;
  if (group) lock = std::unique_lock(group->mutex);
  if (group && group->unloaded) {  // nothing is committed, as far as it knows
    result.error = ErrorCode::not_coordinator;
    co_return result;
  }
  const bool known = group && group->members.state() != GroupState::dead;
  if (known && group->consumers) {
    result.error = group->consumers->check_fetch(member.member_id, member.epoch);
    if (result.error != ErrorCode::none) co_return result;
  }
  if (!partitions) partitions = known ? group->offsets.all() : std::vector<TopicPartition>();
  for (TopicPartition& partition : *partitions) {
    FetchedOffset& one = result.offsets.emplace_back();
    one.partition = std::move(partition);
    if (!known) continue;
    if (require_stable && group->offsets.is_unstable(one.partition)) {
      one.error = ErrorCode::unstable_offset_commit;
    } else if (const CommittedOffset* value = group->offsets.find(one.partition)) {
      one.value = *value;
    }
  }
  co_return result;
}

base::Task<DeleteOffsetsResult> GroupCoordinator::delete_offsets(std::string group_id,
                                                                 std::vector<TopicPartition> partitions) {
  DeleteOffsetsResult result;
  const Impl::Place place = co_await impl_->locate(group_id, false);
  const auto found = impl_->find(group_id, place);
  result.error = found ? ErrorCode::group_id_not_found : found.error();
  if (!found || !*found) co_return result;
  const GroupPtr group = *found;
  const Impl::ChooseOffsets deletable = [&](const Group& one) {
    std::optional<std::vector<TopicPartition>> chosen;
    const bool empty = one.members.state() == GroupState::empty;
    result.error = empty || one.members.uses_consumer_protocol() ? ErrorCode::none : ErrorCode::non_empty_group;
    if (result.error != ErrorCode::none) return chosen;
    for (const TopicPartition& partition : partitions) {
      const bool subscribed = one.consumers ? one.consumers->is_subscribed_to(partition.topic)
                                            : !empty && one.members.may_be_subscribed_to(partition.topic);
      result.partitions.push_back(subscribed ? ErrorCode::group_subscribed_to_topic : ErrorCode::none);
      if (subscribed) continue;
      if (!chosen) chosen.emplace();
      chosen->push_back(partition);
    }
    return chosen;
  };
  const auto end = impl_->clean_up(*group, Impl::CleanUp::offsets, deletable);
  if (group->unloaded && result.error == ErrorCode::group_id_not_found) result.error = ErrorCode::not_coordinator;
  if (end) (void)co_await impl_->log().await_committed(group->partition, *end);
  co_return result;
}

base::Task<GroupSummary> GroupCoordinator::describe(std::string group_id) {
  GroupSummary summary;
  const Impl::Place place = co_await impl_->locate(group_id, true);
  const auto found = impl_->find(group_id, place);
  summary.error = found.error();
  if (!found) co_return summary;
  const GroupPtr group = *found;
  if (!group) {
    summary.state = name_of(GroupState::dead);
    co_return summary;
  }
  std::lock_guard lock(group->mutex);
  if (group->unloaded) {
    summary.error = ErrorCode::not_coordinator;
    co_return summary;
  }
  if (group->consumers) {
    summary.is_consumer = true;
    summary.state = name_of(GroupState::dead);
    co_return summary;
  }
  co_return group->members.summary();
}

ListGroupsResult GroupCoordinator::list() {
  ListGroupsResult result;
  if (impl_->is_loading()) result.error = ErrorCode::coordinator_load_in_progress;
  for (const GroupPtr& group : impl_->all_groups()) {
    std::lock_guard lock(group->mutex);
    GroupListing& one = result.groups.emplace_back();
    one.group_id = group->members.id();
    if (group->consumers && group->members.state() != GroupState::dead) {
      one.is_consumer = true;
      one.protocol_type = "consumer";
      one.state = group->consumers->state();
      continue;
    }
    one.protocol_type = or_empty(group->members.protocol_type());
    one.state = name_of(group->members.state());
  }
  return result;
}

void GroupCoordinator::visit_progress(const std::function<void(const GroupProgress&)>& visit) {
  for (const GroupPtr& group : impl_->all_groups()) {
    GroupProgress progress;
    {
      std::lock_guard lock(group->mutex);
      if (group->members.state() == GroupState::dead) continue;
      progress.group_id = group->members.id();
      progress.state = group->consumers ? group->consumers->state() : name_of(group->members.state());
      progress.members = group->consumers ? group->consumers->size() : group->members.size();
      progress.offsets = group->offsets.positions();
    }
    visit(progress);
  }
}

base::Task<ErrorCode> GroupCoordinator::delete_group(std::string group_id) {
  const Impl::Place place = co_await impl_->locate(group_id, true);
  const auto found = impl_->find(group_id, place);
  if (!found) co_return found.error();
  const GroupPtr group = *found;
  ErrorCode error = ErrorCode::group_id_not_found;
  if (!group) co_return error;
  // As in Kafka 4.3.1 with the offsets that are on their way: their records stand before the tombstones, and would else be all that
  // a load finds.
  const Impl::ChooseOffsets all = [&error](const Group& one) {
    std::optional<std::vector<TopicPartition>> chosen;
    error = one.is_empty() ? ErrorCode::none : ErrorCode::non_empty_group;
    if (error == ErrorCode::none) chosen = one.offsets.all_known();
    return chosen;
  };
  const auto end = impl_->clean_up(*group, Impl::CleanUp::group, all);
  if (group->unloaded && error == ErrorCode::group_id_not_found) error = ErrorCode::not_coordinator;
  if (end) (void)co_await impl_->log().await_committed(group->partition, *end);
  co_return error;
}

}  // namespace broker::group
