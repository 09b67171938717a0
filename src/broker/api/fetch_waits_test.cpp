// Fetch through the dispatcher, over a real log: long polls, and sessions.
#include <gtest/gtest.h>

#include <thread>

#include "broker/api/testing/data_path.h"

namespace broker::api {
namespace {

using namespace protocol;
using testing::batch_of;
using testing::DataPath;
using testing::fetch_request;
using testing::produce_request;
using testing::TestBroker;

TEST_F(DataPath, LongPollWakesWhenDataArrives) {
  broker.add_topic("t", 2);
  FetchRequest request = fetch_request("t", 0);
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions[1].partition = 1;
  request.max_wait_ms = 30'000;
  std::optional<Reply> reply;
  auto done = [&](const std::exception_ptr&, Reply answer) { reply = std::move(answer); };
  boost::asio::co_spawn(
      broker.loop, broker.dispatcher.serve(broker.connection, TestBroker::framed(TestBroker::frame_of(request, 12))).task(),
      done);
  broker.loop.poll();
  EXPECT_FALSE(reply);
  std::thread producer([&] {
    base::Bytes batch = batch_of({"x"});
    EXPECT_TRUE(broker.manager.find("t", 1)->append(batch, {.acks = 1, .now_ms = 1, .verification_guard = {}}).ok());
  });
  while (!reply) broker.loop.run_one();
  producer.join();
  auto response = broker.read<FetchResponse>(*reply, 12);
  EXPECT_EQ(response.responses[0].partitions[0].records.size(), 0u);
  EXPECT_GT(response.responses[0].partitions[1].records.size(), 0u);
}

class ParkedFetchTest : public DataPath {
 protected:
  void send(const FetchRequest& request) {
    boost::asio::co_spawn(
        broker.loop,
        broker.dispatcher.serve(broker.connection, TestBroker::framed(TestBroker::frame_of(request, 12))).task(),
        [this](const std::exception_ptr&, Reply answer) { replies.push_back(std::move(answer)); });
    broker.loop.restart();
    broker.loop.poll();
  }
  std::vector<Reply> replies;
};

// In Kafka 3.9.2 what doesn't exist is told beside what was waited for; if nothing else is asked it is told at once.
TEST_F(ParkedFetchTest, UnknownPartitionsDoNotCutTheWait) {
  broker.add_topic("t");
  FetchRequest request = fetch_request("t", 0);
  request.max_wait_ms = 30'000;
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions[1].partition = 7;
  send(request);
  EXPECT_TRUE(replies.empty());
  broker.through = &broker.another;
  produce(produce_request("t", batch_of({"x"}), 1));
  while (replies.empty()) broker.loop.run_one();
  const auto answered = broker.read<FetchResponse>(replies[0], 12);
  EXPECT_GT(answered.responses[0].partitions.at(0).records.size(), 0u);
  EXPECT_EQ(answered.responses[0].partitions.at(1).error_code, ErrorCode::unknown_topic_or_partition);
  request.topics[0].partitions.erase(request.topics[0].partitions.begin());
  send(request);
  EXPECT_EQ(replies.size(), 2u);
}

TEST_F(ParkedFetchTest, IsOneAndEndsWithTheConnection) {
  broker.add_topic("t");
  FetchRequest request = fetch_request("t", 0);
  request.max_wait_ms = INT32_MAX;
  ParkedFetch& parked = broker.connection.parked_fetch;
  send(request);
  send(request);
  EXPECT_TRUE(replies.empty());
  EXPECT_TRUE(parked.is_there());
  EXPECT_GT(broker.connection.turns.waiting_bytes(), 0u) << "the second comes after the first";
  parked.give_up();
  broker.loop.restart();
  broker.loop.run();  // nothing is left that waits for its time
  EXPECT_EQ(replies.size(), 2u);
  EXPECT_FALSE(parked.is_there());
  send(request);
  EXPECT_EQ(replies.size(), 3u);
}

// What lies in a segment that won't grow is never enough, however long one waits; nor does what doesn't fit become smaller.
TEST_F(ParkedFetchTest, IsNotWhatNothingCanBeAddedTo) {
  broker.topic_settings.log.segment_bytes = 1000;
  broker.add_topic("rolled");
  const std::string value(700, 'x');
  for (int i = 0; i < 3; ++i) produce(produce_request("rolled", batch_of({value}), 1));
  FetchRequest request = fetch_request("rolled", 0);
  request.max_wait_ms = 30'000;
  request.min_bytes = 5000;
  send(request);
  ASSERT_EQ(replies.size(), 1u);
  const std::size_t bytes = broker.read<FetchResponse>(replies[0], 12).responses.at(0).partitions.at(0).records.size();
  EXPECT_GT(bytes, 700u);
  EXPECT_LT(bytes, 1400u);

  request.topics[0].partitions[0].fetch_offset = 2;  // the last segment, which may grow
  send(request);
  EXPECT_EQ(replies.size(), 1u);
  broker.connection.parked_fetch.give_up();
  broker.loop.restart();
  broker.loop.run();
  ASSERT_EQ(replies.size(), 2u);
}

TEST_F(ParkedFetchTest, IsNotWhatHasEnoughThatDoesNotFit) {
  broker.add_topic("large", 2);
  produce(produce_request("large", batch_of({"x"}), 1));
  produce(produce_request("large", batch_of({std::string(9000, 'x')}), 1, 1));
  FetchRequest request = fetch_request("large", 0);
  request.topics[0].partitions.push_back(request.topics[0].partitions[0]);
  request.topics[0].partitions[1].partition = 1;
  request.topics[0].partitions[1].partition_max_bytes = 6000;
  request.max_wait_ms = 30'000;
  request.min_bytes = 5000;
  send(request);
  ASSERT_EQ(replies.size(), 1u);
  const auto answer = broker.read<FetchResponse>(replies[0], 12);
  EXPECT_GT(answer.responses.at(0).partitions.at(0).records.size(), 0u);
  EXPECT_EQ(answer.responses.at(0).partitions.at(1).records.size(), 0u) << "not the first, and too large";
}

// Its time begins when it is served.
TEST_F(ParkedFetchTest, WhatWaitsBehindItHasItsOwnTime) {
  broker.add_topic("t");
  FetchRequest request = fetch_request("t", 0);
  request.max_wait_ms = 20;
  send(request);
  request.max_wait_ms = 30'000;
  send(request);
  while (replies.empty()) broker.loop.run_one();
  broker.loop.restart();
  broker.loop.poll();
  EXPECT_EQ(replies.size(), 1u);
  EXPECT_TRUE(broker.connection.parked_fetch.is_there());
  broker.connection.parked_fetch.give_up();
}

TEST_F(DataPath, LongPollEndsWithItsTimeOrItsPartition) {
  base::Uuid id = broker.add_topic("t");
  FetchRequest request = fetch_request("t", 0);
  request.max_wait_ms = 30;
  EXPECT_EQ(fetch(request).responses[0].partitions[0].error_code, ErrorCode::none);
  request.max_wait_ms = 30'000;
  std::optional<Reply> reply;
  auto done = [&](const std::exception_ptr&, Reply answer) { reply = std::move(answer); };
  boost::asio::co_spawn(
      broker.loop, broker.dispatcher.serve(broker.connection, TestBroker::framed(TestBroker::frame_of(request, 12))).task(),
      done);
  broker.loop.restart();
  broker.loop.poll();
  broker.manager.stop({{"t", id, 0}}, true);
  while (!reply) broker.loop.run_one();
  EXPECT_EQ(broker.read<FetchResponse>(*reply, 12).responses[0].partitions[0].error_code,
            ErrorCode::unknown_topic_or_partition);
}

TEST_F(DataPath, IncrementalSessionTellsOnlyNews) {
  broker.add_topic("t", 2);
  FetchRequest full = fetch_request("t", 0);
  full.topics[0].partitions.push_back(full.topics[0].partitions[0]);
  full.topics[0].partitions[1].partition = 1;
  full.session_epoch = 0;
  FetchResponse created = fetch(full);
  ASSERT_NE(created.session_id, 0);
  EXPECT_EQ(created.responses[0].partitions.size(), 2u);

  FetchRequest next;
  next.min_bytes = 1;
  next.session_id = created.session_id;
  next.session_epoch = 1;
  FetchResponse quiet = fetch(next);
  EXPECT_EQ(quiet.session_id, created.session_id);
  EXPECT_TRUE(quiet.responses.empty());

  produce(produce_request("t", batch_of({"x"}), 1, 1));
  next.session_epoch = 2;
  FetchResponse news = fetch(next);
  ASSERT_EQ(news.responses.size(), 1u);
  ASSERT_EQ(news.responses[0].partitions.size(), 1u);
  EXPECT_EQ(news.responses[0].partitions[0].partition_index, 1);

  next.session_epoch = 2;  // said again
  EXPECT_EQ(fetch(next).error_code, ErrorCode::invalid_fetch_session_epoch);
  next.session_id += 1;
  EXPECT_EQ(fetch(next).error_code, ErrorCode::fetch_session_id_not_found);
  next.session_id = created.session_id;
  next.session_epoch = 3;
  EXPECT_EQ(fetch(next, 13).error_code, ErrorCode::fetch_session_topic_id_error);

  auto& forgotten = next.forgotten_topics_data.emplace_back();
  forgotten.topic = "t";
  forgotten.partitions = {0, 1};
  FetchResponse gone = fetch(next);
  EXPECT_EQ(gone.session_id, 0);
  EXPECT_EQ(broker.fetch_sessions.size(), 0u);
}

TEST_F(DataPath, SessionsAreBoundedAndEndWithTheFinalEpoch) {
  broker.add_topic("t");
  FetchRequest full = fetch_request("t", 0);
  full.session_epoch = 0;
  std::int32_t first = fetch(full).session_id;
  EXPECT_NE(first, 0);
  EXPECT_NE(fetch(full).session_id, 0);
  EXPECT_EQ(fetch(full).session_id, 0);  // the test broker has two slots
  full.session_id = first;
  full.session_epoch = -1;
  EXPECT_EQ(fetch(full).session_id, 0);
  EXPECT_EQ(broker.fetch_sessions.size(), 1u);
}

}  // namespace
}  // namespace broker::api
