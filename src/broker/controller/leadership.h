// Who leads a partition: the decisions of Kafka's partition state machine, as functions of what is known. They change
// nothing; the controller writes the new state and tells the brokers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "broker/metadata/znodes.h"
#include "protocol/error.h"

namespace broker::controller {

using metadata::znodes::PartitionState;
using IsAlive = std::function<bool(std::int32_t broker)>;

enum class Election { when_leaderless, preferred, unclean };

struct ElectionResult {
  // none: `next` is the state to write. ELECTION_NOT_NEEDED: nothing changes.
  protocol::ErrorCode error = protocol::ErrorCode::none;
  PartitionState next;
};

// The first state of a new partition: all live replicas are in sync, the first of them leads. Nothing if none is alive.
std::optional<PartitionState> initial_state(const std::vector<std::int32_t>& replicas, const IsAlive& alive,
                                            std::int32_t controller_epoch);

// What becomes of a state when brokers come and go. A leader that is alive stays, at the same epoch, also after its
// restart. A leader that is gone is replaced by the first live replica of the ISR; if there is none, by the first live
// replica at all where `allow_unclean`; else the partition is offline: leader -1 and the ISR kept.
std::optional<PartitionState> state_after_broker_change(const PartitionState& state,
                                                        const std::vector<std::int32_t>& replicas, const IsAlive& alive,
                                                        bool allow_unclean, std::int32_t controller_epoch);

// A leader election that was asked for.
ElectionResult elect(const PartitionState& state, const std::vector<std::int32_t>& replicas, const IsAlive& alive,
                     Election kind, std::int32_t controller_epoch);

}  // namespace broker::controller
