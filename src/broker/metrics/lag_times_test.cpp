#include "broker/metrics/lag_times.h"

#include <gtest/gtest.h>

#include "log/testing/log_fixture.h"

namespace broker::metrics {
namespace {

using storage::testing::BatchFields;
using storage::testing::LogFixture;

constexpr std::int64_t kStart = 1'700'000'000'000;  // of a first record; each is a millisecond later than the last

class LagTimesTest : public LogFixture {
 protected:
  LagTimesTest() { open(); }
  LagQuestion question(std::int64_t offset) {
    LagQuestion question;
    question.log = log_;
    question.offset = offset;
    return question;
  }
  void append_at(std::int64_t timestamp, const std::vector<std::string>& values,
                 base::Codec codec = base::Codec::none) {
    BatchFields fields;
    fields.timestamp = timestamp;
    fields.codec = codec;
    ASSERT_TRUE(append(values, fields).ok());
  }
};

TEST_F(LagTimesTest, OfEachRecordOfABatch) {
  append_at(kStart, {"a", "b", "c"});
  append_at(kStart + 1000, {"d", "e"}, base::Codec::zstd);
  EXPECT_EQ(timestamp_at(log(), 0), kStart);
  EXPECT_EQ(timestamp_at(log(), 1), kStart + 1);
  EXPECT_EQ(timestamp_at(log(), 2), kStart + 2);
  EXPECT_EQ(timestamp_at(log(), 3), kStart + 1000);
  EXPECT_EQ(timestamp_at(log(), 4), kStart + 1001);
  EXPECT_EQ(timestamp_at(log(), 5), std::nullopt);  // nobody wrote it yet
  EXPECT_EQ(timestamp_at(log(), 6), std::nullopt);
}

TEST_F(LagTimesTest, BelowTheHighWatermarkOnly) {
  append_at(kStart, {"a"});
  append_at(kStart + 1000, {"b"});
  log().update_high_watermark(1);
  EXPECT_EQ(timestamp_at(log(), 0), kStart);
  EXPECT_EQ(timestamp_at(log(), 1), std::nullopt);
}

TEST_F(LagTimesTest, WhatWasDeletedIsPassedOver) {
  append_at(kStart, {"a", "b"});
  append_at(kStart + 1000, {"c"});
  ASSERT_EQ(log().delete_records(1).value(), 1);
  EXPECT_EQ(timestamp_at(log(), 0), kStart + 1);
}

TEST_F(LagTimesTest, HolesOfCompactionArePassedOver) {
  protocol::RecordBatchBuilder builder;  // of 0 to 9 only 0 and 5 are left
  for (const std::int32_t delta : {0, 5}) {
    protocol::NewRecord record;
    record.value = base::as_bytes("x");
    record.timestamp = kStart + delta;
    builder.append_at(delta, record);
  }
  builder.header.last_offset_delta = 9;
  base::Bytes batch = builder.build();
  ASSERT_TRUE(log().append_as_follower(batch).ok());
  log().update_high_watermark(log().log_end_offset());
  const std::int64_t next = log().log_end_offset();
  append_at(kStart + 1000, {"y"});
  EXPECT_EQ(timestamp_at(log(), 1), kStart + 5);
  EXPECT_EQ(timestamp_at(log(), 5), kStart + 5);
  EXPECT_EQ(timestamp_at(log(), 6), kStart + 1000);
  EXPECT_EQ(timestamp_at(log(), next), kStart + 1000);
}

TEST_F(LagTimesTest, RemembersWhatIsAskedForAgainAndForgetsTheRest) {
  append_at(kStart, {"a", "b", "c"});
  LagTimes times;
  std::vector<LagQuestion> questions = {question(0), question(2), question(2)};
  times.answer(questions);
  EXPECT_EQ(questions[0].timestamp, kStart);
  EXPECT_EQ(questions[1].timestamp, kStart + 2);
  EXPECT_EQ(questions[2].timestamp, kStart + 2);
  EXPECT_EQ(times.remembered(), 2u);
  log().close();  // can't be read any more
  questions = {question(2), question(1)};
  times.answer(questions);
  EXPECT_EQ(questions[0].timestamp, kStart + 2);
  EXPECT_EQ(questions[1].timestamp, std::nullopt);
  EXPECT_EQ(times.remembered(), 2u);
  questions.clear();
  times.answer(questions);
  EXPECT_EQ(times.remembered(), 0u);
}

TEST_F(LagTimesTest, OutOfTimeTheNextRoundGoesOn) {
  append_at(kStart, {"a", "b", "c"});
  LagTimes times{std::chrono::milliseconds(0)};  // one in each round
  for (std::size_t round = 1; round <= 3; ++round) {
    std::vector<LagQuestion> questions = {question(0), question(1), question(2)};
    times.answer(questions);
    std::size_t answered = 0;
    for (const LagQuestion& each : questions) answered += each.timestamp.has_value();
    EXPECT_EQ(answered, round);
  }
}

}  // namespace
}  // namespace broker::metrics
