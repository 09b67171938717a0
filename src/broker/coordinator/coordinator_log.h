// The narrow way from the coordinators of groups and transactions to their partitions of an internal topic.
// Implemented over broker/partition by the app; tests use one in memory. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/task.h"
#include "protocol/error.h"

namespace broker::coordinator {

using BatchesVisitor = std::function<void(base::ByteView batches)>;
using DamageVisitor = std::function<void()>;

class CoordinatorLog {
 public:
  virtual ~CoordinatorLog() = default;
  // How many partitions the internal topic has; creates the topic first if asked and missing. 0: not there (yet).
  virtual base::Task<std::int32_t> partition_count(bool create) = 0;
  // Whether this broker leads the partition, with its leader epoch; nothing: NOT_COORDINATOR.
  virtual std::optional<std::int32_t> leader_epoch(std::int32_t partition) const = 0;
  // Appends one finished v2 batch as leader with acks=all, returns the offset after its last record. Returns without
  // waiting for replicas; await_committed does that. A transactional batch needs the guard of its verification, if
  // verification is on.
  virtual protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch,
                                                std::optional<std::uint64_t> verification_guard) = 0;
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch) {
    return append(partition, std::move(batch), std::nullopt);
  }
  // The same, and whether it is committed already, else that isn't known: in one go for whoever asks anyway.
  struct Appended {
    protocol::Result<std::int64_t> end;
    bool committed = false;
  };
  virtual Appended append_and_look(std::int32_t partition, base::Bytes batch, std::optional<std::uint64_t> verification_guard) {
    Appended appended{append(partition, std::move(batch), verification_guard)};
    appended.committed = appended.end && is_committed(partition, *appended.end);
    return appended;
  }
  // Before a producer's first transactional batch: storage::Log::start_verification and cancel_verification.
  virtual std::uint64_t start_verification(std::int32_t partition, std::int64_t producer_id,
                                           std::int16_t producer_epoch) = 0;
  virtual void cancel_verification(std::int32_t partition, std::int64_t producer_id, std::uint64_t guard) = 0;
  // Resumes when the high watermark has reached `end_offset`, or with the error that ended the wait.
  virtual base::Task<protocol::ErrorCode> await_committed(std::int32_t partition, std::int64_t end_offset) = 0;
  // Whether await_committed would resume at once without an error: for callers that save themselves some work then.
  virtual bool is_committed(std::int32_t partition, std::int64_t end_offset) const {
    (void)partition, (void)end_offset;
    return false;
  }
  // Calls `visit` with stretches of whole batches from the log start to the log end offset, in order, and `damaged` in the
  // place of one that can't be read: what it held is lost, what comes behind it follows. Blocking, called on a background
  // thread. Returns the end.
  virtual protocol::Result<std::int64_t> read_all(std::int32_t partition, const BatchesVisitor& visit,
                                                  const DamageVisitor& damaged) = 0;
};

}  // namespace broker::coordinator
