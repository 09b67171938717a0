#include "broker/group/rack_matching.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace broker::group {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// How many units of which type each rack's members shall own, a maximum flow: it starts from what is matched already, and a
// shortest chain of exchanges after the other matches one more.
class RackFlow {
 public:
  struct Type {  // units with the same racks
    std::vector<std::size_t> racks;
    std::vector<std::size_t> matched;  // in each of them
    std::size_t unmatched = 0;
  };
  struct Rack {
    std::size_t floor = 0;  // units that its members own without an extra one
    std::size_t extras_max = 0;
    std::size_t used = 0;
    std::vector<std::pair<std::size_t, std::size_t>> types;  // and the rack's place in it
    std::size_t extras() const { return used > floor ? used - floor : 0; }
  };

  RackFlow(std::vector<Type> types, std::vector<Rack> racks, std::size_t extras_max)
      : types_(std::move(types)), racks_(std::move(racks)), extras_max_(extras_max) {
    for (std::size_t type = 0; type < types_.size(); ++type) {
      for (std::size_t place = 0; place < types_[type].racks.size(); ++place) {
        Rack& rack = racks_[types_[type].racks[place]];
        rack.types.emplace_back(type, place);
        rack.used += types_[type].matched[place];
      }
    }
    for (const Rack& rack : racks_) extras_ += rack.extras();
  }
  std::vector<Type> run() {
    while (match_one_more()) {
    }
    return std::move(types_);
  }

 private:
  struct Step {  // how a rack comes to have one too many
    std::size_t giver = kNone;  // a rack; none: the unit was unmatched
    std::size_t type = kNone;   // none: the giver takes the right to an extra one instead
    std::size_t from = 0;
    std::size_t to = 0;
  };

  bool has_room(const Rack& rack) const {
    return rack.used < rack.floor || (rack.used < rack.floor + rack.extras_max && extras_ < extras_max_);
  }
  void reach(std::size_t rack, const Step& step) {
    if (steps_[rack]) return;
    steps_[rack] = step;
    queue_.push_back(rack);
  }
  bool match_one_more() {
    steps_.assign(racks_.size(), std::nullopt);
    queue_.clear();
    for (std::size_t type = 0; type < types_.size(); ++type) {
      if (types_[type].unmatched == 0) continue;
      for (std::size_t to = 0; to < types_[type].racks.size(); ++to) reach(types_[type].racks[to], Step{kNone, type, 0, to});
    }
    bool extras_seen = false;
    while (!queue_.empty()) {
      const std::size_t index = queue_.front();
      queue_.pop_front();
      const Rack& rack = racks_[index];
      if (has_room(rack)) {
        walk_back(index);
        return true;
      }
      for (const auto& [type, from] : rack.types) {
        if (types_[type].matched[from] == 0) continue;
        for (std::size_t to = 0; to < types_[type].racks.size(); ++to) reach(types_[type].racks[to], Step{index, type, from, to});
      }
      if (extras_seen || rack.used >= rack.floor + rack.extras_max) continue;
      extras_seen = true;
      for (std::size_t other = 0; other < racks_.size(); ++other) {
        if (racks_[other].extras() > 0) reach(other, Step{index, kNone, 0, 0});
      }
    }
    return false;
  }
  void walk_back(std::size_t rack) {
    while (rack != kNone) {
      const Step step = *steps_[rack];
      if (step.type != kNone) {
        Type& type = types_[step.type];
        if (step.giver == kNone) {
          --type.unmatched;
        } else {
          --type.matched[step.from];
          --racks_[step.giver].used;
        }
        ++type.matched[step.to];
        ++racks_[rack].used;
      }
      rack = step.giver;
    }
    extras_ = 0;
    for (const Rack& each : racks_) extras_ += each.extras();
  }

  std::vector<Type> types_;
  std::vector<Rack> racks_;
  std::size_t extras_max_;
  std::size_t extras_ = 0;
  std::vector<std::optional<Step>> steps_;
  std::deque<std::size_t> queue_;
};

class Matcher {
 public:
  explicit Matcher(const OwnedUnits& units) : units_(units), sizes_(units.member_racks.size()), owners_(units.owners) {
    std::map<std::string_view, std::size_t> indexes;
    for (std::size_t member = 0; member < sizes_.size(); ++member) {
      const std::string_view rack = units.member_racks[member];
      member_racks_.push_back(rack.empty() ? kNone : indexes.try_emplace(rack, indexes.size()).first->second);
    }
    members_of_.resize(indexes.size());
    for (std::size_t member = 0; member < sizes_.size(); ++member) {
      if (member_racks_[member] != kNone) members_of_[member_racks_[member]].push_back(member);
    }
    std::map<std::vector<std::size_t>, std::size_t> known;
    for (const auto& racks : units.unit_racks) {
      std::vector<std::size_t> type;
      for (const std::string_view rack : racks) {
        const auto found = indexes.find(rack);
        if (found != indexes.end()) type.push_back(found->second);
      }
      const auto [place, added] = known.try_emplace(type, types_.size());
      if (added) types_.push_back({type, std::vector<std::size_t>(type.size()), 0});
      unit_types_.push_back(place->second);
    }
  }

  std::vector<std::size_t> run() {
    if (types_.size() < 2) return owners_;
    set_floors();
    if (!is_balanced()) return owners_;
    std::vector<RackFlow::Rack> racks(members_of_.size());
    for (std::size_t rack = 0; rack < racks.size(); ++rack) {
      for (const std::size_t member : members_of_[rack]) racks[rack].floor += floors_[member];
      if (units_.extras_may_move) racks[rack].extras_max = members_of_[rack].size();
    }
    for (std::size_t unit = 0; unit < owners_.size(); ++unit) {
      std::size_t* matched = matched_in(unit, member_racks_[owners_[unit]]);
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
  std::size_t* matched_in(std::size_t unit, std::size_t rack) {
    RackFlow::Type& type = types_[unit_types_[unit]];
    const auto found = std::find(type.racks.begin(), type.racks.end(), rack);
    return found == type.racks.end() ? nullptr : &type.matched[static_cast<std::size_t>(found - type.racks.begin())];
  }
  void give(std::size_t unit, std::size_t member) {
    owners_[unit] = member;
    ++sizes_[member];
    if (sizes_[member] > floors_[member]) --extras_;
  }
  void keep_matched() {
    kept_.resize(sizes_.size());
    for (std::size_t unit = 0; unit < owners_.size(); ++unit) {
      std::size_t* left = matched_in(unit, member_racks_[owners_[unit]]);
      if (left == nullptr || *left == 0) {
        loose_.push_back(unit);
        continue;
      }
      --*left;
      kept_[owners_[unit]].push_back(unit);
      give(unit, owners_[unit]);
    }
  }
  std::size_t with_room(std::size_t rack) const {
    for (const std::size_t member : members_of_[rack]) {
      if (sizes_[member] < floors_[member]) return member;
    }
    return kNone;
  }
  void place_matched() {
    std::vector<std::pair<std::size_t, std::size_t>> pending;  // unit, rack: only with an extra one
    std::vector<std::size_t> rest;
    for (const std::size_t unit : loose_) {
      RackFlow::Type& type = types_[unit_types_[unit]];
      const auto wanted = std::find_if(type.matched.begin(), type.matched.end(), [](std::size_t left) { return left > 0; });
      if (wanted == type.matched.end()) {
        rest.push_back(unit);
        continue;
      }
      --*wanted;
      const std::size_t rack = type.racks[static_cast<std::size_t>(wanted - type.matched.begin())];
      const std::size_t member = with_room(rack);
      if (member == kNone) {
        pending.emplace_back(unit, rack);
      } else {
        give(unit, member);
      }
    }
    for (const auto& [unit, rack] : pending) {
      if (extras_ == 0) free_extra();
      for (const std::size_t member : members_of_[rack]) {
        if (sizes_[member] != floors_[member]) continue;
        give(unit, member);
        break;
      }
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
  std::vector<std::size_t> member_racks_;             // kNone: none
  std::vector<std::vector<std::size_t>> members_of_;  // by rack
  std::vector<RackFlow::Type> types_;                 // later: how many are still to be given in each rack
  std::vector<std::size_t> unit_types_;
  std::vector<std::size_t> floors_;
  std::size_t extras_ = 0;  // members that may still get one more
  std::vector<std::vector<std::size_t>> kept_;
  std::vector<std::size_t> loose_;
};

}  // namespace

std::vector<std::size_t> match_racks(const OwnedUnits& units) {
  const auto names_none = [](std::string_view rack) { return rack.empty(); };
  if (units.owners.empty() || std::ranges::all_of(units.member_racks, names_none)) return units.owners;
  return Matcher(units).run();
}

}  // namespace broker::group
