// How members come in: JoinGroup.
#include <fmt/format.h>

#include <utility>

#include "broker/group/classic_group.h"

namespace broker::group {
namespace {

// A new member can't send heartbeats while it waits, and may have gone. It is expected to ask again before this.
constexpr std::int64_t kNewMemberJoinTimeoutMs = 5 * 60 * 1000;

}  // namespace

void ClassicGroup::join(JoinRequest request, std::string new_member_id, WaiterId waiter, Time now, Effects& effects) {
  const bool is_new = request.member_id.empty();
  if (!accepts(request.member_id)) {
    remove_member(request.member_id);
    effects.joins.push_back({waiter, JoinResult("", ErrorCode::group_max_size_reached)});
  } else if (is(GroupState::dead)) {
    effects.joins.push_back({waiter, JoinResult(request.member_id, ErrorCode::coordinator_not_available)});
  } else if (!supports_protocols(request.protocol_type, request.protocols)) {
    effects.joins.push_back({waiter, JoinResult(request.member_id, ErrorCode::inconsistent_group_protocol)});
  } else if (is_new) {
    join_as_new(std::move(request), std::move(new_member_id), waiter, now, effects);
  } else {
    join_again(std::move(request), waiter, now, effects);
  }
  maybe_complete_join(now, effects);
}

// While members rejoin, those that did count, so that the last ones of a group that became too large are left out.
bool ClassicGroup::accepts(const std::string& member_id) const {
  const auto size_max = static_cast<std::size_t>(limits_->size_max);
  auto found = members_.find(member_id);
  switch (state_) {
    case GroupState::empty:
    case GroupState::dead:
      return true;
    case GroupState::preparing_rebalance:
      return (found != members_.end() && found->second.awaiting_join != kNobody) || awaiting_join_count_ < size_max;
    case GroupState::completing_rebalance:
    case GroupState::stable:
      return found != members_.end() || members_.size() < size_max;
  }
  return false;
}

void ClassicGroup::join_as_new(JoinRequest request, std::string new_member_id, WaiterId waiter, Time now,
                               Effects& effects) {
  if (request.group_instance_id) {
    auto known = static_members_.find(*request.group_instance_id);
    if (known != static_members_.end()) {
      const std::string old_id = known->second;
      rejoin_static(std::move(request), old_id, new_member_id, waiter, now, effects);
      return;
    }
  } else if (request.needs_known_member_id) {
    pending_members_.add(new_member_id, now.monotonic_ms + request.session_timeout_ms);
    effects.log_lines.push_back(
        fmt::format("Dynamic member with unknown member id joins {}. Created a new member id {} and request the member "
                    "to rejoin with this id.",
                    describe(), new_member_id));
    effects.joins.push_back({waiter, JoinResult(new_member_id, ErrorCode::member_id_required)});
    return;
  }
  add_and_rebalance(std::move(request), std::move(new_member_id), waiter, now, effects);
}

void ClassicGroup::join_again(JoinRequest request, WaiterId waiter, Time now, Effects& effects) {
  if (pending_members_.contains(request.member_id) && !request.group_instance_id) {
    std::string member_id = request.member_id;
    add_and_rebalance(std::move(request), std::move(member_id), waiter, now, effects);
    return;
  }
  MemberIdentity who;
  who.member_id = request.member_id;
  who.group_instance_id = request.group_instance_id;
  ErrorCode error = check_member(who);
  if (error == ErrorCode::none && is(GroupState::empty)) error = ErrorCode::unknown_member_id;
  if (error != ErrorCode::none) {
    effects.joins.push_back({waiter, JoinResult(request.member_id, error)});
    return;
  }
  const bool same = members_.at(request.member_id).protocols == request.protocols;
  const bool leader = is_leader(request.member_id);
  // The answer to an earlier JoinGroup may have been lost. Only the leader forces a rebalance of a stable group by
  // joining again: it has seen that topics changed.
  if (is(GroupState::completing_rebalance) && same) {
    JoinResult result = current_generation(request.member_id);
    if (leader) result.members = members_for_leader();
    effects.joins.push_back({waiter, std::move(result)});
  } else if (is(GroupState::stable) && same && !leader) {
    effects.joins.push_back({waiter, current_generation(request.member_id)});
  } else {
    update_and_rebalance(std::move(request), waiter, now, effects);
  }
}

void ClassicGroup::add_and_rebalance(JoinRequest request, std::string member_id, WaiterId waiter, Time now,
                                     Effects& effects) {
  Member member;
  member.member_id = member_id;
  member.group_instance_id = std::move(request.group_instance_id);
  member.client_id = std::move(request.client_id);
  member.client_host = std::move(request.client_host);
  member.rebalance_timeout_ms = request.rebalance_timeout_ms;
  member.session_timeout_ms = request.session_timeout_ms;
  member.protocols = std::move(request.protocols);
  member.is_new = true;
  member.awaiting_join = waiter;
  member.deadline = now.monotonic_ms + kNewMemberJoinTimeoutMs;
  if (is(GroupState::preparing_rebalance) && generation_ == 0) new_member_added_ = true;
  if (members_.empty()) protocol_type_ = request.protocol_type;
  const std::string instance = member.group_instance_id.value_or("None");
  add_member(std::move(member));
  maybe_prepare_rebalance(fmt::format("Adding new member {} with group instance id {}; client reason: {}", member_id,
                                      instance, request.reason),
                          now, effects);
}

void ClassicGroup::update_and_rebalance(JoinRequest request, WaiterId waiter, Time now, Effects& effects) {
  Member& member = members_.at(request.member_id);
  update_member(member, std::move(request.protocols), request.rebalance_timeout_ms, request.session_timeout_ms);
  wait_for_join(member, waiter, effects);
  maybe_prepare_rebalance(
      fmt::format("Member {} is joining {}; client reason: {}", request.member_id, describe(), request.reason), now,
      effects);
}

// KIP-345: a static member that restarts takes over its own place. A stable group need not rebalance for that.
void ClassicGroup::rejoin_static(JoinRequest request, const std::string& old_id, const std::string& new_id,
                                 WaiterId waiter, Time now, Effects& effects) {
  StaticMemberWrite undo;
  undo.group_instance_id = *request.group_instance_id;
  undo.old_member_id = old_id;
  undo.new_member_id = new_id;
  undo.old_leader = leader_.value_or("");
  undo.can_skip_assignment = request.can_skip_assignment;
  Member& member = replace_static_member(*request.group_instance_id, old_id, new_id, effects);
  undo.old_protocols = member.protocols;
  undo.old_rebalance_timeout_ms = member.rebalance_timeout_ms;
  undo.old_session_timeout_ms = member.session_timeout_ms;
  update_member(member, std::move(request.protocols), request.rebalance_timeout_ms, request.session_timeout_ms);
  wait_for_join(member, waiter, effects);
  touch(member, now);
  if (is(GroupState::stable) && protocol_name_ == select_protocol()) {
    std::map<std::string, base::Bytes> assignments;
    for (const auto& [id, one] : members_) assignments[id] = one.assignment;
    StoreGroup& store = effects.stores.emplace_back();
    store.value = to_stored(assignments);
    store.purpose = std::move(undo);
  } else if (is(GroupState::stable) || is(GroupState::completing_rebalance)) {
    prepare_rebalance(fmt::format("Updating metadata for static member {} with instance id {}; client reason: {}",
                                  new_id, *request.group_instance_id, request.reason),
                      now, effects);
  }
}

}  // namespace broker::group
