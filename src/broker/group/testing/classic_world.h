// Members of one classic group "g" and its coordinator in simulated time, moved by the words of a script (script.h tells how a
// file of them looks). The group is subscribed to a topic "t". Steps:
//
//   set group.max.size 2              a broker's config; before anything else
//   a joins [as i] [v3] [by range,sticky] [owning 0,1] [of type connect] [session 10 s] [rebalance 30 s] [being a-1]
//                                     JoinGroup of the member a. It goes on with what it said the last time, and with the id
//                                     that it was told, unless it is being somebody else (or nobody). "as i": a static member
//   a restarts                        it forgets its id
//   a syncs [giving a:0,1 b:2,3]      SyncGroup, with an assignment if it leads
//   a heartbeats, a leaves            these and the next may be "in generation 2", "being a-1" and "as i" as well
//   a commits 0 at 5                  OffsetCommit of partition 0; whoever never joined commits as nobody
//   admin removes i j                 LeaveGroup for static members by their names
//   after 10 s [while a b heartbeat]  time passes, with a heartbeat a second; all else comes of it "at 3 s"
//   group, offset 0                   what DescribeGroups and OffsetFetch say
//   coordinator moves                 to another broker and back: all but the log is forgotten
//
// and those of simulation.h.
//
// compat-tests/scripts plays the same words on a real broker, but for those steps that can't be done to one.
// Ids are called after what they begin with, the member's name or its instance, and numbered: a-1, i-2.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "broker/coordinator/testing/script.h"
#include "broker/coordinator/testing/simulation.h"
#include "broker/group/consumer_protocol.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_records.h"
#include "broker/group/testing/subscription.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group::testing {

using coordinator::testing::BadStep;
using coordinator::testing::Words;

inline std::set<std::int32_t> partitions_from(const std::string& text) {
  std::set<std::int32_t> numbers;
  std::istringstream in(text);
  for (std::string one; std::getline(in, one, ',');) {
    if (one != "nothing") numbers.insert(std::stoi(one));
  }
  return numbers;
}
inline std::string partitions_text(const std::set<std::int32_t>& numbers) {
  return numbers.empty() ? "nothing" : fmt::format("{}", fmt::join(numbers, ","));
}
inline base::Bytes assignment_of_t(const std::set<std::int32_t>& partitions) {
  return write_assignment({{"t", partitions}}, *base::from_hex("0003"));
}
inline std::set<std::int32_t> partitions_of_t(base::ByteView assignment) {
  const auto read = read_assignment(assignment);
  return read && read->partitions.contains("t") ? read->partitions.at("t") : std::set<std::int32_t>();
}

class ClassicWorld : public coordinator::testing::Simulation {
 public:
  ClassicWorld() { make_coordinator(); }
  ~ClassicWorld() { stop(); }

  std::vector<std::string> step(Words& words) {
    play(words);
    settle();
    return std::exchange(events_, {});
  }

 private:
  struct Member {
    std::string id;  // empty: not told yet
    std::int32_t generation = -1;
    std::optional<std::string> instance;
    std::int16_t version = 9;  // of JoinGroup
    std::string protocol_type = "consumer";
    std::vector<std::string> protocols = {"range"};
    std::set<std::int32_t> owned;
    std::int32_t session_timeout_ms = 10'000;
    std::int32_t rebalance_timeout_ms = 30'000;
    ErrorCode last_heartbeat = ErrorCode::none;
  };

  void play(Words& words) {
    const std::string subject = words.next();
    if (subject == "set") return configure(words);
    if (subject == "after") return pass(words);
    if (subject == "group") return events_.push_back(group_text());
    if (subject == "offset") return events_.push_back(offset_text(static_cast<std::int32_t>(words.next_number())));
    if (subject == "records") return rule_records(words);
    const std::string verb = words.next();
    if (subject == "coordinator" && verb == "moves") return move();
    if (subject == "admin" && verb == "removes") return remove(words);
    if (verb == "joins") return join(subject, words);
    if (verb == "restarts") return forget(subject);
    if (verb == "syncs") return sync(subject, words);
    if (verb == "heartbeats") return heartbeat(subject, words);
    if (verb == "leaves") return leave(subject, words);
    if (verb == "commits") return commit(subject, words);
    throw BadStep("nobody knows what \"" + verb + "\" means");
  }

  void configure(Words& words) {
    const std::string key = words.next();
    const auto value = static_cast<std::int32_t>(words.next_number());
    if (key == "group.max.size") {
      limits_.size_max = value;
    } else if (key == "group.initial.rebalance.delay.ms") {
      limits_.initial_rebalance_delay_ms = value;
    } else {
      throw BadStep("nobody knows the config " + key);
    }
    stop();
    make_coordinator();
  }
  void make_coordinator() {
    groups_ = std::make_unique<GroupCoordinator>(log, clock, metadata_, limits_, GroupCoordinator::Threads::none);
  }
  void stop() {
    groups_->stop();
    poll();  // whoever waited is told
  }
  void move() {
    log.lead(kPartition, false);
    groups_->partition_resigned(kPartition);
    settle();
    log.lead(kPartition, true);
    groups_->partition_elected(kPartition);
  }
  void pass(Words& words) {
    constexpr std::int64_t kSecondMs = 1000;
    const std::int64_t total_ms = words.next_milliseconds();
    std::vector<std::string> beating;
    if (words.take("while") && words.take("heartbeat")) beating = words.rest();
    Simulation::pass(total_ms, events_, [&](std::int64_t passed_ms) {
      for (const std::string& name : beating) {
        if (passed_ms % kSecondMs != 0) continue;
        Member& one = members_[name];
        const ErrorCode answer = run(groups_->heartbeat("g", identity(one), one.generation));
        if (answer != one.last_heartbeat) events_.push_back(fmt::format("{}: {}", name, protocol::name_of(answer)));
        one.last_heartbeat = answer;
      }
      settle();
    });
  }

  // What was written stands before the answers that it made possible. Those that come together come in any order.
  void settle() {
    groups_->run_timeouts();
    poll();
    std::vector<std::string> answers = std::exchange(answers_, {});
    read_records();
    std::ranges::sort(answers);
    for (std::string& one : answers) events_.push_back(std::move(one));
  }
  void read_records() {
    std::int64_t seen = seen_;
    log.for_each_batch(kPartition, [&](base::ByteView batch) {
      protocol::RecordReader reader(batch);
      protocol::Record record;
      while (reader.next(record)) {
        if (record.offset < seen_) continue;
        seen = record.offset + 1;
        events_.push_back("record: " + record_text(read_group_record(record)));
      }
    });
    seen_ = seen;
  }

  static MemberIdentity identity(const Member& one) {
    MemberIdentity who;
    who.member_id = one.id;
    who.group_instance_id = one.instance;
    return who;
  }
  // The member as this one request of it says that it is.
  Member speaking(const std::string& name, Words& words) {
    Member one = members_[name];
    if (const auto id = words.after("being")) {
      one.id = *id == "nobody" ? "" : ids_.contains(*id) ? ids_[*id] : *id;
    }
    if (words.take("in")) one.generation = static_cast<std::int32_t>(words.number_after("generation").value());
    if (const auto instance = words.after("as")) one.instance = *instance;
    return one;
  }

  void join(const std::string& name, Words& words) {
    Member& one = members_[name];
    if (const auto instance = words.after("as")) one.instance = *instance;
    if (const auto owned = words.after("owning")) one.owned = partitions_from(*owned);
    if (words.take("of")) one.protocol_type = words.after("type").value();
    if (const auto session = words.milliseconds_after("session")) one.session_timeout_ms = static_cast<std::int32_t>(*session);
    if (const auto longest = words.milliseconds_after("rebalance")) {
      one.rebalance_timeout_ms = static_cast<std::int32_t>(*longest);
    }
    for (std::int16_t version = 0; version <= 9; ++version) {
      if (words.take("v" + std::to_string(version))) one.version = version;
    }
    if (const auto protocols = words.after("by")) {
      one.protocols.clear();
      std::istringstream in(*protocols);
      for (std::string protocol; std::getline(in, protocol, ',');) one.protocols.push_back(protocol);
    }
    const Member who = speaking(name, words);
    one.last_heartbeat = ErrorCode::none;
    JoinRequest request;
    request.group_id = "g";
    request.member_id = who.id;
    request.group_instance_id = who.instance;
    request.client_id = name;
    request.client_host = "/127.0.0.1";
    request.protocol_type = who.protocol_type;
    for (const std::string& protocol : who.protocols) request.protocols.push_back({protocol, subscription_to_t(who.owned)});
    request.session_timeout_ms = who.session_timeout_ms;
    request.rebalance_timeout_ms = who.rebalance_timeout_ms;
    request.needs_known_member_id = who.version >= 4 && !who.instance;  // as the handler of JoinGroup decides
    request.can_skip_assignment = who.version >= 9;
    start(groups_->join(std::move(request)), [this, name](const JoinResult& result) { joined(name, result); });
  }
  void joined(const std::string& name, const JoinResult& result) {
    Member& one = members_[name];
    std::string text = name + " joined";
    if (result.error == ErrorCode::none || result.error == ErrorCode::member_id_required) {
      one.id = result.member_id;
      text += " as " + id_text(result.member_id);
    }
    if (result.error != ErrorCode::none) {
      answers_.push_back(fmt::format("{}: {}", text, protocol::name_of(result.error)));
      return;
    }
    one.generation = result.generation;
    text += fmt::format(": generation {}, {}, leader {}", result.generation, result.protocol_name.value_or("no protocol"),
                        id_text(result.leader));
    std::vector<std::string> members;
    for (const JoinedMember& each : result.members) {
      std::string member = id_text(each.member_id);
      if (each.group_instance_id) member += " (" + *each.group_instance_id + ")";
      const auto subscription = read_subscription(each.metadata);
      if (subscription && subscription->owned.contains("t")) {
        member += " owning " + partitions_text(subscription->owned.at("t"));
      }
      members.push_back(member);
    }
    std::ranges::sort(members);
    if (!members.empty()) text += fmt::format(", members {}", fmt::join(members, " "));
    if (result.skip_assignment) text += ", skips the assignment";
    answers_.push_back(text);
  }
  void forget(const std::string& name) {
    members_[name].id.clear();
    members_[name].generation = -1;
  }
  void sync(const std::string& name, Words& words) {
    const Member who = speaking(name, words);
    SyncRequest request;
    request.group_id = "g";
    request.member_id = who.id;
    request.generation = who.generation;
    request.group_instance_id = who.instance;
    if (words.take("giving")) {
      for (const std::string& share : words.rest()) {
        const std::size_t colon = share.find(':');
        request.assignments[members_[share.substr(0, colon)].id] = assignment_of_t(partitions_from(share.substr(colon + 1)));
      }
    }
    start(groups_->sync(std::move(request)), [this, name](const SyncResult& result) {
      const std::string given = result.error == ErrorCode::none ? partitions_text(partitions_of_t(result.assignment))
                                                                : std::string(protocol::name_of(result.error));
      answers_.push_back(fmt::format("{} synced: {}", name, given));
    });
  }
  void heartbeat(const std::string& name, Words& words) {
    const Member who = speaking(name, words);
    answers_.emplace_back(protocol::name_of(run(groups_->heartbeat("g", identity(who), who.generation))));
  }
  void leave(const std::string& name, Words& words) { send_leave({identity(speaking(name, words))}); }
  void remove(Words& words) {
    std::vector<MemberIdentity> members;
    for (const std::string& instance : words.rest()) members.emplace_back().group_instance_id = instance;
    send_leave(std::move(members));
  }
  void send_leave(std::vector<MemberIdentity> members) {
    const LeaveResult result = run(groups_->leave("g", std::move(members)));
    if (result.error != ErrorCode::none) return answers_.emplace_back(protocol::name_of(result.error)), void();
    std::vector<std::string_view> errors;
    for (const ErrorCode error : result.members) errors.push_back(protocol::name_of(error));
    answers_.push_back(fmt::format("{}", fmt::join(errors, " ")));
  }
  void commit(const std::string& name, Words& words) {
    const Member who = speaking(name, words);
    CommitRequest request;
    request.group_id = "g";
    request.who = identity(who);
    request.generation = who.generation;
    request.version = 8;
    OffsetCommit& one = request.commits.emplace_back();
    one.value.offset = words.number_after("at").value();
    one.partition = {"t", static_cast<std::int32_t>(words.next_number())};
    start(groups_->commit_offsets(std::move(request)), [this, name](const std::vector<ErrorCode>& errors) {
      answers_.push_back(fmt::format("{} committed: {}", name, protocol::name_of(errors.at(0))));
    });
  }

  std::string id_text(const std::string& id) {
    constexpr std::size_t kUuidSize = 37;  // and the dash before it
    if (id.empty()) return "nobody";
    for (const auto& [name, known] : ids_) {
      if (known == id) return name;
    }
    const std::string prefix = id.size() > kUuidSize ? id.substr(0, id.size() - kUuidSize) : id;
    const std::string name = fmt::format("{}-{}", prefix, ++id_counts_[prefix]);
    ids_[name] = id;
    return name;
  }
  std::string group_text() {
    const GroupSummary summary = run(groups_->describe("g"));
    if (summary.error != ErrorCode::none) return std::string(protocol::name_of(summary.error));
    std::vector<std::string> members;
    for (const MemberSummary& one : summary.members) {
      std::string text = id_text(one.member_id);
      if (one.group_instance_id) text += " (" + *one.group_instance_id + ")";
      if (summary.state == "Stable") text += " " + partitions_text(partitions_of_t(one.assignment));
      members.push_back(text);
    }
    std::ranges::sort(members);
    std::string text = summary.state;
    if (!summary.protocol.empty()) text += ", " + summary.protocol;
    if (!members.empty()) text += fmt::format(": {}", fmt::join(members, "; "));
    return text;
  }
  std::string offset_text(std::int32_t partition) {
    const FetchOffsetsResult result = run(groups_->fetch_offsets("g", std::vector<TopicPartition>{{"t", partition}}, false));
    const FetchedOffset& one = result.offsets.at(0);
    if (one.error != ErrorCode::none) return std::string(protocol::name_of(one.error));
    return one.value.offset < 0 ? "none" : std::to_string(one.value.offset);
  }
  std::string record_text(const StoredRecord& stored) {
    if (const auto* offset = std::get_if<OffsetRecord>(&stored)) {
      const std::string text = fmt::format("offset of {}", offset->partition.partition);
      return offset->value ? fmt::format("{} {}", text, offset->value->offset) : text + " gone";
    }
    const auto* group = std::get_if<GroupRecord>(&stored);
    if (group == nullptr) return "of another kind";
    if (!group->value) return "group gone";
    const StoredGroup& value = *group->value;
    if (value.members.empty()) return fmt::format("group in generation {}, empty", value.generation);
    std::vector<std::string> members;
    for (const StoredMember& one : value.members) {
      std::string text = id_text(one.member_id);
      if (one.group_instance_id) text += " (" + *one.group_instance_id + ")";
      members.push_back(text + " " + partitions_text(partitions_of_t(one.assignment)));
    }
    std::ranges::sort(members);
    return fmt::format("group in generation {}, {}, leader {}: {}", value.generation, value.protocol.value_or("no protocol"),
                       id_text(value.leader.value_or("")), fmt::join(members, "; "));
  }

  static inline const std::int32_t kPartition = partition_of("g", 50);
  GroupLimits limits_;
  metadata::MetadataCache metadata_;
  std::unique_ptr<GroupCoordinator> groups_;
  std::map<std::string, Member> members_;
  std::map<std::string, std::string> ids_;  // by what they are called here
  std::map<std::string, int> id_counts_;
  std::vector<std::string> answers_;
  std::vector<std::string> events_;
  std::int64_t seen_ = 0;
};

}  // namespace broker::group::testing
