// What records of the internal topics have in common, and which partition of its topic a group or a transactional id
// lives in. Stateless.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace broker::coordinator {

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
};

struct KeyAndValue {
  base::Bytes key;
  std::optional<base::Bytes> value;  // nothing: a tombstone
};

// The producer's part of a batch header. The coordinators' own records have none.
struct BatchSender {
  std::int32_t base_sequence = -1;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  bool transactional = false;
};

inline constexpr std::size_t kRecordOverheadMax = 32;  // in a batch, of a key and a value: lengths, deltas, attributes

base::Bytes build_batch(const std::vector<KeyAndValue>& records, std::int64_t timestamp,
                        const BatchSender& sender = BatchSender());

// The absolute value of Java's String.hashCode() of the id, over UTF-16, modulo the number of partitions.
std::int32_t partition_of(std::string_view id, std::int32_t partition_count);

}  // namespace broker::coordinator
