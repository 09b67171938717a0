// Scripts of members of both protocols, who speak with a coordinator whose log is in memory. Names that begin with N are of
// the newer protocol. Classic members say what they keep when they join again, newer ones give up at once what they must.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "broker/coordinator/testing/memory_log.h"
#include "broker/group/consumer_protocol.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/group_records.h"
#include "broker/group/testing/subscription.h"
#include "broker/metadata/cluster_metadata.h"

namespace broker::group::testing {

struct MixedMember {
  std::string id;  // empty: not told yet
  std::int32_t epoch = 0;
  std::optional<std::string> instance;
  std::vector<std::string> protocols = {"range"};
  std::set<std::int32_t> owned;
  std::optional<JoinResult> joined;  // not told to the script yet
};

class MixedWorld {
 public:
  MixedWorld() {
    (void)run(log.partition_count(true));
    limits.consumer.assignment_interval_ms = 0;
    limits.initial_rebalance_delay_ms = 0;
    set_partitions(4);
    restart();
  }
  ~MixedWorld() { stop(); }

  // The script again, with what really came of it.
  std::string play(const std::string& script) {
    std::istringstream in(script);
    std::string out;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("=")) continue;
      out += line + "\n";
      if (line.empty()) continue;
      std::istringstream came(step(line));
      for (std::string one; std::getline(came, one);) out += "= " + one + "\n";
    }
    return out;
  }
  void set_partitions(std::int32_t count) {
    auto topic = std::make_shared<metadata::Topic>();
    topic->name = "t";
    topic->id.bytes.fill('t');
    for (std::int32_t i = 0; i < count; ++i) topic->partitions[i].replicas = {1};
    auto cluster = std::make_shared<metadata::ClusterMetadata>();
    cluster->brokers[1].id = 1;
    cluster->topics["t"] = cluster->topics_by_id[topic->id] = topic;
    metadata.set(cluster);
  }
  void restart() {
    if (groups) stop();
    groups = std::make_unique<GroupCoordinator>(log, clock, metadata, limits, GroupCoordinator::Threads::none);
    poll();
  }
  void stop() {
    groups->stop();
    poll();  // whoever waited is told
  }
  void pass(std::int64_t ms) {
    clock.advance_ms(ms);
    groups->run_timeouts();
    poll();
  }
  template <class T>
  T run(base::Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&result](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      result = std::move(value);
    });
    poll();
    if (!result) throw std::runtime_error("still waiting");
    return std::move(*result);
  }
  void poll() {
    loop.restart();
    loop.poll();
  }

  std::string step(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    if (words[0] == "partitions") return set_partitions(std::stoi(words[1])), "";
    if (words[0] == "pass") return pass(std::stoi(words[1])), "";
    if (words[0] == "restart") return restart(), "";
    if (words[0] == "records") return records();
    if (words[0] == "group") return group();
    if (words[1] == "joins" || words[1] == "rejoins") return words[0][0] == 'N' ? newer(words) : join(words);
    if (words[1] == "told") return told(words[0]);
    if (words[1] == "syncs") return sync(words);
    if (words[1] == "beats") return words[0][0] == 'N' ? newer(words) : beat(words[0]);
    if (words[1] == "leaves") return words[0][0] == 'N' ? newer(words) : leave(words);
    if (words[1] == "commits") return commit(words);
    return "what?";
  }

  MixedMember& member(const std::string& name) { return members_[name]; }
  // Whom the last one that leads was told of.
  const std::vector<std::string>& joined_names() const { return joined_names_; }
  std::string name_of_id(const std::string& id) const {
    for (const auto& [name, one] : members_) {
      if (one.id == id) return name;
    }
    const auto old = old_names_.find(id);
    return id.empty() ? "nobody" : old == old_names_.end() ? "somebody" : old->second;
  }

  coordinator::testing::MemoryLog log;
  base::ManualClock clock;
  metadata::MetadataCache metadata;
  GroupLimits limits;
  boost::asio::io_context loop;
  std::unique_ptr<GroupCoordinator> groups;
  std::string protocol_type = "consumer";

 private:
  static std::string error_text(ErrorCode error) { return std::string(protocol::name_of(error)); }
  static std::set<std::int32_t> numbers_of(const std::string& text) {
    std::set<std::int32_t> numbers;
    for (const char digit : text) {
      if (digit != '-') numbers.insert(digit - '0');
    }
    return numbers;
  }
  static std::string text_of(const std::set<std::int32_t>& numbers) {
    std::string text;
    for (const std::int32_t number : numbers) text += std::to_string(number);
    return text.empty() ? "-" : text;
  }
  static std::string text_of(const Partitions& partitions) {
    std::string text;
    for (const auto& [id, of_topic] : partitions) text += text_of(of_topic);
    return text.empty() ? "-" : text;
  }
  static std::string text_of(const OwnedPartitions& owned) {
    std::string text;
    for (const auto& [id, of_topic] : owned) {
      for (const auto& [partition, epoch] : of_topic) text += fmt::format("{}@{} ", partition, epoch);
    }
    if (!text.empty()) text.pop_back();
    return text.empty() ? "-" : text;
  }
  base::Uuid topic_id() const {
    base::Uuid id;
    id.bytes.fill('t');
    return id;
  }

  // "C joins [as i] [by range,sticky] [keeping 01]"
  std::string join(const std::vector<std::string>& words) {
    MixedMember& one = member(words[0]);
    if (words[1] == "joins") one = MixedMember();
    for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
      if (words[i] == "as") one.instance = words[i + 1];
      if (words[i] == "keeping") one.owned = numbers_of(words[i + 1]);
      if (words[i] == "by") {
        one.protocols.clear();
        std::istringstream in(words[i + 1]);
        for (std::string protocol; std::getline(in, protocol, ',');) one.protocols.push_back(protocol);
      }
    }
    JoinRequest request;
    request.group_id = "g";
    request.member_id = one.id;
    request.group_instance_id = one.instance;
    request.client_id = "c";
    request.client_host = "/127.0.0.1";
    request.protocol_type = protocol_type;
    for (const std::string& protocol : one.protocols) request.protocols.push_back({protocol, subscription_to_t(one.owned)});
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 30'000;
    one.joined.reset();
    boost::asio::co_spawn(loop, groups->join(std::move(request)),
                          [this, name = words[0]](const std::exception_ptr&, JoinResult result) {
                            member(name).joined = std::move(result);
                          });
    poll();
    groups->run_timeouts();
    poll();
    return told(words[0]);
  }
  std::string told(const std::string& name) {
    MixedMember& one = member(name);
    if (!one.joined) return "waits";
    const JoinResult result = std::move(*one.joined);
    one.joined.reset();
    if (result.error != ErrorCode::none) return error_text(result.error);
    if (!one.id.empty()) old_names_[one.id] = name;
    one.id = result.member_id;
    one.epoch = result.generation;
    joined_names_.clear();
    for (const JoinedMember& other : result.members) joined_names_.push_back(name_of_id(other.member_id));
    std::string text = fmt::format("generation {} of {}", result.generation, result.protocol_name.value_or("nothing"));
    if (!result.leader.empty()) text += fmt::format(", {} leads {}", name_of_id(result.leader), result.members.size());
    return text;
  }
  // "C syncs [C:01 D:23]"
  std::string sync(const std::vector<std::string>& words) {
    MixedMember& one = member(words[0]);
    SyncRequest request;
    request.group_id = "g";
    request.member_id = one.id;
    request.generation = one.epoch;
    request.group_instance_id = one.instance;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const std::size_t colon = words[i].find(':');
      request.assignments[member(words[i].substr(0, colon)).id] =
          write_assignment({{"t", numbers_of(words[i].substr(colon + 1))}}, *base::from_hex("0003"));
    }
    const SyncResult result = run(groups->sync(std::move(request)));
    if (result.error != ErrorCode::none) return error_text(result.error);
    const auto given = read_assignment(result.assignment);
    one.owned.clear();
    if (given && given->partitions.contains("t")) one.owned = given->partitions.at("t");
    return text_of(one.owned);
  }
  std::string beat(const std::string& name) {
    MixedMember& one = member(name);
    MemberIdentity who;
    who.member_id = one.id;
    who.group_instance_id = one.instance;
    return error_text(run(groups->heartbeat("g", std::move(who), one.epoch)));
  }
  // "C leaves", or "C leaves D N" of these others
  std::string leave(const std::vector<std::string>& words) {
    std::vector<MemberIdentity> who;
    for (std::size_t i = words.size() > 2 ? 2 : 0; i < words.size(); ++i) {
      if (i == 1) continue;
      MemberIdentity& one = who.emplace_back();
      one.member_id = member(words[i]).id;
      one.group_instance_id = member(words[i]).instance;
    }
    const LeaveResult result = run(groups->leave("g", std::move(who)));
    std::string text = error_text(result.error);
    for (const ErrorCode error : result.members) text += " " + error_text(error);
    return text;
  }
  // "N joins [as i] [matching t.*]", "N beats [keeping 01] [at 5]", "N leaves [for now]"
  std::string newer(const std::vector<std::string>& words) {
    MixedMember& one = member(words[0]);
    const bool joins = words[1] == "joins";
    const auto after = [&](const std::string& word) {
      const auto found = std::find(words.begin(), words.end(), word);
      return found == words.end() ? std::optional<std::string>() : *std::next(found);
    };
    if (joins) one = MixedMember();
    if (const auto instance = after("as")) one.instance = instance;
    if (const auto keeps = after("keeping")) one.owned = numbers_of(*keeps);
    if (const auto epoch = after("at")) one.epoch = std::stoi(*epoch);
    one.id = words[0];
    ConsumerHeartbeat request;
    request.group_id = "g";
    request.member_id = one.id;
    request.instance_id = one.instance;
    request.client_id = "c";
    request.client_host = "/127.0.0.1";
    request.member_epoch = one.epoch;
    request.owned.emplace();
    if (!one.owned.empty()) (*request.owned)[topic_id()] = one.owned;
    if (joins) {
      request.rebalance_timeout_ms = 30'000;
      request.subscribed_topic_names.emplace();
      request.subscribed_topic_regex = after("matching");
      if (!request.subscribed_topic_regex) request.subscribed_topic_names->emplace_back("t");
    }
    if (words[1] == "leaves") request.member_epoch = words.size() > 2 ? kStaticLeaveEpoch : kLeaveEpoch;
    const ConsumerHeartbeatResult result = run(groups->consumer_heartbeat(std::move(request), 1));
    if (result.error != ErrorCode::none) return error_text(result.error);
    if (result.member_epoch >= 0) one.epoch = result.member_epoch;
    if (!result.assignment) return fmt::format("epoch {}", result.member_epoch);
    one.owned.clear();
    if (result.assignment->contains(topic_id())) one.owned = result.assignment->at(topic_id());
    return fmt::format("epoch {} {}", result.member_epoch, text_of(one.owned));
  }
  // "C commits 0 at 5 [in a transaction]"
  std::string commit(const std::vector<std::string>& words) {
    MixedMember& one = member(words[0]);
    CommitRequest request;
    request.group_id = "g";
    request.who.member_id = one.id;
    request.who.group_instance_id = one.instance;
    request.generation = std::stoi(words[4]);
    request.version = words[0][0] == 'N' ? 9 : 8;
    OffsetCommit& commit = request.commits.emplace_back();
    commit.partition = {"t", std::stoi(words[2])};
    commit.value.offset = 1;
    if (words.size() > 5) request.producer = CommittingProducer{1, 0, std::nullopt};
    return error_text(run(groups->commit_offsets(std::move(request))).at(0));
  }
  std::string group() {
    std::string text;
    for (const GroupListing& one : groups->list().groups) {
      text += fmt::format("{} {}", one.is_consumer ? "newer" : "classic", one.state);
    }
    const ConsumerGroupSummary summary = run(groups->describe_consumer("g"));
    if (summary.error == ErrorCode::none) text += fmt::format(" {}/{}", summary.group_epoch, summary.assignment_epoch);
    std::vector<std::string> lines;  // by name
    for (const ConsumerMemberSummary& one : summary.members) {
      lines.push_back(fmt::format("; {} at {}: {} -> {}", name_of_id(one.member_id), one.member_epoch,
                                  text_of(one.assignment), text_of(one.target_assignment)));
    }
    std::sort(lines.begin(), lines.end());
    return text + fmt::format("{}", fmt::join(lines, ""));
  }

  // Those since the last time, in order, that of a group's members by their names.
  std::string records() {
    std::vector<std::string> lines;
    const std::int32_t partition = partition_of("g", 50);
    std::int64_t seen = seen_;
    log.for_each_batch(partition, [&](base::ByteView batch) {
      protocol::RecordReader reader(batch);
      protocol::Record record;
      while (reader.next(record)) {
        if (record.offset < seen_) continue;
        seen = record.offset + 1;
        lines.push_back(text_of(read_group_record(record)));
      }
    });
    seen_ = seen;
    std::string text;
    for (auto it = lines.begin(); it != lines.end();) {
      const auto kind = [](const std::string& line) { return line.substr(0, line.find(' ')); };
      const auto end = std::find_if(it, lines.end(), [&](const std::string& line) { return kind(line) != kind(*it); });
      std::sort(it, end);
      for (; it != end; ++it) text += *it + "\n";
    }
    return text;
  }
  std::string text_of(const StoredRecord& stored) const {
    if (const auto* group = std::get_if<GroupRecord>(&stored)) {
      if (!group->value) return "classic gone";
      const bool several = group->value->members.size() > 1;  // by their ids, any may lead
      std::string text = fmt::format("classic {} {} {} led by {}:", group->value->protocol_type, group->value->generation,
                                     group->value->protocol.value_or("-"),
                                     several ? "one of them" : name_of_id(group->value->leader.value_or("")));
      std::vector<std::string> members;
      for (const StoredMember& one : group->value->members) {
        const auto assignment = read_assignment(one.assignment);
        const bool any = assignment && assignment->partitions.contains("t");
        members.push_back(
            fmt::format(" {} {}", name_of_id(one.member_id), any ? text_of(assignment->partitions.at("t")) : "-"));
      }
      std::sort(members.begin(), members.end());
      return text + fmt::format("{}", fmt::join(members, ""));
    }
    if (const auto* offset = std::get_if<OffsetRecord>(&stored)) return "offset " + std::to_string(offset->partition.partition);
    const auto* consumers = std::get_if<StoredConsumerRecord>(&stored);
    return consumers == nullptr ? "unknown" : text_of(consumers->record);
  }
  std::string text_of(const ConsumerGroupRecord& record) const {
    if (const auto* epoch = std::get_if<GroupEpochRecord>(&record)) {
      return epoch->value ? fmt::format("epoch {}", epoch->value->epoch) : "epoch gone";
    }
    if (const auto* one = std::get_if<MemberMetadataRecord>(&record)) {
      const std::string text = "member " + name_of_id(one->member_id);
      if (!one->value) return text + " gone";
      std::string protocols;
      if (one->value->classic) {
        for (const GroupProtocol& protocol : one->value->classic->protocols) protocols += " " + protocol.name;
      }
      if (!one->value->classic) return text + " newer";
      return fmt::format("{} classic {}{}", text, one->value->classic->session_timeout_ms, protocols);
    }
    if (const auto* epoch = std::get_if<TargetEpochRecord>(&record)) {
      return epoch->value ? fmt::format("target-epoch {}", epoch->value->epoch) : "target-epoch gone";
    }
    if (const auto* one = std::get_if<TargetAssignmentRecord>(&record)) {
      return fmt::format("target {} {}", name_of_id(one->member_id), one->value ? text_of(*one->value) : "gone");
    }
    if (const auto* one = std::get_if<CurrentAssignmentRecord>(&record)) {
      const std::string text = "current " + name_of_id(one->member_id);
      if (!one->value) return text + " gone";
      static constexpr const char* kStates[] = {"stable", "unrevoked", "unreleased"};
      return fmt::format("{} {} after {} {}: {} leaves {}", text, one->value->member_epoch, one->value->previous_member_epoch,
                         kStates[static_cast<int>(one->value->state)], text_of(one->value->assigned),
                         text_of(one->value->pending_revocation));
    }
    return std::holds_alternative<RegexRecord>(record) ? "regex" : "subscription-metadata gone";
  }

  std::map<std::string, MixedMember> members_;
  std::map<std::string, std::string> old_names_;  // of ids that a member had before
  std::vector<std::string> joined_names_;
  std::int64_t seen_ = 0;
};

}  // namespace broker::group::testing
