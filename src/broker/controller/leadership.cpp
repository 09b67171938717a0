#include "broker/controller/leadership.h"

#include <algorithm>

namespace broker::controller {
namespace {

bool contains(const std::vector<std::int32_t>& list, std::int32_t id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

std::vector<std::int32_t> living(const std::vector<std::int32_t>& brokers, const IsAlive& alive) {
  std::vector<std::int32_t> result;
  std::copy_if(brokers.begin(), brokers.end(), std::back_inserter(result), alive);
  return result;
}

PartitionState led_by(const PartitionState& state, std::int32_t leader, std::vector<std::int32_t> isr,
                      std::int32_t controller_epoch) {
  PartitionState next = state;
  next.leader = leader;
  next.isr = std::move(isr);
  next.leader_epoch++;
  next.controller_epoch = controller_epoch;
  return next;
}

}  // namespace

std::optional<PartitionState> initial_state(const std::vector<std::int32_t>& replicas, const IsAlive& alive,
                                            std::int32_t controller_epoch) {
  PartitionState state;
  state.isr = living(replicas, alive);
  if (state.isr.empty()) return std::nullopt;
  state.leader = state.isr.front();
  state.controller_epoch = controller_epoch;
  return state;
}

std::optional<PartitionState> state_after_broker_change(const PartitionState& state,
                                                        const std::vector<std::int32_t>& replicas, const IsAlive& alive,
                                                        bool allow_unclean, std::int32_t controller_epoch) {
  if (state.leader >= 0 && alive(state.leader)) return std::nullopt;
  const std::vector<std::int32_t> live_isr = living(state.isr, alive);
  const std::vector<std::int32_t> live_replicas = living(replicas, alive);
  for (const std::int32_t replica : live_replicas) {
    if (contains(live_isr, replica)) return led_by(state, replica, live_isr, controller_epoch);
  }
  if (allow_unclean && !live_replicas.empty()) {
    PartitionState next = led_by(state, live_replicas.front(), {live_replicas.front()}, controller_epoch);
    next.recovering = true;
    return next;
  }
  if (state.leader == -1) return std::nullopt;
  return led_by(state, -1, state.isr, controller_epoch);
}

ElectionResult elect(const PartitionState& state, const std::vector<std::int32_t>& replicas, const IsAlive& alive,
                     Election kind, std::int32_t controller_epoch) {
  using protocol::ErrorCode;
  ElectionResult result;
  const bool led = state.leader >= 0 && alive(state.leader);
  if (kind == Election::preferred) {
    const std::int32_t preferred = replicas.empty() ? -1 : replicas.front();
    if (state.leader == preferred) {
      result.error = ErrorCode::election_not_needed;
    } else if (preferred < 0 || !alive(preferred) || !contains(state.isr, preferred)) {
      result.error = ErrorCode::preferred_leader_not_available;
    } else {
      result.next = led_by(state, preferred, living(state.isr, alive), controller_epoch);
    }
    return result;
  }
  if (led) {
    result.error = ErrorCode::election_not_needed;
    return result;
  }
  const bool unclean = kind == Election::unclean;
  std::optional<PartitionState> next = state_after_broker_change(state, replicas, alive, unclean, controller_epoch);
  if (!next || next->leader < 0) {
    result.error = ErrorCode::eligible_leaders_not_available;
  } else {
    result.next = std::move(*next);
  }
  return result;
}

}  // namespace broker::controller
