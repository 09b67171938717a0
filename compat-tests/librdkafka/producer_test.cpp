// An idempotent producer: every record arrives once and in order.
#include <gtest/gtest.h>

#include <string>

#include "client.h"

namespace compat {
namespace {

constexpr int kPartitions = 4;

class Deliveries : public RdKafka::DeliveryReportCb {
 public:
  void dr_cb(RdKafka::Message& message) override {
    if (message.err() == RdKafka::ERR_NO_ERROR) {
      ++delivered;
    } else {
      ++failed;
    }
  }

  int delivered = 0;
  int failed = 0;
};

void produce(RdKafka::Producer& producer, const std::string& topic, int count) {
  for (int i = 0; i < count; ++i) {
    std::string value = std::to_string(i);
    for (;;) {
      const auto code = producer.produce(topic, i % kPartitions, RdKafka::Producer::RK_MSG_COPY, value.data(),
                                         value.size(), nullptr, 0, 0, nullptr);
      if (code == RdKafka::ERR_NO_ERROR) break;
      ASSERT_EQ(code, RdKafka::ERR__QUEUE_FULL) << RdKafka::err2str(code);
      producer.poll(10);
    }
    if (i % 1000 == 0) producer.poll(0);
  }
  producer.flush(240'000);
}

void consume_and_check(const std::string& topic, int count) {
  const auto consumer = make_consumer(bootstrap_servers(), "unused", {});
  assign_from_beginning(*consumer, topic, kPartitions);
  int next[kPartitions] = {0, 1, 2, 3};
  std::int64_t offsets[kPartitions] = {};
  for (int seen = 0; seen < count;) {
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(1000));
    if (message->err() == RdKafka::ERR__TIMED_OUT) continue;
    ASSERT_EQ(message->err(), RdKafka::ERR_NO_ERROR) << message->errstr();
    const int partition = message->partition();
    const std::string value(static_cast<const char*>(message->payload()), message->len());
    ASSERT_EQ(value, std::to_string(next[partition])) << "partition " << partition;
    ASSERT_EQ(message->offset(), offsets[partition]++);
    next[partition] += kPartitions;
    ++seen;
  }
  for (int i = 0; i < kPartitions; ++i) {
    std::int64_t low = -1;
    std::int64_t high = -1;
    require(consumer->query_watermark_offsets(topic, i, &low, &high, 30'000), "watermarks");
    EXPECT_EQ(low, 0);
    EXPECT_EQ(high, offsets[i]) << "nothing was written twice";
  }
  consumer->close();
}

TEST(IdempotentProducer, MillionRecordsOnceAndInOrder) {
  const int count = scaled(1'000'000);
  const std::string topic = "million";
  create_topic(bootstrap_servers(), topic, kPartitions);
  Deliveries deliveries;
  const auto producer =
      make_producer(bootstrap_servers(),
                    {{"enable.idempotence", "true"}, {"linger.ms", "5"}, {"compression.type", "lz4"}}, {&deliveries});
  produce(*producer, topic, count);
  EXPECT_EQ(deliveries.delivered, count);
  EXPECT_EQ(deliveries.failed, 0);
  consume_and_check(topic, count);
}

TEST(Producer, WithoutAcknowledgement) {
  const std::string topic = "acks-0";
  create_topic(bootstrap_servers(), topic, kPartitions);
  Deliveries deliveries;
  const auto producer = make_producer(bootstrap_servers(), {{"acks", "0"}}, {&deliveries});
  const int count = scaled(20'000);
  produce(*producer, topic, count);
  EXPECT_EQ(deliveries.delivered, count);
  consume_and_check(topic, count);
}

TEST(Producer, TooLargeRecordIsRefusedAndTheNextOneArrives) {
  const std::string topic = "large";
  create_topic(bootstrap_servers(), topic, kPartitions);
  Deliveries deliveries;
  const auto producer =
      make_producer(bootstrap_servers(), {{"message.max.bytes", "10000000"}, {"linger.ms", "0"}}, {&deliveries});
  std::string large(2'000'000, 'x');
  require(
      producer->produce(topic, 0, RdKafka::Producer::RK_MSG_COPY, large.data(), large.size(), nullptr, 0, 0, nullptr),
      "large");
  producer->flush(60'000);
  EXPECT_EQ(deliveries.failed, 1);
  std::string small = "0";
  require(
      producer->produce(topic, 0, RdKafka::Producer::RK_MSG_COPY, small.data(), small.size(), nullptr, 0, 0, nullptr),
      "small");
  producer->flush(60'000);
  EXPECT_EQ(deliveries.delivered, 1);
  consume_and_check(topic, 1);
}

}  // namespace
}  // namespace compat
