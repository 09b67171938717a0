// The shell around ConsumerGroup: appends what it decides, applies it, and answers once it is committed.
#include <utility>

#include "base/logging.h"
#include "base/uuid.h"
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

}  // namespace

// In the group's lock. The end of what was written; nothing if there was nothing to write.
protocol::Result<std::optional<std::int64_t>> GroupCoordinator::Impl::write_decision(
    Group& group, ConsumerGroup& consumers, const ConsumerDecision& decision, std::vector<KeyAndValue> before) {
  std::optional<std::int64_t> end;
  if (!decision.records.empty()) {
    for (const ConsumerGroupRecord& record : decision.records) before.push_back(to_record(consumers.id(), record));
    const auto written = log_.append(group.partition, build_batch(before, clock_.wall_ms()));
    if (!written) {
      base::log_warn(kLogger, "Failed to write {} records of group {}: {}", before.size(), consumers.id(),
                     protocol::name_of(written.error()));
      return written.error();
    }
    end = *written;
  }
  consumers.settle(decision, now());
  for (const std::string& line : decision.log_lines) base::log_info(kLogger, "{}", line);
  return end;
}

// In the group's lock.
ConsumerHeartbeatResult GroupCoordinator::Impl::consumer_heartbeat(Group& group, const ConsumerHeartbeat& request,
                                                                   std::optional<std::int64_t>& end) {
  if (group.members.state() == GroupState::dead) {  // dropped while this request was on its way to it
    return refused(ErrorCode::coordinator_not_available, "");
  }
  // A classic group without members becomes one of the newer protocol, with its offsets.
  std::optional<ConsumerGroup> anew;
  std::vector<KeyAndValue> before;
  if (!group.consumers) {
    if (request.member_epoch != kJoinEpoch || group.members.state() != GroupState::empty) {
      return refused(ErrorCode::group_id_not_found, "Group " + request.group_id + " is not a consumer group.");
    }
    if (group.members.generation() > 0) {
      GroupRecord classic;
      classic.group_id = request.group_id;
      before.push_back(to_record(classic));
    }
    anew.emplace(request.group_id, limits_.consumer);
  }
  ConsumerGroup& consumers = anew ? *anew : *group.consumers;
  ConsumerDecision decision = consumers.heartbeat(request, metadata_.get(), now());
  if (decision.result.error != ErrorCode::none) return std::move(decision.result);
  const auto written = write_decision(group, consumers, decision, std::move(before));
  if (!written) return refused(error_of_consumer_write(written.error()), "");
  end = *written;
  if (anew) group.consumers.emplace(std::move(*anew));
  if (end) {
    set_timer(group);
  } else if (group.consumers->deadline_of(request.member_id).value_or(kNever) < group.timer_at) {
    set_timer(group);
  }
  return std::move(decision.result);
}

// In the group's lock. Members that were silent for too long.
void GroupCoordinator::Impl::expire_consumers(Group& group) {
  if (!group.consumers) return;
  const ConsumerDecision decision = group.consumers->expire(metadata_.get(), now());
  if (decision.records.empty()) return;
  if (group.members.state() == GroupState::dead) return;
  constexpr std::int64_t kRetryMs = 1000;
  if (!write_decision(group, *group.consumers, decision, {})) group.expiry_retry_at = now().monotonic_ms + kRetryMs;
}

// In the group's lock. Whether it may be joined as a classic group: one of the newer protocol without members becomes one.
ErrorCode GroupCoordinator::Impl::make_classic(Group& group) {
  if (!group.consumers) return ErrorCode::none;
  if (!group.consumers->empty()) return ErrorCode::inconsistent_group_protocol;
  std::vector<KeyAndValue> tombstones;
  for (const ConsumerGroupRecord& record : group.consumers->tombstones()) {
    tombstones.push_back(to_record(group.consumers->id(), record));
  }
  const auto written = log_.append(group.partition, build_batch(tombstones, clock_.wall_ms()));
  if (!written) return error_of_consumer_write(written.error());
  group.consumers.reset();
  return ErrorCode::none;
}

ErrorCode GroupCoordinator::Impl::check_consumer_commit(const Group& group, const CommitRequest& request) const {
  const ErrorCode error =
      group.consumers->check_commit(request.who, request.generation, request.producer.has_value(), request.version);
  if (error != ErrorCode::none) return error;
  const ClusterPtr cluster = metadata_.get();
  for (const OffsetCommit& one : request.commits) {
    const metadata::Topic* topic = cluster->topic(one.partition.topic);
    const ErrorCode of_partition = group.consumers->check_commit_of(
        request.who.member_id, request.generation, topic ? topic->id : base::Uuid(), one.partition.partition);
    if (of_partition != ErrorCode::none) return of_partition;
  }
  return ErrorCode::none;
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
  if (place.error != ErrorCode::none) co_return refused(place.error, "");
  if (request.member_id.empty()) request.member_id = base::Uuid::random().to_string();
  const GroupPtr group = request.member_epoch == kJoinEpoch ? impl.find_or_create(request.group_id, place.partition)
                                                            : impl.find(request.group_id);
  if (!group) co_return refused(ErrorCode::group_id_not_found, "Consumer group " + request.group_id + " not found.");
  ConsumerHeartbeatResult result;
  std::optional<std::int64_t> end;
  {
    std::lock_guard lock(group->mutex);
    result = impl.consumer_heartbeat(*group, request, end);
  }
  if (!end) co_return result;
  const ErrorCode outcome = co_await impl.log().await_committed(group->partition, *end);
  if (outcome != ErrorCode::none) co_return refused(error_of_consumer_write(outcome), "");
  co_return result;
}

base::Task<ConsumerGroupSummary> GroupCoordinator::describe_consumer(std::string group_id) {
  ConsumerGroupSummary summary;
  const Impl::Place place = co_await impl_->locate(group_id, true);
  summary.error = place.error;
  if (place.error != ErrorCode::none) co_return summary;
  const GroupPtr group = impl_->find(group_id);
  std::unique_lock<std::mutex> lock;
  if (group) lock = std::unique_lock(group->mutex);
  if (group && group->consumers && group->members.state() != GroupState::dead) {
    summary = group->consumers->summary();
    co_return summary;
  }
  summary.error = ErrorCode::group_id_not_found;
  summary.error_message = "Group " + group_id + (group ? " is not a consumer group." : " not found.");
  summary.state = name_of(GroupState::dead);
  co_return summary;
}

}  // namespace broker::group
