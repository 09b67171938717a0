// Coordinates the consumer groups whose partition of __consumer_offsets this broker leads. The shell around
// ClassicGroup and GroupOffsets: finds the group, holds its mutex while the state machine decides, appends the records,
// waits until they are committed, and wakes whoever waits. Thread-safe; owned by the app; calls run on their caller's
// event loop and hold no lock while they wait. Two threads of its own: one for timeouts, one that loads partitions.
// Errors are Kafka's: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE and so on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "broker/coordinator/joined_appends.h"
#include "broker/group/consumer_group_types.h"
#include "broker/group/group_offsets.h"
#include "broker/group/group_types.h"

namespace broker::config {
class BrokerConfig;
}
namespace broker::metadata {
class MetadataCache;
}

namespace broker::group {

using coordinator::CoordinatorLog;

// Makes a commit a part of the producer's transaction: it counts once the transaction is committed.
struct CommittingProducer {
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::optional<std::uint64_t> verification_guard;  // nothing: not asked for
};

struct CommitRequest {
  std::string group_id;
  MemberIdentity who;
  std::int32_t generation = -1;  // or member epoch
  std::int16_t version = 0;      // of OffsetCommit
  std::vector<OffsetCommit> commits;  // commit_timestamp -1: now
  std::optional<CommittingProducer> producer;
};

// What is there at once, as mostly, or the coroutine that will give it.
using CommitAnswer = std::variant<std::vector<ErrorCode>, base::Task<std::vector<ErrorCode>>>;

// What a transaction must know of before it may commit offsets of a group.
struct CommitVerification {
  ErrorCode error = ErrorCode::none;
  std::int32_t partition = -1;  // of __consumer_offsets
  std::uint64_t guard = 0;      // 0: the transaction is known here
};

// Who asks for offsets as a member of a group of the newer protocol; nobody does.
struct FetchingMember {
  std::optional<std::string> member_id;
  std::int32_t epoch = -1;

  FetchingMember() {}
};

struct FetchedOffset {
  TopicPartition partition;
  CommittedOffset value;  // offset -1: none
  ErrorCode error = ErrorCode::none;
};
struct FetchOffsetsResult {
  ErrorCode error = ErrorCode::none;
  std::vector<FetchedOffset> offsets;
};

struct DeleteOffsetsResult {
  ErrorCode error = ErrorCode::none;
  std::vector<ErrorCode> partitions;  // in the order asked for; empty with an error
};

// Where a group stands, for metrics.
struct GroupProgress {
  std::string group_id;
  std::string state;  // "Stable"
  std::size_t members = 0;
  std::vector<std::pair<TopicPartition, std::int64_t>> offsets;  // committed; sorted
};

struct ListGroupsResult {
  ErrorCode error = ErrorCode::none;
  std::vector<GroupListing> groups;
};

GroupLimits limits_from(const config::BrokerConfig& config);

class GroupCoordinator {
 public:
  // Without threads, loads happen inside of the call that needs them and timeouts in run_timeouts(): for tests.
  enum class Threads { own, none };
  using Joining = coordinator::JoinedAppends::Joining;
  GroupCoordinator(CoordinatorLog& log, const base::Clock& clock, const metadata::MetadataCache& metadata,
                   GroupLimits limits, Threads threads = Threads::own, Joining joining = Joining::adaptive);
  ~GroupCoordinator();  // stop() first, if anybody may still call
  GroupCoordinator(const GroupCoordinator&) = delete;
  GroupCoordinator& operator=(const GroupCoordinator&) = delete;

  // This broker leads the partition now, or no longer. Loads at once; without the first call, the first request does.
  void partition_elected(std::int32_t partition);
  void partition_resigned(std::int32_t partition);
  // Their offsets go too, and with them classic groups that are empty.
  void topics_deleted(const std::set<std::string>& topics);
  // Answers all who wait with COORDINATOR_NOT_AVAILABLE's kin and ends the threads.
  void stop();

  base::Task<JoinResult> join(JoinRequest request);
  base::Task<SyncResult> sync(SyncRequest request);
  base::Task<ErrorCode> heartbeat(std::string group_id, MemberIdentity who, std::int32_t generation);
  base::Task<LeaveResult> leave(std::string group_id, std::vector<MemberIdentity> members);
  // One code for each commit. begin_commit() decides before it returns, but for what comes before the number of partitions is known;
  // it is called on an event loop, where the coroutine that it may answer is awaited next.
  base::Task<std::vector<ErrorCode>> commit_offsets(CommitRequest request);
  CommitAnswer begin_commit(CommitRequest request);
  base::Task<CommitVerification> start_verification(std::string group_id, std::int64_t producer_id,
                                                  std::int16_t producer_epoch);
  void cancel_verification(const CommitVerification& verification, std::int64_t producer_id);
  // The marker of the producer's transaction is committed to this partition of __consumer_offsets.
  void transaction_ended(std::int64_t producer_id, std::int32_t partition, bool committed);
  // Nothing given: all offsets of the group.
  base::Task<FetchOffsetsResult> fetch_offsets(std::string group_id,
                                               std::optional<std::vector<TopicPartition>> partitions,
                                               bool require_stable, FetchingMember member = FetchingMember());
  base::Task<DeleteOffsetsResult> delete_offsets(std::string group_id, std::vector<TopicPartition> partitions);
  base::Task<GroupSummary> describe(std::string group_id);  // of the newer protocol: as if it wasn't there
  ListGroupsResult list();
  // Every group once, without any lock held; each as it is when its turn comes.
  void visit_progress(const std::function<void(const GroupProgress&)>& visit);
  base::Task<ErrorCode> delete_group(std::string group_id);

  // Groups of the newer protocol (KIP-848). Offered if the config allows it and every broker of the cluster knows it.
  bool serves_consumer_groups() const;
  base::Task<ConsumerHeartbeatResult> consumer_heartbeat(ConsumerHeartbeat request, std::int16_t version);
  // Of one group, whether it is there or not; nothing: those of all.
  void set_times(const std::string& group_id, std::optional<ConsumerGroupTimes> times);
  base::Task<ConsumerGroupSummary> describe_consumer(std::string group_id);

  // How many partitions __consumer_offsets has, made first if missing; 0 if it can't be.
  base::Task<std::int32_t> partition_count_or_create();
  // Of __consumer_offsets, for a group; the topic is made first if missing, nothing if it can't be.
  base::Task<std::optional<std::int32_t>> partition_for(std::string group_id);

  void run_timeouts();  // what is due by the clock, expiry of offsets included

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace broker::group
