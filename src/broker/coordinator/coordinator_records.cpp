#include "broker/coordinator/coordinator_records.h"

#include <cstdlib>
#include <limits>

#include "broker/coordinator/utf16.h"
#include "protocol/record_batch_builder.h"

namespace broker::coordinator {
namespace {

std::size_t bytes_of(const std::vector<KeyAndValue>& records) {
  std::size_t bytes = 0;
  for (const KeyAndValue& one : records) bytes += kRecordOverheadMax + one.key.size() + (one.value ? one.value->size() : 0);
  return bytes;
}

}  // namespace

base::Bytes build_batch(const std::vector<KeyAndValue>& records, std::int64_t timestamp, const BatchSender& sender) {
  protocol::RecordBatchBuilder builder;
  builder.header.base_sequence = sender.base_sequence;
  builder.header.producer_id = sender.producer_id;
  builder.header.producer_epoch = sender.producer_epoch;
  if (sender.transactional) builder.header.attributes |= protocol::kAttributeTransactional;
  builder.reserve(bytes_of(records));
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
  for_each_utf16_unit(id, [&hash](std::uint16_t unit) { hash = 31 * hash + unit; });
  // The absolute value, with Java's one exception.
  const auto signed_hash = static_cast<std::int32_t>(hash);
  const std::int32_t positive = signed_hash == std::numeric_limits<std::int32_t>::min() ? 0 : std::abs(signed_hash);
  return positive % partition_count;
}

}  // namespace broker::coordinator
