// A log for tests of what another thread does between two steps of a request.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "broker/coordinator/testing/forwarding_log.h"

namespace broker::coordinator::testing {

// Calls back where another thread could come in between.
class InterruptedLog final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  base::Task<std::int32_t> partition_count(bool create) override {
    const std::int32_t count = co_await ForwardingLog::partition_count(create);
    co_return partitions > 0 ? partitions : count;
  }
  std::optional<std::int32_t> leader_epoch(std::int32_t partition) const override {
    const auto epoch = ForwardingLog::leader_epoch(partition);
    interrupt(after_leader_epoch);
    return epoch;
  }
  // Mostly in the caller's locks: what comes in between must leave them alone.
  protocol::Result<std::int64_t> append(std::int32_t partition, base::Bytes batch,
                                        std::optional<std::uint64_t> guard) override {
    const auto end = ForwardingLog::append(partition, std::move(batch), guard);
    if (after_append) std::exchange(after_append, nullptr)(partition);
    return end;
  }
  protocol::Result<std::int64_t> read_all(std::int32_t partition, const BatchesVisitor& visit,
                                          const DamageVisitor& damaged) override {
    const auto end = ForwardingLog::read_all(partition, visit, damaged);
    interrupt(after_reading);
    return end;
  }

  mutable std::function<void()> after_leader_epoch;  // these once
  std::function<void()> after_reading;
  std::function<void(std::int32_t partition)> after_append;
  std::int32_t partitions = 0;  // of the topic, if it has grown

 private:
  static void interrupt(std::function<void()>& call) {
    if (call) std::exchange(call, nullptr)();
  }
};

}  // namespace broker::coordinator::testing
