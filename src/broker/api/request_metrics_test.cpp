#include "broker/api/request_metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "broker/api/error_counts.h"
#include "protocol/messages/create_topics.h"
#include "protocol/messages/fetch.h"
#include "protocol/messages/find_coordinator.h"
#include "protocol/messages/metadata.h"
#include "protocol/messages/produce.h"

namespace broker::api {
namespace {

using protocol::ErrorCode;

template <class Response>
std::map<ErrorCode, int> codes_of(const Response& response, std::int16_t version) {
  std::map<ErrorCode, int> codes;
  visit_error_codes(response, version, [&codes](ErrorCode code) { ++codes[code]; });
  return codes;
}

TEST(ErrorCounts, OfTopicsAndPartitions) {
  protocol::ProduceResponse produce;
  auto& topic = produce.responses.emplace_back();
  topic.partition_responses.resize(3);
  topic.partition_responses[1].error_code = ErrorCode::message_too_large;
  EXPECT_EQ(codes_of(produce, 9), (std::map<ErrorCode, int>{{ErrorCode::none, 2}, {ErrorCode::message_too_large, 1}}));
}

TEST(ErrorCounts, OnlyWhatTheVersionHas) {
  protocol::FetchResponse fetch;
  fetch.error_code = ErrorCode::fetch_session_id_not_found;
  fetch.responses.emplace_back().partitions.emplace_back();
  EXPECT_EQ(codes_of(fetch, 12),
            (std::map<ErrorCode, int>{{ErrorCode::none, 1}, {ErrorCode::fetch_session_id_not_found, 1}}));
  EXPECT_EQ(codes_of(fetch, 6), (std::map<ErrorCode, int>{{ErrorCode::none, 2}}));  // no code of its own before v7
  protocol::FindCoordinatorResponse found;
  found.error_code = ErrorCode::coordinator_not_available;
  found.coordinators.resize(2);
  EXPECT_EQ(codes_of(found, 3), (std::map<ErrorCode, int>{{ErrorCode::coordinator_not_available, 1}}));
  EXPECT_EQ(codes_of(found, 4), (std::map<ErrorCode, int>{{ErrorCode::none, 2}}));
}

TEST(ErrorCounts, NotOfConfigsThatWereCreated) {
  protocol::CreateTopicsResponse created;
  auto& topic = created.topics.emplace_back();
  topic.error_code = ErrorCode::topic_already_exists;
  topic.topic_config_error_code = ErrorCode::topic_authorization_failed;
  EXPECT_EQ(codes_of(created, 7), (std::map<ErrorCode, int>{{ErrorCode::topic_already_exists, 1}}));
}

TEST(RequestMetrics, AddsUpWhatAllThreadsCounted) {
  RequestMetrics metrics(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&metrics] {
      for (std::uint64_t n = 1; n <= 100; ++n) {
        metrics.count_request(2, 7, 10, n);
        metrics.count_error(2, ErrorCode::unknown_server_error);
      }
      metrics.count_request(2, 99, 0, 0);  // no version has this number
      metrics.count_error(2, static_cast<ErrorCode>(12'345));
    });
  }
  for (std::thread& each : threads) each.join();
  const RequestTotals totals = metrics.totals(2);
  EXPECT_EQ(totals.requests[7], 2000u);
  EXPECT_EQ(totals.count, 2020u);
  EXPECT_EQ(totals.request_bytes, 20'000u);
  EXPECT_EQ(totals.microseconds, 20u * 5050u);
  EXPECT_EQ(totals.errors[0], 2020u);
  EXPECT_EQ(totals.times.total(), 2020u);
  EXPECT_NEAR(totals.times.quantile(0.5), 50, 6);
  EXPECT_EQ(metrics.totals(0).count, 0u);
}

}  // namespace
}  // namespace broker::api
