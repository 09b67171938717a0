// From a rebalance's begin to its end: waiting for members, the new generation, SyncGroup, and members that leave or
// die.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "broker/group/classic_group.h"

namespace broker::group {
namespace {

// Rebalance timeouts are what members ask for, down to 0.
constexpr std::int32_t kNextLookMs = 1000;

}  // namespace

void ClassicGroup::maybe_prepare_rebalance(const std::string& reason, Time now, Effects& effects) {
  if (is(GroupState::stable) || is(GroupState::completing_rebalance) || is(GroupState::empty)) {
    prepare_rebalance(reason, now, effects);
  }
}

void ClassicGroup::prepare_rebalance(const std::string& reason, Time now, Effects& effects) {
  // Those that wait for an assignment of this generation must rejoin.
  if (is(GroupState::completing_rebalance)) reset_assignment(ErrorCode::rebalance_in_progress, now, effects);
  pending_sync_.reset();
  effects.log_lines.push_back(fmt::format("Preparing to rebalance {} (reason: {})", describe(), reason));
  Rebalance rebalance;
  rebalance.initial = is(GroupState::empty);
  if (rebalance.initial) {
    rebalance.delay_ms = limits_->initial_rebalance_delay_ms;
    rebalance.remaining_ms = std::max(rebalance_timeout_ms() - limits_->initial_rebalance_delay_ms, 0);
    rebalance.deadline = now.monotonic_ms + rebalance.delay_ms;
  } else {
    rebalance.deadline = now.monotonic_ms + rebalance_timeout_ms();
  }
  enter(GroupState::preparing_rebalance, now);
  rebalance_ = rebalance;
  maybe_complete_join(now, effects);
}

void ClassicGroup::maybe_complete_join(Time now, Effects& effects) {
  if (!is(GroupState::preparing_rebalance) || !rebalance_ || rebalance_->initial) return;
  if (awaiting_join_count_ == members_.size() && pending_members_.empty()) complete_join(now, effects);
}

// A group that starts waits in steps for as long as members keep coming, at most for its rebalance timeout.
void ClassicGroup::initial_delay_over(Time now, Effects& effects) {
  if (!new_member_added_ || rebalance_->remaining_ms == 0) {
    complete_join(now, effects);
    return;
  }
  new_member_added_ = false;
  const std::int64_t waited = rebalance_->delay_ms;
  const std::int64_t delay = std::min<std::int64_t>(limits_->initial_rebalance_delay_ms, rebalance_->remaining_ms);
  rebalance_->remaining_ms = std::max<std::int64_t>(rebalance_->remaining_ms - waited, 0);
  rebalance_->delay_ms = delay;
  rebalance_->deadline = now.monotonic_ms + delay;
}

// False if the leader hasn't rejoined, and nobody else has.
bool ClassicGroup::elect_joined_leader() {
  if (!leader_) return true;
  auto leader = members_.find(*leader_);
  if (leader != members_.end() && leader->second.awaiting_join != kNobody) return true;
  for (const auto& [id, member] : members_) {
    if (member.awaiting_join == kNobody) continue;
    leader_ = id;
    return true;
  }
  return false;
}

void ClassicGroup::complete_join(Time now, Effects& effects) {
  std::vector<std::string> gone;
  for (const auto& [id, member] : members_) {
    if (member.awaiting_join == kNobody && !member.group_instance_id) gone.push_back(id);
  }
  for (const std::string& id : gone) {
    effects.log_lines.push_back(fmt::format("Group {} removed dynamic member {} who hasn't joined", id_, id));
    remove_member(id);
  }
  if (!elect_joined_leader() && !members_.empty()) {
    // Only static members, and none is back yet. Their session timeouts will tell.
    rebalance_ = Rebalance();
    rebalance_->deadline = now.monotonic_ms + std::max(rebalance_timeout_ms(), kNextLookMs);
    return;
  }
  start_generation(now, effects);
}

void ClassicGroup::start_generation(Time now, Effects& effects) {
  // After the last one, which no group gets to but a damaged record may tell of, comes the first: below 0 is nobody's.
  generation_ = generation_ == std::numeric_limits<std::int32_t>::max() ? 1 : generation_ + 1;
  pending_sync_members_.clear();
  new_member_added_ = false;
  assignment_is_written_ = false;
  if (members_.empty()) {
    protocol_name_.reset();
    leader_.reset();
    compute_subscribed_topics();
    enter(GroupState::empty, now);
    effects.log_lines.push_back(fmt::format("Group {} with generation {} is now empty", id_, generation_));
    StoreGroup& store = effects.stores.emplace_back();
    store.value = to_stored({});
    store.purpose = EmptyGroupWrite{};
    return;
  }
  protocol_name_ = select_protocol();
  compute_subscribed_topics();
  enter(GroupState::completing_rebalance, now);
  effects.log_lines.push_back(
      fmt::format("Stabilized group {} generation {} with {} members", id_, generation_, members_.size()));
  for (auto& [id, member] : members_) {
    JoinResult result = current_generation(id);
    if (is_leader(id)) result.members = members_for_leader();
    answer_join(member, std::move(result), effects);
    touch(member, now);
    member.is_new = false;
    pending_sync_members_.insert(id);
  }
  pending_sync_ = PendingSync{generation_, now.monotonic_ms + rebalance_timeout_ms()};
}

void ClassicGroup::sync(const SyncRequest& request, WaiterId waiter, Time now, Effects& effects) {
  const auto refuse = [&](ErrorCode error) { effects.syncs.push_back({waiter, SyncResult(error)}); };
  if (is(GroupState::dead)) return refuse(ErrorCode::coordinator_not_available);
  MemberIdentity who;
  who.member_id = request.member_id;
  who.group_instance_id = request.group_instance_id;
  const ErrorCode error = check_member(who);
  if (error != ErrorCode::none) return refuse(error);
  if (request.generation != generation_) return refuse(ErrorCode::illegal_generation);
  if ((request.protocol_type && request.protocol_type != protocol_type_) ||
      (request.protocol_name && request.protocol_name != protocol_name_)) {
    return refuse(ErrorCode::inconsistent_group_protocol);
  }
  if (is(GroupState::empty)) return refuse(ErrorCode::unknown_member_id);
  if (is(GroupState::preparing_rebalance)) return refuse(ErrorCode::rebalance_in_progress);
  Member& member = members_.at(request.member_id);
  pending_sync_members_.erase(request.member_id);
  if (is(GroupState::stable)) {
    SyncResult result;
    result.protocol_type = protocol_type_;
    result.protocol_name = protocol_name_;
    result.assignment = member.assignment;
    effects.syncs.push_back({waiter, std::move(result)});
    touch(member, now);
    return;
  }
  answer_sync(member, SyncResult(ErrorCode::rebalance_in_progress), effects);  // an earlier request of the same member
  member.awaiting_sync = waiter;
  // What its leader says first counts: a second assignment would be in the log behind the one that is told.
  if (!is_leader(request.member_id) || std::exchange(assignment_is_written_, true)) return;
  effects.log_lines.push_back(
      fmt::format("Assignment received from leader {} for group {} for generation {}. The group has {} members, {} of "
                  "which are static.",
                  request.member_id, id_, generation_, members_.size(), static_members_.size()));
  AssignmentWrite write;
  write.generation = generation_;
  for (const auto& [id, one] : members_) {
    auto found = request.assignments.find(id);
    write.assignments[id] = found == request.assignments.end() ? base::Bytes() : found->second;
  }
  StoreGroup& store = effects.stores.emplace_back();
  store.value = to_stored(write.assignments);
  store.purpose = std::move(write);
}

void ClassicGroup::stored(const StoreGroup& write, ErrorCode outcome, Time now, Effects& effects) {
  if (const auto* assignment = std::get_if<AssignmentWrite>(&write.purpose)) {
    finish_sync(*assignment, outcome, now, effects);
  } else if (const auto* rejoined = std::get_if<StaticMemberWrite>(&write.purpose)) {
    finish_static_rejoin(*rejoined, outcome, now, effects);
  }
}

// Others may have joined while the record was written; then this generation is over already.
void ClassicGroup::finish_sync(const AssignmentWrite& write, ErrorCode outcome, Time now, Effects& effects) {
  if (!is(GroupState::completing_rebalance) || write.generation != generation_) return;
  if (outcome != ErrorCode::none) {
    reset_assignment(outcome, now, effects);
    maybe_prepare_rebalance("Error when storing group assignment during SyncGroup", now, effects);
    return;
  }
  for (auto& [id, member] : members_) {
    auto found = write.assignments.find(id);
    member.assignment = found == write.assignments.end() ? base::Bytes() : found->second;
  }
  enter(GroupState::stable, now);
  propagate_assignment(ErrorCode::none, now, effects);
}

void ClassicGroup::finish_static_rejoin(const StaticMemberWrite& write, ErrorCode outcome, Time now, Effects& effects) {
  auto found = members_.find(write.new_member_id);
  if (found == members_.end() || is(GroupState::dead)) return;
  if (outcome != ErrorCode::none) {
    JoinResult refused = current_generation("");
    refused.error = outcome;
    refused.leader = write.old_leader;
    answer_join(found->second, std::move(refused), effects);
    Member& old = replace_static_member(write.group_instance_id, write.new_member_id, write.old_member_id, effects);
    update_member(old, write.old_protocols, write.old_rebalance_timeout_ms, write.old_session_timeout_ms);
    touch(old, now);
    return;
  }
  touch(found->second, now);  // its session may have run out while it waited, which didn't count
  // Since v9 a leader can be told that it leads without being asked for an assignment. Before that it is told that the
  // one it was before leads, so that it doesn't assign: a stable group would not spread that.
  JoinResult result = current_generation(write.new_member_id);
  if (write.can_skip_assignment) {
    result.skip_assignment = is_leader(write.new_member_id);
    if (result.skip_assignment) result.members = members_for_leader();
  } else {
    result.leader = write.old_leader;
  }
  answer_join(found->second, std::move(result), effects);
}

void ClassicGroup::propagate_assignment(ErrorCode error, Time now, Effects& effects) {
  for (auto& [id, member] : members_) {
    SyncResult result(error);
    if (error == ErrorCode::none) {
      result.protocol_type = protocol_type_;
      result.protocol_name = protocol_name_;
    }
    result.assignment = member.assignment;
    // Its session may have run out while it waited, which didn't count.
    if (answer_sync(member, std::move(result), effects)) touch(member, now);
  }
}

void ClassicGroup::reset_assignment(ErrorCode error, Time now, Effects& effects) {
  for (auto& [id, member] : members_) member.assignment.clear();
  propagate_assignment(error, now, effects);
}

LeaveResult ClassicGroup::leave(const std::vector<MemberIdentity>& members, Time now, Effects& effects) {
  LeaveResult result;
  if (is(GroupState::dead)) {
    result.error = ErrorCode::coordinator_not_available;
    return result;
  }
  for (const MemberIdentity& who : members) {
    MemberIdentity leaving = who;
    ErrorCode error = ErrorCode::none;
    if (who.member_id.empty()) {  // an admin who knows the instance id alone
      auto found = who.group_instance_id ? static_members_.find(*who.group_instance_id) : static_members_.end();
      if (found == static_members_.end()) {
        error = ErrorCode::unknown_member_id;
      } else {
        leaving.member_id = found->second;
      }
    } else if (pending_members_.contains(who.member_id)) {
      pending_members_.erase(who.member_id);
      effects.log_lines.push_back(fmt::format("Pending member with memberId={} has left group {} through explicit `LeaveGroup` request",
                                              who.member_id, id_));
      maybe_complete_join(now, effects);
      result.members.push_back(ErrorCode::none);
      continue;
    } else {
      error = check_member(who);
    }
    if (error == ErrorCode::none) {
      effects.log_lines.push_back(fmt::format("Member {} has left group {} through explicit `LeaveGroup`; client reason: {}",
                                              leaving.member_id, id_, who.reason_text()));
      remove_and_update(leaving.member_id,
                        fmt::format("Removing member {} on LeaveGroup; client reason: {}", leaving.member_id, who.reason_text()),
                        now, effects);
    }
    result.members.push_back(error);
  }
  return result;
}

void ClassicGroup::remove_and_update(const std::string& member_id, const std::string& reason, Time now,
                                     Effects& effects) {
  Member& member = members_.at(member_id);
  answer_join(member, JoinResult("", ErrorCode::unknown_member_id), effects);
  answer_sync(member, SyncResult(ErrorCode::unknown_member_id), effects);
  remove_member(member_id);
  if (is(GroupState::stable) || is(GroupState::completing_rebalance)) {
    maybe_prepare_rebalance(reason, now, effects);
  } else {
    maybe_complete_join(now, effects);
  }
}

void ClassicGroup::on_time(Time now, Effects& effects) {
  if (is(GroupState::dead)) return;
  expire_members(now, effects);
  if (rebalance_ && rebalance_->deadline <= now.monotonic_ms) {
    if (rebalance_->initial) {
      initial_delay_over(now, effects);
    } else {
      complete_join(now, effects);
    }
  }
  if (pending_sync_ && pending_sync_->deadline <= now.monotonic_ms) expire_pending_sync(now, effects);
}

void ClassicGroup::expire_members(Time now, Effects& effects) {
  std::vector<std::string> silent;
  for (auto& [id, member] : members_) {
    if (!member.deadline || *member.deadline > now.monotonic_ms) continue;
    member.deadline.reset();
    // Who waits for an answer of ours can't send heartbeats. The next deadline is set when it gets one.
    if (member.is_new || (member.awaiting_join == kNobody && member.awaiting_sync == kNobody)) silent.push_back(id);
  }
  for (const std::string& id : silent) {
    if (!members_.contains(id)) continue;
    effects.log_lines.push_back(fmt::format("Member {} in group {} has failed, removing it from the group", id, id_));
    remove_and_update(id, fmt::format("removing member {} on heartbeat expiration", id), now, effects);
  }
  if (pending_members_.erase_until(now.monotonic_ms)) maybe_complete_join(now, effects);
}

void ClassicGroup::expire_pending_sync(Time now, Effects& effects) {
  const std::int32_t generation = pending_sync_->generation;
  pending_sync_.reset();
  if (generation != generation_ || !(is(GroupState::completing_rebalance) || is(GroupState::stable))) return;
  if (pending_sync_members_.empty()) return;
  for (const std::string& id : std::exchange(pending_sync_members_, {})) {
    effects.log_lines.push_back(fmt::format("Group {} removed member {} who hasn't sent its sync request", id_, id));
    // A static one may have come back under another id, and wait for its record.
    if (const auto found = members_.find(id); found != members_.end()) {
      answer_join(found->second, JoinResult("", ErrorCode::unknown_member_id), effects);
    }
    remove_member(id);
  }
  prepare_rebalance("Removing members on pending sync request expiration", now, effects);
}

}  // namespace broker::group
