// What a heartbeat of a consumer group does: join, stay, leave; and what happens to those who send none.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "broker/group/consumer_group.h"
#include "broker/group/consumer_reconciliation.h"
#include "broker/group/consumer_regex.h"

namespace broker::group {
namespace {

using Problem = std::optional<ConsumerHeartbeatResult>;

Problem refuse(ErrorCode code, std::string message) { return ConsumerHeartbeatResult(code, std::move(message)); }

ConsumerDecision refused(Problem problem) {
  ConsumerDecision decision;
  decision.result = std::move(*problem);
  return decision;
}

bool is_subset(const std::optional<Partitions>& owned, const OwnedPartitions& of) {
  if (!owned) return false;
  return std::all_of(owned->begin(), owned->end(), [&of](const auto& topic) {
    const auto found = of.find(topic.first);
    return found != of.end() && std::all_of(topic.second.begin(), topic.second.end(), [&found](std::int32_t partition) {
             return found->second.contains(partition);
           });
  });
}

void remove_member(const std::string& member_id, ConsumerDecision& decision) {
  decision.records.push_back(CurrentAssignmentRecord{member_id, std::nullopt});
  decision.records.push_back(TargetAssignmentRecord{member_id, std::nullopt});
  decision.records.push_back(MemberMetadataRecord{member_id, std::nullopt});
}

ConsumerMemberMetadata updated(ConsumerMemberMetadata metadata, const ConsumerHeartbeat& request) {
  if (request.instance_id) metadata.instance_id = request.instance_id;
  if (request.rack_id) metadata.rack_id = request.rack_id;
  if (request.rebalance_timeout_ms != -1) metadata.rebalance_timeout_ms = request.rebalance_timeout_ms;
  if (request.server_assignor) metadata.server_assignor = request.server_assignor;
  if (request.subscribed_topic_names) {
    metadata.topic_names = {request.subscribed_topic_names->begin(), request.subscribed_topic_names->end()};
  }
  if (request.subscribed_topic_regex) metadata.topic_regex = *request.subscribed_topic_regex;
  metadata.client_id = request.client_id;
  metadata.client_host = request.client_host;
  metadata.classic = request.classic ? std::optional(request.classic->metadata) : std::nullopt;
  return metadata;
}

// No group gets as far as the last one, but a damaged record may say so.
std::int32_t next_epoch(std::int32_t epoch) { return epoch == std::numeric_limits<std::int32_t>::max() ? epoch : epoch + 1; }

bool tells_everything(const ConsumerHeartbeat& request) {
  if (request.member_epoch == kJoinEpoch) return true;
  return request.rebalance_timeout_ms != -1 && (request.subscribed_topic_names || request.subscribed_topic_regex) &&
         request.owned;
}

}  // namespace

Problem ConsumerGroup::problem_of(const ConsumerHeartbeat& request, std::int16_t version,
                                  const ConsumerGroupLimits& limits) {
  const auto invalid = [](const char* message) { return refuse(ErrorCode::invalid_request, message); };
  const bool needs_member_id = version >= 1 || request.member_epoch > 0 || request.member_epoch == kLeaveEpoch;
  if (needs_member_id && request.member_id.empty()) return invalid("MemberId can't be empty.");
  if (request.group_id.empty()) return invalid("GroupId can't be empty.");
  if (request.instance_id && request.instance_id->empty()) return invalid("InstanceId can't be empty.");
  if (request.rack_id && request.rack_id->empty()) return invalid("RackId can't be empty.");
  if (request.member_epoch == kJoinEpoch) {
    if (request.rebalance_timeout_ms == -1) return invalid("RebalanceTimeoutMs must be provided in first request.");
    if (!request.owned || !request.owned->empty()) return invalid("TopicPartitions must be empty when (re-)joining.");
    if (!request.subscribed_topic_names && !request.subscribed_topic_regex) {
      return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
    }
  } else if (request.member_epoch == kStaticLeaveEpoch) {
    if (!request.instance_id) return invalid("InstanceId can't be null.");
  } else if (request.member_epoch < kStaticLeaveEpoch) {
    return invalid("MemberEpoch is invalid.");
  }
  if (request.server_assignor && std::ranges::find(limits.assignors, *request.server_assignor) == limits.assignors.end()) {
    return refuse(ErrorCode::unsupported_assignor,
                  fmt::format("ServerAssignor {} is not supported. Supported assignors: {}.", *request.server_assignor,
                              fmt::join(limits.assignors, ", ")));
  }
  return std::nullopt;
}

ConsumerDecision ConsumerGroup::heartbeat(const ConsumerHeartbeat& request, const ClusterPtr& cluster, Time now) const {
  if (request.member_epoch < 0) return leave(request, cluster);
  return join_or_stay(request, cluster, now);
}

Problem ConsumerGroup::epoch_problem(const Member& member, const ConsumerHeartbeat& request) const {
  const std::int32_t known = member.current.member_epoch;
  if (request.member_epoch == kJoinEpoch || request.member_epoch == known) return std::nullopt;
  if (request.member_epoch > known) {
    return refuse(ErrorCode::fenced_member_epoch,
                  fmt::format("The consumer group member has a greater member epoch ({}) than the one known by the group "
                              "coordinator ({}). The member must abandon all its partitions and rejoin.",
                              request.member_epoch, known));
  }
  // The answer that told it the newer epoch may have got lost.
  if (request.member_epoch == member.current.previous_member_epoch && is_subset(request.owned, member.current.assigned)) {
    return std::nullopt;
  }
  return refuse(ErrorCode::fenced_member_epoch,
                fmt::format("The consumer group member has a smaller member epoch ({}) than the one known by the group "
                            "coordinator ({}). The member must abandon all its partitions and rejoin.",
                            request.member_epoch, known));
}

Problem ConsumerGroup::find_dynamic(const ConsumerHeartbeat& request, Member& member) const {
  const auto found = members_.find(request.member_id);
  if (found != members_.end()) {
    member = found->second;
    return epoch_problem(member, request);
  }
  if (request.member_epoch == kJoinEpoch) return std::nullopt;
  return refuse(ErrorCode::unknown_member_id,
                fmt::format("Member {} is not a member of group {}.", request.member_id, id_));
}

Problem ConsumerGroup::find_static(const ConsumerHeartbeat& request, Member& member, Outlook& outlook,
                                   ConsumerDecision& decision) const {
  const auto found = static_members_.find(*request.instance_id);
  const bool comes_anew = request.classic ? request.classic->is_new : request.member_epoch == kJoinEpoch;
  if (!comes_anew) {
    if (found == static_members_.end()) {
      return refuse(ErrorCode::unknown_member_id, fmt::format("Instance id {} is unknown.", *request.instance_id));
    }
    if (found->second != request.member_id) {
      return refuse(ErrorCode::fenced_instance_id,
                    fmt::format("Static member {} with instance id {} was fenced by member {}.", request.member_id,
                                *request.instance_id, found->second));
    }
    member = members_.at(found->second);
    return epoch_problem(member, request);
  }
  if (found == static_members_.end()) return find_dynamic(request, member);
  const std::string& old_id = found->second;
  const Member& old = members_.at(old_id);
  if (!request.classic && !old.metadata.classic && old.current.member_epoch != kStaticLeaveEpoch) {
    return refuse(ErrorCode::unreleased_instance_id,
                  fmt::format("Static member {} with instance id {} cannot join the group because the instance id is "
                              "owned by {} member.",
                              request.member_id, *request.instance_id, old_id));
  }
  member = old;
  member.current.member_epoch = 0;
  member.current.previous_member_epoch = 0;
  outlook.replaced_member_id = old_id;
  if (old_id != request.member_id) outlook.leaving.insert(old_id);
  remove_member(old_id, decision);
  decision.records.push_back(MemberMetadataRecord{request.member_id, member.metadata});
  const auto target = target_.find(old_id);
  decision.records.push_back(
      TargetAssignmentRecord{request.member_id, target == target_.end() ? Partitions() : target->second});
  decision.records.push_back(CurrentAssignmentRecord{request.member_id, member.current});
  return std::nullopt;
}

// Whether it is a sign of life and no more, as most are: of a member that is where it shall be, in a group of which all is known.
bool ConsumerGroup::changes_nothing(const ConsumerHeartbeat& request, const ClusterPtr& cluster) const {
  const auto found = members_.find(request.member_id);
  if (found == members_.end() || request.member_epoch == kJoinEpoch || !has_looked_at(cluster)) return false;
  const CurrentAssignment& current = found->second.current;
  if (request.member_epoch != current.member_epoch || current.state != MemberState::stable) return false;
  if (current.member_epoch != target_epoch_.epoch || target_epoch_.epoch != epoch_.epoch) return false;
  const ConsumerMemberMetadata& known = found->second.metadata;
  if (request.classic || known.classic) return false;
  if (request.instance_id) {
    const auto instance = static_members_.find(*request.instance_id);
    if (instance == static_members_.end() || instance->second != request.member_id) return false;
  }
  const auto& names = request.subscribed_topic_names;
  return (!request.instance_id || request.instance_id == known.instance_id) &&
         (!request.rack_id || request.rack_id == known.rack_id) &&
         (request.rebalance_timeout_ms == -1 || request.rebalance_timeout_ms == known.rebalance_timeout_ms) &&
         (!request.server_assignor || request.server_assignor == known.server_assignor) &&
         (!request.subscribed_topic_regex || *request.subscribed_topic_regex == known.topic_regex) &&
         (!names || std::set<std::string>(names->begin(), names->end()) == known.topic_names) &&
         request.client_id == known.client_id && request.client_host == known.client_host;
}

void ConsumerGroup::answer(const ConsumerHeartbeat& request, const CurrentAssignment& current, bool with_assignment,
                           ConsumerDecision& decision) const {
  decision.heard_from = request.member_id;
  decision.result.member_id = request.member_id;
  decision.result.member_epoch = current.member_epoch;
  decision.result.heartbeat_interval_ms = times_ ? times_->heartbeat_interval_ms : limits_->heartbeat_interval_ms;
  if (with_assignment || tells_everything(request)) decision.result.assignment = without_epochs(current.assigned);
}

ConsumerDecision ConsumerGroup::join_or_stay(const ConsumerHeartbeat& request, const ClusterPtr& cluster,
                                             Time now) const {
  if (changes_nothing(request, cluster)) {
    ConsumerDecision decision;
    answer(request, members_.at(request.member_id).current, false, decision);
    return decision;
  }
  if (std::cmp_greater_equal(members_.size(), limits_->size_max) && !members_.contains(request.member_id)) {
    return refused(refuse(ErrorCode::group_max_size_reached,
                          fmt::format("The consumer group has reached its maximum capacity of {} members.",
                                      limits_->size_max)));
  }
  ConsumerDecision decision;
  Member member;
  Outlook outlook;
  Problem problem =
      request.instance_id ? find_static(request, member, outlook, decision) : find_dynamic(request, member);
  if (problem) return refused(std::move(problem));
  if (request.member_epoch == kJoinEpoch) {
    decision.log_lines.push_back(fmt::format("[GroupId {}] {}ember {} joins the consumer group using the {} protocol.", id_,
                                             request.instance_id ? "Static m" : "M", request.member_id,
                                             request.classic ? "classic" : "consumer"));
  }
  const OwnedPartitions had = member.current.assigned;
  outlook.member_id = request.member_id;
  outlook.metadata = updated(member.metadata, request);
  outlook.epoch = epoch_.epoch;
  if (outlook.metadata != member.metadata || (!members_.contains(request.member_id) && outlook.leaving.empty())) {
    decision.records.push_back(MemberMetadataRecord{request.member_id, outlook.metadata});
  }
  problem = update_regexes(member, cluster, now, outlook, decision);
  if (problem) return refused(std::move(problem));
  outlook.subscription_changed = outlook.subscription_changed || outlook.metadata.topic_names != member.metadata.topic_names;
  update_epoch(cluster, outlook, decision);
  const bool downgrades = replaces_last_consumer(request, decision);
  const bool stale = downgrades && target_epoch_.epoch < outlook.epoch;
  if (!stale) problem = reconcile(request, cluster, outlook, now, member, decision);
  if (problem) return refused(std::move(problem));
  if (downgrades) become_classic_with(request, outlook, stale, decision);

  answer(request, member.current, member.current.assigned != had, decision);
  return decision;
}

// Unlike Kafka, which resolves in the background and at most every ten seconds, expressions are resolved at once.
Problem ConsumerGroup::update_regexes(const Member& member, const ClusterPtr& cluster, Time now, Outlook& outlook,
                                      ConsumerDecision& decision) const {
  const auto changed = [&]() -> Regexes& {
    if (!outlook.changed_regexes) outlook.changed_regexes = regexes_;
    return *outlook.changed_regexes;
  };
  const std::string& before = member.metadata.topic_regex;
  const std::string& after = outlook.metadata.topic_regex;
  const auto resolve = [&](const std::string& regex) {
    ResolvedRegex resolved;
    resolved.topics = topics_matching(regex, *cluster);
    resolved.timestamp = now.wall_ms;
    const auto known = regexes_in(outlook).find(regex);
    if (known != regexes_in(outlook).end() && known->second.topics == resolved.topics) return;
    decision.records.push_back(RegexRecord{regex, resolved});
    changed()[regex] = std::move(resolved);
    outlook.subscription_changed = true;
  };
  if (before != after) {
    outlook.subscription_changed = true;
    if (!before.empty() && subscribers_of(before) == 1) {
      decision.records.push_back(RegexRecord{before, std::nullopt});
      changed().erase(before);
    }
    if (!after.empty() && !regexes_in(outlook).contains(after)) {
      if (const std::string problem = regex_problem(after); !problem.empty()) {
        return refuse(ErrorCode::invalid_regular_expression,
                      fmt::format("SubscribedTopicRegex `{}` is not a valid regular expression: {}.", after, problem));
      }
      resolve(after);
    }
  }
  if (!has_looked_at(cluster)) {
    std::vector<std::string> all;
    for (const auto& [regex, resolved] : regexes_in(outlook)) all.push_back(regex);
    for (const std::string& regex : all) resolve(regex);
  }
  return std::nullopt;
}

void ConsumerGroup::update_epoch(const ClusterPtr& cluster, Outlook& outlook, ConsumerDecision& decision) const {
  if (!outlook.subscription_changed && has_looked_at(cluster)) return;
  decision.looked_at = cluster;
  const std::int64_t hash = metadata_hash(*cluster, outlook);
  if (outlook.subscription_changed || hash != epoch_.metadata_hash) {
    outlook.epoch = next_epoch(outlook.epoch);
    decision.records.push_back(GroupEpochRecord{GroupEpoch{outlook.epoch, hash}});
    decision.log_lines.push_back(
        fmt::format("[GroupId {}] Bumped group epoch to {} with metadata hash {}.", id_, outlook.epoch, hash));
  }
  if (has_subscription_metadata_record_) decision.records.push_back(SubscriptionMetadataRecord());
}

Problem ConsumerGroup::reconcile(const ConsumerHeartbeat& request, const ClusterPtr& cluster, const Outlook& outlook,
                                 Time now, Member& member, ConsumerDecision& decision) const {
  std::int32_t target_epoch = target_epoch_.epoch;
  Partitions target;
  if (outlook.epoch > target_epoch && may_compute_target(now)) {
    target_epoch = outlook.epoch;
    TargetAssignment computed = compute_target(*cluster, outlook);
    for (const auto& [member_id, metadata] : members_in(outlook)) {
      const Partitions& shall_own = computed[member_id];
      const Partitions* before = target_of(member_id, outlook);
      if (before == nullptr || *before != shall_own) {
        decision.records.push_back(TargetAssignmentRecord{member_id, shall_own});
      }
    }
    decision.records.push_back(TargetEpochRecord{TargetEpoch{target_epoch, now.wall_ms}});
    decision.log_lines.push_back(fmt::format("[GroupId {}] Computed a new target assignment for epoch {} with '{}' assignor.",
                                             id_, target_epoch, preferred_assignor(outlook)));
    target = std::move(computed[request.member_id]);
  } else if (const Partitions* known = target_of(request.member_id, outlook)) {
    target = *known;
  }
  const bool is_there = member.current.state == MemberState::stable && member.current.member_epoch == target_epoch;
  if (is_there && !outlook.subscription_changed) return std::nullopt;
  const std::set<base::Uuid> subscribed = subscribed_topic_ids(outlook.metadata, regexes_in(outlook), *cluster);
  const ReconciliationInput input{
      target_epoch, target, subscribed, outlook.subscription_changed, request.owned,
      [this](const base::Uuid& topic_id, std::int32_t partition) { return is_owned(topic_id, partition); }};
  std::optional<CurrentAssignment> next = next_assignment(member.current, input);
  if (!next) {
    return refuse(ErrorCode::fenced_member_epoch,
                  "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.");
  }
  if (*next == member.current) return std::nullopt;
  member.current = std::move(*next);
  decision.records.push_back(CurrentAssignmentRecord{request.member_id, member.current});
  return std::nullopt;
}

ConsumerDecision ConsumerGroup::leave(const ConsumerHeartbeat& request, const ClusterPtr& cluster) const {
  if (request.instance_id) {
    const auto found = static_members_.find(*request.instance_id);
    if (found == static_members_.end()) {
      return refused(refuse(ErrorCode::unknown_member_id, fmt::format("Instance id {} is unknown.", *request.instance_id)));
    }
    if (found->second != request.member_id) {
      return refused(refuse(ErrorCode::fenced_instance_id,
                            fmt::format("Static member {} with instance id {} was fenced by member {}.",
                                        request.member_id, *request.instance_id, found->second)));
    }
    if (request.member_epoch == kStaticLeaveEpoch) return leave_for_now(request.member_id);
  } else if (!members_.contains(request.member_id)) {
    return refused(refuse(ErrorCode::unknown_member_id,
                          fmt::format("Member {} is not a member of group {}.", request.member_id, id_)));
  }
  ConsumerDecision decision;
  decision.log_lines.push_back(fmt::format("[GroupId {}] Member {} left the consumer group.", id_, request.member_id));
  fence({request.member_id}, cluster, decision);
  decision.result.member_id = request.member_id;
  decision.result.member_epoch = request.member_epoch;
  return decision;
}

ConsumerDecision ConsumerGroup::leave_for_now(const std::string& member_id) const {
  ConsumerDecision decision;
  CurrentAssignment current = members_.at(member_id).current;
  current.member_epoch = kStaticLeaveEpoch;
  current.pending_revocation.clear();
  // What comes back starts from epoch 0, and may commit for what it had.
  for (auto& [topic_id, partitions] : current.assigned) {
    for (auto& [partition, epoch] : partitions) epoch = 0;
  }
  decision.records.push_back(CurrentAssignmentRecord{member_id, std::move(current)});
  decision.result.member_id = member_id;
  decision.result.member_epoch = kStaticLeaveEpoch;
  decision.log_lines.push_back(
      fmt::format("[GroupId {}] Static member {} temporarily left the consumer group.", id_, member_id));
  return decision;
}

void ConsumerGroup::fence(const std::set<std::string>& members, const ClusterPtr& cluster,
                          ConsumerDecision& decision) const {
  if (leaves_classic_members(members, decision)) return become_classic(members, decision);
  Outlook outlook;
  outlook.leaving = members;
  for (const std::string& member_id : members) remove_member(member_id, decision);
  const auto staying = members_in(outlook);
  std::set<std::string> used;
  for (const auto& [member_id, member] : staying) used.insert(member->topic_regex);
  for (const auto& [regex, resolved] : regexes_) {
    if (!used.contains(regex)) decision.records.push_back(RegexRecord{regex, std::nullopt});
  }
  const std::int64_t hash = metadata_hash(*cluster, outlook);
  const std::int32_t epoch = next_epoch(epoch_.epoch);
  decision.records.push_back(GroupEpochRecord{GroupEpoch{epoch, hash}});
  decision.log_lines.push_back(
      fmt::format("[GroupId {}] Bumped group epoch to {} with metadata hash {}.", id_, epoch, hash));
}

ConsumerDecision ConsumerGroup::expire(const ClusterPtr& cluster, Time now) const {
  ConsumerDecision decision;
  std::set<std::string> fenced;
  for (const auto& [member_id, deadline] : session_deadlines_) {
    if (deadline > now.monotonic_ms) continue;
    fenced.insert(member_id);
    decision.log_lines.push_back(
        fmt::format("[GroupId {}] Member {} fenced from the group because the member session expired.", id_, member_id));
  }
  for (const auto& [member_id, timer] : rebalance_timers_) {
    if (timer.deadline > now.monotonic_ms || members_.at(member_id).current.member_epoch != timer.member_epoch) continue;
    fenced.insert(member_id);
    decision.log_lines.push_back(
        fmt::format("[GroupId {}] Member {} fenced from the group because it failed to transition from epoch {} within {}ms.",
                    id_, member_id, timer.member_epoch, members_.at(member_id).metadata.rebalance_timeout_ms));
  }
  const auto fence_late = [&](const std::map<std::string, std::int64_t>& deadlines, const char* reason) {
    for (const auto& [member_id, deadline] : deadlines) {
      if (deadline > now.monotonic_ms || !fenced.insert(member_id).second) continue;
      decision.log_lines.push_back(
          fmt::format("[GroupId {}] Member {} fenced from the group because {}.", id_, member_id, reason));
    }
  };
  fence_late(join_deadlines_, "the classic member failed to join within the rebalance timeout");
  fence_late(sync_deadlines_, "the member failed to sync within timeout");
  if (!fenced.empty()) fence(fenced, cluster, decision);
  return decision;
}

}  // namespace broker::group
