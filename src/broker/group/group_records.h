// Records of __consumer_offsets, to bytes and back, in the versions that Kafka 3.9 writes: groups v3, and offsets as
// offset_records.h says. Read are also the older ones and v4. Stateless.
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

KeyAndValue to_record(const OffsetRecord& record);
KeyAndValue to_record(const GroupRecord& record);

// Kafka's coordinator gives batches of offset commits the sequence 0, all others -1; neither has a producer id.
inline constexpr std::int32_t kOffsetCommitSequence = 0;

}  // namespace broker::group
