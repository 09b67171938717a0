#include "broker/group/group_records.h"

#include <cstdlib>
#include <limits>

#include "protocol/codec/codec.h"
#include "protocol/record_batch_builder.h"
#include "protocol/records/group_metadata.h"

namespace broker::group {
namespace {

constexpr std::int16_t kOffsetKeyVersion = 1;
constexpr std::int16_t kGroupKeyVersion = 2;
constexpr std::int16_t kOffsetValueVersion = 3;
constexpr std::int16_t kOffsetValueVersionWithExpiry = 1;
constexpr std::int16_t kGroupValueVersion = 3;

base::Bytes to_bytes(base::ByteView view) { return {view.begin(), view.end()}; }

StoredRecord read_offset(const protocol::Record& record) {
  protocol::OffsetCommitKey key;
  OffsetRecord out;
  if (!protocol::decode_with_version(key, *record.key)) return UnknownRecord{"an offset key that can't be read"};
  out.group_id = key.group;
  out.partition.topic = key.topic;
  out.partition.partition = key.partition;
  if (!record.value) return out;
  protocol::OffsetCommitValue value;
  if (!protocol::decode_with_version(value, *record.value)) return UnknownRecord{"an offset value that can't be read"};
  CommittedOffset& offset = out.value.emplace();
  offset.offset = value.offset;
  offset.leader_epoch = value.leader_epoch;
  offset.metadata = value.metadata;
  offset.commit_timestamp = value.commit_timestamp;
  if (value.expire_timestamp != -1) offset.expire_timestamp = value.expire_timestamp;
  return out;
}

StoredRecord read_group(const protocol::Record& record) {
  protocol::GroupMetadataKey key;
  GroupRecord out;
  if (!protocol::decode_with_version(key, *record.key)) return UnknownRecord{"a group key that can't be read"};
  out.group_id = key.group;
  if (!record.value) return out;
  protocol::GroupMetadataValue value;
  if (!protocol::decode_with_version(value, *record.value)) return UnknownRecord{"a group value that can't be read"};
  StoredGroup& group = out.value.emplace();
  group.protocol_type = value.protocol_type;
  group.generation = value.generation;
  group.protocol = value.protocol;
  group.leader = value.leader;
  group.current_state_timestamp = value.current_state_timestamp;
  for (const auto& one : value.members) {
    StoredMember& member = group.members.emplace_back();
    member.member_id = one.member_id;
    member.group_instance_id = one.group_instance_id;
    member.client_id = one.client_id;
    member.client_host = one.client_host;
    member.session_timeout_ms = one.session_timeout;
    member.rebalance_timeout_ms = one.rebalance_timeout == -1 ? one.session_timeout : one.rebalance_timeout;
    member.subscription = to_bytes(one.subscription);
    member.assignment = to_bytes(one.assignment);
  }
  return out;
}

}  // namespace

StoredRecord read_group_record(const protocol::Record& record) {
  if (!record.key || record.key->size() < sizeof(std::int16_t)) return UnknownRecord{"a record without a key"};
  const auto version = base::load_big_endian<std::int16_t>(record.key->data());
  if (version == 0 || version == kOffsetKeyVersion) return read_offset(record);
  if (version == kGroupKeyVersion) return read_group(record);
  if (is_consumer_group_record(version)) {
    auto stored = read_consumer_group_record(version, record);
    if (stored) return std::move(*stored);
  }
  return UnknownRecord{"a key of type " + std::to_string(version)};
}

KeyAndValue CommitRecords::record(const TopicPartition& partition, const CommittedOffset& committed) {
  KeyAndValue out = tombstone(partition);
  value_.offset = committed.offset;
  value_.leader_epoch = committed.leader_epoch;
  value_.metadata = committed.metadata;
  value_.commit_timestamp = committed.commit_timestamp;
  value_.expire_timestamp = committed.expire_timestamp.value_or(-1);
  out.value = protocol::encode_with_version(
      value_, committed.expire_timestamp ? kOffsetValueVersionWithExpiry : kOffsetValueVersion);
  return out;
}

KeyAndValue CommitRecords::tombstone(const TopicPartition& partition) {
  key_.topic = partition.topic;
  key_.partition = partition.partition;
  KeyAndValue out;
  out.key = protocol::encode_with_version(key_, kOffsetKeyVersion);
  return out;
}

KeyAndValue to_record(const OffsetRecord& record) {
  CommitRecords records(record.group_id);
  return record.value ? records.record(record.partition, *record.value) : records.tombstone(record.partition);
}

KeyAndValue to_record(const GroupRecord& record) {
  protocol::GroupMetadataKey key;
  key.group = record.group_id;
  KeyAndValue out;
  out.key = protocol::encode_with_version(key, kGroupKeyVersion);
  if (!record.value) return out;
  protocol::GroupMetadataValue value;
  value.protocol_type = record.value->protocol_type;
  value.generation = record.value->generation;
  value.protocol = record.value->protocol;
  value.leader = record.value->leader;
  value.current_state_timestamp = record.value->current_state_timestamp;
  for (const StoredMember& member : record.value->members) {
    auto& one = value.members.emplace_back();
    one.member_id = member.member_id;
    one.group_instance_id = member.group_instance_id;
    one.client_id = member.client_id;
    one.client_host = member.client_host;
    one.rebalance_timeout = member.rebalance_timeout_ms;
    one.session_timeout = member.session_timeout_ms;
    one.subscription = member.subscription;
    one.assignment = member.assignment;
  }
  out.value = protocol::encode_with_version(value, kGroupValueVersion);
  return out;
}

}  // namespace broker::group
