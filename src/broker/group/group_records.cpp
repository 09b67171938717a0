#include "broker/group/group_records.h"

#include <cstdlib>
#include <limits>

#include "protocol/codec/codec.h"
#include "protocol/record_batch_builder.h"
#include "protocol/records/group_metadata.h"
#include "protocol/records/offset_commit.h"

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
  return UnknownRecord{"a key of type " + std::to_string(version)};
}

KeyAndValue to_record(const OffsetRecord& record) {
  protocol::OffsetCommitKey key;
  key.group = record.group_id;
  key.topic = record.partition.topic;
  key.partition = record.partition.partition;
  KeyAndValue out;
  out.key = protocol::encode_with_version(key, kOffsetKeyVersion);
  if (!record.value) return out;
  protocol::OffsetCommitValue value;
  value.offset = record.value->offset;
  value.leader_epoch = record.value->leader_epoch;
  value.metadata = record.value->metadata;
  value.commit_timestamp = record.value->commit_timestamp;
  value.expire_timestamp = record.value->expire_timestamp.value_or(-1);
  out.value = protocol::encode_with_version(
      value, record.value->expire_timestamp ? kOffsetValueVersionWithExpiry : kOffsetValueVersion);
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

base::Bytes build_batch(const std::vector<KeyAndValue>& records, std::int64_t timestamp, std::int32_t base_sequence) {
  protocol::RecordBatchBuilder builder;
  builder.header.base_sequence = base_sequence;
  for (const KeyAndValue& one : records) {
    protocol::NewRecord record;
    record.key = one.key;
    if (one.value) record.value = *one.value;
    record.timestamp = timestamp;
    builder.append(record);
  }
  return builder.build();
}

std::int32_t partition_of(std::string_view group_id, std::int32_t partition_count) {
  std::uint32_t hash = 0;
  const auto add = [&hash](std::uint32_t unit) { hash = 31 * hash + unit; };
  for (std::size_t i = 0; i < group_id.size();) {
    const auto byte = [&](std::size_t at) -> std::uint32_t {
      return at < group_id.size() ? static_cast<std::uint8_t>(group_id[at]) : 0U;
    };
    const std::uint32_t first = byte(i);
    if (first < 0x80) {
      add(first);
      i += 1;
    } else if (first < 0xE0) {
      add((first & 0x1F) << 6 | (byte(i + 1) & 0x3F));
      i += 2;
    } else if (first < 0xF0) {
      add((first & 0x0F) << 12 | (byte(i + 1) & 0x3F) << 6 | (byte(i + 2) & 0x3F));
      i += 3;
    } else {  // two surrogates
      const std::uint32_t point =
          ((first & 0x07) << 18 | (byte(i + 1) & 0x3F) << 12 | (byte(i + 2) & 0x3F) << 6 | (byte(i + 3) & 0x3F)) -
          0x10000;
      add(0xD800 + (point >> 10));
      add(0xDC00 + (point & 0x3FF));
      i += 4;
    }
  }
  // The absolute value, with Java's one exception.
  const auto signed_hash = static_cast<std::int32_t>(hash);
  const std::int32_t positive = signed_hash == std::numeric_limits<std::int32_t>::min() ? 0 : std::abs(signed_hash);
  return positive % partition_count;
}

}  // namespace broker::group
