// DescribeConfigs and DescribeLogDirs: what may take long, or is asked for again and again.
#include "protocol/messages/describe_configs.h"

#include <gtest/gtest.h>

#include "broker/api/testing/test_services.h"
#include "broker/partition/read_ahead.h"
#include "protocol/messages/describe_log_dirs.h"
#include "protocol/messages/list_config_resources.h"

namespace broker::api {
namespace {

using protocol::DescribeConfigsRequest;
using protocol::DescribeConfigsResponse;
using protocol::ErrorCode;
using testing::TestBroker;

DescribeConfigsRequest::DescribeConfigsResource resource(std::int8_t type, std::string_view name) {
  DescribeConfigsRequest::DescribeConfigsResource made;
  made.resource_type = type;
  made.resource_name = name;
  return made;
}

TEST(DescribeConfigs, RepeatedResourcesAreAnsweredButNotForEver) {
  TestBroker broker;
  broker.add_topic("t");
  DescribeConfigsRequest request;
  request.resources.assign(1000, resource(4, "1"));
  request.resources.insert(request.resources.begin(), resource(2, "t"));
  const auto response = broker.ask<DescribeConfigsResponse>(request, 0);
  ASSERT_EQ(response->results.size(), 1001u);
  std::size_t answered = 0;
  for (const auto& each : response->results) {
    answered += each.error_code == ErrorCode::none;
    EXPECT_EQ(each.configs.empty(), each.error_code == ErrorCode::invalid_request);
  }
  EXPECT_EQ(answered, 102u);  // the topic, the broker, and the broker again
}

TEST(DescribeConfigs, KeysThatAreWanted) {
  TestBroker broker;
  broker.add_topic("t");
  DescribeConfigsRequest request;
  request.resources.push_back(resource(2, "t"));
  request.resources[0].configuration_keys = {"segment.ms", "none.such", "cleanup.policy", "segment.ms"};
  request.resources.push_back(resource(2, "t"));
  request.resources[1].configuration_keys.emplace();  // as Kafka: all of them
  const auto response = broker.ask<DescribeConfigsResponse>(request, 4);
  EXPECT_EQ(response->results.at(0).configs.size(), 2u);
  EXPECT_GT(response->results.at(1).configs.size(), 20u);
}

// As of Kafka 3.9.2: then nothing is said of the others either.
TEST(DescribeConfigs, AResourceOfNoTypeIsRefusedWithAllOthers) {
  TestBroker broker;
  broker.add_topic("t");
  DescribeConfigsRequest request;
  request.resources.push_back(resource(2, "t"));
  request.resources.push_back(resource(1, "t"));
  const auto response = broker.ask<DescribeConfigsResponse>(request, 4);
  ASSERT_EQ(response->results.size(), 2u);
  for (const auto& result : response->results) {
    EXPECT_EQ(result.error_code, protocol::ErrorCode::invalid_request);
    EXPECT_TRUE(result.configs.empty());
  }
}

TEST(DescribeLogDirs, AsksNoVolumeOnTheEventLoop) {
  TestBroker broker;
  broker.add_topic("t");
  protocol::DescribeLogDirsRequest request;
  request.topics.reset();
  EXPECT_FALSE(
      broker.dispatcher.serve(broker.connection, TestBroker::framed(TestBroker::frame_of(request, 4))).is_there());
  ConnectionInfo other{"127.0.0.1:6", "/127.0.0.1", "PLAINTEXT"};
  std::optional<Reply> reply;
  boost::asio::co_spawn(
      broker.loop, broker.dispatcher.serve(other, TestBroker::framed(TestBroker::frame_of(request, 4))).task(),
      [&reply](const std::exception_ptr&, Reply answer) { reply = std::move(answer); });
  while (!reply && broker.loop.run_one() > 0) {
  }
  const auto response = broker.read<protocol::DescribeLogDirsResponse>(*reply, 4);
  EXPECT_GT(response.results.at(0).total_bytes, 0);
  EXPECT_EQ(response.results.at(0).topics.size(), 1u);
  partition::wait_until_nothing_runs_aside();
}

// As of Kafka 4.3.1, whose kafka-configs asks for it when no entity is named.
TEST(ListConfigResources, OfTheTypesThatAreWanted) {
  TestBroker broker;
  broker.add_topic("t");
  broker.add_topic("u");
  broker.cluster.groups_with_configs = {"g"};
  const auto list = [&broker](std::vector<std::int8_t> types, std::int16_t version) {
    protocol::ListConfigResourcesRequest request;
    request.resource_types = std::move(types);
    const auto response = broker.ask<protocol::ListConfigResourcesResponse>(request, version);
    std::string text;
    if (response->error_code != ErrorCode::none) text = "error " + std::to_string(static_cast<int>(response->error_code));
    for (const auto& each : response->config_resources) {
      text += std::to_string(each.resource_type) + " " + std::string(each.resource_name) + ", ";
    }
    return text;
  };
  EXPECT_EQ(list({}, 1), "32 g, 8 1, 4 1, 2 t, 2 u, ");
  EXPECT_EQ(list({2, 16}, 1), "2 t, 2 u, ");
  EXPECT_EQ(list({32}, 1), "32 g, ");
  EXPECT_EQ(list({2, 1}, 1), "error 35");
  EXPECT_EQ(list({}, 0), "");  // client metrics alone
}

}  // namespace
}  // namespace broker::api
