#include "broker/group/consumer_group.h"

#include <algorithm>
#include <utility>

namespace broker::group {

Partitions without_epochs(const OwnedPartitions& owned) {
  Partitions partitions;
  for (const auto& [topic_id, of_topic] : owned) {
    for (const auto& [partition, epoch] : of_topic) partitions[topic_id].insert(partition);
  }
  return partitions;
}

void ConsumerGroup::replace_current(const std::string& member_id, Member& member, CurrentAssignment next) {
  // A log that is being compacted may tell of two owners for a while. The later record wins, whichever comes first.
  for (const OwnedPartitions* old : {&member.current.assigned, &member.current.pending_revocation}) {
    for (const auto& [topic_id, partitions] : *old) {
      auto topic = owners_.find(topic_id);
      if (topic == owners_.end()) continue;
      for (const auto& [partition, epoch] : partitions) {
        auto found = topic->second.find(partition);
        if (found != topic->second.end() && found->second == member_id) topic->second.erase(found);
      }
      if (topic->second.empty()) owners_.erase(topic);
    }
  }
  member.current = std::move(next);
  for (const OwnedPartitions* now : {&member.current.assigned, &member.current.pending_revocation}) {
    for (const auto& [topic_id, partitions] : *now) {
      for (const auto& [partition, epoch] : partitions) owners_[topic_id][partition] = member_id;
    }
  }
}

bool ConsumerGroup::is_owned(const base::Uuid& topic_id, std::int32_t partition) const {
  const auto topic = owners_.find(topic_id);
  return topic != owners_.end() && topic->second.contains(partition);
}

// Held by nobody else, it can't be the one that is there now: the same place in memory may be another one's by then.
bool ConsumerGroup::has_looked_at(const ClusterPtr& cluster) const { return looked_at_.lock() == cluster; }

void ConsumerGroup::release_instance(const std::string& member_id, const Member& member) {
  if (!member.metadata.instance_id) return;
  const auto found = static_members_.find(*member.metadata.instance_id);
  if (found != static_members_.end() && found->second == member_id) static_members_.erase(found);
}

void ConsumerGroup::drop_member(const std::string& member_id) {
  const auto found = members_.find(member_id);
  if (found == members_.end()) return;
  replace_current(member_id, found->second, CurrentAssignment());
  release_instance(member_id, found->second);
  members_.erase(found);
  session_deadlines_.erase(member_id);
  rebalance_timers_.erase(member_id);
  join_deadlines_.erase(member_id);
  sync_deadlines_.erase(member_id);
}

std::int32_t ConsumerGroup::session_timeout_of(const Member& member) const {
  return member.metadata.classic ? member.metadata.classic->session_timeout_ms : session_timeout_ms();
}

void ConsumerGroup::apply_to(const MemberMetadataRecord& record, Time now) {
  if (!record.value) {
    drop_member(record.member_id);
    return;
  }
  Member& member = members_[record.member_id];
  release_instance(record.member_id, member);
  member.metadata = *record.value;
  if (member.metadata.instance_id) static_members_[*member.metadata.instance_id] = record.member_id;
  session_deadlines_.try_emplace(record.member_id, now.monotonic_ms + session_timeout_of(member));
  if (member.metadata.classic) return;
  join_deadlines_.erase(record.member_id);
  sync_deadlines_.erase(record.member_id);
}

void ConsumerGroup::apply_to(const CurrentAssignmentRecord& record, Time now) {
  rebalance_timers_.erase(record.member_id);
  if (!record.value) {
    const auto found = members_.find(record.member_id);
    if (found != members_.end()) replace_current(record.member_id, found->second, CurrentAssignment());
    return;
  }
  Member& member = members_[record.member_id];  // of a compacted log, its metadata may come later
  replace_current(record.member_id, member, *record.value);
  // Of a classic member, the next JoinGroup is what is waited for; a static one that is away has given up all, and is waited for
  // until its session ends.
  const bool is_away = member.current.member_epoch == kStaticLeaveEpoch;
  if (member.current.state == MemberState::unrevoked_partitions && !member.metadata.classic && !is_away) {
    rebalance_timers_[record.member_id] = {now.monotonic_ms + member.metadata.rebalance_timeout_ms,
                                           member.current.member_epoch};
  }
}

void ConsumerGroup::apply(const ConsumerGroupRecord& record, Time now) {
  if (const auto* epoch = std::get_if<GroupEpochRecord>(&record)) {
    epoch_ = epoch->value.value_or(GroupEpoch{kFirstEpoch, 0});
  } else if (const auto* old = std::get_if<SubscriptionMetadataRecord>(&record)) {
    has_subscription_metadata_record_ = !old->deleted;
  } else if (const auto* member = std::get_if<MemberMetadataRecord>(&record)) {
    apply_to(*member, now);
  } else if (const auto* target_epoch = std::get_if<TargetEpochRecord>(&record)) {
    target_epoch_ = target_epoch->value.value_or(TargetEpoch());
  } else if (const auto* target = std::get_if<TargetAssignmentRecord>(&record)) {
    if (target->value) {
      target_[target->member_id] = *target->value;
    } else {
      target_.erase(target->member_id);
    }
  } else if (const auto* current = std::get_if<CurrentAssignmentRecord>(&record)) {
    apply_to(*current, now);
  } else if (const auto* regex = std::get_if<RegexRecord>(&record)) {
    if (regex->value) {
      regexes_[regex->regex] = *regex->value;
    } else {
      regexes_.erase(regex->regex);
    }
  }
}

void ConsumerGroup::settle(const ConsumerDecision& decision, Time now) {
  for (const ConsumerGroupRecord& record : decision.records) apply(record, now);
  if (decision.looked_at) looked_at_ = decision.looked_at;
  const auto heard_from = members_.find(decision.heard_from);
  if (heard_from == members_.end()) return;
  session_deadlines_[heard_from->first] = now.monotonic_ms + session_timeout_of(heard_from->second);
  if (!decision.must_sync) return;
  join_deadlines_.erase(heard_from->first);
  sync_deadlines_[heard_from->first] = now.monotonic_ms + heard_from->second.metadata.rebalance_timeout_ms;
}

void ConsumerGroup::loaded(Time now) {
  for (const auto& [member_id, member] : members_) {
    session_deadlines_[member_id] = now.monotonic_ms + session_timeout_ms();
    // One that is away is waited for until its session ends, as apply_to() has it.
    const bool is_away = member.current.member_epoch == kStaticLeaveEpoch;
    if (member.current.state != MemberState::unrevoked_partitions || is_away) continue;
    rebalance_timers_[member_id] = {now.monotonic_ms + member.metadata.rebalance_timeout_ms, member.current.member_epoch};
  }
}

std::optional<std::int64_t> ConsumerGroup::deadline_of(const std::string& member_id) const {
  const auto found = session_deadlines_.find(member_id);
  return found == session_deadlines_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::int64_t> ConsumerGroup::next_deadline() const {
  std::optional<std::int64_t> next;
  const auto consider = [&next](std::int64_t deadline) { next = next ? std::min(*next, deadline) : deadline; };
  for (const auto& [member_id, deadline] : session_deadlines_) consider(deadline);
  for (const auto& [member_id, timer] : rebalance_timers_) consider(timer.deadline);
  for (const auto& [member_id, deadline] : join_deadlines_) consider(deadline);
  for (const auto& [member_id, deadline] : sync_deadlines_) consider(deadline);
  return next;
}

ErrorCode ConsumerGroup::check_commit(const MemberIdentity& who, std::int32_t epoch, bool transactional,
                                      std::int16_t version) const {
  constexpr std::int16_t kFirstVersionWithMemberEpochs = 9;
  if (epoch < 0 && members_.empty()) return ErrorCode::none;  // a tool, or a consumer without membership
  if (transactional && epoch == -1 && who.member_id.empty() && !who.group_instance_id) return ErrorCode::none;
  const auto found = members_.find(who.member_id);
  if (found == members_.end()) return ErrorCode::unknown_member_id;
  const Member& member = found->second;
  const bool classic = member.metadata.classic.has_value();
  if (!transactional && !classic && version < kFirstVersionWithMemberEpochs) return ErrorCode::unsupported_version;
  if (epoch > member.current.member_epoch) {
    return classic ? ErrorCode::illegal_generation : ErrorCode::stale_member_epoch;
  }
  return ErrorCode::none;
}

ErrorCode ConsumerGroup::check_commit_of(const std::string& member_id, std::int32_t epoch, const base::Uuid& topic_id,
                                         std::int32_t partition) const {
  const auto found = members_.find(member_id);
  if (found == members_.end()) return ErrorCode::none;  // check_commit let it through
  const CurrentAssignment& current = found->second.current;
  if (epoch == current.member_epoch) return ErrorCode::none;
  for (const OwnedPartitions* owned : {&current.assigned, &current.pending_revocation}) {
    const auto topic = owned->find(topic_id);
    if (topic == owned->end()) continue;
    const auto one = topic->second.find(partition);
    if (one != topic->second.end() && epoch >= one->second) return ErrorCode::none;
  }
  return found->second.metadata.classic ? ErrorCode::illegal_generation : ErrorCode::stale_member_epoch;
}

ErrorCode ConsumerGroup::check_fetch(const std::optional<std::string>& member_id, std::int32_t epoch) const {
  if (!member_id && epoch < 0) return ErrorCode::none;
  const auto found = members_.find(member_id.value_or(""));
  if (found == members_.end()) return ErrorCode::unknown_member_id;
  if (epoch == found->second.current.member_epoch) return ErrorCode::none;
  return found->second.metadata.classic ? ErrorCode::illegal_generation : ErrorCode::stale_member_epoch;
}

std::string_view ConsumerGroup::state() const {
  if (members_.empty()) return "Empty";
  if (epoch_.epoch > target_epoch_.epoch) return "Assigning";
  const bool all_there = std::all_of(members_.begin(), members_.end(), [this](const auto& member) {
    const CurrentAssignment& current = member.second.current;
    return current.state == MemberState::stable && current.member_epoch == target_epoch_.epoch;
  });
  return all_there ? "Stable" : "Reconciling";
}

bool ConsumerGroup::is_subscribed_to(const std::string& topic) const {
  return std::any_of(members_.begin(), members_.end(), [&](const auto& one) {
    const ConsumerMemberMetadata& member = one.second.metadata;
    if (member.topic_names.contains(topic)) return true;
    const auto regex = regexes_.find(member.topic_regex);
    return regex != regexes_.end() && regex->second.topics.contains(topic);
  });
}

ConsumerGroupSummary ConsumerGroup::summary() const {
  ConsumerGroupSummary summary;
  summary.state = state();
  summary.group_epoch = epoch_.epoch;
  summary.assignment_epoch = target_epoch_.epoch;
  summary.assignor = preferred_assignor(Outlook());
  for (const auto& [member_id, member] : members_) {
    ConsumerMemberSummary& one = summary.members.emplace_back();
    one.member_id = member_id;
    one.member_epoch = member.current.member_epoch;
    one.metadata = member.metadata;
    one.assignment = without_epochs(member.current.assigned);
    for (const auto& [topic_id, partitions] : without_epochs(member.current.pending_revocation)) {
      one.assignment[topic_id].insert(partitions.begin(), partitions.end());
    }
    const auto target = target_.find(member_id);
    if (target != target_.end()) one.target_assignment = target->second;
  }
  return summary;
}

std::vector<ConsumerGroupRecord> ConsumerGroup::tombstones(const std::string& replaced, const std::string& by) const {
  std::vector<ConsumerGroupRecord> records;
  const auto name = [&](const std::string& member_id) -> const std::string& { return member_id == replaced ? by : member_id; };
  for (const auto& [id, member] : members_) records.push_back(CurrentAssignmentRecord{name(id), std::nullopt});
  for (const auto& [id, member] : members_) records.push_back(TargetAssignmentRecord{name(id), std::nullopt});
  records.push_back(TargetEpochRecord());
  for (const auto& [id, member] : members_) records.push_back(MemberMetadataRecord{name(id), std::nullopt});
  for (const auto& [regex, resolved] : regexes_) records.push_back(RegexRecord{regex, std::nullopt});
  records.push_back(SubscriptionMetadataRecord());
  records.push_back(GroupEpochRecord());
  return records;
}

}  // namespace broker::group
