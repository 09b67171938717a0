// One classic consumer group: members, generations, rebalances, as Kafka 3.9's GroupCoordinator has them. A pure state
// machine: no clock, lock, log or socket. Time and new member ids come in as arguments; what is to be done comes out as
// Effects. Requests that must wait (JoinGroup, SyncGroup) are known by a number that the owner gives, and are answered
// by an effect, at once or later. The owner guards it with the group's mutex, does the effects in order, and calls
// on_time() no later than next_deadline().
// Durable is what StoredGroup holds: it becomes true by stored() after the record is committed, or by replay() when the
// partition is loaded. All else (who waits, timeouts) dies with the coordinator, and clients rejoin.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "broker/group/group_types.h"
#include "broker/group/pending_members.h"

namespace broker::group {

using WaiterId = std::uint64_t;
inline constexpr WaiterId kNobody = 0;

struct AnswerJoin {
  WaiterId waiter = kNobody;
  JoinResult result;
};
struct AnswerSync {
  WaiterId waiter = kNobody;
  SyncResult result;
};

// A write that the group waits for. Given back to stored() with its outcome.
struct AssignmentWrite {
  std::int32_t generation = 0;
  std::map<std::string, base::Bytes> assignments;
};
struct StaticMemberWrite {  // a static member came back under a new id; how to undo it
  std::string group_instance_id;
  std::string old_member_id;
  std::string new_member_id;
  std::vector<GroupProtocol> old_protocols;
  std::int32_t old_rebalance_timeout_ms = 0;
  std::int32_t old_session_timeout_ms = 0;
  std::string old_leader;
  bool can_skip_assignment = false;
};
struct EmptyGroupWrite {};  // whether it succeeds changes nothing

struct StoreGroup {
  StoredGroup value;
  std::variant<EmptyGroupWrite, AssignmentWrite, StaticMemberWrite> purpose;
};

struct Effects {
  std::vector<AnswerJoin> joins;
  std::vector<AnswerSync> syncs;
  std::vector<StoreGroup> stores;
  std::vector<std::string> log_lines;  // what Kafka logs at INFO

  bool empty() const { return joins.empty() && syncs.empty() && stores.empty() && log_lines.empty(); }
};

class ClassicGroup {
 public:
  ClassicGroup(std::string group_id, const GroupLimits& limits) : id_(std::move(group_id)), limits_(&limits) {}

  // `new_member_id` is used if the request has none.
  void join(JoinRequest request, std::string new_member_id, WaiterId waiter, Time now, Effects& effects);
  void sync(const SyncRequest& request, WaiterId waiter, Time now, Effects& effects);
  ErrorCode heartbeat(const MemberIdentity& who, std::int32_t generation, Time now);
  LeaveResult leave(const std::vector<MemberIdentity>& members, Time now, Effects& effects);
  // Whether this member may commit offsets now; counts as a heartbeat.
  ErrorCode check_commit(const MemberIdentity& who, std::int32_t generation, Time now);
  // Of a producer within a transaction; no sign of life, and fine during a rebalance.
  ErrorCode check_transactional_commit(const MemberIdentity& who, std::int32_t generation) const;

  void stored(const StoreGroup& write, ErrorCode outcome, Time now, Effects& effects);
  void replay(const StoredGroup& stored, Time now, Effects& effects);
  void on_time(Time now, Effects& effects);
  std::optional<std::int64_t> next_deadline() const;  // monotonic
  std::optional<std::int64_t> deadline_of(const std::string& member_id) const {
    auto found = members_.find(member_id);
    return found == members_.end() ? std::nullopt : found->second.deadline;
  }
  // This broker coordinates the group no more: whoever waits is told so.
  void unload(Effects& effects);
  void mark_dead(Time now) { enter(GroupState::dead, now); }

  // To and from a group of the newer protocol. `members` and their protocol are what it takes over; release() answers
  // whoever waits, who must join again, and leaves this as new.
  std::vector<ClassicMember> members() const;
  void release(Effects& effects);
  // A stable group of what is left of one; `assignment_of` is given a member's metadata for the protocol that is chosen.
  using AssignmentOf = std::function<base::Bytes(const std::string& member_id, base::ByteView metadata)>;
  void restore(std::int32_t generation, const std::vector<ClassicMember>& members, const AssignmentOf& assignment_of,
               Time now);
  StoredGroup stored_as() const;  // its record
  void rebalance(const std::string& reason, Time now, Effects& effects) { prepare_rebalance(reason, now, effects); }

  const std::string& id() const { return id_; }
  GroupState state() const { return state_; }
  std::int32_t generation() const { return generation_; }
  const std::optional<std::string>& protocol_type() const { return protocol_type_; }
  const std::optional<std::string>& protocol_name() const { return protocol_name_; }
  std::optional<std::int64_t> current_state_timestamp() const { return current_state_timestamp_; }
  std::size_t size() const { return members_.size(); }
  bool has_member(const std::string& member_id) const { return members_.contains(member_id); }
  bool uses_consumer_protocol() const { return protocol_type_ == "consumer"; }
  // Nothing if a member's subscription can't be read, or before the first rebalance.
  const std::optional<std::set<std::string>>& subscribed_topics() const { return subscribed_topics_; }
  bool may_be_subscribed_to(const std::string& topic) const {
    return !subscribed_topics_ || subscribed_topics_->contains(topic);
  }
  GroupSummary summary() const;

 private:
  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::string client_id;
    std::string client_host;
    std::int32_t rebalance_timeout_ms = 0;
    std::int32_t session_timeout_ms = 0;
    std::vector<GroupProtocol> protocols;
    base::Bytes assignment;
    WaiterId awaiting_join = kNobody;
    WaiterId awaiting_sync = kNobody;
    bool is_new = false;                   // joined, and no rebalance has ended since
    std::optional<std::int64_t> deadline;  // for the next sign of life

    const base::Bytes& metadata(const std::string& protocol) const;
  };
  // A rebalance in its first phase. The first one of a group waits for more members, in steps.
  struct Rebalance {
    bool initial = false;
    std::int64_t deadline = 0;
    std::int64_t delay_ms = 0;
    std::int64_t remaining_ms = 0;
  };
  struct PendingSync {
    std::int32_t generation = 0;
    std::int64_t deadline = 0;
  };

  // classic_group.cpp
  void enter(GroupState state, Time now);
  bool is(GroupState state) const { return state_ == state; }
  bool is_leader(const std::string& member_id) const { return leader_ == member_id; }
  ErrorCode check_member(const MemberIdentity& who) const;
  bool supports_protocols(const std::string& type, const std::vector<GroupProtocol>& protocols) const;
  std::string select_protocol() const;
  std::int32_t rebalance_timeout_ms() const;
  void add_member(Member member);
  void remove_member(const std::string& member_id);
  void update_member(Member& member, std::vector<GroupProtocol> protocols, std::int32_t rebalance_timeout,
                     std::int32_t session_timeout);
  Member& replace_static_member(const std::string& group_instance_id, const std::string& old_id,
                                const std::string& new_id, Effects& effects);
  void touch(Member& member, Time now) { member.deadline = now.monotonic_ms + member.session_timeout_ms; }
  void wait_for_join(Member& member, WaiterId waiter, Effects& effects);
  void answer_join(Member& member, JoinResult result, Effects& effects);
  bool answer_sync(Member& member, SyncResult result, Effects& effects);
  JoinResult current_generation(const std::string& member_id) const;
  std::vector<JoinedMember> members_for_leader() const;
  StoredGroup to_stored(const std::map<std::string, base::Bytes>& assignments) const;
  void compute_subscribed_topics();
  std::string describe() const;

  // classic_group_join.cpp
  bool accepts(const std::string& member_id) const;
  void join_as_new(JoinRequest request, std::string new_member_id, WaiterId waiter, Time now, Effects& effects);
  void join_again(JoinRequest request, WaiterId waiter, Time now, Effects& effects);
  void add_and_rebalance(JoinRequest request, std::string member_id, WaiterId waiter, Time now, Effects& effects);
  void update_and_rebalance(JoinRequest request, WaiterId waiter, Time now, Effects& effects);
  void rejoin_static(JoinRequest request, const std::string& old_id, const std::string& new_id, WaiterId waiter,
                     Time now, Effects& effects);

  // classic_group_rebalance.cpp
  void maybe_prepare_rebalance(const std::string& reason, Time now, Effects& effects);
  void prepare_rebalance(const std::string& reason, Time now, Effects& effects);
  void maybe_complete_join(Time now, Effects& effects);
  void complete_join(Time now, Effects& effects);
  void initial_delay_over(Time now, Effects& effects);
  bool elect_joined_leader();
  void start_generation(Time now, Effects& effects);
  void finish_sync(const AssignmentWrite& write, ErrorCode outcome, Time now, Effects& effects);
  void finish_static_rejoin(const StaticMemberWrite& write, ErrorCode outcome, Time now, Effects& effects);
  void propagate_assignment(ErrorCode error, Time now, Effects& effects);
  void reset_assignment(ErrorCode error, Time now, Effects& effects);
  void remove_and_update(const std::string& member_id, const std::string& reason, Time now, Effects& effects);
  void expire_members(Time now, Effects& effects);
  void expire_pending_sync(Time now, Effects& effects);

  std::string id_;
  const GroupLimits* limits_;
  GroupState state_ = GroupState::empty;
  std::optional<std::int64_t> current_state_timestamp_;
  std::optional<std::string> protocol_type_;
  std::optional<std::string> protocol_name_;
  std::int32_t generation_ = 0;
  std::optional<std::string> leader_;
  std::map<std::string, Member> members_;
  std::map<std::string, std::string> static_members_;    // instance id -> member id
  PendingMembers pending_members_;
  std::set<std::string> pending_sync_members_;
  std::map<std::string, std::size_t> protocol_supporters_;
  std::size_t awaiting_join_count_ = 0;
  bool new_member_added_ = false;
  bool assignment_is_written_ = false;  // of this generation, or is on its way into the log
  std::optional<Rebalance> rebalance_;
  std::optional<PendingSync> pending_sync_;
  std::optional<std::set<std::string>> subscribed_topics_;
};

// The topics in a subscription of the consumer protocol; nothing if it isn't one.
std::optional<std::vector<std::string>> read_subscription_topics(base::ByteView subscription);

}  // namespace broker::group
