// What goes in and out of consumer groups, free of the wire's versions. Plain values that own what they hold: requests
// wait for longer than their frames live.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "broker/coordinator/coordinator_records.h"
#include "protocol/error.h"

namespace broker::group {

using coordinator::TopicPartition;
using protocol::ErrorCode;

// Kafka's names for the states: "Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead".
enum class GroupState { empty, preparing_rebalance, completing_rebalance, stable, dead };
std::string_view name_of(GroupState state);

struct Time {
  std::int64_t wall_ms = 0;       // goes into records
  std::int64_t monotonic_ms = 0;  // for timeouts
};

// Whether a group that has members may change from the classic protocol to the newer one, and back.
enum class MigrationPolicy { disabled, upgrade, downgrade, bidirectional };
inline bool allows_upgrade(MigrationPolicy policy) {
  return policy == MigrationPolicy::upgrade || policy == MigrationPolicy::bidirectional;
}
inline bool allows_downgrade(MigrationPolicy policy) {
  return policy == MigrationPolicy::downgrade || policy == MigrationPolicy::bidirectional;
}

// Of groups of the newer protocol (KIP-848).
struct ConsumerGroupLimits {
  bool enabled = true;  // the newer protocol is served at all
  MigrationPolicy migration = MigrationPolicy::bidirectional;
  std::int32_t classic_size_max = 2147483647;  // as group.max.size: a larger one can't become a classic group
  std::int32_t session_timeout_ms = 45'000;
  std::int32_t heartbeat_interval_ms = 5000;
  std::int32_t size_max = 2147483647;
  // Between two computations of who shall own what (group.consumer.assignment.interval.ms of Kafka 4.3).
  std::int32_t assignment_interval_ms = 1000;
  std::vector<std::string> assignors = {"uniform", "range"};  // the first is the default
};

// Of one group, over those of all.
struct ConsumerGroupTimes {
  std::int32_t session_timeout_ms = 0;
  std::int32_t heartbeat_interval_ms = 0;
  std::int32_t assignment_interval_ms = 0;
};

struct GroupLimits {
  std::int32_t session_timeout_min_ms = 6000;
  std::int32_t session_timeout_max_ms = 1'800'000;
  std::int32_t size_max = 2147483647;
  std::int32_t initial_rebalance_delay_ms = 3000;
  std::int32_t offset_metadata_bytes_max = 4096;
  std::int64_t offsets_retention_ms = 7LL * 24 * 3600 * 1000;
  std::int64_t offsets_retention_check_interval_ms = 600'000;
  ConsumerGroupLimits consumer;
};

struct GroupProtocol {
  std::string name;
  base::Bytes metadata;
  bool operator==(const GroupProtocol&) const = default;
};

// A member of the classic protocol on its way between a classic group and one of the newer protocol.
struct ClassicMember {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::string client_id;
  std::string client_host;
  std::int32_t rebalance_timeout_ms = 0;
  std::int32_t session_timeout_ms = 0;
  std::vector<GroupProtocol> protocols;  // none is never
  base::Bytes assignment;
};

struct JoinRequest {
  std::string group_id;
  std::string member_id;  // empty: a new member
  std::optional<std::string> group_instance_id;
  std::string client_id;
  std::string client_host;
  std::string protocol_type;
  std::vector<GroupProtocol> protocols;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = 0;
  bool needs_known_member_id = false;  // KIP-394: a new dynamic member is told its id and asked to come again
  bool can_skip_assignment = false;
  std::string reason;  // for the log only
};

struct JoinedMember {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  base::Bytes metadata;
};

struct JoinResult {
  ErrorCode error = ErrorCode::none;
  std::string member_id;
  std::int32_t generation = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::string leader;
  bool skip_assignment = false;
  std::vector<JoinedMember> members;  // for the leader alone

  JoinResult() = default;
  JoinResult(std::string member, ErrorCode code) : error(code), member_id(std::move(member)) {}
};

struct SyncRequest {
  std::string group_id;
  std::int32_t generation = -1;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::map<std::string, base::Bytes> assignments;  // from the leader
};

struct SyncResult {
  ErrorCode error = ErrorCode::none;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  base::Bytes assignment;

  SyncResult() = default;
  explicit SyncResult(ErrorCode code) : error(code) {}
};

struct MemberIdentity {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::optional<std::string> reason = std::nullopt;  // of one that leaves, in its client's words: for the log only

  std::string_view reason_text() const { return reason ? std::string_view(*reason) : "not provided"; }
};

struct LeaveResult {
  ErrorCode error = ErrorCode::none;
  std::vector<ErrorCode> members;  // in the order asked for; empty with an error
};

struct CommittedOffset {
  std::int64_t offset = -1;
  std::int32_t leader_epoch = -1;
  std::string metadata;
  std::int64_t commit_timestamp = -1;
  std::optional<std::int64_t> expire_timestamp;  // only from clients that ask for a retention of their own (v2-4)
  bool operator==(const CommittedOffset&) const = default;
};

struct MemberSummary {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::string client_id;
  std::string client_host;
  base::Bytes metadata;    // only of a stable group
  base::Bytes assignment;  // only of a stable group
};

struct GroupSummary {
  ErrorCode error = ErrorCode::none;
  bool found = false;
  bool is_consumer = false;  // not found, as it is of the newer protocol
  std::string state;  // empty with an error; "Dead" for a group that isn't there
  std::string protocol_type;
  std::string protocol;
  std::vector<MemberSummary> members;
};

struct GroupListing {
  std::string group_id;
  std::string protocol_type;
  std::string state;         // "Stable"
  bool is_consumer = false;  // of the newer protocol
};

// A group as its record says it: what survives.
struct StoredMember {
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::string client_id;
  std::string client_host;
  std::int32_t rebalance_timeout_ms = 0;
  std::int32_t session_timeout_ms = 0;
  base::Bytes subscription;
  base::Bytes assignment;
};

struct StoredGroup {
  std::string protocol_type;
  std::int32_t generation = 0;
  std::optional<std::string> protocol;
  std::optional<std::string> leader;
  std::int64_t current_state_timestamp = -1;
  std::vector<StoredMember> members;
};

}  // namespace broker::group
