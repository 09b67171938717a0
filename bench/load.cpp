// Load on a broker by librdkafka; each command prints one line of name=value pairs.
//   bench_load produce  BOOTSTRAP TOPIC SIZE COUNT ACKS CODEC   batched, as fast as it goes
//   bench_load single   BOOTSTRAP TOPIC SIZE COUNT [RATE]       one record a request, one request at a time; at most RATE a second
//   bench_load consume  BOOTSTRAP TOPIC COUNT
//   bench_load keyed    BOOTSTRAP TOPIC SIZE COUNT KEYS CODEC   batched, each record with one of so many keys
//   bench_load spread   BOOTSTRAP TOPIC SIZE PARTITIONS ROUNDS  one record to each partition, then again
//   bench_load latency  BOOTSTRAP TOPIC RATE SECONDS            from produce() to acknowledgement and to consume() at a steady rate
//   bench_load create   BOOTSTRAP TOPIC PARTITIONS [KEY=VALUE]… until every partition has a leader
//   bench_load alter    BOOTSTRAP TOPIC [KEY=VALUE]…            all of the topic's configs
//   bench_load delete   BOOTSTRAP TOPIC
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafkacpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using Settings = std::initializer_list<std::pair<const char*, std::string>>;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void require(RdKafka::ErrorCode code, const char* what) {
  if (code != RdKafka::ERR_NO_ERROR) throw std::runtime_error(std::string(what) + ": " + RdKafka::err2str(code));
}

std::unique_ptr<RdKafka::Conf> conf_of(const std::string& bootstrap, Settings settings) {
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  std::string error;
  conf->set("bootstrap.servers", bootstrap, error);
  for (const auto& [key, value] : settings) {
    if (conf->set(key, value, error) != RdKafka::Conf::CONF_OK) throw std::runtime_error(error);
  }
  return conf;
}

class Deliveries : public RdKafka::DeliveryReportCb {
 public:
  void dr_cb(RdKafka::Message& message) override {
    require(message.err(), "delivery");
    ++count;
  }
  long count = 0;
};

double milliseconds_since(const RdKafka::Message& sent_then) {
  Clock::rep sent = 0;
  std::memcpy(&sent, sent_then.payload(), sizeof(sent));
  return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch() - Clock::duration(sent)).count();
}

// Of records that begin with the time when they were sent. Several threads may poll.
class AcknowledgementTimes : public RdKafka::DeliveryReportCb {
 public:
  void dr_cb(RdKafka::Message& message) override {
    require(message.err(), "delivery");
    std::lock_guard lock(mutex_);
    milliseconds.push_back(milliseconds_since(message));
  }
  std::vector<double> milliseconds;

 private:
  std::mutex mutex_;
};

double percentile(std::vector<double>& values, double share) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<std::size_t>(share * static_cast<double>(values.size() - 1)));
}

// Text that lz4 shrinks to about a half.
std::string payload(std::size_t size, unsigned seed = 7) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < size) {
    text += "field" + std::to_string(random() % 10) + "=" + std::to_string(random()) + " ";
  }
  text.resize(size);
  return text;
}

void send(RdKafka::Producer& producer, const std::string& topic, std::string& value, const std::string& key = "",
          int partition = 0) {
  for (;;) {
    const auto code = producer.produce(topic, partition, RdKafka::Producer::RK_MSG_COPY, value.data(), value.size(),
                                       key.empty() ? nullptr : key.data(), key.size(), 0, nullptr);
    if (code == RdKafka::ERR_NO_ERROR) return;
    if (code != RdKafka::ERR__QUEUE_FULL) require(code, "produce");
    producer.poll(1);
  }
}

std::unique_ptr<RdKafka::Producer> producer_of(const std::unique_ptr<RdKafka::Conf>& conf) {
  std::string error;
  std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(conf.get(), error));
  if (!producer) throw std::runtime_error(error);
  return producer;
}

void produce(const std::string& bootstrap, const std::string& topic, std::size_t size, long count,
             const std::string& acks, const std::string& codec) {
  Deliveries deliveries;
  std::string error;
  const auto conf = conf_of(bootstrap, {{"acks", acks},
                                        {"compression.type", codec},
                                        {"linger.ms", "5"},
                                        {"batch.size", "65536"},
                                        {"batch.num.messages", "10000"},
                                        {"queue.buffering.max.messages", "500000"}});
  conf->set("dr_cb", &deliveries, error);
  const auto producer = producer_of(conf);
  std::string value = payload(size);
  send(*producer, topic, value);
  producer->flush(60'000);
  const auto start = Clock::now();
  for (long i = 0; i < count; ++i) {
    send(*producer, topic, value);
    if (i % 256 == 0) producer->poll(0);
  }
  producer->flush(300'000);
  const double elapsed = seconds_since(start);
  if (deliveries.count != count + 1) throw std::runtime_error("not everything was delivered");
  const double bytes = static_cast<double>(size) * static_cast<double>(count);
  std::printf("seconds=%.4f mb_per_s=%.2f records_per_s=%.0f\n", elapsed, bytes / elapsed / 1e6,
              static_cast<double>(count) / elapsed);
}

void keyed(const std::string& bootstrap, const std::string& topic, std::size_t size, long count, unsigned keys,
           const std::string& codec) {
  const auto producer = producer_of(conf_of(bootstrap, {{"acks", "1"},
                                                        {"compression.type", codec},
                                                        {"linger.ms", "5"},
                                                        {"batch.size", "65536"},
                                                        {"queue.buffering.max.messages", "500000"}}));
  // More values than a batch has records, so that they don't shrink each other.
  std::vector<std::string> values;
  for (unsigned seed = 0; seed < 1000; ++seed) values.push_back(payload(size, seed));
  std::mt19937 random(7);
  for (long i = 0; i < count; ++i) {
    send(*producer, topic, values[static_cast<std::size_t>(i) % values.size()], "user-" + std::to_string(random() % keys) + "-settings");
    if (i % 256 == 0) producer->poll(0);
  }
  require(producer->flush(300'000), "flush");
  std::printf("records=%ld\n", count);
}

void spread(const std::string& bootstrap, const std::string& topic, std::size_t size, int partitions, int rounds) {
  Deliveries deliveries;
  std::string error;
  const auto conf =
      conf_of(bootstrap, {{"acks", "all"}, {"linger.ms", "5"}, {"queue.buffering.max.messages", "500000"}});
  conf->set("dr_cb", &deliveries, error);
  const auto producer = producer_of(conf);
  std::string value = payload(size);
  const auto start = Clock::now();
  for (int round = 0; round < rounds; ++round) {
    for (int partition = 0; partition < partitions; ++partition) send(*producer, topic, value, "", partition);
    require(producer->flush(300'000), "flush");
  }
  if (deliveries.count != static_cast<long>(partitions) * rounds) throw std::runtime_error("not everything was delivered");
  const double elapsed = seconds_since(start);
  std::printf("seconds=%.4f records_per_s=%.0f\n", elapsed, static_cast<double>(deliveries.count) / elapsed);
}

void single(const std::string& bootstrap, const std::string& topic, std::size_t size, long count, long rate) {
  Deliveries deliveries;
  std::string error;
  const auto conf = conf_of(bootstrap, {{"acks", "1"}, {"linger.ms", "0"}, {"batch.num.messages", "1"}});
  conf->set("dr_cb", &deliveries, error);
  const auto producer = producer_of(conf);
  std::string value = payload(size);
  const auto start = Clock::now();
  for (long i = 0; i < count; ++i) {
    if (rate > 0) std::this_thread::sleep_until(start + std::chrono::microseconds(1'000'000 * i / rate));
    send(*producer, topic, value);
    while (deliveries.count <= i) producer->poll(100);
  }
  const double elapsed = seconds_since(start);
  std::printf("seconds=%.4f requests_per_s=%.0f\n", elapsed, static_cast<double>(count) / elapsed);
}

std::unique_ptr<RdKafka::KafkaConsumer> consumer_of(const std::string& bootstrap, const std::string& topic,
                                                    std::int64_t offset) {
  std::string error;
  const auto conf = conf_of(bootstrap, {{"group.id", "bench"},
                                        {"enable.auto.commit", "false"},
                                        {"fetch.wait.max.ms", "500"},
                                        {"queued.min.messages", "1000000"}});
  std::unique_ptr<RdKafka::KafkaConsumer> consumer(RdKafka::KafkaConsumer::create(conf.get(), error));
  if (!consumer) throw std::runtime_error(error);
  std::vector<RdKafka::TopicPartition*> assignment = {RdKafka::TopicPartition::create(topic, 0, offset)};
  require(consumer->assign(assignment), "assign");
  RdKafka::TopicPartition::destroy(assignment);
  return consumer;
}

void consume(const std::string& bootstrap, const std::string& topic, long count) {
  const auto consumer = consumer_of(bootstrap, topic, RdKafka::Topic::OFFSET_BEGINNING);
  double bytes = 0;
  Clock::time_point start;
  for (long seen = 0; seen < count;) {
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(1000));
    if (message->err() == RdKafka::ERR__TIMED_OUT) continue;
    require(message->err(), "consume");
    if (seen++ == 0) start = Clock::now();
    bytes += static_cast<double>(message->len());
  }
  const double elapsed = seconds_since(start);
  std::printf("seconds=%.4f mb_per_s=%.2f records_per_s=%.0f\n", elapsed, bytes / elapsed / 1e6,
              static_cast<double>(count) / elapsed);
  consumer->close();
}

void latency(const std::string& bootstrap, const std::string& topic, long rate, long seconds) {
  const long count = rate * seconds;
  std::vector<double> milliseconds;
  milliseconds.reserve(static_cast<std::size_t>(count));
  std::atomic<bool> ready = false;
  std::thread reader([&] {
    const auto consumer = consumer_of(bootstrap, topic, RdKafka::Topic::OFFSET_BEGINNING);
    for (long seen = 0; seen < count + 1;) {
      const std::unique_ptr<RdKafka::Message> message(consumer->consume(100));
      if (message->err() == RdKafka::ERR__TIMED_OUT) continue;
      require(message->err(), "consume");
      if (seen++ == 0) {
        ready = true;
      } else {
        milliseconds.push_back(milliseconds_since(*message));
      }
    }
    consumer->close();
  });
  AcknowledgementTimes acknowledged;
  std::string error;
  const auto conf = conf_of(bootstrap, {{"acks", "1"}, {"linger.ms", "0"}});
  conf->set("dr_cb", &acknowledged, error);
  const auto producer = producer_of(conf);
  std::string value = payload(200);
  const auto send_now = [&] {
    const auto now = Clock::now().time_since_epoch().count();
    std::memcpy(value.data(), &now, sizeof(now));
    send(*producer, topic, value);
  };
  // Acknowledgements are taken when they come, not when the next record goes.
  std::atomic<bool> done = false;
  std::thread poller([&] {
    while (!done) producer->poll(10);
  });
  send_now();
  while (!ready) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto start = Clock::now();
  for (long i = 0; i < count; ++i) {
    std::this_thread::sleep_until(start + std::chrono::microseconds(1'000'000 * i / rate));
    send_now();
  }
  done = true;
  poller.join();
  producer->flush(60'000);
  reader.join();
  std::vector<double>& answers = acknowledged.milliseconds;
  std::printf("p50_ms=%.3f p99_ms=%.3f p999_ms=%.3f ack_p50_ms=%.3f ack_p99_ms=%.3f\n", percentile(milliseconds, 0.5),
              percentile(milliseconds, 0.99), percentile(milliseconds, 0.999), percentile(answers, 0.5),
              percentile(answers, 0.99));
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs_from(const std::vector<std::string>& words, std::size_t first) {
  Pairs pairs;
  for (std::size_t i = first; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    pairs.emplace_back(words[i].substr(0, equals), words[i].substr(equals + 1));
  }
  return pairs;
}

void create(const std::string& bootstrap, const std::string& topic, int partitions, const Pairs& configs) {
  const auto producer = producer_of(conf_of(bootstrap, {}));
  rd_kafka_t* handle = producer->c_ptr();
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_metadata(handle, 0, nullptr, &metadata, 60'000);  // connected
  rd_kafka_metadata_destroy(metadata);
  char error[256];
  const auto start = Clock::now();
  rd_kafka_NewTopic_t* wanted = rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, error, sizeof(error));
  for (const auto& [key, value] : configs) rd_kafka_NewTopic_set_config(wanted, key.c_str(), value.c_str());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  rd_kafka_AdminOptions_t* options = rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_AdminOptions_set_operation_timeout(options, 120'000, error, sizeof(error));
  rd_kafka_AdminOptions_set_request_timeout(options, 180'000, error, sizeof(error));
  rd_kafka_CreateTopics(handle, &wanted, 1, options, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 180'000);
  std::size_t count = 0;
  const auto** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  require(static_cast<RdKafka::ErrorCode>(count == 1 ? rd_kafka_topic_result_error(results[0])
                                                     : rd_kafka_event_error(event)),
          "create");
  const double answered = seconds_since(start);
  rd_kafka_event_destroy(event);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(wanted);
  rd_kafka_topic_t* named = rd_kafka_topic_new(handle, topic.c_str(), nullptr);
  for (int led = 0; led < partitions;) {
    if (rd_kafka_metadata(handle, 0, named, &metadata, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    led = 0;
    for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) {
      led += metadata->topics[0].partitions[i].leader >= 0 ? 1 : 0;
    }
    rd_kafka_metadata_destroy(metadata);
  }
  std::printf("seconds=%.4f answered=%.4f\n", seconds_since(start), answered);
  rd_kafka_topic_destroy(named);
}

void alter(const std::string& bootstrap, const std::string& topic, const Pairs& configs) {
  const auto producer = producer_of(conf_of(bootstrap, {}));
  rd_kafka_ConfigResource_t* resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
  for (const auto& [key, value] : configs) rd_kafka_ConfigResource_set_config(resource, key.c_str(), value.c_str());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(producer->c_ptr());
  rd_kafka_AlterConfigs(producer->c_ptr(), &resource, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 60'000);
  require(static_cast<RdKafka::ErrorCode>(rd_kafka_event_error(event)), "alter");
  std::size_t count = 0;
  const auto** altered = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    require(static_cast<RdKafka::ErrorCode>(rd_kafka_ConfigResource_error(altered[i])), "alter");
  }
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_ConfigResource_destroy(resource);
  std::printf("altered=%zu\n", count);
}

void remove(const std::string& bootstrap, const std::string& topic) {
  const auto producer = producer_of(conf_of(bootstrap, {}));
  rd_kafka_DeleteTopic_t* named = rd_kafka_DeleteTopic_new(topic.c_str());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(producer->c_ptr());
  rd_kafka_DeleteTopics(producer->c_ptr(), &named, 1, nullptr, queue);
  rd_kafka_event_destroy(rd_kafka_queue_poll(queue, 120'000));
  rd_kafka_queue_destroy(queue);
  rd_kafka_DeleteTopic_destroy(named);
  std::printf("deleted=1\n");
}

int run(const std::vector<std::string>& words) {
  const std::string& mode = words[0];
  const auto number = [&](std::size_t index) { return std::stol(words.at(index)); };
  if (mode == "produce") {
    produce(words[1], words[2], static_cast<std::size_t>(number(3)), number(4), words.at(5), words.at(6));
  } else if (mode == "single") {
    single(words[1], words[2], static_cast<std::size_t>(number(3)), number(4), words.size() > 5 ? number(5) : 0);
  } else if (mode == "consume") {
    consume(words[1], words[2], number(3));
  } else if (mode == "latency") {
    latency(words[1], words[2], number(3), number(4));
  } else if (mode == "create") {
    create(words[1], words[2], static_cast<int>(number(3)), pairs_from(words, 4));
  } else if (mode == "alter") {
    alter(words[1], words[2], pairs_from(words, 3));
  } else if (mode == "keyed") {
    keyed(words[1], words[2], static_cast<std::size_t>(number(3)), number(4), static_cast<unsigned>(number(5)), words.at(6));
  } else if (mode == "spread") {
    spread(words[1], words[2], static_cast<std::size_t>(number(3)), static_cast<int>(number(4)), static_cast<int>(number(5)));
  } else if (mode == "delete") {
    remove(words[1], words[2]);
  } else {
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  try {
    return bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
