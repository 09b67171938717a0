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

// The same for who only looks for one.
struct TopicPartitionView {
  std::string_view topic;
  std::int32_t partition = 0;

  TopicPartitionView() = default;
  TopicPartitionView(const TopicPartition& of) : topic(of.topic), partition(of.partition) {}
  auto operator<=>(const TopicPartitionView&) const = default;
};

// As TopicPartition's own order. Of maps in which views are looked for.
struct InOrder {
  using is_transparent = void;
  bool operator()(const TopicPartitionView& a, const TopicPartitionView& b) const { return a < b; }
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
