// Random members of a group of the newer protocol and its coordinator, which moves and crashes, over a log that fails or takes its
// time, and what must hold whatever they do. Each seed is one course of events, which is the same each time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/coordinator/testing/simulation.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group {
namespace {

// A process, as the clients do it: one request at a time, tells everything again after an answer that didn't come, and gives up
// at once what it must, or takes its time.
struct Process {
  std::string name;  // and member id
  std::optional<std::string> instance;
  std::int32_t epoch = 0;  // 0: it isn't in the group, as far as it knows
  Partitions owned;
  std::optional<Partitions> told;  // what it shall have, and clings to something else yet
  bool tells_all = false;
  int request = 0;  // the one whose answer it waits for; 0: none
};

// What a member was once told, and may be used after it is over.
struct Claim {
  std::string member_id;
  std::int32_t epoch = 0;
};

class RandomProcesses : public coordinator::testing::Simulation {
 public:
  explicit RandomProcesses(unsigned seed)
      : random_(seed), joining_(seed % 2 == 0 ? GroupCoordinator::Joining::always : GroupCoordinator::Joining::adaptive) {
    limits_.consumer.assignment_interval_ms = seed % 3 == 0 ? 1000 : 0;
    log.commits_by_itself = false;
    set_partitions(5);
    make_coordinator();
    for (const char* name : {"a", "b", "c", "d"}) processes_.emplace_back().name = name;
    for (const char* name : {"e", "f"}) {
      processes_.emplace_back().name = name;
      processes_.back().instance = "i";
    }
  }
  ~RandomProcesses() {
    groups_->stop();
    finish_everything();
  }
  RandomProcesses(const RandomProcesses&) = delete;
  RandomProcesses& operator=(const RandomProcesses&) = delete;

  void step() {
    switch (random_() % 24) {
      case 0:
      case 1:
        pass(random_() % 20 == 0 ? 46'000 : static_cast<std::int64_t>(random_() % 3000));
        break;
      case 2:
        if (random_() % (log.waiting_count() > 0 ? 3 : 8) == 0) move(random_() % 2 == 0);
        break;
      case 3:
        log.append_error = random_() % 8 == 0 ? ErrorCode::not_enough_replicas : ErrorCode::none;
        break;
      case 4:
      case 5:
      case 6:
        commit_as_before();
        break;
      case 7:
        if (random_() % 20 == 0) set_partitions(partitions_ + 1);
        break;
      case 8:
      case 9:
      case 10:
        log.commit_all();
        poll();
        break;
      default:
        act(processes_[random_() % processes_.size()]);
    }
    check();
  }
  // From now on all goes well, and whoever is there has its share. The second one of the instance stays away.
  void calm_down() {
    log.append_error = ErrorCode::none;
    for (int round = 0; round < 60; ++round) {
      for (Process& one : processes_) {
        finish_everything();
        if (one.name == "f") stop(one);
        if (one.name != "f" && one.request == 0) act_well(one);
        check();
      }
      finish_everything();
      pass(1000);
    }
  }
  void check_end() {
    const ConsumerGroupSummary summary = run(groups_->describe_consumer("g"));
    EXPECT_EQ(summary.state, "Stable");
    EXPECT_EQ(summary.members.size(), processes_.size() - 1);
    std::size_t owned = 0;
    for (const Process& one : processes_) {
      EXPECT_EQ(one.request, 0) << one.name << " still waits";
      for (const auto& [topic, partitions] : one.owned) owned += partitions.size();
    }
    EXPECT_EQ(owned, static_cast<std::size_t>(partitions_));
    move(false);
  }
  std::int32_t newest_epoch() const { return newest_epoch_; }
  int accepted_commits() const { return accepted_commits_; }

 private:
  void make_coordinator() {
    groups_ = std::make_unique<GroupCoordinator>(log, clock, metadata_, limits_, GroupCoordinator::Threads::none, joining_);
  }
  void set_partitions(std::int32_t count) {
    partitions_ = count;
    auto topic = std::make_shared<metadata::Topic>();
    topic->name = "t";
    topic->id.bytes.fill('t');
    for (std::int32_t i = 0; i < count; ++i) topic->partitions[i].replicas = {1};
    auto cluster = std::make_shared<metadata::ClusterMetadata>();
    cluster->brokers[1].id = 1;
    cluster->topics["t"] = cluster->topics_by_id[topic->id] = topic;
    metadata_.set(cluster);
  }
  void pass(std::int64_t ms) {
    clock.advance_ms(ms);
    groups_->run_timeouts();
    poll();
  }
  void finish_everything() {
    poll();
    while (log.waiting_count() > 0) {
      log.commit_all();
      poll();
    }
  }

  // What a new coordinator knows is what the log tells, which is what the old one knew if nothing was under way.
  void move(bool crashes) {
    const bool quiet = log.waiting_count() == 0;
    const std::string before = describe();
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
    const std::string after = describe();
    EXPECT_TRUE(!quiet || after == before) << before << "\n" << after;
    check_offsets();
  }
  std::string describe() {
    const ConsumerGroupSummary summary = run(groups_->describe_consumer("g"));
    std::string text = fmt::format("{} {}/{}", summary.state, summary.group_epoch, summary.assignment_epoch);
    for (const ConsumerMemberSummary& one : summary.members) {
      text += fmt::format("; {} at {}:{} ->{}", one.member_id, one.member_epoch, text_of(one.assignment),
                          text_of(one.target_assignment));
    }
    return text;
  }
  static std::string text_of(const Partitions& partitions) {
    std::string text;
    for (const auto& [topic, of_topic] : partitions) text += fmt::format(" {}", fmt::join(of_topic, " "));
    return text;
  }

  // Of those that are members, no two have a partition, and no epoch is below one that somebody was told.
  void check() {
    const ConsumerGroupSummary summary = run(groups_->describe_consumer("g"));
    if (summary.error == ErrorCode::group_id_not_found) told_epoch_ = 0;
    if (summary.error != ErrorCode::none) return;
    EXPECT_GE(summary.group_epoch, told_epoch_);
    std::map<std::int32_t, std::string> owners;
    for (const Process& one : processes_) {
      const auto member = std::ranges::find(summary.members, one.name, &ConsumerMemberSummary::member_id);
      if (one.epoch == 0 || member == summary.members.end()) continue;
      EXPECT_GE(member->member_epoch, one.epoch) << one.name << " was told what didn't last: " << describe();
      for (const auto& [topic, partitions] : one.owned) {
        for (const std::int32_t partition : partitions) {
          EXPECT_TRUE(owners.try_emplace(partition, one.name).second)
              << partition << " of " << one.name << " and " << owners[partition] << ": " << describe();
        }
      }
    }
  }

  void act(Process& one) {
    if (one.request != 0) {
      if (random_() % 3 != 0) return;
      one.request = 0;  // the connection broke, its answer is lost
      one.tells_all = true;
      return;
    }
    if (random_() % 60 == 0) return leave(one);
    if (random_() % 60 == 0) return stop(one);  // and begins anew some time
    if (one.told && random_() % 3 == 0) return beat(one);
    act_well(one);
  }
  void act_well(Process& one) {
    if (one.told) one.owned = *std::exchange(one.told, std::nullopt);
    beat(one);
  }
  static void stop(Process& one) {
    one.epoch = 0;
    one.owned.clear();
    one.told.reset();
    one.request = 0;
  }
  void leave(Process& one) {
    if (one.epoch == 0) return;
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = one.name;
    request.instance_id = one.instance;
    request.member_epoch = one.instance && random_() % 2 == 0 ? kStaticLeaveEpoch : kLeaveEpoch;
    start(groups_->consumer_heartbeat(std::move(request), 1), [](const ConsumerHeartbeatResult&) {});
    stop(one);
  }
  void beat(Process& one) {
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = one.name;
    request.instance_id = one.instance;
    request.client_id = "c";
    request.member_epoch = one.epoch;
    if (one.epoch == 0 || one.tells_all) {
      request.rebalance_timeout_ms = 5000;
      request.subscribed_topic_names.emplace(1, "t");
    }
    request.owned = one.owned;
    const int number = one.request = ++last_request_;
    start(groups_->consumer_heartbeat(std::move(request), 1), [this, &one, number](const ConsumerHeartbeatResult& result) {
      if (result.error == ErrorCode::none) {
        told_epoch_ = std::max(told_epoch_, result.member_epoch);
        newest_epoch_ = std::max(newest_epoch_, result.member_epoch);
        claims_.push_back({result.member_id, result.member_epoch});
      }
      if (one.request != number) return;
      one.request = 0;
      answered(one, result);
    });
  }
  void answered(Process& one, const ConsumerHeartbeatResult& result) {
    switch (result.error) {
      case ErrorCode::none:
        break;
      case ErrorCode::not_coordinator:
      case ErrorCode::coordinator_not_available:
      case ErrorCode::coordinator_load_in_progress:
        one.tells_all = true;
        return;
      default:  // fenced, one way or another
        EXPECT_TRUE(result.error == ErrorCode::fenced_member_epoch || result.error == ErrorCode::unknown_member_id ||
                    result.error == ErrorCode::fenced_instance_id || result.error == ErrorCode::unreleased_instance_id ||
                    result.error == ErrorCode::group_id_not_found)
            << protocol::name_of(result.error);
        return stop(one);
    }
    EXPECT_GE(result.member_epoch, one.epoch) << one.name;
    one.epoch = result.member_epoch;
    one.tells_all = false;
    if (!result.assignment) return;
    one.told = *result.assignment;
    if (random_() % 3 != 0) one.owned = *std::exchange(one.told, std::nullopt);
  }

  void commit_as_before() {
    if (claims_.empty()) return;
    Claim claim = claims_[claims_.size() - 1 - random_() % std::min<std::size_t>(claims_.size(), 20)];
    if (random_() % 8 == 0) claim.epoch += static_cast<std::int32_t>(random_() % 3) - 1;
    const auto partition = static_cast<std::int32_t>(random_() % static_cast<unsigned>(partitions_));
    const bool allowed = may_commit(claim, partition);
    CommitRequest request;
    request.group_id = "g";
    request.who.member_id = claim.member_id;
    request.generation = claim.epoch;
    request.version = 9;
    OffsetCommit& one = request.commits.emplace_back();
    one.partition = {"t", partition};
    const std::int64_t offset = one.value.offset = ++last_offset_;
    const std::string who = fmt::format("{} at {} for {}: {}", claim.member_id, claim.epoch, partition, describe());
    start(groups_->commit_offsets(std::move(request)), [this, allowed, offset, who, partition](const std::vector<ErrorCode>& errors) {
      if (errors.at(0) != ErrorCode::none) return;
      EXPECT_TRUE(allowed) << who;
      committed_[partition] = std::max(committed_[partition], offset);
      ++accepted_commits_;
    });
  }
  // A member in its epoch, or in an older one for what it has had since.
  bool may_commit(const Claim& claim, std::int32_t partition) {
    const ConsumerGroupSummary summary = run(groups_->describe_consumer("g"));
    for (const ConsumerMemberSummary& one : summary.members) {
      if (one.member_id != claim.member_id) continue;
      if (claim.epoch == one.member_epoch) return true;
      const auto has = [partition](const auto& topic) { return topic.second.contains(partition); };
      return claim.epoch < one.member_epoch && std::ranges::any_of(one.assignment, has);
    }
    return false;
  }
  // What was answered stays. What wasn't may be there as well.
  void check_offsets() {
    for (const auto& [partition, offset] : committed_) {
      const auto result = run(groups_->fetch_offsets("g", std::vector<TopicPartition>{{"t", partition}}, false));
      EXPECT_GE(result.offsets.at(0).value.offset, offset) << partition;
    }
  }

  static inline const std::int32_t kPartition = coordinator::partition_of("g", 50);
  std::mt19937 random_;
  const GroupCoordinator::Joining joining_;
  GroupLimits limits_;
  metadata::MetadataCache metadata_;
  std::unique_ptr<GroupCoordinator> groups_;
  std::vector<std::unique_ptr<GroupCoordinator>> former_;  // with requests that are still on their way
  std::vector<Process> processes_;
  std::vector<Claim> claims_;
  std::map<std::int32_t, std::int64_t> committed_;  // and answered
  std::int32_t partitions_ = 0;
  std::int32_t told_epoch_ = 0;  // of this group
  std::int32_t newest_epoch_ = 0;
  std::int64_t last_offset_ = 0;
  int last_request_ = 0;
  int accepted_commits_ = 0;
};

TEST(ConsumerCoordinatorInterleavings, EachPartitionHasOneMember) {
  std::int32_t epochs = 0;
  int commits = 0;
  for (unsigned seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomProcesses processes(seed);
    for (int i = 0; i < 1500; ++i) processes.step();
    processes.calm_down();
    processes.check_end();
    epochs += processes.newest_epoch();
    commits += processes.accepted_commits();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(epochs, 100) << "else nothing was tried here";
  EXPECT_GT(commits, 100);
}

}  // namespace
}  // namespace broker::group
