#include "broker/group/rack_matching.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

namespace broker::group {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// How many units of which type each rack's members shall own, a maximum flow: it starts from what is matched already. In rounds as
// Dinic's, each of which takes all shortest chains of exchanges: their length grows from round to round, and no chain visits a rack
// twice, so that there are no more rounds than racks, and mostly a few.
class RackFlow {
 public:
  struct Place {
    std::uint32_t rack = 0;
    std::uint32_t matched = 0;
  };
  struct Type {  // units with the same racks
    std::vector<Place> places;
    std::uint32_t unmatched = 0;
  };
  struct Rack {
    std::size_t floor = 0;  // units that its members own without an extra one
    std::size_t extras_max = 0;
    std::size_t used = 0;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> types;  // and the rack's place in it
    std::size_t extras() const { return used > floor ? used - floor : 0; }
    std::size_t room() const { return floor + extras_max - used; }  // with extra ones
  };

  RackFlow(std::vector<Type> types, std::vector<Rack> racks, std::size_t extras_max)
      : types_(std::move(types)), racks_(std::move(racks)), extras_max_(extras_max) {
    for (std::size_t type = 0; type < types_.size(); ++type) {
      for (std::size_t place = 0; place < types_[type].places.size(); ++place) {
        Rack& rack = racks_[types_[type].places[place].rack];
        rack.types.emplace_back(static_cast<std::uint32_t>(type), static_cast<std::uint32_t>(place));
        rack.used += types_[type].places[place].matched;
      }
    }
    for (const Rack& rack : racks_) extras_ += rack.extras();
  }
  std::vector<Type> run() {
    while (set_levels()) {
      for (std::size_t type = 0; type < types_.size(); ++type) {
        while (types_[type].unmatched > 0 && find_chain(type)) move_along_chain();
      }
    }
    return std::move(types_);
  }

 private:
  // Where a search may go on: only to what is a level further away from the unmatched units, and each way only once a round.
  struct Visit {
    std::size_t level = kNone;
    std::size_t next = 0;  // the way to try
  };
  struct Step {  // how a rack comes to have some too many
    std::size_t giver = kNone;  // a rack; none: the units were unmatched
    std::size_t type = kNone;   // none: the giver takes the right to extra ones instead
    std::size_t from = 0;
    std::size_t to = 0;
    std::size_t rack = kNone;
  };

  std::size_t free_places(const Rack& rack) const {
    if (rack.used < rack.floor) return rack.floor - rack.used;
    return std::min(rack.room(), extras_max_ - std::min(extras_, extras_max_));
  }
  void reach(std::size_t rack, std::size_t level) {
    if (rack_visits_[rack].level != kNone) return;
    rack_visits_[rack].level = level;
    queue_.push_back(rack);
  }
  void reach_places(std::size_t type, std::size_t level) {
    type_visits_[type].level = level;
    for (const Place& place : types_[type].places) reach(place.rack, level + 1);
  }
  // False: no chain is left.
  bool set_levels() {
    type_visits_.assign(types_.size(), {});
    rack_visits_.assign(racks_.size(), {});
    extras_visit_ = {};
    last_level_ = kNone;
    queue_.clear();
    for (std::size_t type = 0; type < types_.size(); ++type) {
      if (types_[type].unmatched > 0) reach_places(type, 0);
    }
    for (std::size_t i = 0; i < queue_.size(); ++i) {
      const Rack& rack = racks_[queue_[i]];
      const std::size_t level = rack_visits_[queue_[i]].level;
      if (level > last_level_) break;
      if (free_places(rack) > 0) last_level_ = level;
      if (last_level_ != kNone) continue;
      for (const auto& [type, place] : rack.types) {
        if (type_visits_[type].level == kNone && types_[type].places[place].matched > 0) reach_places(type, level + 1);
      }
      if (extras_visit_.level != kNone || rack.room() == 0) continue;
      extras_visit_.level = level + 1;
      for (std::size_t other = 0; other < racks_.size(); ++other) {
        if (racks_[other].extras() > 0) reach(other, level + 2);
      }
    }
    return last_level_ != kNone;
  }

  bool find_chain(std::size_t type) {
    chain_.clear();
    if (type_visits_[type].level != 0 || !go_on(Step{kNone, type, 0, 0, kNone})) return false;
    while (true) {
      const std::size_t rack = chain_.back().rack;
      if (rack_visits_[rack].level == last_level_ && free_places(racks_[rack]) > 0) return true;
      if (leave(rack)) continue;
      rack_visits_[rack].level = kNone;  // leads nowhere
      const Step last = chain_.back();
      chain_.pop_back();
      if (go_on(last)) continue;
      if (chain_.empty()) return false;
    }
  }
  // From a type or the right to extra ones to a rack.
  bool go_on(Step step) {
    const bool is_type = step.type != kNone;
    Visit& visit = is_type ? type_visits_[step.type] : extras_visit_;
    const std::size_t ways = is_type ? types_[step.type].places.size() : racks_.size();
    for (; visit.next < ways; ++visit.next) {
      const std::size_t rack = is_type ? types_[step.type].places[visit.next].rack : visit.next;
      if (rack_visits_[rack].level != visit.level + 1) continue;
      if (!is_type && racks_[rack].extras() == 0) continue;
      step.to = visit.next;
      step.rack = rack;
      chain_.push_back(step);
      return true;
    }
    return false;
  }
  bool leave(std::size_t index) {
    Rack& rack = racks_[index];
    Visit& visit = rack_visits_[index];
    if (visit.level == last_level_) return false;
    for (; visit.next < rack.types.size(); ++visit.next) {
      const auto [type, from] = rack.types[visit.next];
      if (type_visits_[type].level != visit.level + 1 || types_[type].places[from].matched == 0) continue;
      if (go_on(Step{index, type, from, 0, kNone})) return true;
    }
    return extras_visit_.level == visit.level + 1 && rack.room() > 0 && go_on(Step{index, kNone, 0, 0, kNone});
  }
  // As many as every step can take.
  void move_along_chain() {
    std::size_t amount = std::min<std::size_t>(types_[chain_.front().type].unmatched, free_places(racks_[chain_.back().rack]));
    for (const Step& step : chain_) {
      if (step.giver == kNone) continue;
      if (step.type == kNone) {
        amount = std::min({amount, racks_[step.giver].room(), racks_[step.rack].extras()});
      } else {
        amount = std::min<std::size_t>(amount, types_[step.type].places[step.from].matched);
      }
    }
    const auto units = static_cast<std::uint32_t>(amount);
    for (const Step& step : chain_) {
      if (step.type == kNone) {
        set_used(step.giver, racks_[step.giver].used + amount);
        set_used(step.rack, racks_[step.rack].used - amount);
        continue;
      }
      Type& type = types_[step.type];
      (step.giver == kNone ? type.unmatched : type.places[step.from].matched) -= units;
      type.places[step.to].matched += units;
    }
    set_used(chain_.back().rack, racks_[chain_.back().rack].used + amount);
  }
  void set_used(std::size_t rack, std::size_t used) {
    extras_ -= racks_[rack].extras();
    racks_[rack].used = used;
    extras_ += racks_[rack].extras();
  }

  std::vector<Type> types_;
  std::vector<Rack> racks_;
  std::size_t extras_max_;
  std::size_t extras_ = 0;
  std::vector<Visit> type_visits_;
  std::vector<Visit> rack_visits_;
  Visit extras_visit_;
  std::size_t last_level_ = kNone;  // where the racks with free places are
  std::vector<std::size_t> queue_;
  std::vector<Step> chain_;
};

class Matcher {
 public:
  explicit Matcher(const OwnedUnits& units) : units_(units), sizes_(units.member_racks.size()), owners_(units.owners) {
    // A rack counts if a member tells it and a unit has it: there are no more than brokers have.
    std::unordered_map<std::string_view, std::size_t> indexes;
    for (const std::string_view rack : units.member_racks) {
      if (!rack.empty()) indexes.emplace(rack, kNone);
    }
    std::size_t racks_count = 0;
    std::map<std::vector<std::size_t>, std::size_t> known;
    for (const auto& racks : units.unit_racks) {
      std::vector<std::size_t> type;
      for (const std::string_view rack : racks) {
        const auto found = indexes.find(rack);
        if (found == indexes.end()) continue;
        if (found->second == kNone) found->second = racks_count++;
        type.push_back(found->second);
      }
      const auto [place, added] = known.try_emplace(std::move(type), types_.size());
      if (added) {
        types_.emplace_back();
        for (const std::size_t rack : place->first) types_.back().places.push_back({static_cast<std::uint32_t>(rack), 0});
      }
      unit_types_.push_back(place->second);
    }
    members_of_.resize(racks_count);
    next_members_.resize(racks_count);
    for (const std::string_view rack : units.member_racks) {
      const std::size_t index = rack.empty() ? kNone : indexes.at(rack);
      if (index != kNone) members_of_[index].push_back(member_racks_.size());
      member_racks_.push_back(index);
    }
  }

  std::vector<std::size_t> run() {
    if (members_of_.empty() || (types_.size() < 2 && !units_.extras_may_move)) return owners_;
    set_floors();
    if (!is_balanced()) return owners_;
    std::vector<RackFlow::Rack> racks(members_of_.size());
    for (std::size_t rack = 0; rack < racks.size(); ++rack) {
      for (const std::size_t member : members_of_[rack]) racks[rack].floor += floors_[member];
      if (units_.extras_may_move) racks[rack].extras_max = members_of_[rack].size();
    }
    for (std::size_t unit = 0; unit < owners_.size(); ++unit) {
      std::uint32_t* matched = matched_in(unit, member_racks_[owners_[unit]]);
      ++(matched ? *matched : types_[unit_types_[unit]].unmatched);
    }
    types_ = RackFlow(std::move(types_), std::move(racks), extras_).run();
    keep_matched();
    place_matched();
    place_rest();
    return std::move(owners_);
  }

 private:
  void set_floors() {
    floors_.assign(sizes_.size(), units_.extras_may_move ? owners_.size() / sizes_.size() : 0);
    if (units_.extras_may_move) {
      extras_ = owners_.size() % sizes_.size();
    } else {
      for (const std::size_t owner : owners_) ++floors_[owner];
    }
  }
  // Always, unless damaged records say that two members own the same.
  bool is_balanced() const {
    std::vector<std::size_t> sizes(sizes_.size());
    for (const std::size_t owner : owners_) ++sizes[owner];
    for (std::size_t member = 0; member < sizes.size(); ++member) {
      if (sizes[member] < floors_[member] || sizes[member] > floors_[member] + 1) return false;
    }
    return true;
  }
  // The number of units of its type in the rack; null: it has no replica there.
  std::uint32_t* matched_in(std::size_t unit, std::size_t rack) {
    for (RackFlow::Place& place : types_[unit_types_[unit]].places) {
      if (place.rack == rack) return &place.matched;
    }
    return nullptr;
  }
  void give(std::size_t unit, std::size_t member) {
    owners_[unit] = member;
    ++sizes_[member];
    if (sizes_[member] > floors_[member]) --extras_;
  }
  void keep_matched() {
    kept_.resize(sizes_.size());
    for (std::size_t unit = 0; unit < owners_.size(); ++unit) {
      std::uint32_t* left = matched_in(unit, member_racks_[owners_[unit]]);
      if (left == nullptr || *left == 0) {
        loose_.push_back(unit);
        continue;
      }
      --*left;
      kept_[owners_[unit]].push_back(unit);
      give(unit, owners_[unit]);
    }
  }
  // Once a member has its floor it keeps so many: the search goes on where the last one ended.
  std::size_t with_room(std::size_t rack) {
    std::size_t& next = next_members_[rack];
    const std::vector<std::size_t>& members = members_of_[rack];
    while (next < members.size() && sizes_[members[next]] >= floors_[members[next]]) ++next;
    return next < members.size() ? members[next] : kNone;
  }
  void place_matched() {
    std::vector<std::pair<std::size_t, std::size_t>> pending;  // unit, rack: only with an extra one
    std::vector<std::size_t> rest;
    for (const std::size_t unit : loose_) {
      auto& places = types_[unit_types_[unit]].places;
      const auto wanted = std::ranges::find_if(places, [](const RackFlow::Place& place) { return place.matched > 0; });
      if (wanted == places.end()) {
        rest.push_back(unit);
        continue;
      }
      --wanted->matched;
      const std::size_t member = with_room(wanted->rack);
      if (member == kNone) {
        pending.emplace_back(unit, wanted->rack);
      } else {
        give(unit, member);
      }
    }
    std::vector<std::size_t> next(members_of_.size());  // a rack that one is pending for gives no extra one away
    for (const auto& [unit, rack] : pending) {
      if (extras_ == 0) free_extra();
      const std::vector<std::size_t>& members = members_of_[rack];
      while (next[rack] < members.size() && sizes_[members[next[rack]]] != floors_[members[next[rack]]]) ++next[rack];
      if (next[rack] < members.size()) give(unit, members[next[rack]]);
    }
    loose_ = std::move(rest);
  }
  // One that has more than it needs while another in its rack has room: the flow left this rack fewer extra ones.
  void free_extra() {
    for (std::size_t rack = 0; rack < members_of_.size(); ++rack) {
      const std::size_t taker = with_room(rack);
      if (taker == kNone) continue;
      for (const std::size_t giver : members_of_[rack]) {
        if (sizes_[giver] <= floors_[giver] || kept_[giver].empty()) continue;
        --sizes_[giver];
        ++extras_;
        give(kept_[giver].back(), taker);
        kept_[giver].pop_back();
        return;
      }
    }
  }
  // With their owners, where they can stay.
  void place_rest() {
    std::vector<std::size_t> moving;
    for (const std::size_t unit : loose_) {
      const std::size_t owner = owners_[unit];
      if (sizes_[owner] < floors_[owner] || (sizes_[owner] == floors_[owner] && extras_ > 0)) {
        give(unit, owner);
      } else {
        moving.push_back(unit);
      }
    }
    std::size_t member = 0;
    for (const std::size_t unit : moving) {
      while (member < sizes_.size() && sizes_[member] >= floors_[member] + (extras_ > 0 ? 1 : 0)) ++member;
      if (member == sizes_.size()) member = 0;
      give(unit, member);
    }
  }

  const OwnedUnits& units_;
  std::vector<std::size_t> sizes_;
  std::vector<std::size_t> owners_;
  std::vector<std::size_t> member_racks_;             // kNone: none that counts
  std::vector<std::vector<std::size_t>> members_of_;  // by rack
  std::vector<std::size_t> next_members_;             // by rack: those before it have no room
  std::vector<RackFlow::Type> types_;                 // later: how many are still to be given in each rack
  std::vector<std::size_t> unit_types_;
  std::vector<std::size_t> floors_;
  std::size_t extras_ = 0;  // members that may still get one more
  std::vector<std::vector<std::size_t>> kept_;
  std::vector<std::size_t> loose_;
};

}  // namespace

std::vector<std::size_t> match_racks(const OwnedUnits& units) {
  const auto is_as_first = [&units](const auto& racks) { return racks == units.unit_racks.front(); };
  if (units.owners.empty() || std::ranges::all_of(units.unit_racks, is_as_first)) return units.owners;
  return Matcher(units).run();
}

}  // namespace broker::group
