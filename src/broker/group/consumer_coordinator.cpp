// The shell around ConsumerGroup: appends what it decides, applies it, and answers once it is committed.
#include <utility>

#include "base/logging.h"
#include "base/uuid.h"
#include "broker/group/consumer_protocol.h"
#include "broker/group/coordinator_impl.h"

namespace broker::group {
namespace {

constexpr std::string_view kLogger = "kafka.coordinator.group.GroupMetadataManager";

ErrorCode error_of_consumer_write(ErrorCode error) {
  switch (error) {
    case ErrorCode::none:
      return ErrorCode::none;
    case ErrorCode::unknown_topic_or_partition:
    case ErrorCode::not_enough_replicas:
    case ErrorCode::not_enough_replicas_after_append:
    case ErrorCode::request_timed_out:
      return ErrorCode::coordinator_not_available;
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::kafka_storage_error:
      return ErrorCode::not_coordinator;
    default:
      return ErrorCode::unknown_server_error;
  }
}

ConsumerHeartbeatResult refused(ErrorCode code, std::string message) {
  return ConsumerHeartbeatResult(code, std::move(message));
}

// An answer that writes nothing, as to who asks again, tells of what was written before, and waits until that is committed.
std::optional<std::int64_t> what_it_rests_on(const Group& group) {
  return group.written_end > group.committed_end ? std::optional(group.written_end) : std::nullopt;
}

}  // namespace

// In the group's lock. The end of what was written; nothing if there was nothing to write. `consumers` are gone after it if
// the group became a classic one.
protocol::Result<std::optional<std::int64_t>> GroupCoordinator::Impl::write_decision(
    Group& group, ConsumerGroup& consumers, const ConsumerDecision& decision, std::vector<KeyAndValue> before,
    Effects& effects) {
  std::optional<std::int64_t> end;
  std::optional<ClassicGroup> classic;
  if (decision.becomes_classic) classic = classic_from(consumers.id(), *decision.becomes_classic);
  if (!decision.records.empty()) {
    for (const ConsumerGroupRecord& record : decision.records) before.push_back(to_record(consumers.id(), record));
    if (classic) before.push_back(to_record(GroupRecord{consumers.id(), classic->stored_as()}));
    const auto written = appends_.append(group.partition, build_batch(before, clock_.wall_ms()));
    if (!written) {
      base::log_warn(kLogger, "Failed to write {} records of group {}: {}", before.size(), consumers.id(),
                     protocol::name_of(written.error()));
      return written.error();
    }
    end = group.written_end = *written;
  }
  for (const std::string& line : decision.log_lines) base::log_info(kLogger, "{}", line);
  if (!classic) {
    consumers.settle(decision, now());
    return end;
  }
  base::log_info(kLogger, "[GroupId {}] Converted the consumer group to a classic group.", consumers.id());
  group.members = std::move(*classic);
  group.consumers.reset();
  if (decision.becomes_classic->rebalance) group.members.rebalance(decision.becomes_classic->reason, now(), effects);
  set_timer(group);
  return end;
}

ClassicGroup GroupCoordinator::Impl::classic_from(const std::string& group_id, const BecomesClassic& becomes) const {
  ClassicGroup classic(group_id, limits_);
  const ClusterPtr cluster = metadata_.get();
  const auto assignment_of = [&](const std::string& member_id, base::ByteView metadata) {
    const auto target = becomes.targets.find(member_id);
    return write_assignment(target == becomes.targets.end() ? NamedPartitions() : with_names(target->second, *cluster),
                            metadata);
  };
  classic.restore(becomes.generation, becomes.members, assignment_of, now());
  return classic;
}

// In the group's lock.
ConsumerHeartbeatResult GroupCoordinator::Impl::consumer_heartbeat(Group& group, const ConsumerHeartbeat& request,
                                                                   std::optional<std::int64_t>& end, Effects& effects) {
  if (group.members.state() == GroupState::dead) {  // dropped while this request was on its way to it
    return refused(ErrorCode::coordinator_not_available, "");
  }
  // A classic group becomes one of the newer protocol, with its offsets.
  std::optional<ConsumerGroup> anew;
  std::vector<KeyAndValue> before;
  const bool was_there = group.members.generation() > 0 || group.members.size() > 0 || !group.offsets.empty();
  if (!group.consumers) {
    if (request.member_epoch != kJoinEpoch) {
      return refused(ErrorCode::group_id_not_found, "Group " + request.group_id + " is not a consumer group.");
    }
    anew.emplace(request.group_id, limits_.consumer);
    anew->set_times(times_of(request.group_id));
    if (group.members.generation() > 0) before.push_back(to_record(GroupRecord{request.group_id, std::nullopt}));
    if (group.members.state() != GroupState::empty) {
      Upgrade upgrade = anew->take_over(group.members, metadata_.get(), now());
      if (upgrade.refused) {
        if (!upgrade.refused->error_message.empty()) base::log_info(kLogger, "{}", upgrade.refused->error_message);
        return std::move(*upgrade.refused);
      }
      for (const ConsumerGroupRecord& record : upgrade.records) before.push_back(to_record(request.group_id, record));
    }
  }
  ConsumerGroup& consumers = anew ? *anew : *group.consumers;
  ConsumerDecision decision = consumers.heartbeat(request, metadata_.get(), now());
  if (decision.result.error != ErrorCode::none) return std::move(decision.result);
  const auto written = write_decision(group, consumers, decision, std::move(before), effects);
  if (!written) return refused(error_of_consumer_write(written.error()), "");
  end = *written;
  if (anew) {
    if (was_there) {
      base::log_info(kLogger, "[GroupId {}] Converted the classic group to a consumer group.", request.group_id);
    }
    group.members.release(effects);
    group.consumers.emplace(std::move(*anew));
  }
  if (!end) end = what_it_rests_on(group);
  if (end || group.consumers->deadline_of(request.member_id).value_or(kNever) < group.timer_at) set_timer(group);
  return std::move(decision.result);
}

// In the group's lock. Members that were silent for too long.
void GroupCoordinator::Impl::expire_consumers(Group& group, Effects& effects) {
  if (!group.consumers) return;
  const ConsumerDecision decision = group.consumers->expire(metadata_.get(), now());
  if (decision.records.empty()) return;
  if (group.members.state() == GroupState::dead) return;
  constexpr std::int64_t kRetryMs = 1000;
  if (!write_decision(group, *group.consumers, decision, {}, effects)) {
    group.expiry_retry_at = now().monotonic_ms + kRetryMs;
  }
}

// In the group's lock, for groups of either kind.
ErrorCode GroupCoordinator::Impl::classic_heartbeat(Group& group, const MemberIdentity& who, std::int32_t generation) {
  if (!has_consumers(group)) {
    const ErrorCode error = group.members.heartbeat(who, generation, now());
    keep_alive(group, who.member_id);
    return error;
  }
  const ErrorCode error = group.consumers->classic_heartbeat(who, generation, now());
  const bool sooner = group.consumers->deadline_of(who.member_id).value_or(kNever) < group.timer_at;
  if (sooner || error == ErrorCode::rebalance_in_progress) set_timer(group);
  return error;
}

// In the group's lock.
JoinResult GroupCoordinator::Impl::classic_join(Group& group, const JoinRequest& request,
                                                std::optional<std::int64_t>& end, Effects& effects) {
  ClassicJoinDecision join =
      group.consumers->classic_join(request, base::Uuid::random().to_string(), metadata_.get(), now());
  if (join.result.error != ErrorCode::none) {
    for (const std::string& line : join.decision.log_lines) base::log_info(kLogger, "{}", line);
    return std::move(join.result);
  }
  const auto written = write_decision(group, *group.consumers, join.decision, {}, effects);
  if (!written) return JoinResult("", error_of_consumer_write(written.error()));
  end = *written;
  if (!end) end = what_it_rests_on(group);
  return std::move(join.result);
}

// In the group's lock.
LeaveResult GroupCoordinator::Impl::classic_leave(Group& group, const std::vector<MemberIdentity>& members,
                                                  std::optional<std::int64_t>& end, Effects& effects) {
  LeaveResult result;
  const ConsumerDecision decision = group.consumers->classic_leave(members, metadata_.get(), result);
  const auto written = write_decision(group, *group.consumers, decision, {}, effects);
  if (!written) {
    result.members.clear();
    result.error = error_of_consumer_write(written.error());
  } else {
    end = *written;
  }
  return result;
}

// In the group's lock. One of the newer protocol without members becomes a classic one.
ErrorCode GroupCoordinator::Impl::make_classic(Group& group) {
  // The dead turns away whoever comes, and may have another one in its place already, whose records aren't its own.
  if (!group.consumers || group.members.state() == GroupState::dead) return ErrorCode::none;
  std::vector<KeyAndValue> tombstones;
  for (const ConsumerGroupRecord& record : group.consumers->tombstones()) {
    tombstones.push_back(to_record(group.consumers->id(), record));
  }
  const auto written = appends_.append(group.partition, build_batch(tombstones, clock_.wall_ms()));
  if (!written) return error_of_consumer_write(written.error());
  group.consumers.reset();
  return ErrorCode::none;
}

ErrorCode GroupCoordinator::Impl::check_consumer_commit(const Group& group, const CommitRequest& request) const {
  // Producers don't know of member epochs.
  const auto translated = [&request](ErrorCode error) {
    return request.producer && error == ErrorCode::stale_member_epoch ? ErrorCode::illegal_generation : error;
  };
  const ErrorCode error =
      group.consumers->check_commit(request.who, request.generation, request.producer.has_value(), request.version);
  if (error != ErrorCode::none) return translated(error);
  const ClusterPtr cluster = metadata_.get();
  for (const OffsetCommit& one : request.commits) {
    const metadata::Topic* topic = cluster->topic(one.partition.topic);
    const ErrorCode of_partition = group.consumers->check_commit_of(
        request.who.member_id, request.generation, topic ? topic->id : base::Uuid(), one.partition.partition);
    if (of_partition != ErrorCode::none) return translated(of_partition);
  }
  return ErrorCode::none;
}

base::Task<ErrorCode> GroupCoordinator::Impl::await_committed(Group& group, std::int64_t end) {
  const ErrorCode outcome = co_await log_.await_committed(group.partition, end);
  std::int64_t known = group.committed_end;
  while (outcome == ErrorCode::none && known < end && !group.committed_end.compare_exchange_weak(known, end)) {
  }
  co_return error_of_consumer_write(outcome);
}

void GroupCoordinator::set_times(const std::string& group_id, std::optional<ConsumerGroupTimes> times) {
  impl_->set_times(group_id, times);
}

void GroupCoordinator::Impl::set_times(const std::string& group_id, std::optional<ConsumerGroupTimes> times) {
  {
    std::lock_guard lock(mutex_);
    if (times) {
      times_[group_id] = *times;
    } else {
      times_.erase(group_id);
    }
  }
  GroupPtr group;
  {
    std::lock_guard lock(mutex_);
    const auto found = groups_.find(group_id);
    if (found == groups_.end()) return;
    group = found->second;
  }
  std::lock_guard lock(group->mutex);
  if (group->consumers) group->consumers->set_times(times);
}

std::optional<ConsumerGroupTimes> GroupCoordinator::Impl::times_of(const std::string& group_id) {
  std::lock_guard lock(mutex_);
  const auto found = times_.find(group_id);
  return found == times_.end() ? std::nullopt : std::optional(found->second);
}

bool GroupCoordinator::serves_consumer_groups() const { return impl_->serves_consumer_groups(); }

bool GroupCoordinator::Impl::serves_consumer_groups() const {
  // A broker beside this one can only be Kafka 3.9 yet, which would drop the records of such groups.
  return limits_.consumer.enabled && metadata_.get()->brokers.size() <= 1;
}

base::Task<ConsumerHeartbeatResult> GroupCoordinator::consumer_heartbeat(ConsumerHeartbeat request,
                                                                         std::int16_t version) {
  Impl& impl = *impl_;
  if (!impl.serves_consumer_groups()) co_return refused(ErrorCode::unsupported_version, "");
  if (auto problem = ConsumerGroup::problem_of(request, version, impl.limits().consumer)) co_return std::move(*problem);
  const Impl::Place place = co_await impl.locate(request.group_id, false);
  if (request.member_id.empty()) request.member_id = base::Uuid::random().to_string();
  const bool joins = request.member_epoch == kJoinEpoch;
  const auto found = joins ? impl.find_or_create(request.group_id, place) : impl.find(request.group_id, place);
  if (!found) co_return refused(found.error(), "");
  const GroupPtr group = *found;
  if (!group) {
    const std::string what = request.member_epoch < 0 ? "Group " : "Consumer group ";  // who leaves looks for any kind
    co_return refused(ErrorCode::group_id_not_found, what + request.group_id + " not found.");
  }
  ConsumerHeartbeatResult result;
  std::optional<std::int64_t> end;
  impl.run_consumers(group, [&](Group& one, Effects& effects) {
    result = impl.consumer_heartbeat(one, request, end, effects);
  });
  if (joins && result.error != ErrorCode::none) impl.drop_unused(group);
  if (!end) co_return result;
  const ErrorCode outcome = co_await impl.await_committed(*group, *end);
  if (outcome != ErrorCode::none) co_return refused(outcome, "");
  co_return result;
}

base::Task<ConsumerGroupSummary> GroupCoordinator::describe_consumer(std::string group_id) {
  ConsumerGroupSummary summary;
  if (group_id.empty()) {
    summary.error = ErrorCode::invalid_group_id;
    co_return summary;
  }
  const Impl::Place place = co_await impl_->locate(group_id, true);
  const auto found = impl_->find(group_id, place);
  summary.error = found.error();
  if (!found) co_return summary;
  const GroupPtr group = *found;
  std::unique_lock<std::mutex> lock;
  if (group) lock = std::unique_lock(group->mutex);
  if (group && group->consumers && group->members.state() != GroupState::dead) {
    summary = group->consumers->summary();
    co_return summary;
  }
  if (group && group->unloaded) {
    summary.error = ErrorCode::not_coordinator;
    co_return summary;
  }
  summary.error = ErrorCode::group_id_not_found;
  summary.error_message = "Group " + group_id + (group ? " is not a consumer group." : " not found.");
  co_return summary;
}

}  // namespace broker::group
