#include "broker/coordinator/coordinator_records.h"

#include <cstdlib>
#include <limits>

#include "protocol/record_batch_builder.h"

namespace broker::coordinator {

base::Bytes build_batch(const std::vector<KeyAndValue>& records, std::int64_t timestamp, const BatchSender& sender) {
  protocol::RecordBatchBuilder builder;
  builder.header.base_sequence = sender.base_sequence;
  builder.header.producer_id = sender.producer_id;
  builder.header.producer_epoch = sender.producer_epoch;
  if (sender.transactional) builder.header.attributes |= protocol::kAttributeTransactional;
  for (const KeyAndValue& one : records) {
    protocol::NewRecord record;
    record.key = one.key;
    if (one.value) record.value = *one.value;
    record.timestamp = timestamp;
    builder.append(record);
  }
  return builder.build();
}

std::int32_t partition_of(std::string_view id, std::int32_t partition_count) {
  std::uint32_t hash = 0;
  const auto add = [&hash](std::uint32_t unit) { hash = 31 * hash + unit; };
  for (std::size_t i = 0; i < id.size();) {
    const auto byte = [&](std::size_t at) -> std::uint32_t {
      return at < id.size() ? static_cast<std::uint8_t>(id[at]) : 0U;
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

}  // namespace broker::coordinator
