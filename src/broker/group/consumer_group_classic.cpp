// Members of the classic protocol in a group of the newer one: how they come, stay and leave, and how the group changes
// its kind with them. As measured from Kafka 4.3.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/group/consumer_group.h"
#include "broker/group/consumer_protocol.h"

namespace broker::group {
namespace {

constexpr const char* kProtocolType = "consumer";

ConsumerHeartbeatResult no_upgrade(const std::string& group_id, const std::string& why) {
  return {ErrorCode::group_id_not_found,
          fmt::format("Cannot upgrade classic group {} to consumer group because {}.", group_id, why)};
}

const base::Bytes& metadata_of(const ClassicMember& member, const std::string& protocol) {
  static const base::Bytes kNone;
  const auto found = std::ranges::find(member.protocols, protocol, &GroupProtocol::name);
  return found == member.protocols.end() ? kNone : found->metadata;
}

ClassicMember classic_member(const std::string& member_id, const ConsumerMemberMetadata& metadata) {
  ClassicMember member;
  member.member_id = member_id;
  member.group_instance_id = metadata.instance_id;
  member.client_id = metadata.client_id;
  member.client_host = metadata.client_host;
  member.rebalance_timeout_ms = metadata.rebalance_timeout_ms;
  member.session_timeout_ms = metadata.classic->session_timeout_ms;
  member.protocols = metadata.classic->protocols;
  return member;
}

// Everybody starts where the generation is, with what was assigned in it.
void add_records(const ClassicMember& from, std::int32_t generation, const EmbeddedSubscription& subscription,
                 const Partitions& assigned, std::vector<ConsumerGroupRecord>& members,
                 std::vector<ConsumerGroupRecord>& targets, std::vector<ConsumerGroupRecord>& currents) {
  ConsumerMemberMetadata metadata;
  metadata.instance_id = from.group_instance_id;
  metadata.rack_id = subscription.rack_id;
  metadata.client_id = from.client_id;
  metadata.client_host = from.client_host;
  metadata.topic_names = subscription.topics;
  metadata.rebalance_timeout_ms = from.rebalance_timeout_ms;
  metadata.classic = ClassicMemberMetadata{from.session_timeout_ms, from.protocols};
  members.push_back(MemberMetadataRecord{from.member_id, std::move(metadata)});
  targets.push_back(TargetAssignmentRecord{from.member_id, assigned});
  CurrentAssignment current;
  current.member_epoch = current.previous_member_epoch = generation;
  for (const auto& [topic_id, partitions] : assigned) {
    for (const std::int32_t partition : partitions) current.assigned[topic_id].emplace(partition, generation);
  }
  currents.push_back(CurrentAssignmentRecord{from.member_id, std::move(current)});
}

}  // namespace

Upgrade ConsumerGroup::take_over(const ClassicGroup& classic, const ClusterPtr& cluster, Time now) {
  Upgrade upgrade;
  const auto refuse = [&](const std::string& why) {
    upgrade.refused = no_upgrade(id_, why);
    return std::move(upgrade);
  };
  if (!allows_upgrade(limits_->migration)) return refuse("online upgrade is disabled");
  if (!classic.uses_consumer_protocol()) return refuse("the group does not use the consumer embedded protocol");
  if (std::cmp_greater(classic.size(), limits_->size_max)) {
    return refuse("the group size exceeds the consumer group maximum size");
  }
  if (!classic.protocol_name()) {
    // Before the end of the first rebalance there is nothing to go on from yet.
    upgrade.refused = ConsumerHeartbeatResult(ErrorCode::coordinator_load_in_progress, "");
    return upgrade;
  }
  std::vector<ConsumerGroupRecord> targets;
  std::vector<ConsumerGroupRecord> currents;
  for (const ClassicMember& member : classic.members()) {
    EmbeddedAssignment assignment;
    if (!member.assignment.empty()) {
      auto read = read_assignment(member.assignment);
      if (!read) return refuse("the embedded consumer protocol is malformed");
      assignment = std::move(*read);
    }
    if (assignment.has_user_data) {
      return refuse("an unsupported custom assignor is in use. Please refer to the documentation or switch to a default "
                    "assignor before re-attempting the upgrade");
    }
    const auto subscription = read_subscription(metadata_of(member, *classic.protocol_name()));
    if (!subscription) return refuse("the embedded consumer protocol is malformed");
    add_records(member, classic.generation(), *subscription, with_ids(assignment.partitions, *cluster), upgrade.records,
                targets, currents);
  }
  for (const ConsumerGroupRecord& record : upgrade.records) apply(record, now);
  upgrade.records.push_back(GroupEpochRecord{GroupEpoch{classic.generation(), metadata_hash(*cluster, Outlook())}});
  upgrade.records.insert(upgrade.records.end(), targets.begin(), targets.end());
  upgrade.records.push_back(TargetEpochRecord{TargetEpoch{classic.generation(), 0}});
  upgrade.records.insert(upgrade.records.end(), currents.begin(), currents.end());
  for (const ConsumerGroupRecord& record : upgrade.records) apply(record, now);
  return upgrade;
}

std::size_t ConsumerGroup::classic_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(members_, [](const auto& member) { return member.second.metadata.classic.has_value(); }));
}

// One that all classic members have is enough; newer members have none.
bool ConsumerGroup::supports_protocols(const JoinRequest& request) const {
  if (request.protocol_type != kProtocolType) return false;
  return std::ranges::any_of(request.protocols, [this](const GroupProtocol& wanted) {
    return std::ranges::all_of(members_, [&wanted](const auto& member) {
      const auto& classic = member.second.metadata.classic;
      return !classic || std::ranges::find(classic->protocols, wanted.name, &GroupProtocol::name) != classic->protocols.end();
    });
  });
}

ClassicJoinDecision ConsumerGroup::classic_join(const JoinRequest& request, std::string new_member_id,
                                                const ClusterPtr& cluster, Time now) const {
  ClassicJoinDecision join;
  const auto refuse = [&join](ErrorCode error, std::string member_id = "") {
    join.result = JoinResult(std::move(member_id), error);
    return std::move(join);
  };
  if (limits_->migration == MigrationPolicy::disabled) {
    join.decision.log_lines.push_back(fmt::format(
        "Cannot join the consumer group {} with the classic protocol because the group migration is disabled.", id_));
    return refuse(ErrorCode::inconsistent_group_protocol);
  }
  const bool is_new = request.member_id.empty();
  ConsumerHeartbeat as_heartbeat;
  as_heartbeat.member_id = request.member_id;
  if (is_new) as_heartbeat.member_id = std::move(new_member_id);
  if (std::cmp_greater_equal(members_.size(), limits_->size_max) && !members_.contains(as_heartbeat.member_id)) {
    return refuse(ErrorCode::group_max_size_reached);
  }
  if (!supports_protocols(request)) return refuse(ErrorCode::inconsistent_group_protocol);
  if (is_new && request.needs_known_member_id) {
    join.decision.log_lines.push_back(
        fmt::format("[GroupId {}] Dynamic member with unknown member id joins the consumer group. Created a new member id {} "
                    "and requesting the member to rejoin with this id.",
                    id_, as_heartbeat.member_id));
    return refuse(ErrorCode::member_id_required, as_heartbeat.member_id);
  }
  const auto subscription = read_subscription(request.protocols.front().metadata);
  if (!subscription) return refuse(ErrorCode::unknown_server_error);
  as_heartbeat.group_id = id_;
  as_heartbeat.instance_id = request.group_instance_id;
  as_heartbeat.rack_id = subscription->rack_id;
  as_heartbeat.rebalance_timeout_ms = request.rebalance_timeout_ms;
  as_heartbeat.subscribed_topic_names.emplace(subscription->topics.begin(), subscription->topics.end());
  as_heartbeat.subscribed_topic_regex = "";
  as_heartbeat.owned = with_ids(subscription->owned, *cluster);
  as_heartbeat.classic = JoiningClassicMember{{request.session_timeout_ms, request.protocols}, is_new};
  as_heartbeat.client_id = request.client_id;
  as_heartbeat.client_host = request.client_host;
  join.decision = join_or_stay(as_heartbeat, cluster, now);
  const ConsumerHeartbeatResult& result = join.decision.result;
  if (result.error != ErrorCode::none) return refuse(result.error);
  join.decision.must_sync = true;
  join.result.member_id = result.member_id;
  join.result.generation = result.member_epoch;
  join.result.protocol_type = kProtocolType;
  join.result.protocol_name = request.protocols.front().name;
  return join;
}

ErrorCode ConsumerGroup::find_classic(const MemberIdentity& who, std::string& member_id) const {
  if (who.group_instance_id) {
    const auto found = static_members_.find(*who.group_instance_id);
    if (found == static_members_.end()) return ErrorCode::unknown_member_id;
    if (found->second != who.member_id) return ErrorCode::fenced_instance_id;
  }
  const auto member = members_.find(who.member_id);
  if (member == members_.end() || !member->second.metadata.classic) return ErrorCode::unknown_member_id;
  member_id = who.member_id;
  return ErrorCode::none;
}

void ConsumerGroup::expect_rejoin(const std::string& member_id, const Member& member, Time now) {
  join_deadlines_.try_emplace(member_id, now.monotonic_ms + member.metadata.rebalance_timeout_ms);
}

bool ConsumerGroup::waits_for_unreleased(const std::string& member_id, const Member& member) const {
  const auto target = target_.find(member_id);
  if (target == target_.end()) return false;
  const Partitions assigned = without_epochs(member.current.assigned);
  return std::ranges::any_of(target->second, [&](const auto& topic) {
    const auto mine = assigned.find(topic.first);
    return std::ranges::any_of(topic.second, [&](std::int32_t partition) {
      const bool is_mine = mine != assigned.end() && mine->second.contains(partition);
      return !is_mine && is_owned(topic.first, partition);
    });
  });
}

ErrorCode ConsumerGroup::classic_heartbeat(const MemberIdentity& who, std::int32_t generation, Time now) {
  std::string member_id;
  if (const ErrorCode error = find_classic(who, member_id); error != ErrorCode::none) return error;
  const Member& member = members_.at(member_id);
  const CurrentAssignment& current = member.current;
  if (generation != current.member_epoch) return ErrorCode::illegal_generation;
  session_deadlines_[member_id] = now.monotonic_ms + session_timeout_of(member);
  // Only who joins, or a newer member's heartbeat, computes targets. Kafka 4.3.1 tells classic members to join again once there
  // is one, and what those who left had is nobody's while no newer member speaks; Kafka 3.9 tells them as here.
  const bool is_due = epoch_.epoch > target_epoch_.epoch && may_compute_target(now);
  const bool is_there = !is_due && current.member_epoch >= target_epoch_.epoch &&
                        current.state != MemberState::unrevoked_partitions &&
                        (current.state != MemberState::unreleased_partitions || waits_for_unreleased(member_id, member));
  if (is_there) return ErrorCode::none;
  expect_rejoin(member_id, member, now);
  return ErrorCode::rebalance_in_progress;
}

SyncResult ConsumerGroup::classic_sync(const SyncRequest& request, const ClusterPtr& cluster, Time now) {
  std::string member_id;
  MemberIdentity who;
  who.member_id = request.member_id;
  who.group_instance_id = request.group_instance_id;
  if (const ErrorCode error = find_classic(who, member_id); error != ErrorCode::none) return SyncResult(error);
  const Member& member = members_.at(member_id);
  if (request.generation != member.current.member_epoch) return SyncResult(ErrorCode::illegal_generation);
  const GroupProtocol& protocol = member.metadata.classic->protocols.front();
  if ((request.protocol_type && request.protocol_type != kProtocolType) ||
      (request.protocol_name && request.protocol_name != protocol.name)) {
    return SyncResult(ErrorCode::inconsistent_group_protocol);
  }
  if (target_epoch_.epoch > member.current.member_epoch && member.current.state != MemberState::unrevoked_partitions) {
    expect_rejoin(member_id, member, now);
    return SyncResult(ErrorCode::rebalance_in_progress);
  }
  sync_deadlines_.erase(member_id);
  session_deadlines_[member_id] = now.monotonic_ms + session_timeout_of(member);
  SyncResult result;
  result.protocol_type = request.protocol_type;
  result.protocol_name = request.protocol_name;
  result.assignment =
      write_assignment(with_names(without_epochs(member.current.assigned), *cluster), protocol.metadata);
  return result;
}

ConsumerDecision ConsumerGroup::classic_leave(const std::vector<MemberIdentity>& members, const ClusterPtr& cluster,
                                              LeaveResult& result) const {
  ConsumerDecision decision;
  std::set<std::string> leaving;
  for (const MemberIdentity& who : members) {
    ErrorCode error = ErrorCode::none;
    std::string member_id = who.member_id;
    if (who.group_instance_id) {
      const auto found = static_members_.find(*who.group_instance_id);
      if (found == static_members_.end()) {
        error = ErrorCode::unknown_member_id;
      } else if (!member_id.empty() && found->second != member_id) {
        error = ErrorCode::fenced_instance_id;
      } else {
        member_id = found->second;
      }
    } else if (!members_.contains(member_id)) {
      error = ErrorCode::unknown_member_id;
    }
    result.members.push_back(error);
    if (error != ErrorCode::none) continue;
    leaving.insert(member_id);
    const std::string name = who.group_instance_id
                                 ? fmt::format("Static member {} with instance id {}", member_id, *who.group_instance_id)
                                 : fmt::format("Dynamic member {}", member_id);
    decision.log_lines.push_back(
        fmt::format("[GroupId {}] {} has left group through explicit `LeaveGroup` request; client reason: {}", id_, name,
                    who.reason_text()));
  }
  if (!leaving.empty()) fence(leaving, cluster, decision);
  return decision;
}

bool ConsumerGroup::may_become_classic(std::size_t size, ConsumerDecision& decision) const {
  const char* obstacle = nullptr;
  if (!allows_downgrade(limits_->migration)) {
    obstacle = "the online downgrade is disabled";
  } else if (std::cmp_greater(size, limits_->classic_size_max)) {
    obstacle = "its group size is greater than classic group max size";
  }
  if (obstacle == nullptr) return true;
  decision.log_lines.push_back(
      fmt::format("Cannot downgrade consumer group {} to classic group because {}.", id_, obstacle));
  return false;
}

bool ConsumerGroup::leaves_classic_members(const std::set<std::string>& leaving, ConsumerDecision& decision) const {
  const std::size_t classic_leaving = static_cast<std::size_t>(std::ranges::count_if(
      leaving, [this](const std::string& member_id) { return members_.at(member_id).metadata.classic.has_value(); }));
  const std::size_t left = members_.size() - leaving.size();
  return left > 0 && classic_count() - classic_leaving == left && may_become_classic(left, decision);
}

bool ConsumerGroup::replaces_last_consumer(const ConsumerHeartbeat& request, ConsumerDecision& decision) const {
  if (!request.classic || !request.instance_id) return false;
  const auto replaced = static_members_.find(*request.instance_id);
  if (replaced == static_members_.end() || members_.at(replaced->second).metadata.classic) return false;
  return classic_count() == members_.size() - 1 && may_become_classic(members_.size(), decision);
}

void ConsumerGroup::become_classic(const std::set<std::string>& leaving, ConsumerDecision& decision) const {
  BecomesClassic& becomes = decision.becomes_classic.emplace();
  becomes.generation = epoch_.epoch;
  becomes.rebalance = true;
  becomes.reason = fmt::format("Downgrade group {} from consumer to classic for member leaving.", id_);
  becomes.targets = target_;
  for (const auto& [member_id, member] : members_) {
    if (!leaving.contains(member_id)) becomes.members.push_back(classic_member(member_id, member.metadata));
  }
  decision.records = tombstones();
}

// A static member of the newer protocol came back as a classic one, and was the last.
void ConsumerGroup::become_classic_with(const ConsumerHeartbeat& request, const Outlook& outlook, bool rebalance,
                                        ConsumerDecision& decision) const {
  const std::string& replaced = static_members_.at(*request.instance_id);
  BecomesClassic& becomes = decision.becomes_classic.emplace();
  becomes.generation = epoch_.epoch;
  becomes.rebalance = rebalance;
  becomes.reason = fmt::format("Downgrade group {} from consumer to classic with stale assignment.", id_);
  becomes.targets = target_;
  for (const auto& [member_id, member] : members_) {
    if (member_id != replaced) becomes.members.push_back(classic_member(member_id, member.metadata));
  }
  becomes.members.push_back(classic_member(request.member_id, outlook.metadata));
  if (const auto target = target_.find(replaced); target != target_.end()) {
    becomes.targets[request.member_id] = target->second;
  }
  for (ConsumerGroupRecord& tombstone : tombstones(replaced, request.member_id)) {
    decision.records.push_back(std::move(tombstone));
  }
}

}  // namespace broker::group
