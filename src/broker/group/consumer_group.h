// One consumer group of the newer protocol (KIP-848), as Kafka 4.3's coordinator has it: members tell in heartbeats what
// they subscribe to and what they have; the coordinator says who shall have what, and leads each there. A pure state
// machine: no clock, lock, log or socket.
// What is durable changes by apply() alone, with records that are in the log: a heartbeat is decided without changing
// anything, its records are appended, then settle() applies them; loading a partition applies them too. Only timeouts
// and which metadata was looked at die with the coordinator. The owner guards it with the group's mutex.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/group/classic_group.h"
#include "broker/group/consumer_assignors.h"
#include "broker/group/consumer_group_types.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {

using ClusterPtr = std::shared_ptr<const metadata::ClusterMetadata>;

// Only members of the classic protocol are left: the group is to go on as a classic one.
struct BecomesClassic {
  std::int32_t generation = 0;
  std::vector<ClassicMember> members;  // without assignments, which are what the targets say
  std::map<std::string, Partitions> targets;
  bool rebalance = false;
  std::string reason;
};

struct ConsumerDecision {
  std::vector<ConsumerGroupRecord> records;  // all in one batch, before anybody is answered
  ConsumerHeartbeatResult result;
  std::optional<BecomesClassic> becomes_classic;  // the records end this group; that of the classic one comes last
  // For settle().
  std::string heard_from;      // this member gave a sign of life
  bool must_sync = false;      // it is of the classic protocol, and was told its generation
  ClusterPtr looked_at;        // the metadata that the group's subscriptions were compared with
  std::vector<std::string> log_lines;
};

struct ClassicJoinDecision {
  ConsumerDecision decision;
  JoinResult result;
};

// Of a classic group to one of the newer protocol.
struct Upgrade {
  std::optional<ConsumerHeartbeatResult> refused;  // why it can't be
  std::vector<ConsumerGroupRecord> records;        // which make it
};

class ConsumerGroup {
 public:
  ConsumerGroup(std::string group_id, const ConsumerGroupLimits& limits) : id_(std::move(group_id)), limits_(&limits) {}

  // What is wrong with a request in itself, whatever the group. Member ids may be empty before v1.
  static std::optional<ConsumerHeartbeatResult> problem_of(const ConsumerHeartbeat& request, std::int16_t version,
                                                           const ConsumerGroupLimits& limits);

  ConsumerDecision heartbeat(const ConsumerHeartbeat& request, const ClusterPtr& cluster, Time now) const;
  // Makes this group, which is a fresh one, what the classic group is.
  Upgrade take_over(const ClassicGroup& classic, const ClusterPtr& cluster, Time now);
  // Members of the classic protocol in this group.
  ClassicJoinDecision classic_join(const JoinRequest& request, std::string new_member_id, const ClusterPtr& cluster,
                                   Time now) const;
  SyncResult classic_sync(const SyncRequest& request, const ClusterPtr& cluster, Time now);
  ErrorCode classic_heartbeat(const MemberIdentity& who, std::int32_t generation, Time now);
  // LeaveGroup removes members of either kind.
  ConsumerDecision classic_leave(const std::vector<MemberIdentity>& members, const ClusterPtr& cluster,
                                 LeaveResult& result) const;
  // Of those whose session or whose time to give up partitions is over.
  ConsumerDecision expire(const ClusterPtr& cluster, Time now) const;
  void settle(const ConsumerDecision& decision, Time now);
  void apply(const ConsumerGroupRecord& record, Time now);
  // Its own config, if it has one; sessions run by it from their members' next sign of life on.
  void set_times(std::optional<ConsumerGroupTimes> times) { times_ = times; }
  // To be called once the partition is loaded: everybody has the whole session timeout from here.
  void loaded(Time now);
  std::optional<std::int64_t> next_deadline() const;  // monotonic
  std::optional<std::int64_t> deadline_of(const std::string& member_id) const;

  // Of OffsetCommit: whether this member may commit. The second code holds for offsets of partitions alone.
  ErrorCode check_commit(const MemberIdentity& who, std::int32_t epoch, bool transactional, std::int16_t version) const;
  ErrorCode check_commit_of(const std::string& member_id, std::int32_t epoch, const base::Uuid& topic_id,
                            std::int32_t partition) const;
  ErrorCode check_fetch(const std::optional<std::string>& member_id, std::int32_t epoch) const;

  const std::string& id() const { return id_; }
  std::string_view state() const;
  bool empty() const { return members_.empty(); }
  std::size_t size() const { return members_.size(); }
  std::int32_t epoch() const { return epoch_.epoch; }
  bool has_member(const std::string& member_id) const { return members_.contains(member_id); }
  bool is_subscribed_to(const std::string& topic) const;
  ConsumerGroupSummary summary() const;
  // That delete the whole group; one member may have been replaced by another just now.
  std::vector<ConsumerGroupRecord> tombstones(const std::string& replaced = "", const std::string& by = "") const;

 private:
  // As in Kafka 4.3: the first member moves it to 2. So even one that subscribes to nothing is told an epoch.
  static constexpr std::int32_t kFirstEpoch = 1;

  struct Member {
    ConsumerMemberMetadata metadata;
    CurrentAssignment current;
  };
  using Regexes = std::map<std::string, ResolvedRegex>;
  // The group as it will be once a heartbeat's first records are applied.
  struct Outlook {
    std::string member_id;                         // of the heartbeat; empty when members leave
    std::set<std::string> leaving;                 // without these
    std::string replaced_member_id;                // whose place member_id takes as the same static member
    ConsumerMemberMetadata metadata;               // of member_id
    std::optional<Regexes> changed_regexes;        // all that will be there; nothing: they stay
    std::int32_t epoch = 0;
    bool subscription_changed = false;
  };

  // consumer_group.cpp
  void replace_current(const std::string& member_id, Member& member, CurrentAssignment next);
  void apply_to(const MemberMetadataRecord& record, Time now);
  void apply_to(const CurrentAssignmentRecord& record, Time now);
  void drop_member(const std::string& member_id);
  void release_instance(const std::string& member_id, const Member& member);
  std::int32_t session_timeout_ms() const { return times_ ? times_->session_timeout_ms : limits_->session_timeout_ms; }
  std::int32_t session_timeout_of(const Member& member) const;
  bool is_owned(const base::Uuid& topic_id, std::int32_t partition) const;
  bool has_looked_at(const ClusterPtr& cluster) const;

  // consumer_group_heartbeat.cpp
  ConsumerDecision join_or_stay(const ConsumerHeartbeat& request, const ClusterPtr& cluster, Time now) const;
  bool changes_nothing(const ConsumerHeartbeat& request, const ClusterPtr& cluster) const;
  void answer(const ConsumerHeartbeat& request, const CurrentAssignment& current, bool with_assignment,
              ConsumerDecision& decision) const;
  ConsumerDecision leave(const ConsumerHeartbeat& request, const ClusterPtr& cluster) const;
  ConsumerDecision leave_for_now(const std::string& member_id) const;
  std::optional<ConsumerHeartbeatResult> epoch_problem(const Member& member, const ConsumerHeartbeat& request) const;
  std::optional<ConsumerHeartbeatResult> find_static(const ConsumerHeartbeat& request, Member& member,
                                                     Outlook& outlook, ConsumerDecision& decision) const;
  std::optional<ConsumerHeartbeatResult> find_dynamic(const ConsumerHeartbeat& request, Member& member) const;
  void fence(const std::set<std::string>& members, const ClusterPtr& cluster, ConsumerDecision& decision) const;
  std::optional<ConsumerHeartbeatResult> update_regexes(const Member& member, const ClusterPtr& cluster, Time now,
                                                        Outlook& outlook, ConsumerDecision& decision) const;
  void update_epoch(const ClusterPtr& cluster, Outlook& outlook, ConsumerDecision& decision) const;
  std::optional<ConsumerHeartbeatResult> reconcile(const ConsumerHeartbeat& request, const ClusterPtr& cluster,
                                                   const Outlook& outlook, Time now, Member& member,
                                                   ConsumerDecision& decision) const;

  // consumer_group_classic.cpp
  bool supports_protocols(const JoinRequest& request) const;
  ErrorCode find_classic(const MemberIdentity& who, std::string& member_id) const;
  void expect_rejoin(const std::string& member_id, const Member& member, Time now);
  bool waits_for_unreleased(const std::string& member_id, const Member& member) const;
  std::size_t classic_count() const;
  bool may_become_classic(std::size_t size, ConsumerDecision& decision) const;
  bool leaves_classic_members(const std::set<std::string>& leaving, ConsumerDecision& decision) const;
  bool replaces_last_consumer(const ConsumerHeartbeat& request, ConsumerDecision& decision) const;
  void become_classic(const std::set<std::string>& leaving, ConsumerDecision& decision) const;
  void become_classic_with(const ConsumerHeartbeat& request, const Outlook& outlook, bool rebalance,
                           ConsumerDecision& decision) const;

  // consumer_group_target.cpp
  bool may_compute_target(Time now) const;  // the last one is old enough
  std::int64_t metadata_hash(const metadata::ClusterMetadata& cluster, const Outlook& outlook) const;
  std::string preferred_assignor(const Outlook& outlook) const;
  TargetAssignment compute_target(const metadata::ClusterMetadata& cluster, const Outlook& outlook) const;
  // What a member shall own so far; null: it is new.
  const Partitions* target_of(const std::string& member_id, const Outlook& outlook) const;
  // By id, that of the heartbeat as it will be.
  std::map<std::string, const ConsumerMemberMetadata*> members_in(const Outlook& outlook) const;
  std::size_t subscribers_of(const std::string& regex) const;
  const Regexes& regexes_in(const Outlook& outlook) const {
    return outlook.changed_regexes ? *outlook.changed_regexes : regexes_;
  }

  std::string id_;
  const ConsumerGroupLimits* limits_;
  std::optional<ConsumerGroupTimes> times_;

  GroupEpoch epoch_{kFirstEpoch, 0};
  TargetEpoch target_epoch_;
  bool has_subscription_metadata_record_ = false;
  std::map<std::string, Member> members_;
  std::map<std::string, Partitions> target_;
  Regexes regexes_;
  std::map<std::string, std::string> static_members_;  // instance id -> member id
  std::unordered_map<base::Uuid, std::map<std::int32_t, std::string>> owners_;  // partition -> member that has it

  struct RebalanceTimer {
    std::int64_t deadline = 0;
    std::int32_t member_epoch = 0;
  };
  std::map<std::string, std::int64_t> session_deadlines_;
  std::map<std::string, RebalanceTimer> rebalance_timers_;  // to give up partitions
  std::map<std::string, std::int64_t> join_deadlines_;      // of classic members that were told to join again
  std::map<std::string, std::int64_t> sync_deadlines_;      // of those that joined
  std::weak_ptr<const metadata::ClusterMetadata> looked_at_;  // or of a time that has gone
};

// The ids of topics that exist, of a subscription by names and by resolved expressions.
std::set<base::Uuid> subscribed_topic_ids(const ConsumerMemberMetadata& member,
                                          const std::map<std::string, ResolvedRegex>& regexes,
                                          const metadata::ClusterMetadata& cluster);

}  // namespace broker::group
