// What the transaction coordinator needs of the rest of the broker, beside its log. Implemented by the app and the
// request side; tests use fakes. Thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "base/task.h"
#include "broker/transaction/transaction_types.h"

namespace broker::transaction {

class ProducerIdSource {
 public:
  virtual ~ProducerIdSource() = default;
  virtual base::Task<protocol::Result<std::int64_t>> next() = 0;
};

class MarkerWriter {
 public:
  virtual ~MarkerWriter() = default;
  // Appends the marker to each partition and resumes when all outcomes are known, in order: none when it is committed.
  // UNKNOWN_TOPIC_OR_PARTITION: the partition doesn't exist in the cluster (any more).
  virtual base::Task<std::vector<ErrorCode>> write(TransactionMarker marker, std::vector<TopicPartition> partitions) = 0;
};

}  // namespace broker::transaction
