#include "broker/group/classic_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace broker::group {
namespace {

// What a member is wherever it is kept: in a group, in a record, or on its way between groups of both protocols.
template <class From, class To>
void copy_common(const From& from, To& to) {
  to.member_id = from.member_id;
  to.group_instance_id = from.group_instance_id;
  to.client_id = from.client_id;
  to.client_host = from.client_host;
  to.rebalance_timeout_ms = from.rebalance_timeout_ms;
  to.session_timeout_ms = from.session_timeout_ms;
}

}  // namespace

std::string_view name_of(GroupState state) {
  switch (state) {
    case GroupState::empty:
      return "Empty";
    case GroupState::preparing_rebalance:
      return "PreparingRebalance";
    case GroupState::completing_rebalance:
      return "CompletingRebalance";
    case GroupState::stable:
      return "Stable";
    case GroupState::dead:
      return "Dead";
  }
  return "Unknown";
}

std::optional<std::vector<std::string>> read_subscription_topics(base::ByteView subscription) {
  constexpr std::size_t kVersionSize = 2;
  if (subscription.size() < kVersionSize + 4) return std::nullopt;
  base::ByteView rest = subscription.subspan(kVersionSize);
  const auto count = base::load_big_endian<std::int32_t>(rest.data());
  rest = rest.subspan(4);
  std::vector<std::string> topics;
  for (std::int32_t i = 0; i < count; ++i) {
    if (rest.size() < 2) return std::nullopt;
    const auto length = base::load_big_endian<std::int16_t>(rest.data());
    rest = rest.subspan(2);
    if (length < 0 || static_cast<std::size_t>(length) > rest.size()) return std::nullopt;
    topics.emplace_back(base::as_text(rest.first(static_cast<std::size_t>(length))));
    rest = rest.subspan(static_cast<std::size_t>(length));
  }
  return topics;
}

const base::Bytes& ClassicGroup::Member::metadata(const std::string& protocol) const {
  static const base::Bytes kNone;
  for (const GroupProtocol& one : protocols) {
    if (one.name == protocol) return one.metadata;
  }
  return kNone;
}

void ClassicGroup::enter(GroupState state, Time now) {
  state_ = state;
  current_state_timestamp_ = now.wall_ms;
  if (state != GroupState::preparing_rebalance) rebalance_.reset();
}

ErrorCode ClassicGroup::check_member(const MemberIdentity& who) const {
  if (who.group_instance_id) {
    auto found = static_members_.find(*who.group_instance_id);
    if (found == static_members_.end()) return ErrorCode::unknown_member_id;
    if (found->second != who.member_id) return ErrorCode::fenced_instance_id;
  }
  return members_.contains(who.member_id) ? ErrorCode::none : ErrorCode::unknown_member_id;
}

bool ClassicGroup::supports_protocols(const std::string& type, const std::vector<GroupProtocol>& protocols) const {
  if (is(GroupState::empty)) return !type.empty() && !protocols.empty();
  if (protocol_type_ != type) return false;
  // All that are there have it: anything goes where a rebalance has lost its last member.
  return std::any_of(protocols.begin(), protocols.end(), [this](const GroupProtocol& protocol) {
    auto found = protocol_supporters_.find(protocol.name);
    return (found == protocol_supporters_.end() ? 0 : found->second) == members_.size();
  });
}

// Each member votes for the first of its protocols that all members have.
std::string ClassicGroup::select_protocol() const {
  std::map<std::string, int> votes;
  for (const auto& [id, member] : members_) {
    for (const GroupProtocol& protocol : member.protocols) {
      auto found = protocol_supporters_.find(protocol.name);
      if (found == protocol_supporters_.end() || found->second != members_.size()) continue;
      ++votes[protocol.name];
      break;
    }
  }
  if (votes.empty()) return {};
  return std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::int32_t ClassicGroup::rebalance_timeout_ms() const {
  std::int32_t longest = 0;
  for (const auto& [id, member] : members_) longest = std::max(longest, member.rebalance_timeout_ms);
  return longest;
}

void ClassicGroup::add_member(Member member) {
  if (members_.empty()) protocol_supporters_.clear();
  if (member.group_instance_id) static_members_[*member.group_instance_id] = member.member_id;
  for (const GroupProtocol& protocol : member.protocols) ++protocol_supporters_[protocol.name];
  if (!leader_) leader_ = member.member_id;
  if (member.awaiting_join != kNobody) ++awaiting_join_count_;
  pending_members_.erase(member.member_id);
  std::string id = member.member_id;
  members_.insert_or_assign(std::move(id), std::move(member));
}

void ClassicGroup::remove_member(const std::string& member_id) {
  pending_members_.erase(member_id);
  pending_sync_members_.erase(member_id);
  auto found = members_.find(member_id);
  if (found == members_.end()) return;
  const Member& member = found->second;
  for (const GroupProtocol& protocol : member.protocols) --protocol_supporters_[protocol.name];
  if (member.awaiting_join != kNobody) --awaiting_join_count_;
  if (member.group_instance_id) static_members_.erase(*member.group_instance_id);
  const bool was_leader = is_leader(member_id);
  members_.erase(found);
  if (!was_leader) return;
  leader_.reset();
  if (!members_.empty()) leader_ = members_.begin()->first;
}

void ClassicGroup::update_member(Member& member, std::vector<GroupProtocol> protocols, std::int32_t rebalance_timeout,
                                 std::int32_t session_timeout) {
  for (const GroupProtocol& protocol : member.protocols) --protocol_supporters_[protocol.name];
  member.protocols = std::move(protocols);
  for (const GroupProtocol& protocol : member.protocols) ++protocol_supporters_[protocol.name];
  member.rebalance_timeout_ms = rebalance_timeout;
  member.session_timeout_ms = session_timeout;
}

// Whoever still waits under the old id is another process with the same instance id, and is fenced.
ClassicGroup::Member& ClassicGroup::replace_static_member(const std::string& group_instance_id,
                                                          const std::string& old_id, const std::string& new_id,
                                                          Effects& effects) {
  auto node = members_.extract(old_id);
  Member& member = node.mapped();
  answer_join(member, JoinResult(old_id, ErrorCode::fenced_instance_id), effects);
  answer_sync(member, SyncResult(ErrorCode::fenced_instance_id), effects);
  member.member_id = new_id;
  node.key() = new_id;
  if (is_leader(old_id)) leader_ = new_id;
  if (pending_sync_members_.erase(old_id) > 0) pending_sync_members_.insert(new_id);
  static_members_[group_instance_id] = new_id;
  return members_.insert(std::move(node)).position->second;
}

// A second request of a member takes the place of the first, which is answered so that its connection goes on.
void ClassicGroup::wait_for_join(Member& member, WaiterId waiter, Effects& effects) {
  if (member.awaiting_join != kNobody) {
    effects.joins.push_back({member.awaiting_join, JoinResult(member.member_id, ErrorCode::rebalance_in_progress)});
  } else {
    ++awaiting_join_count_;
  }
  member.awaiting_join = waiter;
}

void ClassicGroup::answer_join(Member& member, JoinResult result, Effects& effects) {
  if (member.awaiting_join == kNobody) return;
  effects.joins.push_back({std::exchange(member.awaiting_join, kNobody), std::move(result)});
  --awaiting_join_count_;
}

bool ClassicGroup::answer_sync(Member& member, SyncResult result, Effects& effects) {
  if (member.awaiting_sync == kNobody) return false;
  effects.syncs.push_back({std::exchange(member.awaiting_sync, kNobody), std::move(result)});
  return true;
}

std::vector<JoinedMember> ClassicGroup::members_for_leader() const {
  std::vector<JoinedMember> joined;
  for (const auto& [id, member] : members_) {
    JoinedMember& one = joined.emplace_back();
    one.member_id = id;
    one.group_instance_id = member.group_instance_id;
    if (protocol_name_) one.metadata = member.metadata(*protocol_name_);
  }
  return joined;
}

JoinResult ClassicGroup::current_generation(const std::string& member_id) const {
  JoinResult result(member_id, ErrorCode::none);
  result.generation = generation_;
  result.protocol_type = protocol_type_;
  result.protocol_name = protocol_name_;
  result.leader = leader_.value_or("");
  return result;
}

StoredGroup ClassicGroup::to_stored(const std::map<std::string, base::Bytes>& assignments) const {
  StoredGroup stored;
  stored.protocol_type = protocol_type_.value_or("");
  stored.generation = generation_;
  stored.protocol = protocol_name_;
  stored.leader = leader_;
  stored.current_state_timestamp = current_state_timestamp_.value_or(-1);
  for (const auto& [id, member] : members_) {
    StoredMember& one = stored.members.emplace_back();
    copy_common(member, one);
    if (protocol_name_) one.subscription = member.metadata(*protocol_name_);
    auto assignment = assignments.find(id);
    if (assignment != assignments.end()) one.assignment = assignment->second;
  }
  return stored;
}

void ClassicGroup::compute_subscribed_topics() {
  subscribed_topics_.reset();
  if (!uses_consumer_protocol()) return;
  std::set<std::string> topics;
  if (!members_.empty()) {
    if (!protocol_name_) return;
    for (const auto& [id, member] : members_) {
      const auto subscribed = read_subscription_topics(member.metadata(*protocol_name_));
      if (!subscribed) return;
      topics.insert(subscribed->begin(), subscribed->end());
    }
  }
  subscribed_topics_ = std::move(topics);
}

std::string ClassicGroup::describe() const {
  return fmt::format("group {} in state {} with generation {}", id_, name_of(state_), generation_);
}

ErrorCode ClassicGroup::heartbeat(const MemberIdentity& who, std::int32_t generation, Time now) {
  if (is(GroupState::dead)) return ErrorCode::coordinator_not_available;
  const ErrorCode error = check_member(who);
  if (error != ErrorCode::none) return error;
  if (generation != generation_) return ErrorCode::illegal_generation;
  if (is(GroupState::empty)) return ErrorCode::unknown_member_id;
  touch(members_.at(who.member_id), now);
  return is(GroupState::preparing_rebalance) ? ErrorCode::rebalance_in_progress : ErrorCode::none;
}

ErrorCode ClassicGroup::check_commit(const MemberIdentity& who, std::int32_t generation, Time now) {
  if (is(GroupState::dead)) return ErrorCode::coordinator_not_available;
  // A negative generation is an admin client, or a consumer that assigns its partitions itself.
  if (generation < 0 && is(GroupState::empty)) return ErrorCode::none;
  if (generation < 0 && who.member_id.empty() && !who.group_instance_id) return ErrorCode::unknown_member_id;
  const ErrorCode error = check_member(who);
  if (error != ErrorCode::none) return error;
  if (generation != generation_) return ErrorCode::illegal_generation;
  if (is(GroupState::empty)) return ErrorCode::none;
  touch(members_.at(who.member_id), now);
  return is(GroupState::completing_rebalance) ? ErrorCode::rebalance_in_progress : ErrorCode::none;
}

ErrorCode ClassicGroup::check_transactional_commit(const MemberIdentity& who, std::int32_t generation) const {
  if (is(GroupState::dead)) return ErrorCode::coordinator_not_available;
  if (generation < 0 && is(GroupState::empty)) return ErrorCode::none;
  // Producers from before KIP-447 don't say for which member they commit.
  if (generation < 0 && who.member_id.empty() && !who.group_instance_id) return ErrorCode::none;
  const ErrorCode error = check_member(who);
  if (error != ErrorCode::none) return error;
  return generation == generation_ ? ErrorCode::none : ErrorCode::illegal_generation;
}

GroupSummary ClassicGroup::summary() const {
  GroupSummary summary;
  summary.found = true;
  summary.state = name_of(state_);
  summary.protocol_type = protocol_type_.value_or("");
  const bool stable = is(GroupState::stable) && protocol_name_;
  if (stable) summary.protocol = *protocol_name_;
  for (const auto& [id, member] : members_) {
    MemberSummary& one = summary.members.emplace_back();
    one.member_id = id;
    one.group_instance_id = member.group_instance_id;
    one.client_id = member.client_id;
    one.client_host = member.client_host;
    if (stable) one.metadata = member.metadata(*protocol_name_);
    if (stable) one.assignment = member.assignment;
  }
  return summary;
}

void ClassicGroup::replay(const StoredGroup& stored, Time now, Effects& effects) {
  state_ = stored.members.empty() ? GroupState::empty : GroupState::stable;
  generation_ = stored.generation;
  protocol_type_ = stored.protocol_type.empty() ? std::nullopt : std::optional(stored.protocol_type);
  protocol_name_ = stored.protocol;
  leader_ = stored.leader;
  current_state_timestamp_ =
      stored.current_state_timestamp < 0 ? std::nullopt : std::optional(stored.current_state_timestamp);
  members_.clear();
  static_members_.clear();
  protocol_supporters_.clear();
  for (const StoredMember& one : stored.members) {
    Member member;
    copy_common(one, member);
    member.protocols.push_back({stored.protocol.value_or(""), one.subscription});
    member.assignment = one.assignment;
    touch(member, now);
    add_member(std::move(member));
  }
  compute_subscribed_topics();
  if (std::cmp_greater(members_.size(), limits_->size_max)) {
    prepare_rebalance(fmt::format("Freshly-loaded group is over capacity ({})", limits_->size_max), now, effects);
  }
}

std::vector<ClassicMember> ClassicGroup::members() const {
  std::vector<ClassicMember> members;
  for (const auto& [id, member] : members_) {
    ClassicMember& one = members.emplace_back();
    copy_common(member, one);
    one.protocols = member.protocols;
    one.assignment = member.assignment;
  }
  return members;
}

void ClassicGroup::release(Effects& effects) {
  for (auto& [id, member] : members_) {
    answer_join(member, JoinResult(id, ErrorCode::rebalance_in_progress), effects);
    answer_sync(member, SyncResult(ErrorCode::rebalance_in_progress), effects);
  }
  *this = ClassicGroup(id_, *limits_);
}

void ClassicGroup::restore(std::int32_t generation, const std::vector<ClassicMember>& members,
                           const AssignmentOf& assignment_of, Time now) {
  *this = ClassicGroup(id_, *limits_);
  enter(GroupState::stable, now);
  generation_ = generation;
  protocol_type_ = "consumer";
  for (const ClassicMember& one : members) {
    Member member;
    copy_common(one, member);
    member.protocols = one.protocols;
    touch(member, now);
    add_member(std::move(member));
  }
  protocol_name_ = select_protocol();
  compute_subscribed_topics();
  for (auto& [id, member] : members_) member.assignment = assignment_of(id, member.metadata(*protocol_name_));
}

StoredGroup ClassicGroup::stored_as() const {
  std::map<std::string, base::Bytes> assignments;
  for (const auto& [id, member] : members_) assignments[id] = member.assignment;
  return to_stored(assignments);
}

std::optional<std::int64_t> ClassicGroup::next_deadline() const {
  std::optional<std::int64_t> next;
  const auto consider = [&next](std::int64_t deadline) { next = next ? std::min(*next, deadline) : deadline; };
  for (const auto& [id, member] : members_) {
    if (member.deadline) consider(*member.deadline);
  }
  if (const auto deadline = pending_members_.next_deadline()) consider(*deadline);
  if (rebalance_) consider(rebalance_->deadline);
  if (pending_sync_) consider(pending_sync_->deadline);
  return next;
}

void ClassicGroup::unload(Effects& effects) {
  for (auto& [id, member] : members_) {
    answer_join(member, JoinResult(id, ErrorCode::not_coordinator), effects);
    answer_sync(member, SyncResult(ErrorCode::not_coordinator), effects);
  }
  state_ = GroupState::dead;
  rebalance_.reset();
  pending_sync_.reset();
  pending_members_.clear();
  for (auto& [id, member] : members_) member.deadline.reset();
}

}  // namespace broker::group
