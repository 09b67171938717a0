// A classic group on a clock of its own, whose timers go off as time passes; what it wants written waits for store_done().
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/group/classic_group.h"

namespace broker::group::testing {

inline base::Bytes bytes_of(std::string_view text) {
  const auto view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

// The group, its clock, and what came of all that was asked.
class Sim {
 public:
  Sim() {
    limits.initial_rebalance_delay_ms = 3000;
    now.wall_ms = 1'000'000;
    now.monotonic_ms = 50'000;
  }

  JoinRequest request(std::string member_id = "") {
    JoinRequest join;
    join.group_id = "g";
    join.member_id = std::move(member_id);
    join.client_id = "client";
    join.client_host = "/127.0.0.1";
    join.protocol_type = "consumer";
    join.protocols = {{"range", bytes_of("m")}};
    join.session_timeout_ms = 10'000;
    join.rebalance_timeout_ms = 60'000;
    return join;
  }
  // `id` is what a new member will be called.
  WaiterId join(JoinRequest join, const std::string& id = "new") {
    const WaiterId waiter = ++last_waiter;
    act([&](Effects& effects) { group.join(std::move(join), id, waiter, now, effects); });
    return waiter;
  }
  WaiterId join_static(const std::string& instance, const std::string& id, bool can_skip = false) {
    JoinRequest one = request();
    one.group_instance_id = instance;
    one.can_skip_assignment = can_skip;
    return join(std::move(one), id);
  }
  WaiterId sync(const std::string& id, std::map<std::string, base::Bytes> assignments = {},
                std::optional<std::int32_t> generation = std::nullopt) {
    SyncRequest one;
    one.member_id = id;
    one.generation = generation.value_or(group.generation());
    one.assignments = std::move(assignments);
    const WaiterId waiter = ++last_waiter;
    act([&](Effects& effects) { group.sync(one, waiter, now, effects); });
    return waiter;
  }
  ErrorCode heartbeat(const std::string& id) { return group.heartbeat({id, std::nullopt}, group.generation(), now); }
  void store_done(ErrorCode outcome = ErrorCode::none) {
    ASSERT_FALSE(stores.empty());
    const StoreGroup store = stores.front();
    stores.erase(stores.begin());
    act([&](Effects& effects) { group.stored(store, outcome, now, effects); });
  }
  // In steps as the coordinator's timer would.
  void pass(std::int64_t ms) {
    const std::int64_t until = now.monotonic_ms + ms;
    while (true) {
      const auto next = group.next_deadline();
      if (!next || *next > until) break;
      now.wall_ms += std::max<std::int64_t>(*next - now.monotonic_ms, 0);
      now.monotonic_ms = std::max(now.monotonic_ms, *next);
      act([&](Effects& effects) { group.on_time(now, effects); });
    }
    now.wall_ms += until - now.monotonic_ms;
    now.monotonic_ms = until;
  }
  template <class Act>
  void act(Act what) {
    Effects effects;
    what(effects);
    for (auto& answer : effects.joins) joined[answer.waiter] = std::move(answer.result);
    for (auto& answer : effects.syncs) synced[answer.waiter] = std::move(answer.result);
    for (auto& store : effects.stores) stores.push_back(std::move(store));
  }
  // A stable group of these static or dynamic members; the first leads.
  void make_stable(const std::vector<std::string>& ids, bool are_static = false) {
    std::vector<WaiterId> waiters;
    for (const std::string& id : ids) waiters.push_back(are_static ? join_static("i-" + id, id) : join(request(), id));
    for (int i = 0; i < 60 && group.state() != GroupState::completing_rebalance; ++i) pass(1000);
    ASSERT_EQ(group.state(), GroupState::completing_rebalance);
    std::map<std::string, base::Bytes> assignments;
    for (const std::string& id : ids) assignments[id] = bytes_of("a-" + id);
    for (auto it = ids.rbegin(); it != ids.rend(); ++it)
      sync(*it, *it == ids.front() ? assignments : decltype(assignments){});
    store_done();
    ASSERT_EQ(group.state(), GroupState::stable);
  }

  GroupLimits limits;
  ClassicGroup group{"g", limits};
  Time now;
  WaiterId last_waiter = 0;
  std::map<WaiterId, JoinResult> joined;
  std::map<WaiterId, SyncResult> synced;
  std::vector<StoreGroup> stores;
};

}  // namespace broker::group::testing
