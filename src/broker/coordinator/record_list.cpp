#include "broker/coordinator/record_list.h"

#include <algorithm>
#include <cstring>

namespace broker::coordinator {

void RecordList::reserve(std::size_t records, std::size_t bytes) {
  bytes_.reserve(records * sizeof(Sizes) + bytes);
}

std::uint8_t* RecordList::add(std::size_t key_size, std::optional<std::size_t> value_size) {
  const Sizes sizes{key_size, value_size.value_or(Sizes::kNoValue)};
  const std::size_t at = bytes_.size();
  bytes_.resize(at + sizeof sizes + key_size + value_size.value_or(0));
  std::memcpy(bytes_.data() + at, &sizes, sizeof sizes);
  ++size_;
  return bytes_.data() + at + sizeof sizes;
}

void RecordList::add(const KeyAndValue& record) {
  std::uint8_t* const at = add(record.key.size(), record.value ? std::optional(record.value->size()) : std::nullopt);
  std::uint8_t* const behind_key = std::copy(record.key.begin(), record.key.end(), at);
  if (record.value) std::copy(record.value->begin(), record.value->end(), behind_key);
}

void RecordList::append_to(protocol::RecordBatchBuilder& builder, std::int64_t timestamp) const {
  protocol::NewRecord record;
  record.timestamp = timestamp;
  base::ByteView rest = bytes_;
  while (!rest.empty()) {
    Sizes one;
    std::memcpy(&one, rest.data(), sizeof one);
    record.key = rest.subspan(sizeof one, one.key);
    rest = rest.subspan(sizeof one + one.key);
    record.value.reset();
    if (one.value != Sizes::kNoValue) {
      record.value = rest.first(one.value);
      rest = rest.subspan(one.value);
    }
    builder.append(record);
  }
}

base::Bytes RecordList::build_batch(std::int64_t timestamp, const BatchSender& sender) const {
  protocol::RecordBatchBuilder builder;
  builder.header.base_sequence = sender.base_sequence;
  builder.header.producer_id = sender.producer_id;
  builder.header.producer_epoch = sender.producer_epoch;
  if (sender.transactional) builder.header.attributes |= protocol::kAttributeTransactional;
  builder.reserve(bytes_in_batch_max());
  append_to(builder, timestamp);
  return builder.build();
}

}  // namespace broker::coordinator
