// Records of consumer groups in __consumer_offsets (types 3 to 8 and 16), to bytes and back, as Kafka 4.3 writes them.
// Read are also those of Kafka 4.0 to 4.2. Stateless.
#pragma once

#include <optional>
#include <string>

#include "broker/coordinator/coordinator_records.h"
#include "broker/group/consumer_group_types.h"
#include "protocol/record.h"

namespace broker::group {

bool is_consumer_group_record(std::int16_t key_type);
// Nothing if key or value can't be read.
struct StoredConsumerRecord {
  std::string group_id;
  ConsumerGroupRecord record;
};
std::optional<StoredConsumerRecord> read_consumer_group_record(std::int16_t key_type, const protocol::Record& record);

bool is_tombstone(const ConsumerGroupRecord& record);

coordinator::KeyAndValue to_record(const std::string& group_id, const ConsumerGroupRecord& record);

}  // namespace broker::group
