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
  std::optional<std::int32_t> leader_epoch(std::int32_t partition) const override {
    const auto epoch = ForwardingLog::leader_epoch(partition);
    interrupt(after_leader_epoch);
    return epoch;
  }
  protocol::Result<std::int64_t> read_all(std::int32_t partition, const std::function<void(base::ByteView)>& visit) override {
    const auto end = ForwardingLog::read_all(partition, visit);
    interrupt(after_reading);
    return end;
  }

  mutable std::function<void()> after_leader_epoch;  // these once
  std::function<void()> after_reading;

 private:
  static void interrupt(std::function<void()>& call) {
    if (call) std::exchange(call, nullptr)();
  }
};

}  // namespace broker::coordinator::testing
