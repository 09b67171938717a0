#include "broker/group/consumer_reconciliation.h"

#include <utility>

namespace broker::group {
namespace {

template <class ByTopic>
bool contains(const ByTopic& partitions, const base::Uuid& topic_id, std::int32_t partition) {
  const auto found = partitions.find(topic_id);
  return found != partitions.end() && found->second.contains(partition);
}

// A member that says nothing may still have them.
bool still_has_any(const std::optional<Partitions>& owned, const OwnedPartitions& revoked) {
  if (!owned) return true;
  for (const auto& [topic_id, partitions] : revoked) {
    for (const auto& [partition, epoch] : partitions) {
      if (contains(*owned, topic_id, partition)) return true;
    }
  }
  return false;
}

void move_to_epoch(CurrentAssignment& member, std::int32_t epoch) {
  member.previous_member_epoch = member.member_epoch;
  member.member_epoch = epoch;
}

CurrentAssignment towards_target(CurrentAssignment member, const ReconciliationInput& input) {
  OwnedPartitions kept, revoked, added;
  for (const auto& [topic_id, partitions] : member.assigned) {
    const bool subscribed = input.subscribed_topics.contains(topic_id);
    for (const auto& [partition, epoch] : partitions) {
      const bool stays = subscribed && contains(input.target, topic_id, partition);
      (stays ? kept : revoked)[topic_id].emplace(partition, epoch);
    }
  }
  bool some_unreleased = false;
  for (const auto& [topic_id, partitions] : input.target) {
    if (!input.subscribed_topics.contains(topic_id)) continue;
    const auto mine = kept.find(topic_id);
    for (const std::int32_t partition : partitions) {
      if (mine != kept.end() && mine->second.contains(partition)) continue;
      // What it has just given up itself it may have back.
      if (input.is_owned(topic_id, partition) && !contains(member.pending_revocation, topic_id, partition)) {
        some_unreleased = true;
      } else {
        added[topic_id].emplace(partition, input.target_epoch);
      }
    }
  }
  member.assigned = std::move(kept);
  if (!revoked.empty() && still_has_any(input.owned, revoked)) {
    member.state = MemberState::unrevoked_partitions;
    member.pending_revocation = std::move(revoked);
    move_to_epoch(member, member.member_epoch);
    return member;
  }
  for (auto& [topic_id, partitions] : added) member.assigned[topic_id].merge(partitions);
  member.state = some_unreleased ? MemberState::unreleased_partitions : MemberState::stable;
  member.pending_revocation.clear();
  move_to_epoch(member, input.target_epoch);
  return member;
}

// The epoch stays; partitions of topics that the member no longer subscribes to are taken back at once.
CurrentAssignment without_unsubscribed(CurrentAssignment member, const ReconciliationInput& input) {
  OwnedPartitions kept;
  OwnedPartitions revoked = member.pending_revocation;
  for (const auto& [topic_id, partitions] : member.assigned) {
    if (input.subscribed_topics.contains(topic_id)) {
      kept.emplace(topic_id, partitions);
    } else {
      revoked[topic_id].insert(partitions.begin(), partitions.end());
    }
  }
  if (kept == member.assigned) return member;
  member.assigned = std::move(kept);
  if (!revoked.empty() && still_has_any(input.owned, revoked)) {
    member.state = MemberState::unrevoked_partitions;
    member.pending_revocation = std::move(revoked);
  }
  move_to_epoch(member, member.member_epoch);
  return member;
}

}  // namespace

std::optional<CurrentAssignment> next_assignment(const CurrentAssignment& member, const ReconciliationInput& input) {
  switch (member.state) {
    case MemberState::stable:
      if (member.member_epoch != input.target_epoch) return towards_target(member, input);
      return input.subscription_changed ? without_unsubscribed(member, input) : member;
    case MemberState::unrevoked_partitions:
      if (!still_has_any(input.owned, member.pending_revocation)) return towards_target(member, input);
      return input.subscription_changed ? without_unsubscribed(member, input) : member;
    case MemberState::unreleased_partitions:
      return towards_target(member, input);
    case MemberState::unknown:
      break;
  }
  if (!input.owned || !input.owned->empty()) return std::nullopt;
  CurrentAssignment anew = member;
  anew.member_epoch = input.target_epoch;
  return towards_target(std::move(anew), input);
}

}  // namespace broker::group
