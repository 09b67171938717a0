// Topics and the states of their partitions as ZooKeeper has them, and what becomes of those that it doesn't let us read.
#include <utility>

#include "base/logging.h"
#include "broker/controller/topic_manager.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kLogger = "kafka.controller.KafkaController";

}  // namespace

base::Task<void> TopicManager::read_topics(std::vector<std::string> names) {
  std::vector<Request> requests;
  for (const std::string& name : names) requests.push_back(zk::client::get_data(znodes::topic_path(name), true));
  const std::vector<Response> responses = co_await context_.read_allowed(std::move(requests));
  std::vector<std::string> without_id;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    context_.state.unread.erase(names[i]);
    if (responses[i].error == Error::no_auth) keep_unread(names[i]);
    if (!responses[i].ok()) continue;
    forbidden_.erase(names[i]);
    std::optional<znodes::TopicAssignment> topic = znodes::decode_topic(responses[i].data.value_or(""));
    if (!topic) {
      context_.state.unread.insert(names[i]);
      base::log_error(kLogger, "The assignment of topic {} can't be read; the topic is left out", names[i]);
      continue;
    }
    // As in Kafka, the id of a topic that is known here stays. It is also written back to a znode that lost it by a tool
    // of Kafka 2.7 or earlier, or else the next controller would invent another (KAFKA-14190).
    const base::Uuid known = id_of(names[i]);
    if (topic->id.is_zero()) {
      topic->id = known.is_zero() ? base::Uuid::random() : known;
      without_id.push_back(names[i]);
    } else if (context_.state.topic(names[i]) != nullptr && topic->id != known) {
      base::log_error(kLogger, "The znode of topic {} has another topic id, {}, which is ignored: the topic's is {}",
                      names[i], topic->id.to_string(), known.to_string());
      topic->id = known;
    }
    context_.state.adopt(names[i], *topic);
    context_.state.topic(names[i])->watched = true;
  }
  co_await write_missing_ids(std::move(without_id));
}

// One topic that is closed to this broker must not take the others with it.
void TopicManager::keep_unread(const std::string& name) {
  context_.state.unread.insert(name);
  const auto known = before_.find(name);
  if (known != before_.end()) {
    known->second.deleting = false;  // it begins anew
    context_.state.topics.insert(*known);
  }
  KnownTopic* kept = context_.state.topic(name);
  if (kept != nullptr) kept->watched = false;
  if (!forbidden_.insert(name).second) return;
  base::log_error(kLogger,
                  "ZooKeeper doesn't let this broker read {} (NOAUTH): the topic {}. It is looked at again when topics are created "
                  "or deleted, and at the next election",
                  znodes::topic_path(name), kept != nullptr ? "stays as it was" : "is left out");
}

void TopicManager::keep_unread(const TopicPartition& which, KnownPartition& partition) {
  const auto topic = before_.find(which.topic);
  if (!partition.state && topic != before_.end()) {
    const auto known = topic->second.partitions.find(which.partition);
    if (known != topic->second.partitions.end()) partition = known->second;
  }
  if (std::exchange(partition.unread, true) || forbidden_.contains(which.topic)) return;
  base::log_error(kLogger, "ZooKeeper doesn't let this broker read {} (NOAUTH): the partition {}",
                  znodes::state_path(which.topic, which.partition),
                  partition.state ? "stays as it was" : "has no leader here");
}

base::Uuid TopicManager::id_of(const std::string& name) const {
  const auto found = context_.state.topics.find(name);
  if (found != context_.state.topics.end()) return found->second.id;
  const auto led = led_.lower_bound(TopicPartition{name, 0});
  return led != led_.end() && led->first.topic == name ? led->second : base::Uuid();
}

base::Task<void> TopicManager::write_missing_ids(std::vector<std::string> names) {
  std::vector<Request> requests;
  for (const std::string& name : names) {
    const KnownTopic& topic = *context_.state.topic(name);
    requests.push_back(zk::client::set_data(znodes::topic_path(name), znodes::encode_topic(topic.to_znode())));
  }
  if (!requests.empty()) co_await context_.execute_fenced(std::move(requests));
}

base::Task<void> TopicManager::read_states(std::vector<TopicPartition> partitions) {
  std::vector<Request> requests;
  for (const TopicPartition& each : partitions) {
    requests.push_back(zk::client::get_data(znodes::state_path(each.topic, each.partition)));
  }
  const std::vector<Response> responses = co_await context_.read_allowed(std::move(requests));
  for (std::size_t i = 0; i < responses.size(); ++i) {
    KnownPartition* partition = context_.state.change(partitions[i].topic, partitions[i].partition);
    if (partition != nullptr && responses[i].error == Error::no_auth) keep_unread(partitions[i], *partition);
    if (!responses[i].ok() || partition == nullptr) continue;
    partition->state = znodes::decode_state(responses[i].data.value_or(""));
    partition->state_version = responses[i].stat.version;
    partition->unread = false;
    if (!partition->state) {
      base::log_error(kLogger, "The state of partition {}-{} can't be read", partitions[i].topic,
                      partitions[i].partition);
    }
  }
}

}  // namespace broker::controller
