// Records of __consumer_offsets, to bytes and back, in the versions that Kafka 3.9 writes: offsets v3 (v1 with a
// retention of the client's), groups v3. Read are also the older ones and v4. Stateless.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "broker/group/group_types.h"
#include "protocol/record.h"

namespace broker::group {

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
using StoredRecord = std::variant<UnknownRecord, OffsetRecord, GroupRecord>;
StoredRecord read_group_record(const protocol::Record& record);

struct KeyAndValue {
  base::Bytes key;
  std::optional<base::Bytes> value;
};
KeyAndValue to_record(const OffsetRecord& record);
KeyAndValue to_record(const GroupRecord& record);

// Kafka's coordinator gives batches of offset commits the sequence 0, all others -1; neither has a producer id.
inline constexpr std::int32_t kOffsetCommitSequence = 0;
base::Bytes build_batch(const std::vector<KeyAndValue>& records, std::int64_t timestamp,
                        std::int32_t base_sequence = -1);

// Which partition of __consumer_offsets a group lives in: the absolute value of Java's String.hashCode(), over UTF-16.
std::int32_t partition_of(std::string_view group_id, std::int32_t partition_count);

}  // namespace broker::group
