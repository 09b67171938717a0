#include "broker/group/consumer_group_records.h"

#include "protocol/codec/codec.h"
#include "protocol/records/consumer_group_current_member_assignment.h"
#include "protocol/records/consumer_group_member_metadata.h"
#include "protocol/records/consumer_group_metadata.h"
#include "protocol/records/consumer_group_partition_metadata.h"
#include "protocol/records/consumer_group_regular_expression.h"
#include "protocol/records/consumer_group_target_assignment_member.h"
#include "protocol/records/consumer_group_target_assignment_metadata.h"

namespace broker::group {
namespace {

enum KeyType : std::int16_t {
  kGroupEpoch = 3,
  kSubscriptionMetadata = 4,
  kMemberMetadata = 5,
  kTargetEpoch = 6,
  kTargetAssignment = 7,
  kCurrentAssignment = 8,
  kRegex = 16,
};

using protocol::decode_with_version;
using protocol::encode_with_version;
using Read = std::optional<StoredConsumerRecord>;

template <class Topics>
OwnedPartitions read_owned(const Topics& topics, std::int32_t member_epoch) {
  OwnedPartitions owned;
  for (const auto& topic : topics) {
    // Before Kafka 4.3 there were no epochs: the member's holds for all.
    const bool has_epochs = topic.assignment_epochs && topic.assignment_epochs->size() == topic.partitions.size();
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
      owned[topic.topic_id].emplace(topic.partitions[i], has_epochs ? (*topic.assignment_epochs)[i] : member_epoch);
    }
  }
  return owned;
}

template <class Topics>
void write_owned(const OwnedPartitions& owned, Topics& topics) {
  for (const auto& [topic_id, partitions] : owned) {
    auto& topic = topics.emplace_back();
    topic.topic_id = topic_id;
    topic.assignment_epochs.emplace();
    for (const auto& [partition, epoch] : partitions) {
      topic.partitions.push_back(partition);
      topic.assignment_epochs->push_back(epoch);
    }
  }
}

ConsumerMemberMetadata from(const protocol::ConsumerGroupMemberMetadataValue& value) {
  ConsumerMemberMetadata member;
  member.instance_id = value.instance_id;
  member.rack_id = value.rack_id;
  member.client_id = value.client_id;
  member.client_host = value.client_host;
  member.topic_names = {value.subscribed_topic_names.begin(), value.subscribed_topic_names.end()};
  member.topic_regex = value.subscribed_topic_regex.value_or("");
  member.rebalance_timeout_ms = value.rebalance_timeout_ms;
  member.server_assignor = value.server_assignor;
  if (value.classic_member_metadata) {
    ClassicMemberMetadata& classic = member.classic.emplace();
    classic.session_timeout_ms = value.classic_member_metadata->session_timeout_ms;
    for (const auto& protocol : value.classic_member_metadata->supported_protocols) {
      classic.protocols.push_back({protocol.name, {protocol.metadata.begin(), protocol.metadata.end()}});
    }
  }
  return member;
}

Read read_member(const protocol::Record& record) {
  protocol::ConsumerGroupMemberMetadataKey key;
  if (!decode_with_version(key, *record.key)) return std::nullopt;
  MemberMetadataRecord member{key.member_id, std::nullopt};
  if (record.value) {
    protocol::ConsumerGroupMemberMetadataValue value;
    if (!decode_with_version(value, *record.value)) return std::nullopt;
    // One of the classic protocol has at least one that it is assigned by; what is asked of it takes that for granted.
    if (value.classic_member_metadata && value.classic_member_metadata->supported_protocols.empty()) return std::nullopt;
    member.value = from(value);
  }
  return StoredConsumerRecord{key.group_id, std::move(member)};
}

Read read_current(const protocol::Record& record) {
  protocol::ConsumerGroupCurrentMemberAssignmentKey key;
  if (!decode_with_version(key, *record.key)) return std::nullopt;
  CurrentAssignmentRecord current{key.member_id, std::nullopt};
  if (record.value) {
    protocol::ConsumerGroupCurrentMemberAssignmentValue value;
    if (!decode_with_version(value, *record.value)) return std::nullopt;
    CurrentAssignment& assignment = current.value.emplace();
    assignment.member_epoch = value.member_epoch;
    assignment.previous_member_epoch = value.previous_member_epoch;
    const bool known = value.state >= 0 && value.state <= static_cast<std::int8_t>(MemberState::unreleased_partitions);
    assignment.state = known ? static_cast<MemberState>(value.state) : MemberState::unknown;
    assignment.assigned = read_owned(value.assigned_partitions, value.member_epoch);
    assignment.pending_revocation = read_owned(value.partitions_pending_revocation, value.member_epoch);
  }
  return StoredConsumerRecord{key.group_id, std::move(current)};
}

Read read_target(const protocol::Record& record) {
  protocol::ConsumerGroupTargetAssignmentMemberKey key;
  if (!decode_with_version(key, *record.key)) return std::nullopt;
  TargetAssignmentRecord target{key.member_id, std::nullopt};
  if (record.value) {
    protocol::ConsumerGroupTargetAssignmentMemberValue value;
    if (!decode_with_version(value, *record.value)) return std::nullopt;
    target.value.emplace();
    for (const auto& topic : value.topic_partitions) {
      (*target.value)[topic.topic_id].insert(topic.partitions.begin(), topic.partitions.end());
    }
  }
  return StoredConsumerRecord{key.group_id, std::move(target)};
}

Read read_target_epoch(const protocol::Record& record) {
  protocol::ConsumerGroupTargetAssignmentMetadataKey key;
  if (!decode_with_version(key, *record.key)) return std::nullopt;
  TargetEpochRecord epoch;
  if (record.value) {
    protocol::ConsumerGroupTargetAssignmentMetadataValue value;
    if (!decode_with_version(value, *record.value)) return std::nullopt;
    epoch.value = TargetEpoch{value.assignment_epoch, value.assignment_timestamp};
  }
  return StoredConsumerRecord{key.group_id, epoch};
}

Read read_group_epoch(const protocol::Record& record) {
  protocol::ConsumerGroupMetadataKey key;
  if (!decode_with_version(key, *record.key)) return std::nullopt;
  GroupEpochRecord epoch;
  if (record.value) {
    protocol::ConsumerGroupMetadataValue value;
    if (!decode_with_version(value, *record.value)) return std::nullopt;
    epoch.value = GroupEpoch{value.epoch, value.metadata_hash};
  }
  return StoredConsumerRecord{key.group_id, epoch};
}

Read read_regex(const protocol::Record& record) {
  protocol::ConsumerGroupRegularExpressionKey key;
  if (!decode_with_version(key, *record.key)) return std::nullopt;
  RegexRecord regex{key.regular_expression, std::nullopt};
  if (record.value) {
    protocol::ConsumerGroupRegularExpressionValue value;
    if (!decode_with_version(value, *record.value)) return std::nullopt;
    regex.value = ResolvedRegex{{value.topics.begin(), value.topics.end()}, value.version, value.timestamp};
  }
  return StoredConsumerRecord{key.group_id, std::move(regex)};
}

Read read_subscription_metadata(const protocol::Record& record) {
  protocol::ConsumerGroupPartitionMetadataKey key;
  if (!decode_with_version(key, *record.key)) return std::nullopt;
  return StoredConsumerRecord{key.group_id, SubscriptionMetadataRecord{!record.value}};
}

template <class Key>
base::Bytes group_key(const std::string& group_id, KeyType type) {
  Key key;
  key.group_id = group_id;
  return encode_with_version(key, type);
}

template <class Key>
base::Bytes member_key(const std::string& group_id, const std::string& member_id, KeyType type) {
  Key key;
  key.group_id = group_id;
  key.member_id = member_id;
  return encode_with_version(key, type);
}

struct Writer {
  const std::string& group_id;

  coordinator::KeyAndValue operator()(const GroupEpochRecord& record) const {
    coordinator::KeyAndValue out{group_key<protocol::ConsumerGroupMetadataKey>(group_id, kGroupEpoch), std::nullopt};
    if (!record.value) return out;
    protocol::ConsumerGroupMetadataValue value;
    value.epoch = record.value->epoch;
    value.metadata_hash = record.value->metadata_hash;
    out.value = encode_with_version(value, 0);
    return out;
  }
  coordinator::KeyAndValue operator()(const SubscriptionMetadataRecord&) const {  // only ever deleted
    return {group_key<protocol::ConsumerGroupPartitionMetadataKey>(group_id, kSubscriptionMetadata), std::nullopt};
  }
  coordinator::KeyAndValue operator()(const MemberMetadataRecord& record) const {
    coordinator::KeyAndValue out{
        member_key<protocol::ConsumerGroupMemberMetadataKey>(group_id, record.member_id, kMemberMetadata), std::nullopt};
    if (!record.value) return out;
    const ConsumerMemberMetadata& member = *record.value;
    protocol::ConsumerGroupMemberMetadataValue value;
    value.instance_id = member.instance_id;
    value.rack_id = member.rack_id;
    value.client_id = member.client_id;
    value.client_host = member.client_host;
    value.subscribed_topic_names = {member.topic_names.begin(), member.topic_names.end()};
    value.subscribed_topic_regex = member.topic_regex;
    value.rebalance_timeout_ms = member.rebalance_timeout_ms;
    value.server_assignor = member.server_assignor;
    value.classic_member_metadata.reset();
    if (member.classic) {
      auto& classic = value.classic_member_metadata.emplace();
      classic.session_timeout_ms = member.classic->session_timeout_ms;
      for (const GroupProtocol& one : member.classic->protocols) {
        auto& protocol = classic.supported_protocols.emplace_back();
        protocol.name = one.name;
        protocol.metadata = one.metadata;
      }
    }
    out.value = encode_with_version(value, 0);
    return out;
  }
  coordinator::KeyAndValue operator()(const TargetEpochRecord& record) const {
    coordinator::KeyAndValue out{group_key<protocol::ConsumerGroupTargetAssignmentMetadataKey>(group_id, kTargetEpoch),
                                 std::nullopt};
    if (!record.value) return out;
    protocol::ConsumerGroupTargetAssignmentMetadataValue value;
    value.assignment_epoch = record.value->epoch;
    value.assignment_timestamp = record.value->timestamp;
    out.value = encode_with_version(value, 0);
    return out;
  }
  coordinator::KeyAndValue operator()(const TargetAssignmentRecord& record) const {
    coordinator::KeyAndValue out{member_key<protocol::ConsumerGroupTargetAssignmentMemberKey>(group_id, record.member_id,
                                                                                              kTargetAssignment),
                                 std::nullopt};
    if (!record.value) return out;
    protocol::ConsumerGroupTargetAssignmentMemberValue value;
    for (const auto& [topic_id, partitions] : *record.value) {
      auto& topic = value.topic_partitions.emplace_back();
      topic.topic_id = topic_id;
      topic.partitions = {partitions.begin(), partitions.end()};
    }
    out.value = encode_with_version(value, 0);
    return out;
  }
  coordinator::KeyAndValue operator()(const CurrentAssignmentRecord& record) const {
    coordinator::KeyAndValue out{member_key<protocol::ConsumerGroupCurrentMemberAssignmentKey>(
                                     group_id, record.member_id, kCurrentAssignment),
                                 std::nullopt};
    if (!record.value) return out;
    protocol::ConsumerGroupCurrentMemberAssignmentValue value;
    value.member_epoch = record.value->member_epoch;
    value.previous_member_epoch = record.value->previous_member_epoch;
    value.state = static_cast<std::int8_t>(record.value->state);
    write_owned(record.value->assigned, value.assigned_partitions);
    write_owned(record.value->pending_revocation, value.partitions_pending_revocation);
    out.value = encode_with_version(value, 0);
    return out;
  }
  coordinator::KeyAndValue operator()(const RegexRecord& record) const {
    protocol::ConsumerGroupRegularExpressionKey key;
    key.group_id = group_id;
    key.regular_expression = record.regex;
    coordinator::KeyAndValue out{encode_with_version(key, kRegex), std::nullopt};
    if (!record.value) return out;
    protocol::ConsumerGroupRegularExpressionValue value;
    value.topics = {record.value->topics.begin(), record.value->topics.end()};
    value.version = record.value->version;
    value.timestamp = record.value->timestamp;
    out.value = encode_with_version(value, 0);
    return out;
  }
};

}  // namespace

bool is_consumer_group_record(std::int16_t key_type) {
  return (key_type >= kGroupEpoch && key_type <= kCurrentAssignment) || key_type == kRegex;
}

std::optional<StoredConsumerRecord> read_consumer_group_record(std::int16_t key_type, const protocol::Record& record) {
  switch (key_type) {
    case kGroupEpoch:
      return read_group_epoch(record);
    case kSubscriptionMetadata:
      return read_subscription_metadata(record);
    case kMemberMetadata:
      return read_member(record);
    case kTargetEpoch:
      return read_target_epoch(record);
    case kTargetAssignment:
      return read_target(record);
    case kCurrentAssignment:
      return read_current(record);
    case kRegex:
      return read_regex(record);
    default:
      return std::nullopt;
  }
}

bool is_tombstone(const ConsumerGroupRecord& record) {
  return std::visit(
      [](const auto& one) {
        if constexpr (requires { one.value; }) {
          return !one.value.has_value();
        } else {
          return one.deleted;
        }
      },
      record);
}

coordinator::KeyAndValue to_record(const std::string& group_id, const ConsumerGroupRecord& record) {
  return std::visit(Writer{group_id}, record);
}

}  // namespace broker::group
