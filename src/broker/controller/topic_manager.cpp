// Watching and leading. What is read is in topic_reads.cpp, what requests change in topic_changes.cpp.
#include "broker/controller/topic_manager.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/logging.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kLogger = "kafka.controller.KafkaController";

}  // namespace

// ---- events

base::Task<void> TopicManager::load() {
  for (auto& [name, known] : context_.state.topics) before_.try_emplace(name, std::move(known));
  context_.state.topics.clear();
  context_.state.unread.clear();
  std::vector<Request> watches;
  watches.push_back(zk::client::exists(std::string(znodes::kPreferredElection), true));
  watches.push_back(zk::client::get_children(std::string(znodes::kLogDirEvents), true));
  watches.push_back(zk::client::get_children(std::string(znodes::kIsrChanges), true));
  watches.push_back(zk::client::get_children(std::string(znodes::kTopics), true));
  const std::vector<Response> found = co_await context_.execute(std::move(watches));
  co_await read_brokers();
  std::vector<std::string> names = found[3].children;
  co_await read_topics(names);
  co_await read_states(all_partitions());
  co_await settle(all_partitions());
  stop_what_is_not_ours();
  before_.clear();
  context_.publish();
  base::log_info(kLogger, "[Controller id={}] Ready to serve as the new controller with epoch {}: {} topics",
                 context_.self.id, context_.epoch, context_.state.topics.size());
  // What they told of is known by now: every broker was asked to lead anew.
  co_await remove_log_dir_events(found[1].children);
  co_await deletions_changed();
  if (found[0].ok()) co_await preferred_election_requested();
  co_await refuse_stored_reassignment();
}

base::Task<void> TopicManager::read_brokers() {
  Request list = zk::client::get_children(std::string(znodes::kBrokerIds), true);
  const Response ids = co_await context_.execute(std::move(list));
  std::vector<Request> requests;
  for (const std::string& id : ids.children)
    requests.push_back(zk::client::get_data(std::string(znodes::kBrokerIds) + "/" + id));
  const std::vector<Response> responses = co_await context_.execute(std::move(requests));
  std::map<std::int32_t, metadata::Broker> brokers;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    if (!responses[i].ok()) continue;
    const std::int32_t id = std::atoi(ids.children[i].c_str());
    std::optional<metadata::Broker> broker = znodes::decode_broker(id, responses[i].data.value_or(""));
    if (!broker) {
      base::log_error(kLogger, "The registration of broker {} can't be read", ids.children[i]);
      continue;
    }
    broker->epoch = responses[i].stat.czxid;
    brokers[id] = std::move(*broker);
  }
  for (const auto& [id, broker] : brokers) {
    if (id == context_.self.id || context_.state.brokers.contains(id)) continue;
    base::log_error(kLogger,
                    "Broker {} is registered in the same cluster. Clusters of several brokers are not supported yet: "
                    "broker {} keeps to its own partitions, and broker {} will not be told of any.",
                    id, context_.self.id, id);
  }
  context_.state.brokers = std::move(brokers);
}

base::Task<void> TopicManager::brokers_changed() {
  co_await read_brokers();
  co_await settle(all_partitions());
  context_.publish();
}

base::Task<void> TopicManager::elect_where_unclean_is_allowed() {
  std::vector<TopicPartition> leaderless;
  for (const auto& [name, known] : context_.state.topics) {
    for (const auto& [number, partition] : known.partitions) {
      if (partition.state && partition.state->leader == -1) leaderless.push_back({name, number});
    }
  }
  std::erase_if(leaderless, [this](const TopicPartition& each) { return !unclean_allowed(each.topic); });
  if (leaderless.empty()) co_return;
  co_await settle(leaderless);
  context_.publish();
}

base::Task<void> TopicManager::topics_changed() {
  Request list = zk::client::get_children(std::string(znodes::kTopics), true);
  const Response found = co_await context_.execute(std::move(list));
  const std::set<std::string> present(found.children.begin(), found.children.end());
  std::vector<metadata::PartitionName> stopped;
  std::vector<std::string> gone;
  for (const auto& [name, known] : context_.state.topics) {
    if (present.contains(name)) continue;
    gone.push_back(name);
    for (const auto& [number, partition] : known.partitions) stopped.push_back({name, known.id, number});
  }
  if (!gone.empty()) {
    base::log_warn(kLogger, "{} topics were taken out of ZooKeeper without a deletion; their logs are kept",
                   gone.size());
    for (const std::string& name : gone) context_.state.topics.erase(name);
    stop_leading(stopped);
  }
  const auto is_gone = [&](const std::string& name) { return !present.contains(name); };
  std::erase_if(forbidden_, is_gone);
  const bool unread_gone = std::erase_if(context_.state.unread, is_gone) > 0;
  std::vector<std::string> added;
  for (const std::string& name : present) {
    if (context_.state.topic(name) == nullptr && !forbidden_.contains(name)) added.push_back(name);
  }
  if (!added.empty()) base::log_info(kLogger, "New topics: {}", fmt::join(added, ", "));
  added.insert(added.end(), forbidden_.begin(), forbidden_.end());
  if (!added.empty()) {
    co_await read_topics(added);
    std::vector<TopicPartition> partitions;
    for (const std::string& name : added) {
      const KnownTopic* topic = context_.state.topic(name);
      if (topic == nullptr) continue;
      for (const auto& [number, partition] : topic->partitions) partitions.push_back({name, number});
    }
    co_await read_states(partitions);
    co_await settle(partitions);
  }
  if (!gone.empty() || !added.empty() || unread_gone) context_.publish();
  co_await watch_topics();
}

base::Task<void> TopicManager::watch_topics() {
  std::vector<Request> requests;
  std::vector<std::string> names;
  for (const auto& [name, known] : context_.state.topics) {
    if (known.watched || forbidden_.contains(name)) continue;
    names.push_back(name);
    requests.push_back(zk::client::get_data(znodes::topic_path(name), true));
  }
  const std::vector<Response> responses = co_await context_.read_allowed(std::move(requests));
  std::vector<std::string> grown;  // by another tool, before anybody watched
  for (std::size_t i = 0; i < responses.size(); ++i) {
    KnownTopic* topic = context_.state.topic(names[i]);
    if (!responses[i].ok() || topic == nullptr) continue;
    topic->watched = true;
    const auto read = znodes::decode_topic(responses[i].data.value_or(""));
    if (read && read->partitions.size() > topic->partitions.size()) grown.push_back(names[i]);
  }
  for (const std::string& name : grown) co_await topic_changed(name);
}

base::Task<void> TopicManager::topic_changed(std::string name) {
  KnownTopic* known = context_.state.topic(name);
  if (known == nullptr) co_return;
  const std::set<std::int32_t> before = [&] {
    std::set<std::int32_t> numbers;
    for (const auto& [number, partition] : known->partitions) numbers.insert(number);
    return numbers;
  }();
  known->watched = false;
  std::vector<std::string> names = {name};
  co_await read_topics(std::move(names));
  std::vector<TopicPartition> added;
  if (KnownTopic* topic = context_.state.topic(name)) {
    for (const auto& [number, partition] : topic->partitions) {
      if (!before.contains(number)) added.push_back({name, number});
    }
  }
  if (added.empty()) co_return;
  base::log_info(kLogger, "Topic {} has {} new partitions", name, added.size());
  co_await read_states(added);
  co_await settle(added);
  context_.publish();
}

void TopicManager::step_down() {
  std::vector<metadata::PartitionName> all;
  for (const auto& [which, id] : led_) all.push_back({which.topic, id, which.partition});
  context_.state.topics.clear();
  context_.state.unread.clear();
  before_.clear();
  stop_leading(all);
}

void TopicManager::stop_leading(const std::vector<metadata::PartitionName>& partitions) {
  if (partitions.empty()) return;
  context_.sink.stop(partitions, false);
  for (const metadata::PartitionName& each : partitions) led_.erase({each.topic, each.partition});
}

// Led since an earlier time as controller; meanwhile the topic went away, or another broker leads.
void TopicManager::stop_what_is_not_ours() {
  std::vector<metadata::PartitionName> stopped;
  for (const auto& [which, id] : led_) {
    const KnownPartition* partition = context_.state.partition(which.topic, which.partition);
    // Without any leader it has a failed disk, and says so to those who ask.
    const std::int32_t leader = partition != nullptr && partition->state ? partition->state->leader : -2;
    if (leader == context_.self.id || leader == -1) continue;
    stopped.push_back({which.topic, id, which.partition});
  }
  if (stopped.empty()) return;
  base::log_warn(kLogger, "{} partitions are not this broker's any more; their logs are kept", stopped.size());
  stop_leading(stopped);
}

// ---- states and leadership

base::Task<void> TopicManager::settle(std::vector<TopicPartition> partitions) {
  std::vector<Change> first;
  std::vector<Change> changed;
  std::set<TopicPartition> fresh;
  for (const TopicPartition& each : partitions) {
    const KnownPartition* partition = context_.state.partition(each.topic, each.partition);
    if (partition == nullptr) continue;
    if (!partition->state) {
      auto next = initial_state(partition->replicas, is_alive(each), context_.epoch);
      if (!next) continue;
      fresh.insert(each);
      first.push_back(Change{each, std::move(*next)});
    } else if (auto next = state_after_broker_change(*partition->state, partition->replicas, is_alive(each),
                                                     unclean_allowed(each.topic), context_.epoch)) {
      changed.push_back(Change{each, std::move(*next)});
    }
  }
  if (!first.empty()) co_await write_first_states(std::move(first));
  if (!changed.empty()) co_await write_states(std::move(changed));
  // New is only what got its first state now: an older one may have been there, unread.
  std::erase_if(fresh, [this](const TopicPartition& each) {
    const KnownPartition* partition = context_.state.partition(each.topic, each.partition);
    return partition == nullptr || !partition->state || partition->state_version != 0 ||
           partition->state->controller_epoch != context_.epoch;
  });
  std::vector<TopicPartition> failed = lead(partitions, fresh);
  if (!failed.empty()) co_await elect_others(std::move(failed));
}

// Without another replica in sync the partition has no leader until this broker starts with a disk that works.
base::Task<void> TopicManager::elect_others(std::vector<TopicPartition> partitions) {
  std::vector<Change> changes;
  for (const TopicPartition& each : partitions) {
    const KnownPartition* partition = context_.state.partition(each.topic, each.partition);
    if (partition == nullptr || !partition->state) continue;
    auto next = state_after_broker_change(*partition->state, partition->replicas, is_alive(each),
                                          unclean_allowed(each.topic), context_.epoch);
    if (next) changes.push_back(Change{each, std::move(*next)});
  }
  if (!changes.empty()) co_await write_states(std::move(changes));
}

base::Task<void> TopicManager::log_dir_events_changed() {
  Request list = zk::client::get_children(std::string(znodes::kLogDirEvents), true);
  const Response found = co_await context_.execute(std::move(list));
  if (found.children.empty()) co_return;
  std::vector<Request> reads;
  for (const std::string& name : found.children) {
    reads.push_back(zk::client::get_data(std::string(znodes::kLogDirEvents) + "/" + name));
  }
  const std::vector<Response> events = co_await context_.execute(std::move(reads));
  const bool ours = std::any_of(events.begin(), events.end(), [this](const Response& event) {
    return event.ok() && znodes::decode_log_dir_event(event.data.value_or("")) == context_.self.id;
  });
  if (ours) {
    base::log_info(kLogger, "[Controller id={}] A log directory of this broker failed", context_.self.id);
    co_await settle(all_partitions());
    context_.publish();
  }
  co_await remove_log_dir_events(found.children);
}

base::Task<void> TopicManager::remove_log_dir_events(std::vector<std::string> names) {
  std::vector<Request> removals;
  for (const std::string& name : names) {
    removals.push_back(zk::client::remove(std::string(znodes::kLogDirEvents) + "/" + name));
  }
  if (!removals.empty()) co_await context_.execute_fenced(std::move(removals));
}

base::Task<void> TopicManager::write_first_states(std::vector<Change> changes) {
  std::vector<Request> requests;
  std::vector<std::size_t> position(changes.size());
  std::string topic;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const TopicPartition& which = changes[i].which;
    if (which.topic != topic) {
      topic = which.topic;
      std::vector<Request> folder;
      folder.push_back(zk::client::create(znodes::partitions_path(topic), std::nullopt));
      requests.push_back(context_.fence(std::move(folder)));
    }
    position[i] = requests.size();
    std::vector<Request> both;
    both.push_back(zk::client::create(znodes::partition_path(which.topic, which.partition), std::nullopt));
    both.push_back(
        zk::client::create(znodes::state_path(which.topic, which.partition), znodes::encode_state(changes[i].next)));
    requests.push_back(context_.fence(std::move(both)));
  }
  const std::vector<Response> responses = co_await context_.execute(std::move(requests));
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Response& response = responses[position[i]];
    ControlContext::require_fence(response);
    if (!response.ok()) {
      co_await write_first_state_stepwise(changes[i]);
      continue;
    }
    KnownPartition* partition = context_.state.change(changes[i].which.topic, changes[i].which.partition);
    if (partition == nullptr) continue;
    partition->state = changes[i].next;
    partition->state_version = 0;
  }
}

// Something is there already: the answer to our own earlier write was lost, or half a partition was left behind.
base::Task<void> TopicManager::write_first_state_stepwise(Change change) {
  const TopicPartition which = change.which;
  std::vector<Request> steps;
  steps.push_back(zk::client::create(znodes::partition_path(which.topic, which.partition), std::nullopt));
  steps.push_back(
      zk::client::create(znodes::state_path(which.topic, which.partition), znodes::encode_state(change.next)));
  const std::vector<Response> done = co_await context_.execute_fenced(std::move(steps));
  if (!done[1].ok() && done[1].error != Error::node_exists) {
    base::log_error(kLogger, "The state of {}-{} was not written: {}", which.topic, which.partition,
                    zk::client::name_of(done[1].error));
    co_return;
  }
  std::vector<TopicPartition> again = {which};
  co_await read_states(std::move(again));
}

base::Task<void> TopicManager::write_states(std::vector<Change> changes) {
  std::vector<Request> requests;
  for (const Change& change : changes) {
    const KnownPartition* partition = context_.state.partition(change.which.topic, change.which.partition);
    requests.push_back(zk::client::set_data(znodes::state_path(change.which.topic, change.which.partition),
                                            znodes::encode_state(change.next),
                                            partition == nullptr ? 0 : partition->state_version));
  }
  const std::vector<Response> responses = co_await context_.execute_fenced(std::move(requests));
  std::vector<TopicPartition> unsure;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const TopicPartition& which = changes[i].which;
    KnownPartition* partition = context_.state.change(which.topic, which.partition);
    if (partition == nullptr) continue;
    if (!responses[i].ok()) {
      unsure.push_back(which);
      continue;
    }
    partition->state = changes[i].next;
    partition->state_version = responses[i].stat.version;
  }
  if (!unsure.empty()) co_await read_states(std::move(unsure));
}

std::vector<TopicPartition> TopicManager::lead(const std::vector<TopicPartition>& partitions,
                                               const std::set<TopicPartition>& fresh) {
  std::vector<TopicPartition> failed;
  std::vector<metadata::LeaderState> led;
  for (const TopicPartition& each : partitions) {
    const KnownTopic* topic = context_.state.topic(each.topic);
    const KnownPartition* partition = context_.state.partition(each.topic, each.partition);
    if (partition == nullptr || !partition->state || topic->deleting) continue;
    if (partition->state->leader != context_.self.id) continue;
    metadata::LeaderState state;
    state.topic = each.topic;
    state.topic_id = topic->id;
    state.partition = each.partition;
    state.leader_epoch = partition->state->leader_epoch;
    state.partition_epoch = partition->state_version;
    state.replicas = partition->replicas;
    state.isr = partition->state->isr;
    state.is_new = fresh.contains(each);
    led.push_back(std::move(state));
  }
  if (led.empty()) return failed;
  const std::vector<protocol::ErrorCode> codes = context_.sink.become_leader(led);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] == protocol::ErrorCode::none) {
      led_[{led[i].topic, led[i].partition}] = led[i].topic_id;
      continue;
    }
    base::log_error("state.change.logger", "Partition {}-{} can't be led here: {}", led[i].topic, led[i].partition,
                    protocol::name_of(codes[i]));
    if (codes[i] != protocol::ErrorCode::kafka_storage_error) continue;
    KnownPartition* partition = context_.state.change(led[i].topic, led[i].partition);
    partition->offline_replicas = {context_.self.id};
    failed.push_back({led[i].topic, led[i].partition});
  }
  return failed;
}

// ---- small things

IsAlive TopicManager::is_alive(const TopicPartition& which) const {
  const KnownPartition* partition = context_.state.partition(which.topic, which.partition);
  const std::vector<std::int32_t> offline = partition == nullptr ? std::vector<std::int32_t>() : partition->offline_replicas;
  return [this, offline](std::int32_t broker) {
    return context_.state.is_alive(broker) && std::find(offline.begin(), offline.end(), broker) == offline.end();
  };
}

bool TopicManager::unclean_allowed(const std::string& topic) const {
  return context_.hooks.unclean_election_allowed && context_.hooks.unclean_election_allowed(topic);
}

std::vector<AssignableBroker> TopicManager::assignable_brokers() const {
  // Others could not be told of their partitions yet.
  std::vector<AssignableBroker> brokers;
  brokers.push_back(AssignableBroker{context_.self.id, context_.self.rack});
  return brokers;
}

std::vector<TopicPartition> TopicManager::all_partitions() const {
  std::vector<TopicPartition> all;
  for (const auto& [name, known] : context_.state.topics) {
    for (const auto& [number, partition] : known.partitions) all.push_back(TopicPartition{name, number});
  }
  return all;
}

}  // namespace broker::controller
