#include "client.h"

#include <cstdlib>
#include <stdexcept>

namespace compat {
namespace {

std::unique_ptr<RdKafka::Conf> configuration(const std::string& bootstrap, const Settings& settings,
                                             const Callbacks& callbacks) {
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  std::string error;
  const auto set = [&](const std::string& key, const std::string& value) {
    if (conf->set(key, value, error) != RdKafka::Conf::CONF_OK) throw std::runtime_error(error);
  };
  set("bootstrap.servers", bootstrap);
  for (const auto& [key, value] : settings) set(key, value);
  if (callbacks.delivery != nullptr) conf->set("dr_cb", callbacks.delivery, error);
  if (callbacks.rebalance != nullptr) conf->set("rebalance_cb", callbacks.rebalance, error);
  return conf;
}

}  // namespace

std::unique_ptr<RdKafka::Producer> make_producer(const std::string& bootstrap, const Settings& settings,
                                                 Callbacks callbacks) {
  std::string error;
  const auto conf = configuration(bootstrap, settings, callbacks);
  std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(conf.get(), error));
  if (!producer) throw std::runtime_error(error);
  return producer;
}

std::unique_ptr<RdKafka::KafkaConsumer> make_consumer(const std::string& bootstrap, const std::string& group,
                                                      const Settings& settings, Callbacks callbacks) {
  std::string error;
  Settings all = {{"group.id", group}, {"auto.offset.reset", "earliest"}, {"enable.auto.commit", "false"}};
  all.insert(all.end(), settings.begin(), settings.end());
  const auto conf = configuration(bootstrap, all, callbacks);
  std::unique_ptr<RdKafka::KafkaConsumer> consumer(RdKafka::KafkaConsumer::create(conf.get(), error));
  if (!consumer) throw std::runtime_error(error);
  return consumer;
}

std::string bootstrap_servers() {
  const char* value = std::getenv("COMPAT_BOOTSTRAP");
  if (value == nullptr) throw std::runtime_error("COMPAT_BOOTSTRAP names the broker");
  return value;
}

int scaled(int count) {
  const char* value = std::getenv("COMPAT_SCALE");
  return value == nullptr ? count : static_cast<int>(count * std::atof(value));
}

void require(RdKafka::ErrorCode code, const std::string& what) {
  if (code != RdKafka::ERR_NO_ERROR) throw std::runtime_error(what + ": " + RdKafka::err2str(code));
}

void create_topic(const std::string& bootstrap, const std::string& name, int partitions) {
  const auto producer = make_producer(bootstrap, {});
  rd_kafka_t* handle = producer->c_ptr();
  char text[512];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, text, sizeof(text));
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  rd_kafka_CreateTopics(handle, &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, -1);
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  const auto code = count == 1 ? rd_kafka_topic_result_error(results[0]) : rd_kafka_event_error(event);
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(topic);
  require(static_cast<RdKafka::ErrorCode>(code), "create " + name);
}

void assign_from_beginning(RdKafka::KafkaConsumer& consumer, const std::string& topic, int partitions) {
  std::vector<RdKafka::TopicPartition*> assignment;
  for (int i = 0; i < partitions; ++i) assignment.push_back(RdKafka::TopicPartition::create(topic, i, 0));
  const auto code = consumer.assign(assignment);
  RdKafka::TopicPartition::destroy(assignment);
  require(code, "assign");
}

}  // namespace compat
