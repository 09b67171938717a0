// What request handlers ask, each as a job of the control thread.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <memory>
#include <utility>

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

// As Kafka's DelayedCreatePartitions looks at it: at all partitions of the topic, those that were there before too.
bool all_have_leaders(const metadata::ClusterMetadata& seen, const std::string& topic, std::int32_t partitions) {
  const metadata::Topic* const found = seen.topic(topic);
  return found != nullptr && std::cmp_greater_equal(found->partitions.size(), partitions) &&
         std::ranges::all_of(found->partitions, [](const auto& each) { return each.second.leader >= 0; });
}

bool has_leader(const metadata::ClusterMetadata& seen, const TopicPartition& which, std::int32_t leader) {
  const metadata::Topic* const topic = seen.topic(which.topic);
  if (topic == nullptr) return false;
  const auto found = topic->partitions.find(which.partition);
  return found != topic->partitions.end() && found->second.leader == leader;
}

// Whether it wasn't to be seen.
bool time_out_unless(bool is_seen, Outcome& answer) {
  if (is_seen || answer.error != ErrorCode::none) return false;
  answer.error = ErrorCode::request_timed_out;
  return true;
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
base::Task<std::optional<T>> Controller::run_as_controller(std::function<base::Task<T>(Begun<T>)> job, Begun<T> begun) {
  std::optional<T> answer;
  if (!context_.active) co_return answer;
  std::string reason;
  try {
    answer = co_await job(std::move(begun));
  } catch (const ReadRefused& refused) {
    reason = refused.what();
    read_refused_ = true;
  } catch (const ControlLost& lost) {
    reason = lost.what();
  }
  if (!answer) lose_control(reason);
  co_return answer;
}

// One who asked, while the answer is open.
template <class T>
struct Controller::Asked {
  Asked(boost::asio::any_io_executor executor, const metadata::MetadataCache& published, MarkUnseen<T> marks)
      : caller(std::move(executor)), cache(published), mark_unseen(std::move(marks)) {}

  // Only the first answer counts.
  void answer(T told) const {
    late.set(told);
    in_time.set(std::move(told));
  }
  void time_out(T so_far) const {
    mark_unseen(so_far, *cache.get());
    answer(std::move(so_far));
  }

  const boost::asio::any_io_executor caller;
  const metadata::MetadataCache& cache;
  const MarkUnseen<T> mark_unseen;
  const base::OneShot<std::optional<T>> in_time;  // none: the change is done, but not to be seen
  const base::OneShot<T> late;
  bool has_begun = false;  // of the control thread
};

template <class T>
base::Task<T> Controller::as_controller(std::function<base::Task<T>(Begun<T>)> job, T otherwise,
                                        std::optional<std::int32_t> timeout_ms, MarkUnseen<T> mark_unseen) {
  const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
  const auto asked = std::make_shared<Asked<T>>(executor, context_.cache, std::move(mark_unseen));
  // On the caller's loop, as the control thread may be at work on a disk when the time is over. Ends with this coroutine.
  const auto timer = std::make_shared<boost::asio::steady_timer>(executor);
  const std::weak_ptr<boost::asio::steady_timer> waiting = timer;
  Begun<T> begun = [asked, timeout_ms, waiting](T so_far) {
    asked->has_begun = true;
    if (!timeout_ms) return;
    if (*timeout_ms <= 0) return asked->time_out(std::move(so_far));
    boost::asio::post(asked->caller, [asked, timeout_ms, waiting, so_far = std::move(so_far)]() mutable {
      const auto armed = waiting.lock();
      if (!armed) return;
      armed->expires_after(std::chrono::milliseconds(*timeout_ms));
      armed->async_wait([asked, so_far = std::move(so_far)](const boost::system::error_code& cancelled) {
        if (!cancelled) asked->time_out(so_far);
      });
    });
  };
  std::function<bool()> waits = [asked, timeout_ms, waiting] { return timeout_ms && asked->has_begun && !waiting.expired(); };
  std::function<base::Task<std::optional<T>>()> guarded = [this, job = std::move(job), begun = std::move(begun), otherwise, asked,
                                                           waits = std::move(waits)] {
    return run_until_seen<T>(job, begun, otherwise, asked, waits);
  };
  std::optional<T> closed = std::move(otherwise);
  std::optional<T> answer = co_await ask<std::optional<T>>(queue_, std::move(guarded), std::move(closed), Asker::request, asked->in_time);
  if (answer) co_return std::move(*answer);
  co_return co_await asked->late.wait();
}

template <class T>
base::Task<std::optional<T>> Controller::run_until_seen(std::function<base::Task<T>(Begun<T>)> job, Begun<T> begun, T otherwise,
                                                        std::shared_ptr<Asked<T>> asked, std::function<bool()> waits) {
  std::optional<T> answer = co_await run_as_controller<T>(std::move(job), std::move(begun));
  if (!answer) {
    answer = std::move(otherwise);
    co_return answer;
  }
  T so_far = *answer;
  if (!waits() || !asked->mark_unseen(so_far, *context_.cache.get())) co_return answer;
  if (!lets_wait_) {
    answer = std::move(otherwise);
    co_return answer;
  }
  // Also where nobody answers any more.
  const std::shared_ptr<void> at_the_end(nullptr, [asked, otherwise = std::move(otherwise)](void*) { asked->answer(otherwise); });
  context_.waiting.push_back([asked, waits = std::move(waits), done = std::move(*answer), at_the_end](const metadata::ClusterMetadata& seen) {
    T marked = done;
    if (waits() && asked->mark_unseen(marked, seen)) return false;
    asked->answer(std::move(marked));
    return true;
  });
  answer.reset();
  co_return answer;
}

base::Task<std::vector<TopicCreated>> Controller::create(std::vector<NewTopic> topics, bool validate_only,
                                                         std::optional<std::int32_t> timeout_ms) {
  using Answers = std::vector<TopicCreated>;
  Answers otherwise = not_controller<TopicCreated>(topics.size());
  MarkUnseen<Answers> mark_unseen = [topics](Answers& answers, const metadata::ClusterMetadata& seen) {
    bool any = false;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      any |= time_out_unless(all_have_leaders(seen, topics[i].name, answers[i].partitions), answers[i]);
    }
    return any;
  };
  std::function<base::Task<Answers>(Begun<Answers>)> job = [this, topics = std::move(topics), validate_only](Begun<Answers> begun) {
    return topics_.create(topics, validate_only, std::move(begun));
  };
  co_return co_await as_controller<Answers>(std::move(job), std::move(otherwise), timeout_ms, std::move(mark_unseen));
}

base::Task<std::vector<TopicCreated>> Controller::create_topics(std::vector<NewTopic> topics, bool validate_only,
                                                                std::int32_t timeout_ms) {
  return create(std::move(topics), validate_only, timeout_ms);
}

base::Task<std::vector<Outcome>> Controller::delete_topics(std::vector<std::string> topics, std::int32_t timeout_ms) {
  using Answers = std::vector<Outcome>;
  Answers otherwise = not_controller<Outcome>(topics.size());
  // Clients see no topic any more whose logs are still being deleted.
  MarkUnseen<Answers> mark_unseen = [topics](Answers& answers, const metadata::ClusterMetadata& seen) {
    bool any = false;
    for (std::size_t i = 0; i < answers.size(); ++i) any |= time_out_unless(seen.topic(topics[i]) == nullptr, answers[i]);
    return any;
  };
  std::function<base::Task<Answers>(Begun<Answers>)> job = [this, topics = std::move(topics)](Begun<Answers> begun) {
    return topics_.remove(topics, std::move(begun));
  };
  co_return co_await as_controller<Answers>(std::move(job), std::move(otherwise), timeout_ms, std::move(mark_unseen));
}

base::Task<std::vector<Outcome>> Controller::create_partitions(std::vector<NewPartitions> topics, bool validate_only,
                                                               std::int32_t timeout_ms) {
  using Answers = std::vector<Outcome>;
  Answers otherwise = not_controller<Outcome>(topics.size());
  MarkUnseen<Answers> mark_unseen = [topics](Answers& answers, const metadata::ClusterMetadata& seen) {
    bool any = false;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      any |= time_out_unless(all_have_leaders(seen, topics[i].topic, topics[i].count), answers[i]);
    }
    return any;
  };
  std::function<base::Task<Answers>(Begun<Answers>)> job = [this, topics = std::move(topics), validate_only](Begun<Answers> begun) {
    return topics_.grow(topics, validate_only, std::move(begun));
  };
  co_return co_await as_controller<Answers>(std::move(job), std::move(otherwise), timeout_ms, std::move(mark_unseen));
}

base::Task<Outcome> Controller::create_unless_there(NewTopic topic) {
  std::vector<NewTopic> topics;
  topics.push_back(std::move(topic));
  std::vector<TopicCreated> answers = co_await create(std::move(topics), false, std::nullopt);
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
  std::function<base::Task<Answer>()> job = [this] { return take_producer_ids_now(context_.self.id); };
  co_return co_await ask<Answer>(queue_, std::move(job), not_now);
}

base::Task<protocol::Result<ProducerIdBlock>> Controller::allocate_producer_ids_for(std::int32_t broker_id,
                                                                                    std::int64_t broker_epoch) {
  using Answer = protocol::Result<ProducerIdBlock>;
  Answer not_now = ErrorCode::coordinator_load_in_progress;
  std::function<base::Task<Answer>()> job = [this, broker_id, broker_epoch]() -> base::Task<Answer> {
    Answer refused = ErrorCode::not_controller;
    if (!context_.active) co_return refused;
    const auto broker = context_.state.brokers.find(broker_id);
    refused = ErrorCode::broker_id_not_registered;
    if (broker == context_.state.brokers.end()) co_return refused;
    refused = ErrorCode::stale_broker_epoch;
    if (broker->second.epoch != broker_epoch) co_return refused;
    co_return co_await take_producer_ids_now(broker_id);
  };
  co_return co_await ask<Answer>(queue_, std::move(job), not_now);
}

base::Task<protocol::Result<ProducerIdBlock>> Controller::take_producer_ids_now(std::int32_t broker_id) {
  using Answer = protocol::Result<ProducerIdBlock>;
  try {
    co_return co_await take_producer_ids(broker_id);
  } catch (const ControlLost& failure) {
    base::log_warn(kProducerIdLogger, "No producer ids from ZooKeeper now: {}", failure.what());
  }
  Answer not_now = ErrorCode::coordinator_load_in_progress;
  co_return not_now;
}

base::Task<protocol::Result<ProducerIdBlock>> Controller::take_producer_ids(std::int32_t broker_id) {
  using Answer = protocol::Result<ProducerIdBlock>;
  const std::string path(znodes::kProducerIdBlock);
  for (;;) {
    Request read = zk::client::get_data(path);
    const Response present = co_await context_.execute(std::move(read));
    znodes::ProducerIds next;
    next.broker = broker_id;
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
                                                                        bool unclean, std::int32_t timeout_ms) {
  using Answers = std::map<TopicPartition, Elected>;
  Answers otherwise;
  for (const TopicPartition& each : partitions) otherwise[each].error = ErrorCode::not_controller;
  const Election kind = unclean ? Election::unclean : Election::preferred;
  std::function<base::Task<Answers>(Begun<Answers>)> job = [this, partitions = std::move(partitions), kind](Begun<Answers> begun) {
    return topics_.elect_leaders(partitions, kind, std::move(begun));
  };
  MarkUnseen<Answers> mark_unseen = [](Answers& answers, const metadata::ClusterMetadata& seen) {
    bool any = false;
    for (auto& [which, answer] : answers) any |= time_out_unless(has_leader(seen, which, answer.leader), answer);
    return any;
  };
  const Answers answers = co_await as_controller<Answers>(std::move(job), std::move(otherwise), timeout_ms, std::move(mark_unseen));
  std::map<TopicPartition, Outcome> outcomes;
  for (const auto& [which, answer] : answers) outcomes.emplace_hint(outcomes.end(), which, answer);
  co_return outcomes;
}

StringMap Controller::config_overrides(ConfigEntityType type, std::string_view name) const {
  return configs_.overrides(type, name);
}

std::vector<std::string> Controller::configured_entities(ConfigEntityType type) const { return configs_.names(type); }

}  // namespace broker::controller
