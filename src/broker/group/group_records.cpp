#include "broker/group/group_records.h"

#include <cstdlib>
#include <limits>

#include "broker/group/offset_records.h"
#include "protocol/codec/codec.h"
#include "protocol/records/group_metadata.h"

namespace broker::group {
namespace {

constexpr std::int16_t kGroupKeyVersion = 2;
constexpr std::int16_t kGroupValueVersion = 3;

base::Bytes to_bytes(base::ByteView view) { return {view.begin(), view.end()}; }

StoredRecord read_offset(const protocol::Record& record) {
  OffsetRecordView view;
  if (const char* wrong = read_offset_record(record, view)) return UnknownRecord{wrong};
  OffsetRecord out;
  out.group_id = view.group_id;
  out.partition.topic = view.partition.topic;
  out.partition.partition = view.partition.partition;
  if (!view.deleted) view.copy_to(out.value.emplace());
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
  if (is_offset_key(version)) return read_offset(record);
  if (version == kGroupKeyVersion) return read_group(record);
  if (is_consumer_group_record(version)) {
    auto stored = read_consumer_group_record(version, record);
    if (stored) return std::move(*stored);
  }
  return UnknownRecord{"a key of type " + std::to_string(version)};
}

KeyAndValue to_record(const OffsetRecord& record) {
  KeyAndValue out;
  out.key.resize(size_of_offset_key(record.group_id, record.partition));
  write_offset_key(out.key.data(), record.group_id, record.partition);
  if (!record.value) return out;
  out.value.emplace(size_of_offset_value(*record.value));
  write_offset_value(out.value->data(), *record.value);
  return out;
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
