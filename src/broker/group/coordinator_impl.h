// The inside of GroupCoordinator. Included by its .cpp files alone. Locks: a group's mutex may be held while mutex_ is
// taken, never the other way round. OneShots are set outside of both.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "broker/coordinator/joined_appends.h"
#include "broker/group/consumer_group.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_loader.h"
#include "broker/group/group_records.h"

namespace broker::group {

using coordinator::JoinedAppends;
using coordinator::RecordList;

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// A group with what guards it. Shared, as a request may still hold it when it is dropped; it is dead then.
struct Group : std::enable_shared_from_this<Group> {
  Group(const std::string& id, std::int32_t in_partition, const GroupLimits& limits)
      : partition(in_partition), members(id, limits) {}

  bool is_empty() const {
    return members.state() == GroupState::empty && (!consumers || consumers->empty());
  }
  // In its lock: it isn't coordinated here any more, and whoever waits is told so.
  void unload(Effects& effects) {
    unloaded = true;
    members.unload(effects);
  }

  const std::int32_t partition;
  std::mutex mutex;
  ClassicGroup members;                    // empty while the next is there
  std::optional<ConsumerGroup> consumers;  // it is a group of the newer protocol
  std::int64_t expiry_retry_at = 0;        // a write failed: not before
  // Dead, as it isn't coordinated here any more: what it says is old, and that it isn't there would be wrong.
  std::atomic<bool> unloaded{false};
  std::int64_t written_end = 0;            // in the log, of what the group of the newer protocol decided last
  std::atomic<std::int64_t> committed_end{0};
  GroupOffsets offsets;
  std::map<WaiterId, base::OneShot<JoinResult>> joining;
  std::map<WaiterId, base::OneShot<SyncResult>> syncing;
  std::int64_t timer_at = kNever;  // no later than the next deadline of either
};
using GroupPtr = std::shared_ptr<Group>;

// A record that is in the log or on its way to it, and not yet known to be committed.
struct PendingStore {
  StoreGroup store;
  JoinedAppends::Ticket record;
};

struct EndedTransaction {
  std::int64_t producer_id = -1;
  bool committed = false;
};

// Commits that are in the log or on their way to it, and not yet known to be committed.
struct PendingCommit {
  PendingCommit() {}
  PendingCommit(PendingCommit&&) = default;
  PendingCommit& operator=(PendingCommit&&) = delete;
  ~PendingCommit();  // not in the group's lock: what is on its way still, as where something threw, is given up

  GroupPtr group;
  std::optional<CommittingProducer> producer;
  std::vector<ErrorCode> answers;  // one for each that was asked for; refused ones have their error already
  std::vector<OffsetCommit> commits;
  std::int64_t end_offset = 0;   // once it is appended
  bool settled = false;          // nothing is left to wait for; of those of a transaction
  // Of the others.
  JoinedAppends::Ticket ticket;
  GroupOffsets::OnTheirWay on_their_way;

  std::int64_t first_offset() const { return end_offset - static_cast<std::int64_t>(commits.size()); }
};

class GroupCoordinator::Impl {
 public:
  Impl(CoordinatorLog& log, const base::Clock& clock, const metadata::MetadataCache& metadata, GroupLimits limits,
       Threads threads, JoinedAppends::Joining joining);
  ~Impl() { stop(); }

  CoordinatorLog& log() { return log_; }
  JoinedAppends& appends() { return appends_; }
  const GroupLimits& limits() const { return limits_; }
  ClusterPtr cluster() const { return metadata_.get(); }
  Time now() const { return {clock_.wall_ms(), clock_.monotonic_ms()}; }
  WaiterId next_waiter() { return ++last_waiter_; }

  // Which partition a group belongs to, if it can be served now. Group ids may be empty for some APIs only.
  struct Place {
    ErrorCode error = ErrorCode::none;
    std::int32_t partition = -1;
  };
  base::Task<Place> locate(std::string group_id, bool may_be_empty);
  // The same without waiting. Nothing, while it isn't known how many partitions there are.
  std::optional<Place> locate_now(std::string_view group_id, bool may_be_empty);
  // How many the topic has, which counts from the first time that it is there: as in Kafka, ids stay where they are if it grows.
  base::Task<std::int32_t> partition_count(bool create);

  // Null: no such group is there. An error: the place's, or that its leadership has gone, or come anew, since it was located.
  protocol::Result<GroupPtr> find(const std::string& group_id, const Place& place);
  // A group that is there, of a partition that is loaded: in one lock, for those whose records are appended next, which tells whether the
  // partition is still led. Null: the longer way tells why.
  GroupPtr find_loaded(const std::string& group_id);
  protocol::Result<GroupPtr> find_or_create(const std::string& group_id, const Place& place);
  // One that was made for a request that came to nothing.
  void drop_unused(const GroupPtr& group);
  std::vector<GroupPtr> all_groups();
  bool is_loading();

  // Runs `act(members, effects)` in the group's lock, then does the effects. Returns what finish() must wait for next; dropped, it
  // is appended at once, and nobody is told what comes of it.
  template <class Act>
  std::vector<PendingStore> run(const GroupPtr& group, Act act) {
    Effects effects;
    std::vector<PendingStore> pending;
    Wakeups wakeups;
    {
      std::lock_guard lock(group->mutex);
      act(*group, effects);
      settle(*group, effects, pending, wakeups);
    }
    wakeups.wake();
    return pending;
  }
  // The same for what mostly has no effects on a classic group, as heartbeats of the newer protocol.
  template <class Act>
  void run_consumers(const GroupPtr& group, Act act) {
    Effects effects;
    std::vector<PendingStore> pending;  // a group that just became classic stores nothing yet
    Wakeups wakeups;
    {
      std::lock_guard lock(group->mutex);
      act(*group, effects);
      if (!effects.empty()) settle(*group, effects, pending, wakeups);
    }
    wakeups.wake();
  }
  base::Task<void> finish(GroupPtr group, std::vector<PendingStore> pending);

  // offset_commits.cpp
  CommitAnswer commit(CommitRequest&& request, const Place& place);
  CommitAnswer commit(CommitRequest&& request, protocol::Result<GroupPtr> found);

  // In the group's lock, after a sign of life of this member: cheaper than run().
  void keep_alive(Group& group, const std::string& member_id) {
    if (group.members.deadline_of(member_id).value_or(kNever) < group.timer_at) set_timer(group);
  }

  // Which groups wait for the end of a producer's transaction. In the group's lock.
  void open_transaction(Group& group, std::int64_t producer_id);
  void close_unused_transaction(Group& group, std::int64_t producer_id);
  void end_transaction(EndedTransaction ended, std::int32_t partition);
  void topics_deleted(const std::set<std::string>& topics);

  // consumer_coordinator.cpp, all in the group's lock.
  bool serves_consumer_groups() const;
  void set_times(const std::string& group_id, std::optional<ConsumerGroupTimes> times);
  std::optional<ConsumerGroupTimes> times_of(const std::string& group_id);
  ConsumerHeartbeatResult consumer_heartbeat(Group& group, const ConsumerHeartbeat& request,
                                             std::optional<std::int64_t>& end, Effects& effects);
  // Of classic members in a group of the newer protocol. `end`: of what must be committed before the answer goes out.
  bool has_consumers(const Group& group) const {
    return group.consumers && !group.consumers->empty() && group.members.state() != GroupState::dead;
  }
  ErrorCode classic_heartbeat(Group& group, const MemberIdentity& who, std::int32_t generation);
  JoinResult classic_join(Group& group, const JoinRequest& request, std::optional<std::int64_t>& end, Effects& effects);
  LeaveResult classic_leave(Group& group, const std::vector<MemberIdentity>& members, std::optional<std::int64_t>& end,
                            Effects& effects);
  ErrorCode check_consumer_commit(const Group& group, const CommitRequest& request) const;
  ErrorCode make_classic(Group& group);
  // Not in the lock: with the error as clients of groups are told.
  base::Task<ErrorCode> await_committed(Group& group, std::int64_t end);

  // Deletes the offsets that `choose` names in the group's lock, and the group too, or if it is empty without them: memory
  // first, then tombstones, whose end in the log it answers, if there are any. Nothing named: all stays as it is. A dead group
  // isn't asked: it is deleted, or another one is in its place by now, of which it must delete nothing.
  using ChooseOffsets = std::function<std::optional<std::vector<TopicPartition>>(const Group&)>;
  enum class CleanUp { offsets, group };
  std::optional<std::int64_t> clean_up(Group& group, CleanUp what, const ChooseOffsets& choose);
  void clean_up_expired();

  void elected(std::int32_t partition);
  void resigned(std::int32_t partition);
  void run_timeouts();
  void stop();

 private:
  struct Wakeups {
    std::vector<std::pair<base::OneShot<JoinResult>, JoinResult>> joins;
    std::vector<std::pair<base::OneShot<SyncResult>, SyncResult>> syncs;
    void wake();
  };
  // One time of leading a partition, from its election to its resignation. A load that outlives its own changes nothing.
  struct Tenure {
    std::uint64_t number = 0;
    bool loaded = false;
  };
  struct ToLoad {
    std::int32_t partition = 0;
    std::uint64_t tenure = 0;
  };

  RecordList prepare_commits(CommitRequest& request, Time time, PendingCommit& pending) const;
  ErrorCode take_commits(CommitRequest& request, RecordList records, Time time, PendingCommit& pending);
  // These two in the group's lock.
  void line_up(RecordList records, Time time, std::uint64_t sender, PendingCommit& pending);
  void append_transactional(const RecordList& records, Time time, PendingCommit& pending);
  CommitAnswer answer_commit(PendingCommit&& pending);
  CommitAnswer answer_transactional(PendingCommit&& pending);
  base::Task<std::vector<ErrorCode>> finish_commit(PendingCommit pending);

  void settle(Group& group, Effects& effects, std::vector<PendingStore>& pending, Wakeups& wakeups);
  JoinedAppends::Ticket add_record(const Group& group, const StoreGroup& store);
  void collect_answers(Group& group, Effects& effects, Wakeups& wakeups);
  void set_timer(Group& group);
  void expire_consumers(Group& group, Effects& effects);
  ClassicGroup classic_from(const std::string& group_id, const BecomesClassic& becomes) const;
  protocol::Result<std::optional<std::int64_t>> write_decision(Group& group, ConsumerGroup& consumers,
                                                               const ConsumerDecision& decision,
                                                               std::vector<KeyAndValue> before, Effects& effects);
  void forget(const Group& group);
  ErrorCode check_partition(std::int32_t partition);
  ErrorCode check_loaded(std::int32_t partition) const;  // in mutex_
  bool is_current(ToLoad one) const;  // in mutex_
  void load(ToLoad one);
  void install(ToLoad one, GroupLoader& loader);
  void unload(std::int32_t partition);
  void end_loading(ToLoad one);
  void give_up_loading(ToLoad one);
  // Of the groups of one partition, or of all.
  void delete_offsets_of(const std::set<std::string>& topics, std::optional<std::int32_t> partition = std::nullopt);
  void settle_transaction(EndedTransaction ended, std::int32_t partition);
  std::int64_t milliseconds_to_wait();
  void timer_loop();
  void load_loop();

  CoordinatorLog& log_;
  JoinedAppends appends_;  // all that is appended goes through it
  const base::Clock& clock_;
  const metadata::MetadataCache& metadata_;
  const GroupLimits limits_;
  const bool own_threads_;
  std::atomic<WaiterId> last_waiter_{kNobody};
  std::atomic<std::int32_t> partition_count_{0};

  std::mutex mutex_;  // all below
  std::condition_variable changed_;
  bool stopping_ = false;
  std::unordered_map<std::string, GroupPtr> groups_;
  std::unordered_map<std::string, ConsumerGroupTimes> times_;
  std::map<std::int32_t, Tenure> partitions_;
  std::uint64_t last_tenure_ = 0;
  std::map<std::pair<std::int64_t, std::int32_t>, std::set<std::string>> groups_in_transaction_;  // producer, partition
  std::map<std::int32_t, std::vector<EndedTransaction>> ended_while_loading_;
  std::map<std::int32_t, std::set<std::string>> deleted_while_loading_;  // topics
  std::deque<ToLoad> to_load_;
  std::multimap<std::int64_t, std::weak_ptr<Group>> timers_;
  std::int64_t next_expiry_check_ = 0;
  std::thread timer_thread_;
  std::thread load_thread_;
};

}  // namespace broker::group
