// What goes in and out of consumer groups of the newer protocol (KIP-848), and what their records in __consumer_offsets
// say. Plain values that own what they hold.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/uuid.h"
#include "broker/group/group_types.h"

namespace broker::group {

using Partitions = std::map<base::Uuid, std::set<std::int32_t>>;  // by topic id
// A partition of a member, with the epoch in which it got it: the oldest one that may still commit offsets for it.
using OwnedPartitions = std::map<base::Uuid, std::map<std::int32_t, std::int32_t>>;

inline constexpr std::int32_t kJoinEpoch = 0;
inline constexpr std::int32_t kLeaveEpoch = -1;
inline constexpr std::int32_t kStaticLeaveEpoch = -2;  // gone, but comes back under the same instance id

struct ClassicMemberMetadata {  // of a member that speaks the classic protocol
  std::int32_t session_timeout_ms = 0;
  std::vector<GroupProtocol> protocols;
  bool operator==(const ClassicMemberMetadata&) const = default;
};

// A JoinGroup, which is decided as a heartbeat is.
struct JoiningClassicMember {
  ClassicMemberMetadata metadata;
  bool is_new = false;  // it came without a member id
};

struct ConsumerHeartbeat {
  std::string group_id;
  std::string member_id;
  std::int32_t member_epoch = 0;
  std::optional<std::string> instance_id;
  std::optional<std::string> rack_id;
  std::int32_t rebalance_timeout_ms = -1;                          // -1: as before
  std::optional<std::vector<std::string>> subscribed_topic_names;  // nothing: as before, as for all below
  std::optional<std::string> subscribed_topic_regex;               // empty: none any more
  std::optional<std::string> server_assignor;
  std::optional<Partitions> owned;  // what the member has
  std::optional<JoiningClassicMember> classic;
  std::string client_id;
  std::string client_host;
};

struct ConsumerHeartbeatResult {
  ErrorCode error = ErrorCode::none;
  std::string error_message;
  std::string member_id;
  std::int32_t member_epoch = 0;
  std::int32_t heartbeat_interval_ms = 0;
  std::optional<Partitions> assignment;  // nothing: as before

  ConsumerHeartbeatResult() = default;
  ConsumerHeartbeatResult(ErrorCode code, std::string message) : error(code), error_message(std::move(message)) {}
};

// What records say. A record without a value is a tombstone.

struct ConsumerMemberMetadata {
  std::optional<std::string> instance_id;
  std::optional<std::string> rack_id;
  std::string client_id;
  std::string client_host;
  std::set<std::string> topic_names;
  std::string topic_regex;  // empty: none
  std::int32_t rebalance_timeout_ms = -1;
  std::optional<std::string> server_assignor;
  std::optional<ClassicMemberMetadata> classic;
  bool operator==(const ConsumerMemberMetadata&) const = default;
};

enum class MemberState : std::int8_t {
  stable = 0,                 // at its epoch's assignment
  unrevoked_partitions = 1,   // must give up some first
  unreleased_partitions = 2,  // waits for some that others still have
  unknown = 127,              // of a newer broker
};

struct CurrentAssignment {
  std::int32_t member_epoch = 0;
  std::int32_t previous_member_epoch = 0;
  MemberState state = MemberState::stable;
  OwnedPartitions assigned;
  OwnedPartitions pending_revocation;
  bool operator==(const CurrentAssignment&) const = default;
};

struct ResolvedRegex {
  std::set<std::string> topics;
  std::int64_t version = 0;
  std::int64_t timestamp = 0;
  bool operator==(const ResolvedRegex&) const = default;
};

struct GroupEpoch {
  std::int32_t epoch = 0;
  std::int64_t metadata_hash = 0;  // of all subscribed topics, as Kafka 4.3.1's
  bool operator==(const GroupEpoch&) const = default;
};

struct TargetEpoch {
  std::int32_t epoch = 0;
  std::int64_t timestamp = 0;
  bool operator==(const TargetEpoch&) const = default;
};

struct GroupEpochRecord {  // type 3
  std::optional<GroupEpoch> value;
};
struct SubscriptionMetadataRecord {  // type 4: written by Kafka 4.0 alone, and deleted by its successors
  bool deleted = true;
};
struct MemberMetadataRecord {  // type 5
  std::string member_id;
  std::optional<ConsumerMemberMetadata> value;
};
struct TargetEpochRecord {  // type 6
  std::optional<TargetEpoch> value;
};
struct TargetAssignmentRecord {  // type 7
  std::string member_id;
  std::optional<Partitions> value;
};
struct CurrentAssignmentRecord {  // type 8
  std::string member_id;
  std::optional<CurrentAssignment> value;
};
struct RegexRecord {  // type 16
  std::string regex;
  std::optional<ResolvedRegex> value;
};
using ConsumerGroupRecord = std::variant<GroupEpochRecord, SubscriptionMetadataRecord, MemberMetadataRecord,
                                         TargetEpochRecord, TargetAssignmentRecord, CurrentAssignmentRecord, RegexRecord>;

// For ConsumerGroupDescribe. Partitions are by topic id; who answers adds the names.
struct ConsumerMemberSummary {
  std::string member_id;
  std::int32_t member_epoch = 0;
  ConsumerMemberMetadata metadata;
  Partitions assignment;
  Partitions target_assignment;
};
struct ConsumerGroupSummary {
  ErrorCode error = ErrorCode::none;
  std::string error_message;
  std::string state;  // "Empty", "Assigning", "Reconciling", "Stable"; empty with an error
  std::int32_t group_epoch = 0;
  std::int32_t assignment_epoch = 0;
  std::string assignor;
  std::vector<ConsumerMemberSummary> members;
};

Partitions without_epochs(const OwnedPartitions& owned);

}  // namespace broker::group
