// A log that hands everything on to another one, for tests that come in between in one place: they override that.
#pragma once

#include <utility>

#include "broker/coordinator/coordinator_log.h"

namespace broker::coordinator::testing {

class ForwardingLog : public CoordinatorLog {
 public:
  // `to` outlives it.
  explicit ForwardingLog(CoordinatorLog& to) : to_(to) {}

  base::Task<std::int32_t> partition_count(bool create) override { return to_.partition_count(create); }
  std::optional<std::int32_t> leader_epoch(std::int32_t partition) const override { return to_.leader_epoch(partition); }
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch,
                                        std::optional<std::uint64_t> guard) override {
    return to_.append(partition, std::move(batch), guard);
  }
  std::uint64_t start_verification(std::int32_t partition, std::int64_t producer_id, std::int16_t epoch) override {
    return to_.start_verification(partition, producer_id, epoch);
  }
  void cancel_verification(std::int32_t partition, std::int64_t producer_id, std::uint64_t guard) override {
    to_.cancel_verification(partition, producer_id, guard);
  }
  base::Task<protocol::ErrorCode> await_committed(std::int32_t partition, std::int64_t end_offset) override {
    return to_.await_committed(partition, end_offset);
  }
  protocol::Result<std::int64_t> read_all(std::int32_t partition, const BatchesVisitor& visit,
                                          const DamageVisitor& damaged) override {
    return to_.read_all(partition, visit, damaged);
  }

 private:
  CoordinatorLog& to_;
};

}  // namespace broker::coordinator::testing
