// Random members of every kind in one classic group, a coordinator that moves and crashes, a log that fails or takes its
// time, and what must hold whatever they do. Each seed is one course of events, which is the same each time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/coordinator/testing/simulation.h"
#include "broker/group/testing/classic_world.h"

namespace broker::group {
namespace {

using testing::assignment_of_t;
using testing::partitions_of_t;
using testing::partitions_text;
using testing::subscription_to_t;

constexpr std::int32_t kPartitions = 5;

// A process, as the clients do it: one request at a time, joins again when it is told to, and stops if it is fenced.
struct Process {
  enum class State { out, joined, working, rejoins };
  std::string name;
  std::optional<std::string> instance;
  std::int16_t version = 9;  // of JoinGroup
  bool cooperative = false;  // keeps what it has while it joins
  State state = State::out;
  std::string id;
  std::int32_t generation = -1;
  std::set<std::int32_t> owned;
  std::map<std::string, base::Bytes> assignments;  // if it leads
  int request = 0;                                 // the one whose answer it waits for; 0: none
};

// What was told to a member once, and may be used after it is over.
struct Claim {
  std::string id;
  std::optional<std::string> instance;
  std::int32_t generation = -1;
};

class RandomProcesses : public coordinator::testing::Simulation {
 public:
  // Of every other seed records are joined at the end of a turn.
  explicit RandomProcesses(unsigned seed)
      : random_(seed),
        joining_(seed % 2 == 0 ? GroupCoordinator::Joining::always : GroupCoordinator::Joining::adaptive),
        commits_may_time_out_(seed % 3 == 0) {
    limits_.initial_rebalance_delay_ms = seed % 2 == 0 ? 0 : 3000;
    log.commits_by_itself = false;
    make_coordinator();
    add("a", std::nullopt, 9, false);
    add("b", std::nullopt, 3, false);
    add("c", std::nullopt, 9, true);
    add("d", std::nullopt, 5, true);
    add("e", "i", 9, false);
    add("f", "i", 9, true);  // the same instance
    add("g", "j", 5, false);
  }
  ~RandomProcesses() {
    groups_->stop();
    finish_everything();
  }
  RandomProcesses(const RandomProcesses&) = delete;
  RandomProcesses& operator=(const RandomProcesses&) = delete;

  void step() {
    switch (random_() % 30) {
      case 0:
      case 11:
        return pass(random_() % 16 == 0 ? 12'000 : static_cast<std::int64_t>(random_() % 3000));
      case 1:
        if (random_() % 10 == 0) move(random_() % 2 == 0);
        return;
      case 2:
        log.append_error = random_() % 10 == 0 ? ErrorCode::not_enough_replicas : ErrorCode::none;
        return;
      case 3:
      case 4:
        return commit_as_before();
      case 5:
        if (random_() % 4 == 0) remove_instance();
        return;
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return commit_log();
      default:
        return act(processes_[random_() % processes_.size()]);
    }
  }
  // From now on all goes well: whoever is there becomes a member, and everything is somebody's.
  void calm_down() {
    log.append_error = ErrorCode::none;
    for (int round = 0; round < 60; ++round) {
      for (Process& one : processes_) {
        finish_everything();
        if (one.request == 0 && !(one.state == Process::State::out && one.name == "f")) act_well(one);
      }
      finish_everything();
      pass(2000);
    }
  }
  void check_end() {
    const GroupSummary summary = run(groups_->describe("g"));
    EXPECT_EQ(summary.state, "Stable");
    std::set<std::int32_t> owned;
    std::size_t working = 0;
    for (const Process& one : processes_) {
      EXPECT_EQ(one.request, 0) << one.name << " still waits";
      if (one.state != Process::State::working) continue;
      ++working;
      for (const std::int32_t partition : one.owned) EXPECT_TRUE(owned.insert(partition).second) << partition;
    }
    EXPECT_EQ(owned.size(), static_cast<std::size_t>(kPartitions));
    EXPECT_EQ(working, summary.members.size());
    EXPECT_GE(working, processes_.size() - 1) << "all but one of the two with the same instance";
    move(false);
  }
  std::int32_t generation() const { return newest_synced_; }
  int accepted_commits() const { return accepted_commits_; }

 private:
  void add(const std::string& name, std::optional<std::string> instance, std::int16_t version, bool cooperative) {
    Process& one = processes_.emplace_back();
    one.name = name;
    one.instance = std::move(instance);
    one.version = version;
    one.cooperative = cooperative;
  }
  void make_coordinator() {
    groups_ = std::make_unique<GroupCoordinator>(log, clock, metadata_, limits_, GroupCoordinator::Threads::none, joining_);
  }
  void pass(std::int64_t ms) {
    clock.advance_ms(ms);
    groups_->run_timeouts();
    poll();
  }
  void commit_log() {
    const bool fails = commits_may_time_out_ && random_() % 8 == 0;
    log.commit_all(fails ? ErrorCode::not_enough_replicas_after_append : ErrorCode::none);
    poll();
  }
  void finish_everything() {
    groups_->run_timeouts();
    poll();
    while (log.waiting_count() > 0) {
      log.commit_all();
      poll();
    }
  }

  // What a new coordinator knows is what the log tells, which is what the old one knew if nothing was under way.
  void move(bool crashes) {
    ++moves_;
    const bool quiet = log.waiting_count() == 0 && !commits_may_time_out_;
    const GroupSummary before = run(groups_->describe("g"));
    log.lead(kPartition, false);
    if (crashes) {
      groups_->stop();
    } else {
      groups_->partition_resigned(kPartition);
    }
    log.change_leader(quiet || random_() % 2 == 0);
    log.commit_all(ErrorCode::not_leader_or_follower);
    poll();
    log.lead(kPartition, true);
    if (crashes) {
      former_.push_back(std::move(groups_));
      make_coordinator();
    }
    groups_->partition_elected(kPartition);
    poll();
    const GroupSummary after = run(groups_->describe("g"));
    const std::optional<StoredGroup> stored = last_stored();
    told_generation_ = stored ? stored->generation : 0;
    expect_as_stored(after, stored);
    // That a group is empty isn't written again if it couldn't be, here as in Kafka.
    const bool empty = before.state == "Empty" && (!stored || stored->members.empty());
    if (quiet && (before.state == "Stable" || empty)) expect_same(before, after);
    check_offsets();
  }
  template <class Visit>
  void visit_stored(Visit visit) {
    log.for_each_batch(kPartition, [&](base::ByteView batch) {
      protocol::RecordReader reader(batch);
      protocol::Record record;
      while (reader.next(record)) {
        const StoredRecord stored = read_group_record(record);
        if (const auto* group = std::get_if<GroupRecord>(&stored)) visit(group->value);
      }
    });
  }
  std::optional<StoredGroup> last_stored() {
    std::optional<StoredGroup> last;
    visit_stored([&](const std::optional<StoredGroup>& stored) { last = stored; });
    return last;
  }
  // A member is only told what would survive.
  bool is_stored(const Claim& claim, const base::Bytes& assignment) {
    bool found = false;
    visit_stored([&](const std::optional<StoredGroup>& stored) {
      if (!stored || stored->generation != claim.generation) return;
      for (const StoredMember& one : stored->members) {
        const bool same = claim.instance ? one.group_instance_id == claim.instance : one.member_id == claim.id;
        found = found || (same && one.assignment == assignment);
      }
    });
    return found;
  }
  static void expect_as_stored(const GroupSummary& group, const std::optional<StoredGroup>& stored) {
    if (!stored) {
      EXPECT_TRUE(group.state == "Dead" || group.state == "Empty") << group.state;
      return;
    }
    EXPECT_EQ(group.state, stored->members.empty() ? "Empty" : "Stable");
    ASSERT_EQ(group.members.size(), stored->members.size());
    for (std::size_t i = 0; i < group.members.size(); ++i) {
      EXPECT_EQ(group.members[i].member_id, stored->members[i].member_id);
      EXPECT_EQ(group.members[i].assignment, stored->members[i].assignment);
    }
  }
  static void expect_same(const GroupSummary& before, const GroupSummary& after) {
    if (before.state == "Empty" && after.state == "Dead") return;  // nobody ever came to work in it
    EXPECT_EQ(before.state, after.state);
    EXPECT_EQ(before.protocol, after.protocol);
    ASSERT_EQ(before.members.size(), after.members.size());
    for (std::size_t i = 0; i < before.members.size(); ++i) {
      const MemberSummary &one = before.members[i], &other = after.members[i];
      EXPECT_EQ(one.member_id, other.member_id);
      EXPECT_EQ(one.group_instance_id, other.group_instance_id);
      EXPECT_EQ(one.client_id, other.client_id);
      EXPECT_EQ(one.metadata, other.metadata);
      EXPECT_EQ(one.assignment, other.assignment);
    }
  }

  void act(Process& one) {
    if (one.request != 0) {
      if (random_() % 15 == 0) one.request = 0;  // the connection broke, its answer is lost
      return;
    }
    if (random_() % 60 == 0) return leave(one);
    if (random_() % 60 == 0) return stop(one);  // and another takes its place, some time
    if (one.state == Process::State::working && random_() % 3 == 0) return commit(claim_of(one));
    act_well(one);
  }
  void act_well(Process& one) {
    switch (one.state) {
      case Process::State::out:
      case Process::State::rejoins:
        return join(one);
      case Process::State::joined:
        return sync(one);
      case Process::State::working:
        return heartbeat(one);
    }
  }
  static void stop(Process& one) {
    one.state = Process::State::out;
    one.id.clear();
    one.owned.clear();
    one.request = 0;
  }
  void failed(Process& one, ErrorCode error) {
    switch (error) {
      case ErrorCode::unknown_member_id:
      case ErrorCode::fenced_instance_id:
        return stop(one);
      case ErrorCode::illegal_generation:
        one.owned.clear();
        one.state = Process::State::rejoins;
        return;
      default:
        one.state = one.id.empty() ? Process::State::out : Process::State::rejoins;
    }
  }
  static Claim claim_of(const Process& one) { return {one.id, one.instance, one.generation}; }
  static MemberIdentity identity(const Claim& claim) {
    MemberIdentity who;
    who.member_id = claim.id;
    who.group_instance_id = claim.instance;
    return who;
  }

  void join(Process& one) {
    if (!one.cooperative) one.owned.clear();
    JoinRequest request;
    request.group_id = "g";
    request.member_id = one.id;
    request.group_instance_id = one.instance;
    request.client_id = fmt::format("{}{}", one.name, one.id.empty() ? ++last_client_ : 0);  // the order of ids is that of these
    request.protocol_type = "consumer";
    request.protocols = {{"p", subscription_to_t(one.owned)}};
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 15'000;
    request.needs_known_member_id = one.version >= 4 && !one.instance;
    request.can_skip_assignment = one.version >= 9;
    const int number = one.request = ++last_request_;
    const auto since = std::pair(moves_, told_generation_);
    start(groups_->join(std::move(request)), [this, &one, number, since](const JoinResult& result) {
      if (result.error == ErrorCode::none) {
        EXPECT_GE(result.generation, since.first == moves_ ? since.second : newest_synced_) << "generations only grow";
        told_generation_ = std::max(told_generation_, result.generation);
        claims_.push_back({result.member_id, one.instance, result.generation});
      }
      if (one.request != number) return;
      one.request = 0;
      if (result.error == ErrorCode::none || result.error == ErrorCode::member_id_required) one.id = result.member_id;
      if (result.error != ErrorCode::none) return failed(one, result.error);
      one.generation = result.generation;
      one.state = Process::State::joined;
      one.assignments = share(result);
    });
  }
  // Who leads leaves everything with those who have it, or takes some away first, to give it to others the next time.
  static std::map<std::string, base::Bytes> share(const JoinResult& joined) {
    std::map<std::string, std::set<std::int32_t>> shares;
    std::map<std::int32_t, std::vector<std::string>> owners;
    for (const JoinedMember& member : joined.members) {
      shares[member.member_id];
      const auto subscription = read_subscription(member.metadata);
      if (!subscription || !subscription->owned.contains("t")) continue;
      for (const std::int32_t partition : subscription->owned.at("t")) owners[partition].push_back(member.member_id);
    }
    if (shares.empty()) return {};
    for (const auto& [partition, members] : owners) {
      const bool stays = shares[members[0]].size() * shares.size() <= static_cast<std::size_t>(kPartitions);
      if (members.size() == 1 && stays) shares[members[0]].insert(partition);
    }
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      if (owners.contains(partition)) continue;
      std::ranges::min_element(shares, {}, [](const auto& each) { return each.second.size(); })->second.insert(partition);
    }
    std::map<std::string, base::Bytes> assignments;
    for (const auto& [id, partitions] : shares) assignments[id] = assignment_of_t(partitions);
    return assignments;
  }
  void sync(Process& one) {
    SyncRequest request;
    request.group_id = "g";
    request.member_id = one.id;
    request.group_instance_id = one.instance;
    request.generation = one.generation;
    request.assignments = one.assignments;
    const int number = one.request = ++last_request_;
    start(groups_->sync(std::move(request)), [this, &one, number, claim = claim_of(one)](const SyncResult& result) {
      const std::set<std::int32_t> given = partitions_of_t(result.assignment);
      if (result.error == ErrorCode::none) synced(claim, given);
      EXPECT_TRUE(result.error != ErrorCode::none || is_stored(claim, result.assignment)) << "generation " << claim.generation;
      if (one.request != number) return;
      one.request = 0;
      if (result.error != ErrorCode::none) return failed(one, result.error);
      const bool gives_up = !std::ranges::includes(given, one.owned);
      one.owned = given;
      one.state = one.cooperative && gives_up ? Process::State::rejoins : Process::State::working;
    });
  }
  // In a generation a partition is one member's. A static member is the same one under each of its ids.
  void synced(const Claim& claim, const std::set<std::int32_t>& given) {
    EXPECT_GE(claim.generation, newest_synced_) << "a generation that was over has an assignment";
    newest_synced_ = std::max(newest_synced_, claim.generation);
    for (const std::int32_t partition : given) {
      const std::string who = claim.instance.value_or(claim.id);
      const auto [owner, is_new] = owners_.try_emplace({claim.generation, partition}, who);
      EXPECT_EQ(owner->second, who) << "partition " << partition << " in generation " << claim.generation;
    }
  }
  void heartbeat(Process& one) {
    const ErrorCode error = run(groups_->heartbeat("g", identity(claim_of(one)), one.generation));
    if (error != ErrorCode::none) failed(one, error);
  }
  void leave(Process& one) {
    if (one.id.empty() || one.instance) return;  // static members just go
    const Claim claim = claim_of(one);
    (void)run(groups_->leave("g", {identity(claim)}));
    stop(one);
    commit(claim);
  }
  void remove_instance() {
    MemberIdentity who;
    who.group_instance_id = random_() % 2 == 0 ? "i" : "j";
    (void)run(groups_->leave("g", {who}));
  }

  void commit_as_before() {
    if (claims_.empty()) return;
    Claim claim = claims_[claims_.size() - 1 - random_() % std::min<std::size_t>(claims_.size(), 20)];
    if (random_() % 8 == 0) claim.generation += static_cast<std::int32_t>(random_() % 3) - 1;
    if (random_() % 8 == 0) claim = Claim();  // who needs no group
    commit(claim);
  }
  // Only a present member may commit, in the present generation, and not while its assignment is being made.
  bool may_commit(const Claim& claim) {
    const GroupSummary group = run(groups_->describe("g"));
    if (claim.generation < 0 && (group.state == "Empty" || group.state == "Dead")) return true;
    if (claim.generation != told_generation_ || group.state == "CompletingRebalance") return false;
    return std::ranges::any_of(group.members, [&](const MemberSummary& one) {
      return one.member_id == claim.id && (!claim.instance || one.group_instance_id == claim.instance);
    });
  }
  void commit(const Claim& claim) {
    const bool allowed = may_commit(claim);
    CommitRequest request;
    request.group_id = "g";
    request.who = identity(claim);
    request.generation = claim.generation;
    request.version = 8;
    OffsetCommit& one = request.commits.emplace_back();
    one.partition = {"t", 0};
    const std::int64_t offset = one.value.offset = ++last_offset_;
    const std::string who = fmt::format("{} in generation {} of {}", claim.id, claim.generation, told_generation_);
    start(groups_->commit_offsets(std::move(request)), [this, allowed, offset, who](const std::vector<ErrorCode>& errors) {
      if (errors.at(0) != ErrorCode::none) return;
      EXPECT_TRUE(allowed) << who << " may not commit";
      committed_offset_ = std::max(committed_offset_, offset);
      ++accepted_commits_;
    });
  }
  // What was answered stays. What wasn't may be there as well.
  void check_offsets() {
    const FetchOffsetsResult result = run(groups_->fetch_offsets("g", std::vector<TopicPartition>{{"t", 0}}, false));
    EXPECT_GE(result.offsets.at(0).value.offset, committed_offset_);
  }

  static inline const std::int32_t kPartition = partition_of("g", 50);
  std::mt19937 random_;
  const GroupCoordinator::Joining joining_;
  const bool commits_may_time_out_;
  GroupLimits limits_;
  metadata::MetadataCache metadata_;
  std::unique_ptr<GroupCoordinator> groups_;
  std::vector<std::unique_ptr<GroupCoordinator>> former_;  // with requests that are still on their way
  std::vector<Process> processes_;
  std::vector<Claim> claims_;
  std::map<std::pair<std::int32_t, std::int32_t>, std::string> owners_;  // by generation and partition
  std::int32_t told_generation_ = 0;                                     // by this coordinator
  std::int32_t newest_synced_ = 0;
  std::int64_t committed_offset_ = -1;
  std::int64_t last_offset_ = 0;
  int last_request_ = 0;
  int last_client_ = 0;
  int accepted_commits_ = 0;
  int moves_ = 0;
};

TEST(ClassicGroupInterleavings, EachPartitionHasOneMember) {
  std::int32_t generations = 0;
  int commits = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomProcesses processes(seed);
    for (int i = 0; i < 2500; ++i) processes.step();
    processes.calm_down();
    processes.check_end();
    generations += processes.generation();
    commits += processes.accepted_commits();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(generations, 100) << "else nothing was tried here";
  EXPECT_GT(commits, 100);
}

}  // namespace
}  // namespace broker::group
