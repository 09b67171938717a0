// Records of __consumer_offsets, to bytes and back, in the versions that Kafka 3.9 writes: offsets v3 (v1 with a
// retention of the client's), groups v3. Read are also the older ones and v4. Stateless.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "broker/coordinator/coordinator_records.h"
#include "broker/group/consumer_group_records.h"
#include "broker/group/group_types.h"
#include "protocol/record.h"
#include "protocol/records/offset_commit.h"

namespace broker::group {

using coordinator::build_batch;
using coordinator::KeyAndValue;
using coordinator::partition_of;

struct OffsetRecord {
  std::string group_id;
  TopicPartition partition;
  std::optional<CommittedOffset> value;  // nothing: deleted
};
struct GroupRecord {
  std::string group_id;
  std::optional<StoredGroup> value;  // nothing: deleted
};
struct UnknownRecord {  // of a newer kind of group, or damaged: skipped with a warning
  std::string reason;
};
using StoredRecord = std::variant<UnknownRecord, OffsetRecord, GroupRecord, StoredConsumerRecord>;
StoredRecord read_group_record(const protocol::Record& record);

// Those of one group's commits, one after the other: what they have in common is made once.
class CommitRecords {
 public:
  explicit CommitRecords(std::string group_id) { key_.group = std::move(group_id); }
  KeyAndValue record(const TopicPartition& partition, const CommittedOffset& committed);
  KeyAndValue tombstone(const TopicPartition& partition);

 private:
  protocol::OffsetCommitKey key_;
  protocol::OffsetCommitValue value_;
};

KeyAndValue to_record(const OffsetRecord& record);
KeyAndValue to_record(const GroupRecord& record);

// Kafka's coordinator gives batches of offset commits the sequence 0, all others -1; neither has a producer id.
inline constexpr std::int32_t kOffsetCommitSequence = 0;

}  // namespace broker::group
