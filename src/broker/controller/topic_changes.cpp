// What requests change: topics created, grown and deleted, leaders elected.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/logging.h"
#include "broker/controller/topic_manager.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using protocol::ErrorCode;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kLogger = "kafka.controller.KafkaController";

znodes::TopicAssignment to_znode(const base::Uuid& id, const Assignment& assignment) {
  znodes::TopicAssignment topic;
  topic.id = id;
  for (const auto& [number, replicas] : assignment) topic.partitions[number].replicas = replicas;
  return topic;
}

std::string znode_of(const std::string& topic) { return "the znode of topic '" + topic + "'"; }

}  // namespace

TopicRulesView TopicManager::rules_view() const {
  TopicRulesView view;
  view.topic_exists = [this](std::string_view name) { return context_.state.topics.contains(name); };
  view.colliding_topics = [this](std::string_view name) { return context_.state.colliding_topics(name); };
  view.check_configs = [this](const StringMap& configs) {
    return context_.hooks.check_topic_configs ? context_.hooks.check_topic_configs(configs) : Outcome();
  };
  view.brokers = assignable_brokers();
  if (context_.hooks.topic_defaults) {
    const TopicDefaults defaults = context_.hooks.topic_defaults();
    view.default_partitions = defaults.partitions;
    view.default_replication_factor = defaults.replication_factor;
  }
  return view;
}

// ---- creation

base::Task<std::vector<TopicCreated>> TopicManager::create(std::vector<NewTopic> topics, bool validate_only,
                                                           Begun<std::vector<TopicCreated>> begun) {
  TopicRulesView view = rules_view();
  // Those of the same request that are as good as made.
  std::vector<std::string_view> before;
  if (!validate_only) {
    view.colliding_topics = [this, &before](std::string_view name) {
      std::vector<std::string> colliding = context_.state.colliding_topics(name);
      for (const std::string_view other : before) {
        if (topic_names_collide(name, other)) colliding.emplace_back(other);
      }
      return colliding;
    };
  }
  std::vector<TopicPlan> plans;
  for (const NewTopic& topic : topics) {
    plans.push_back(plan_topic(topic, view, context_.random(), context_.random()));
    if (plans.back().error != ErrorCode::none) continue;
    view.partitions_left -= plans.back().assignment.size();
    before.push_back(topic.name);
  }
  if (!validate_only) {
    co_return co_await write_topics(std::move(topics), std::move(plans), std::move(begun));
  }
  std::vector<TopicCreated> answers(topics.size());
  for (std::size_t i = 0; i < topics.size(); ++i) {
    answers[i].error = plans[i].error;
    answers[i].message = plans[i].message;
    if (plans[i].error != ErrorCode::none) continue;
    answers[i].partitions = static_cast<std::int32_t>(plans[i].assignment.size());
    answers[i].replication_factor = static_cast<std::int16_t>(plans[i].assignment.begin()->second.size());
  }
  co_return answers;
}

base::Task<std::vector<TopicCreated>> TopicManager::write_topics(std::vector<NewTopic> topics,
                                                                 std::vector<TopicPlan> plans,
                                                                 Begun<std::vector<TopicCreated>> begun) {
  std::vector<TopicCreated> answers(topics.size());
  std::vector<Request> requests;
  std::vector<std::size_t> asked;
  std::vector<std::string> texts(topics.size());
  for (std::size_t i = 0; i < topics.size(); ++i) {
    answers[i].error = plans[i].error;
    answers[i].message = plans[i].message;
    if (plans[i].error != ErrorCode::none) continue;
    answers[i].topic_id = base::Uuid::random();
    answers[i].partitions = static_cast<std::int32_t>(plans[i].assignment.size());
    answers[i].replication_factor = static_cast<std::int16_t>(plans[i].assignment.begin()->second.size());
    texts[i] = znodes::encode_topic(to_znode(answers[i].topic_id, plans[i].assignment));
    requests.push_back(zk::client::multi(
        zk::client::create(znodes::config_path("topics", topics[i].name), znodes::encode_config(topics[i].configs)),
        zk::client::create(znodes::topic_path(topics[i].name), texts[i])));
    asked.push_back(i);
  }
  const std::vector<Response> responses = co_await context_.execute(std::move(requests));
  std::vector<TopicPartition> partitions;
  for (std::size_t r = 0; r < responses.size(); ++r) {
    const std::size_t i = asked[r];
    if (!responses[r].ok()) {
      const Outcome outcome = co_await overwrite_stale_config(topics[i], texts[i]);
      answers[i].error = outcome.error;
      answers[i].message = outcome.message;
      if (outcome.error != ErrorCode::none) continue;
    }
    configs_.adopt(ConfigEntityType::topic, topics[i].name, topics[i].configs);
    context_.state.adopt(topics[i].name, to_znode(answers[i].topic_id, plans[i].assignment));
    for (const auto& [number, replicas] : plans[i].assignment) partitions.push_back({topics[i].name, number});
  }
  if (begun && !partitions.empty()) begun(answers);
  co_await settle(partitions);
  if (!partitions.empty()) context_.publish();
  co_return answers;
}

// The first multi met a node that exists: the config of a topic that isn't there, or the topic itself (made by another
// tool, or by ourselves if the answer was lost).
base::Task<Outcome> TopicManager::overwrite_stale_config(NewTopic topic, std::string assignment) {
  Outcome outcome;
  const std::string config = znodes::encode_config(topic.configs);
  const std::size_t bytes = std::max(assignment.size(), config.size());
  std::vector<Request> read;
  read.push_back(zk::client::get_data(znodes::topic_path(topic.name)));
  const std::vector<Response> found = co_await context_.read_allowed(std::move(read));
  const Response& present = found.front();
  if (present.ok() || present.error == Error::no_auth) {
    if (present.ok() && present.data == assignment) co_return outcome;
    outcome.error = ErrorCode::topic_already_exists;
    outcome.message = "Topic '" + topic.name + "' already exists.";
    co_return outcome;
  }
  Request write = zk::client::multi(
      zk::client::set_data(znodes::config_path("topics", topic.name), config),
      zk::client::create(znodes::topic_path(topic.name), std::move(assignment)));
  const Response written = co_await context_.execute(std::move(write));
  if (!written.ok()) {
    base::log_error(kLogger, "Topic {} was not created: {}", topic.name, zk::client::name_of(written.error));
    outcome.error = ErrorCode::unknown_server_error;
    if (not_taken(written.error)) {
      outcome = outcome_of_not_taken(written.error, ErrorCode::invalid_request, znode_of(topic.name), bytes);
    }
  }
  co_return outcome;
}

// ---- growth

base::Task<std::vector<Outcome>> TopicManager::grow(std::vector<NewPartitions> topics, bool validate_only,
                                                    Begun<std::vector<Outcome>> begun) {
  std::vector<Outcome> answers(topics.size());
  std::vector<Request> requests;
  std::vector<std::size_t> asked;
  std::vector<TopicPlan> plans;
  std::vector<std::size_t> sizes;  // of the znodes
  std::size_t left = kPartitionsPerRequestMax;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    KnownTopic* known = context_.state.topic(topics[i].topic);
    if (known != nullptr && known->deleting) {
      answers[i].error = ErrorCode::invalid_topic_exception;
      answers[i].message = "The topic is queued for deletion.";
      continue;
    }
    TopicPlan plan =
        plan_partitions(topics[i], known == nullptr ? Assignment() : known->assignment(), assignable_brokers(), left);
    answers[i].error = plan.error;
    answers[i].message = plan.message;
    if (plan.error != ErrorCode::none) continue;
    left -= plan.assignment.size();
    if (validate_only) continue;
    znodes::TopicAssignment grown = known->to_znode();
    for (const auto& [number, replicas] : plan.assignment) grown.partitions[number].replicas = replicas;
    std::string text = znodes::encode_topic(grown);
    sizes.push_back(text.size());
    requests.push_back(zk::client::set_data(znodes::topic_path(topics[i].topic), std::move(text)));
    asked.push_back(i);
    plans.push_back(std::move(plan));
  }
  if (requests.empty()) co_return answers;
  const std::vector<Response> responses = co_await context_.execute_fenced(std::move(requests));
  std::vector<TopicPartition> added;
  for (std::size_t r = 0; r < responses.size(); ++r) {
    const std::string& name = topics[asked[r]].topic;
    KnownTopic* known = context_.state.topic(name);
    if (not_taken(responses[r].error)) {
      answers[asked[r]] =
          outcome_of_not_taken(responses[r].error, ErrorCode::invalid_partitions, znode_of(name), sizes[r]);
      continue;
    }
    if (!responses[r].ok() || known == nullptr) {
      answers[asked[r]].error = ErrorCode::unknown_topic_or_partition;
      continue;
    }
    for (const auto& [number, replicas] : plans[r].assignment) {
      known->partitions[number].replicas = replicas;
      added.push_back({name, number});
    }
    known->shown.reset();
  }
  if (begun && !added.empty()) begun(answers);
  co_await settle(added);
  context_.publish();
  co_return answers;
}

// ---- deletion

base::Task<std::vector<Outcome>> TopicManager::remove(std::vector<std::string> topics, Begun<std::vector<Outcome>> begun) {
  std::vector<Outcome> answers(topics.size());
  std::vector<Request> requests;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (context_.state.topic(topics[i]) == nullptr) {
      answers[i].error = ErrorCode::unknown_topic_or_partition;
      continue;
    }
    requests.push_back(zk::client::create(znodes::delete_topic_path(topics[i]), std::nullopt));
    asked.push_back(i);
  }
  const std::vector<Response> responses = co_await context_.execute(std::move(requests));
  std::vector<std::string> doomed;
  for (std::size_t r = 0; r < responses.size(); ++r) {
    if (responses[r].ok() || responses[r].error == Error::node_exists) {
      doomed.push_back(topics[asked[r]]);
    } else {
      answers[asked[r]].error = ErrorCode::unknown_server_error;
    }
  }
  if (begun && !doomed.empty()) begun(answers);
  co_await complete_deletions(std::move(doomed));
  co_return answers;
}

base::Task<void> TopicManager::deletions_changed() {
  Request list = zk::client::get_children(std::string(znodes::kDeleteTopics), true);
  const Response marked = co_await context_.execute(std::move(list));
  std::vector<std::string> doomed;
  std::vector<Request> ignored;
  const bool enabled = !context_.hooks.topic_deletion_enabled || context_.hooks.topic_deletion_enabled();
  for (const std::string& name : marked.children) {
    if (forbidden_.contains(name) && context_.state.topic(name) == nullptr) continue;  // it may be another day
    if (enabled && context_.state.topic(name) != nullptr) {
      doomed.push_back(name);
    } else {
      base::log_info(kLogger, "The deletion of topic {} is ignored: {}", name,
                     enabled ? "there is none" : "delete.topic.enable is false");
      ignored.push_back(zk::client::remove(znodes::delete_topic_path(name)));
    }
  }
  if (!ignored.empty()) co_await context_.execute_fenced(std::move(ignored));
  co_await complete_deletions(std::move(doomed));
}

base::Task<void> TopicManager::complete_deletions(std::vector<std::string> names) {
  std::vector<metadata::PartitionName> stopped;
  std::vector<std::string> now;
  for (const std::string& name : names) {
    KnownTopic* known = context_.state.topic(name);
    if (known == nullptr || known->deleting) continue;
    const bool elsewhere = std::any_of(known->partitions.begin(), known->partitions.end(), [&](const auto& entry) {
      const Replicas& replicas = entry.second.replicas;
      return std::any_of(replicas.begin(), replicas.end(), [&](std::int32_t id) { return id != context_.self.id; });
    });
    known->deleting = true;
    for (const auto& [number, partition] : known->partitions) stopped.push_back({name, known->id, number});
    if (elsewhere) {
      base::log_warn(kLogger, "The deletion of topic {} waits for its replicas on other brokers", name);
    } else {
      now.push_back(name);
    }
  }
  if (stopped.empty()) co_return;
  context_.publish();
  std::set<std::string> kept;
  for (const metadata::PartitionName& each : context_.sink.stop(stopped, true)) kept.insert(each.topic);
  for (const metadata::PartitionName& each : stopped) led_.erase({each.topic, each.partition});
  for (const std::string& name : now) {
    if (kept.contains(name)) {
      // As in Kafka: else its logs would come back with the disk, beside those of a new topic of that name.
      base::log_error(kLogger,
                      "The deletion of topic {} waits for logs on an offline disk: it goes on when this broker starts "
                      "with that",
                      name);
      continue;
    }
    base::log_info(kLogger, "Deleting topic {}", name);
    if (!co_await delete_tree(znodes::topic_path(name))) continue;
    std::vector<Request> rest;
    rest.push_back(zk::client::remove(znodes::config_path("topics", name)));
    rest.push_back(zk::client::remove(znodes::delete_topic_path(name)));
    co_await context_.execute_fenced(std::move(rest));
    context_.state.topics.erase(name);
    context_.state.unread.erase(name);
    configs_.adopt(ConfigEntityType::topic, name, StringMap());
  }
}

// From the leaves up, each removal fenced. What is gone already is fine.
base::Task<bool> TopicManager::delete_tree(std::string path) {
  std::vector<std::string> nodes = {path};
  for (std::size_t begin = 0; begin < nodes.size();) {
    const std::size_t end = nodes.size();
    std::vector<Request> lists;
    for (std::size_t i = begin; i < end; ++i) lists.push_back(zk::client::get_children(nodes[i]));
    const std::vector<Response> found = co_await context_.read_allowed(std::move(lists));
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i].error == Error::no_auth) {
        base::log_error(kLogger, "ZooKeeper doesn't let this broker read {} (NOAUTH): its deletion goes on after the next election",
                        nodes[begin + i]);
        co_return false;
      }
      for (const std::string& child : found[i].children) nodes.push_back(nodes[begin + i] + "/" + child);
    }
    begin = end;
  }
  std::vector<Request> removals;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) removals.push_back(zk::client::remove(*node));
  co_await context_.execute_fenced(std::move(removals));
  co_return true;
}

// ---- elections

base::Task<std::map<TopicPartition, Elected>> TopicManager::elect_leaders(std::vector<TopicPartition> partitions,
                                                                          Election kind,
                                                                          Begun<std::map<TopicPartition, Elected>> begun) {
  std::map<TopicPartition, Elected> answers;
  std::vector<Change> changes;
  std::vector<TopicPartition> changed;
  for (const TopicPartition& each : partitions) {
    Elected& answer = answers[each];
    const KnownPartition* partition = context_.state.partition(each.topic, each.partition);
    if (partition == nullptr || !partition->state) {
      answer.error = ErrorCode::unknown_topic_or_partition;
      answer.message = "The partition does not exist.";
      continue;
    }
    ElectionResult result = elect(*partition->state, partition->replicas, is_alive(each), kind, context_.epoch);
    answer.error = result.error;
    if (result.error == ErrorCode::election_not_needed) {
      answer.message = "Leader election not needed for topic partition.";
    } else if (result.error != ErrorCode::none) {
      answer.message =
          fmt::format("Failed to elect leader for partition {}-{} under strategy {}", each.topic, each.partition,
                      kind == Election::preferred ? "PreferredReplicaPartitionLeaderElectionStrategy"
                                                  : "OfflinePartitionLeaderElectionStrategy(true)");
    } else {
      answer.leader = result.next.leader;
      changes.push_back(Change{each, std::move(result.next)});
      changed.push_back(each);
    }
  }
  if (changes.empty()) co_return answers;
  co_await write_states(std::move(changes));
  if (begun) begun(answers);
  const std::set<TopicPartition> none;
  std::vector<TopicPartition> failed = lead(changed, none);
  if (!failed.empty()) co_await elect_others(std::move(failed));
  context_.publish();
  co_return answers;
}

base::Task<void> TopicManager::preferred_election_requested() {
  Request read = zk::client::get_data(std::string(znodes::kPreferredElection));
  const Response asked = co_await context_.execute(std::move(read));
  if (asked.ok()) {
    const auto list = znodes::decode_partition_list(asked.data.value_or(""));
    std::vector<TopicPartition> partitions;
    if (list) {
      for (const auto& [topic, number] : *list) partitions.push_back(TopicPartition{topic, number});
    } else {
      base::log_error(kLogger, "{} can't be read", znodes::kPreferredElection);
    }
    co_await elect_leaders(std::move(partitions), Election::preferred, nullptr);
    co_await clear_preferred_election();
  }
  Request watch = zk::client::exists(std::string(znodes::kPreferredElection), true);
  co_await context_.execute(std::move(watch));
}

base::Task<void> TopicManager::clear_preferred_election() {
  Request removal = zk::client::remove(std::string(znodes::kPreferredElection));
  co_await context_.execute_fenced(std::move(removal));
}

base::Task<void> TopicManager::refuse_stored_reassignment() {
  Request watch = zk::client::exists(std::string(znodes::kReassignPartitions), true);
  const Response stored = co_await context_.execute(std::move(watch));
  if (!stored.ok()) co_return;
  base::log_warn(kLogger,
                 "{} is there: this controller moves no partitions between brokers and leaves it alone. A Kafka controller would "
                 "do what it asks for: delete it if that is no longer wanted.",
                 znodes::kReassignPartitions);
}

}  // namespace broker::controller
