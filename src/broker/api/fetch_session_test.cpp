// Sessions are kept for clients that say what is in them: how much they may take.
#include "broker/api/fetch_session.h"

#include <gtest/gtest.h>

namespace broker::api {
namespace {

using protocol::ErrorCode;
using protocol::FetchRequest;
using protocol::FetchResponse;

constexpr std::int16_t kVersion = 12;

class FetchSessionsTest : public ::testing::Test {
 protected:
  static FetchRequest request_of(std::int32_t first, std::int32_t partitions) {
    FetchRequest request;
    request.session_epoch = 0;
    FetchRequest::FetchTopic& topic = request.topics.emplace_back();
    topic.topic = "t";
    for (std::int32_t i = 0; i < partitions; ++i) topic.partitions.emplace_back().partition = first + i;
    return request;
  }
  // As the handler does it, with this answer for each partition.
  FetchResponse fetch(const FetchRequest& request, ErrorCode error = ErrorCode::none) {
    FetchResponse response;
    const FetchPlan plan = sessions_.plan(kVersion, request, now_ms_);
    response.error_code = plan.error;
    if (plan.error != ErrorCode::none) return response;
    std::vector<FetchResponse::PartitionData> answers(plan.targets.size());
    for (auto& each : answers) each.error_code = error;
    std::vector<bool> included;
    sessions_.finish(plan, answers, now_ms_, response, included);
    return response;
  }
  FetchResponse fetch_more(std::int32_t session_id, std::int32_t epoch, FetchRequest more,
                           ErrorCode error = ErrorCode::none) {
    more.session_id = session_id;
    more.session_epoch = epoch;
    return fetch(more, error);
  }

  std::int64_t now_ms_ = 1'000'000;
  FetchSessions sessions_{1000, 1'000'000};
};

TEST_F(FetchSessionsTest, NoneForManyPartitionsThatDoNotExist) {
  const auto most = static_cast<std::int32_t>(FetchSessions::kUnknownMax);
  EXPECT_NE(fetch(request_of(0, most), ErrorCode::unknown_topic_or_partition).session_id, 0);
  EXPECT_EQ(fetch(request_of(0, most + 1), ErrorCode::unknown_topic_or_partition).session_id, 0);
  EXPECT_EQ(fetch(request_of(0, most + 1), ErrorCode::unknown_topic_id).session_id, 0);
  EXPECT_NE(fetch(request_of(0, most + 1)).session_id, 0);
  EXPECT_EQ(sessions_.size(), 2u);
}

TEST_F(FetchSessionsTest, OneThatGetsManyPartitionsThatDoNotExistEnds) {
  const std::int32_t id = fetch(request_of(0, 1)).session_id;
  const FetchResponse last = fetch_more(id, 1, request_of(1, 1000), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(last.error_code, ErrorCode::none);
  EXPECT_EQ(last.session_id, 0);
  EXPECT_EQ(sessions_.size(), 0u);
}

TEST_F(FetchSessionsTest, AllTogetherAreBounded) {
  int made = 0;
  while (made < 100 && fetch(request_of(0, 1000)).session_id != 0) ++made;
  EXPECT_GT(made, 1);
  EXPECT_LT(made, 10);
  const std::int32_t small = fetch(request_of(0, 1)).session_id;
  EXPECT_NE(small, 0);
  now_ms_ += FetchSessions::kEvictionMs + 1;
  EXPECT_NE(fetch(request_of(0, 1000)).session_id, 0) << "in the place of one that nobody uses";
  EXPECT_EQ(fetch(request_of(0, 10'000)).session_id, 0) << "larger than all";
}

TEST_F(FetchSessionsTest, OneThatGrowsTooLargeEnds) {
  const std::int32_t id = fetch(request_of(0, 10)).session_id;
  EXPECT_EQ(fetch_more(id, 1, request_of(10, 990)).session_id, id);
  EXPECT_EQ(fetch_more(id, 2, request_of(1000, 10'000)).error_code, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(sessions_.size(), 0u);
  EXPECT_NE(fetch(request_of(0, 1000)).session_id, 0) << "its place is free again";
}

TEST_F(FetchSessionsTest, WhatIsForgottenTakesNoPlace) {
  const std::int32_t id = fetch(request_of(0, 1)).session_id;
  for (std::int32_t epoch = 1; epoch < 50; ++epoch) {
    FetchRequest next = request_of(epoch * 1000, 1000);
    FetchRequest::ForgottenTopic& forgotten = next.forgotten_topics_data.emplace_back();
    forgotten.topic = "t";
    for (std::int32_t i = 0; i < 1000; ++i) forgotten.partitions.push_back((epoch - 1) * 1000 + i);
    ASSERT_EQ(fetch_more(id, epoch, std::move(next)).session_id, id) << epoch;
  }
}

// As in Kafka 3.9.2: what a request asks for is answered, even if it forgets that itself.
TEST_F(FetchSessionsTest, OneThatForgetsEverythingIsAnsweredWithoutASession) {
  FetchRequest last = request_of(1, 2);
  last.session_id = fetch(request_of(0, 1)).session_id;
  last.session_epoch = 1;
  FetchRequest::ForgottenTopic& forgotten = last.forgotten_topics_data.emplace_back();
  forgotten.topic = "t";
  forgotten.partitions = {0, 1, 2};
  const FetchPlan plan = sessions_.plan(kVersion, last, now_ms_);
  EXPECT_EQ(plan.error, ErrorCode::none);
  EXPECT_EQ(plan.session, nullptr);
  EXPECT_FALSE(plan.may_create);
  ASSERT_EQ(plan.targets.size(), 2U);
  EXPECT_EQ(plan.targets[1].partition, 2);
  EXPECT_EQ(fetch(last).error_code, ErrorCode::fetch_session_id_not_found);
}

}  // namespace
}  // namespace broker::api
