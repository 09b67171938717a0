#include "broker/transaction/transaction_records.h"

#include <map>

#include "protocol/codec/codec.h"
#include "protocol/records/transaction_log.h"

namespace broker::transaction {
namespace {

constexpr std::int16_t kKeyVersion = 0;
constexpr std::int16_t kPlainValueVersion = 0;
constexpr std::int16_t kValueVersionWithClients = 1;

bool is_stored_state(std::int8_t status) {
  return status >= 0 && status <= static_cast<std::int8_t>(TransactionState::prepare_epoch_fence);
}

}  // namespace

std::variant<UnknownRecord, TransactionRecord> read_transaction_record(const protocol::Record& record) {
  if (!record.key || record.key->size() < sizeof(std::int16_t)) return UnknownRecord{"a record without a key"};
  const auto version = base::load_big_endian<std::int16_t>(record.key->data());
  if (version != kKeyVersion) return UnknownRecord{"a key of type " + std::to_string(version)};
  protocol::TransactionLogKey key;
  if (!protocol::decode_with_version(key, *record.key)) return UnknownRecord{"a key that can't be read", true};
  TransactionRecord out;
  out.transactional_id = key.transactional_id;
  if (!record.value) return out;
  protocol::TransactionLogValue value;
  if (!protocol::decode_with_version(value, *record.value) || !is_stored_state(value.transaction_status)) {
    return UnknownRecord{"a value that can't be read", true};
  }
  TransactionImage& image = out.image.emplace();
  image.producer_id = value.producer_id;
  image.previous_producer_id = value.previous_producer_id;
  image.next_producer_id = value.next_producer_id;
  image.producer_epoch = value.producer_epoch;
  image.timeout_ms = value.transaction_timeout_ms;
  image.state = static_cast<TransactionState>(value.transaction_status);
  if (value.transaction_partitions) {
    for (const auto& topic : *value.transaction_partitions) {
      for (const std::int32_t partition : topic.partition_ids) {
        TopicPartition one;
        one.topic = topic.topic;
        one.partition = partition;
        image.partitions.insert(std::move(one));
      }
    }
  }
  image.last_update_ms = value.transaction_last_update_timestamp_ms;
  image.start_ms = value.transaction_start_timestamp_ms;
  image.client_version = value.client_transaction_version;
  return out;
}

coordinator::KeyAndValue to_record(const TransactionRecord& record) {
  coordinator::KeyAndValue out;
  protocol::TransactionLogKey key;
  key.transactional_id = record.transactional_id;
  out.key = protocol::encode_with_version(key, kKeyVersion);
  if (!record.image) return out;
  const TransactionImage& image = *record.image;
  const bool plain = image.client_version == 0;
  protocol::TransactionLogValue value;
  value.producer_id = image.producer_id;
  value.producer_epoch = image.producer_epoch;
  if (!plain) {
    value.previous_producer_id = image.previous_producer_id;
    value.next_producer_id = image.next_producer_id;
    value.client_transaction_version = image.client_version;
  }
  value.transaction_timeout_ms = image.timeout_ms;
  value.transaction_status = static_cast<std::int8_t>(image.state);
  if (image.state == TransactionState::empty) {
    value.transaction_partitions.reset();
  } else {  // never null: Kafka 3.9's loader takes it as it is
    value.transaction_partitions.emplace();
    for (const TopicPartition& one : image.partitions) {
      auto& topics = *value.transaction_partitions;
      if (topics.empty() || topics.back().topic != one.topic) topics.emplace_back().topic = one.topic;
      topics.back().partition_ids.push_back(one.partition);
    }
  }
  value.transaction_last_update_timestamp_ms = image.last_update_ms;
  value.transaction_start_timestamp_ms = image.start_ms;
  out.value = protocol::encode_with_version(value, plain ? kPlainValueVersion : kValueVersionWithClients);
  return out;
}

}  // namespace broker::transaction
