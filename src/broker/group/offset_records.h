// Records of committed offsets, read and written without a message of the codec and without memory of their own: a partition of
// __consumer_offsets holds millions of them, and who loads it waits for them all; and a commit makes one for each of its partitions.
// Read are the versions that codec.h reads, and refused is what that refuses; written are those of Kafka 3.9: v3, and v1 with a
// retention of the client's. Stateless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/coordinator/record_list.h"
#include "broker/group/group_types.h"
#include "protocol/record.h"

namespace broker::group {

// What it names points into the record.
struct OffsetRecordView {
  std::string_view group_id;
  coordinator::TopicPartitionView partition;
  bool deleted = false;  // a tombstone, and nothing of what follows is set
  std::int64_t offset = -1;
  std::int32_t leader_epoch = -1;
  std::string_view metadata;
  std::int64_t commit_timestamp = -1;
  std::optional<std::int64_t> expire_timestamp;

  // Into one that may be there already, whose memory is used again.
  void copy_to(CommittedOffset& committed) const;
};

// By the version that a key begins with.
inline bool is_offset_key(std::int16_t key_version) { return key_version == 0 || key_version == 1; }

// Of a record with such a key. What is wrong with it; null: nothing.
const char* read_offset_record(const protocol::Record& record, OffsetRecordView& view);

// Neither the group's id nor the names are longer than 32767 bytes, as the requests that they come in.
std::size_t size_of_offset_key(std::string_view group_id, const TopicPartition& partition);
std::size_t size_of_offset_value(const CommittedOffset& committed);
// Where there is so much room; what is behind them.
std::uint8_t* write_offset_key(std::uint8_t* at, std::string_view group_id, const TopicPartition& partition);
std::uint8_t* write_offset_value(std::uint8_t* at, const CommittedOffset& committed);
void add_offset_record(coordinator::RecordList& to, std::string_view group_id, const TopicPartition& partition,
                       const CommittedOffset& committed);

}  // namespace broker::group
