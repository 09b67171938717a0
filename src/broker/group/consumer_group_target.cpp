// What a consumer group's members subscribe to, and who shall own what.
#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "base/saturating.h"
#include "broker/group/consumer_group.h"
#include "broker/group/metadata_hash.h"

namespace broker::group {

std::set<base::Uuid> subscribed_topic_ids(const ConsumerMemberMetadata& member,
                                          const std::map<std::string, ResolvedRegex>& regexes,
                                          const metadata::ClusterMetadata& cluster) {
  std::set<base::Uuid> ids;
  const auto add = [&](const std::set<std::string>& names) {
    for (const std::string& name : names) {
      const metadata::Topic* topic = cluster.topic(name);
      if (topic != nullptr && !topic->id.is_zero()) ids.insert(topic->id);
    }
  };
  add(member.topic_names);
  const auto regex = regexes.find(member.topic_regex);
  if (regex != regexes.end()) add(regex->second.topics);
  return ids;
}

std::map<std::string, const ConsumerMemberMetadata*> ConsumerGroup::members_in(const Outlook& outlook) const {
  std::map<std::string, const ConsumerMemberMetadata*> members;
  for (const auto& [member_id, member] : members_) {
    if (!outlook.leaving.contains(member_id)) members.emplace(member_id, &member.metadata);
  }
  if (!outlook.member_id.empty()) members[outlook.member_id] = &outlook.metadata;
  return members;
}

std::size_t ConsumerGroup::subscribers_of(const std::string& regex) const {
  return static_cast<std::size_t>(std::count_if(
      members_.begin(), members_.end(), [&](const auto& member) { return member.second.metadata.topic_regex == regex; }));
}

namespace {

// By all replicas, in sync or not. None: a replica's broker is away, and its rack with it.
std::optional<std::vector<std::vector<std::string>>> racks_of(const metadata::Topic& topic,
                                                              const metadata::ClusterMetadata& cluster) {
  std::vector<std::vector<std::string>> racks(topic.partitions.size());
  for (const auto& [index, partition] : topic.partitions) {
    if (std::cmp_less(index, 0) || std::cmp_greater_equal(index, racks.size())) continue;
    std::set<std::string> distinct;
    for (const std::int32_t replica : partition.replicas) {
      const auto broker = cluster.brokers.find(replica);
      if (broker == cluster.brokers.end()) return std::nullopt;
      if (broker->second.rack) distinct.insert(*broker->second.rack);
    }
    racks[static_cast<std::size_t>(index)].assign(distinct.begin(), distinct.end());
  }
  return racks;
}

}  // namespace

// 0: no topic that exists is subscribed to.
std::int64_t ConsumerGroup::metadata_hash(const metadata::ClusterMetadata& cluster, const Outlook& outlook) const {
  std::set<std::string> names;
  std::set<std::string> regexes;
  for (const auto& [member_id, member] : members_in(outlook)) {
    names.insert(member->topic_names.begin(), member->topic_names.end());
    if (!regexes.insert(member->topic_regex).second) continue;
    const auto regex = regexes_in(outlook).find(member->topic_regex);
    if (regex != regexes_in(outlook).end()) names.insert(regex->second.topics.begin(), regex->second.topics.end());
  }
  std::vector<std::int64_t> hashes;
  for (const std::string& name : names) {
    const metadata::Topic* topic = cluster.topic(name);
    if (topic != nullptr) hashes.push_back(hash_of_topic(*topic, cluster));
  }
  return hash_of_topics(hashes);
}

// The one that most members ask for.
std::string ConsumerGroup::preferred_assignor(const Outlook& outlook) const {
  std::map<std::string, int> votes;
  for (const auto& [member_id, member] : members_in(outlook)) {
    if (member->server_assignor) ++votes[*member->server_assignor];
  }
  if (votes.empty()) return limits_->assignors.front();
  return std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

TargetAssignment ConsumerGroup::compute_target(const metadata::ClusterMetadata& cluster, const Outlook& outlook) const {
  // Most members subscribe alike.
  std::map<std::pair<std::set<std::string>, std::string>, std::set<base::Uuid>> subscriptions;
  AssignorInput input;
  bool has_racks = false;
  for (const auto& [member_id, metadata] : members_in(outlook)) {
    const auto [topics, added] = subscriptions.try_emplace({metadata->topic_names, metadata->topic_regex});
    if (added) topics->second = subscribed_topic_ids(*metadata, regexes_in(outlook), cluster);
    AssignorMember& member = input.members.emplace_back();
    member.member_id = member_id;
    member.instance_id = metadata->instance_id;
    member.topics = &topics->second;
    member.rack_id = metadata->rack_id.value_or("");
    has_racks = has_racks || !member.rack_id.empty();
    if (const Partitions* current = target_of(member_id, outlook)) member.current = *current;
  }
  for (const auto& [subscription, topics] : subscriptions) {
    for (const base::Uuid& topic_id : topics) {
      const metadata::Topic& topic = *cluster.topic(topic_id);
      input.partition_counts[topic_id] = static_cast<std::int32_t>(topic.partitions.size());
      if (!has_racks || input.partition_racks.contains(topic_id) || input.unknown_racks.contains(topic_id)) continue;
      if (auto racks = racks_of(topic, cluster)) {
        input.partition_racks.emplace(topic_id, std::move(*racks));
      } else {
        input.unknown_racks.insert(topic_id);
      }
    }
  }
  return assign(preferred_assignor(outlook), input);
}

bool ConsumerGroup::may_compute_target(Time now) const {
  const std::int32_t interval_ms = times_ ? times_->assignment_interval_ms : limits_->assignment_interval_ms;
  const std::int64_t last = target_epoch_.timestamp;
  if (last == 0 || interval_ms == 0) return true;
  // Of a time to come: the clock was set back. Kafka waits for it to come there again.
  return now.wall_ms < last || now.wall_ms >= base::saturating_add(last, interval_ms);
}

const Partitions* ConsumerGroup::target_of(const std::string& member_id, const Outlook& outlook) const {
  const bool replaced = member_id == outlook.member_id && !outlook.replaced_member_id.empty();
  const auto found = target_.find(replaced ? outlook.replaced_member_id : member_id);
  return found == target_.end() ? nullptr : &found->second;
}

}  // namespace broker::group
