// Exchanges the owners of partitions, so that as many as possible are with a member in the rack of one of their replicas.
// For the server's assignors, which first say who owns what by balance and stickiness. Pure and deterministic.
// The rules are those of KIP-881, which Kafka 3.9's client-side assignors follow (AbstractStickyAssignor, RangeAssignor): balance
// comes before racks, racks before stickiness. Other than there, the matching is a maximum, where Kafka's takes the first that fits;
// what can't be matched stays with its owner where it can, and nothing moves that doesn't help another one to a match; and a member
// without a rack matches nothing, where it matches everything in Kafka's RangeAssignor.
#pragma once

#include <string_view>
#include <vector>

namespace broker::group {

// What is owned: partitions, or those that go together. Any of the members may own any.
struct OwnedUnits {
  std::vector<std::string_view> member_racks;             // empty: it tells none, and matches nothing
  std::vector<std::vector<std::string_view>> unit_racks;  // of the replicas; each sorted, without doubles
  std::vector<std::size_t> owners;                        // of each unit, the index of a member
  // The numbers of units differ by one at most, and who has the one more may change. Else each member keeps its number.
  bool extras_may_move = false;
};

// The owners. The same as before if racks make no difference, by Kafka's rule: all units have the same racks, or none has a member's.
// Takes about as long as to read all racks of units a few times, whatever members tell: theirs that no unit has don't count.
std::vector<std::size_t> match_racks(const OwnedUnits& units);

}  // namespace broker::group
