#include "broker/group/consumer_protocol.h"

#include <algorithm>

#include "protocol/codec/codec.h"
#include "protocol/records/consumer_protocol_assignment.h"
#include "protocol/records/consumer_protocol_subscription.h"

namespace broker::group {
namespace {

std::optional<std::int16_t> version_of(base::ByteView bytes, std::int16_t newest) {
  if (bytes.size() < sizeof(std::int16_t)) return std::nullopt;
  const auto version = base::load_big_endian<std::int16_t>(bytes.data());
  if (version < 0) return std::nullopt;
  return std::min(version, newest);
}

template <class Message>
bool read(base::ByteView bytes, Message& message) {
  const auto version = version_of(bytes, Message::kVersionMax);
  return version && protocol::decode(message, *version, bytes.subspan(sizeof(std::int16_t)));
}

template <class Topics>
NamedPartitions named(const Topics& topics) {
  NamedPartitions out;
  for (const auto& topic : topics) out[topic.topic].insert(topic.partitions.begin(), topic.partitions.end());
  return out;
}

}  // namespace

std::optional<EmbeddedSubscription> read_subscription(base::ByteView bytes) {
  protocol::ConsumerProtocolSubscription message;
  if (!read(bytes, message)) return std::nullopt;
  EmbeddedSubscription subscription;
  subscription.topics = {message.topics.begin(), message.topics.end()};
  subscription.owned = named(message.owned_partitions);
  if (message.rack_id && !message.rack_id->empty()) subscription.rack_id = message.rack_id;
  return subscription;
}

std::optional<EmbeddedAssignment> read_assignment(base::ByteView bytes) {
  protocol::ConsumerProtocolAssignment message;
  if (!read(bytes, message)) return std::nullopt;
  EmbeddedAssignment assignment;
  assignment.partitions = named(message.assigned_partitions);
  assignment.has_user_data = message.user_data && !message.user_data->empty();
  return assignment;
}

base::Bytes write_assignment(const NamedPartitions& partitions, base::ByteView subscription) {
  protocol::ConsumerProtocolAssignment message;
  for (const auto& [name, of_topic] : partitions) {
    auto& topic = message.assigned_partitions.emplace_back();
    topic.topic = name;
    topic.partitions = {of_topic.begin(), of_topic.end()};
  }
  // Of a protocol that was never chosen nobody has read the metadata yet. The oldest version says all that is needed.
  const auto version = version_of(subscription, protocol::ConsumerProtocolAssignment::kVersionMax);
  return protocol::encode_with_version(message, version.value_or(0));
}

Partitions with_ids(const NamedPartitions& partitions, const metadata::ClusterMetadata& cluster) {
  Partitions out;
  for (const auto& [name, of_topic] : partitions) {
    const metadata::Topic* topic = cluster.topic(name);
    if (topic != nullptr && !topic->id.is_zero() && !of_topic.empty()) out[topic->id] = of_topic;
  }
  return out;
}

NamedPartitions with_names(const Partitions& partitions, const metadata::ClusterMetadata& cluster) {
  NamedPartitions out;
  for (const auto& [id, of_topic] : partitions) {
    if (const metadata::Topic* topic = cluster.topic(id)) out[topic->name] = of_topic;
  }
  return out;
}

}  // namespace broker::group
