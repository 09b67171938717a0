// What request handlers ask, each as a job of the control thread.
#include <fmt/format.h>

#include "base/logging.h"
#include "broker/controller/controller.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using protocol::ErrorCode;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kLogger = "kafka.controller.KafkaController";
constexpr const char* kProducerIdLogger = "kafka.coordinator.transaction.ProducerIdManager";
constexpr std::int32_t kProducerIdBlockSize = 1000;

template <class T>
std::vector<T> not_controller(std::size_t count) {
  std::vector<T> answers(count);
  for (T& answer : answers) answer.error = ErrorCode::not_controller;
  return answers;
}

}  // namespace

void Controller::log_directory_failed() {
  queue_->post([this]() -> base::Task<void> {
    if (!started_) co_return;  // the start asks every partition anyway
    Request event = zk::client::create(std::string(znodes::kLogDirEvents) + "/log_dir_event_",
                                       znodes::encode_log_dir_event(context_.self.id),
                                       zk::client::CreateMode::persistent_sequential);
    const Response made = co_await context_.execute(std::move(event));
    if (!made.ok()) base::log_error(kLogger, "Can't tell of the failed log directory in {}", znodes::kLogDirEvents);
  });
}

template <class T>
base::Task<T> Controller::as_controller(std::function<base::Task<T>()> job, T otherwise) {
  std::function<base::Task<T>()> guarded = [this, job = std::move(job), otherwise]() -> base::Task<T> {
    if (!context_.active) co_return otherwise;
    std::optional<T> answer;
    std::string reason;
    try {
      answer = co_await job();
    } catch (const ReadRefused& refused) {
      reason = refused.what();
      read_refused_ = true;
    } catch (const ControlLost& lost) {
      reason = lost.what();
    }
    if (answer) co_return std::move(*answer);
    lose_control(reason);
    co_return otherwise;
  };
  co_return co_await ask<T>(queue_, std::move(guarded), otherwise);
}

base::Task<std::vector<TopicCreated>> Controller::create_topics(std::vector<NewTopic> topics, bool validate_only) {
  using Answers = std::vector<TopicCreated>;
  Answers otherwise = not_controller<TopicCreated>(topics.size());
  std::function<base::Task<Answers>()> job = [this, topics = std::move(topics), validate_only] {
    return topics_.create(topics, validate_only);
  };
  co_return co_await as_controller<Answers>(std::move(job), std::move(otherwise));
}

base::Task<std::vector<Outcome>> Controller::delete_topics(std::vector<std::string> topics) {
  using Answers = std::vector<Outcome>;
  Answers otherwise = not_controller<Outcome>(topics.size());
  std::function<base::Task<Answers>()> job = [this, topics = std::move(topics)] { return topics_.remove(topics); };
  co_return co_await as_controller<Answers>(std::move(job), std::move(otherwise));
}

base::Task<std::vector<Outcome>> Controller::create_partitions(std::vector<NewPartitions> topics, bool validate_only) {
  using Answers = std::vector<Outcome>;
  Answers otherwise = not_controller<Outcome>(topics.size());
  std::function<base::Task<Answers>()> job = [this, topics = std::move(topics), validate_only] {
    return topics_.grow(topics, validate_only);
  };
  co_return co_await as_controller<Answers>(std::move(job), std::move(otherwise));
}

base::Task<Outcome> Controller::create_unless_there(NewTopic topic) {
  std::vector<NewTopic> topics;
  topics.push_back(std::move(topic));
  std::vector<TopicCreated> answers = co_await create_topics(std::move(topics), false);
  Outcome outcome = std::move(answers.front());
  if (outcome.error == ErrorCode::topic_already_exists) outcome = Outcome();
  co_return outcome;
}

base::Task<Outcome> Controller::ensure_internal_topic(std::string name) {
  if (context_.cache.get()->topic(name) != nullptr) co_return Outcome();
  const TopicDefaults defaults = context_.hooks.topic_defaults ? context_.hooks.topic_defaults() : TopicDefaults();
  NewTopic topic;
  if (name == "__transaction_state") {
    topic.partitions = defaults.transactions_partitions;
    topic.replication_factor = static_cast<std::int16_t>(defaults.transactions_replication_factor);
    topic.configs = defaults.transactions_configs;
  } else {
    topic.partitions = defaults.offsets_partitions;
    topic.replication_factor = static_cast<std::int16_t>(defaults.offsets_replication_factor);
    topic.configs = defaults.offsets_configs;
  }
  topic.name = std::move(name);
  co_return co_await create_unless_there(std::move(topic));
}

base::Task<Outcome> Controller::auto_create_topic(std::string name) {
  if (name == "__consumer_offsets" || name == "__transaction_state") {
    co_return co_await ensure_internal_topic(std::move(name));
  }
  NewTopic topic;
  topic.name = std::move(name);
  co_return co_await create_unless_there(std::move(topic));
}

base::Task<Outcome> Controller::change_config(ConfigEntityType type, std::string name, ConfigEdit edit) {
  Outcome otherwise;
  otherwise.error = ErrorCode::request_timed_out;
  std::function<base::Task<Outcome>()> job = [this, type, name = std::move(name), edit = std::move(edit)] {
    return configs_.write(type, name, edit);
  };
  co_return co_await ask<Outcome>(queue_, std::move(job), std::move(otherwise));
}

base::Task<protocol::Result<ProducerIdBlock>> Controller::allocate_producer_ids() {
  using Answer = protocol::Result<ProducerIdBlock>;
  // Controller or not: the version of the block's znode decides, as for Kafka's brokers of an inter.broker.protocol.version before
  // 3.0. Later ones ask the controller, which does the same, and as long as it doesn't they answer their clients with this error.
  Answer not_now = ErrorCode::coordinator_load_in_progress;
  std::function<base::Task<Answer>()> job = [this, not_now]() -> base::Task<Answer> {
    try {
      co_return co_await take_producer_ids();
    } catch (const ControlLost& failure) {
      base::log_warn(kProducerIdLogger, "No producer ids from ZooKeeper now: {}", failure.what());
    }
    co_return not_now;
  };
  co_return co_await ask<Answer>(queue_, std::move(job), not_now);
}

base::Task<protocol::Result<ProducerIdBlock>> Controller::take_producer_ids() {
  using Answer = protocol::Result<ProducerIdBlock>;
  const std::string path(znodes::kProducerIdBlock);
  for (;;) {
    Request read = zk::client::get_data(path);
    const Response present = co_await context_.execute(std::move(read));
    znodes::ProducerIds next;
    next.broker = context_.self.id;
    if (present.ok() && present.data && !present.data->empty()) {
      const auto last = znodes::decode_producer_ids(*present.data);
      if (!last || last->last > INT64_MAX - kProducerIdBlockSize) {
        base::log_fatal(kProducerIdLogger, "No producer ids are left, or {} is damaged",
                        path);
        Answer failed = ErrorCode::unknown_server_error;
        co_return failed;
      }
      next.first = last->last + 1;
    }
    next.last = next.first + kProducerIdBlockSize - 1;
    Request write = zk::client::set_data(path, znodes::encode_producer_ids(next), present.stat.version);
    const Response written = co_await context_.execute(std::move(write));
    if (written.ok()) {
      ProducerIdBlock block;
      block.first = next.first;
      block.size = kProducerIdBlockSize;
      Answer answer = block;
      co_return answer;
    }
    // BADVERSION: another broker was faster, or our own write came through without its answer. A block may be lost so.
    if (written.error != Error::bad_version) {
      throw ControlLost(fmt::format("{} isn't written: {}", path, zk::client::name_of(written.error)));
    }
  }
}

base::Task<std::map<TopicPartition, Outcome>> Controller::elect_leaders(std::vector<TopicPartition> partitions,
                                                                        bool unclean) {
  using Answers = std::map<TopicPartition, Outcome>;
  Answers otherwise;
  for (const TopicPartition& each : partitions) otherwise[each].error = ErrorCode::not_controller;
  const Election kind = unclean ? Election::unclean : Election::preferred;
  std::function<base::Task<Answers>()> job = [this, partitions = std::move(partitions), kind] {
    return topics_.elect_leaders(partitions, kind);
  };
  co_return co_await as_controller<Answers>(std::move(job), std::move(otherwise));
}

StringMap Controller::config_overrides(ConfigEntityType type, std::string_view name) const {
  return configs_.overrides(type, name);
}

}  // namespace broker::controller
