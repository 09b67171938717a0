// A broker with a topic of two partitions, coordinators of groups and transactions that are ready, and the check that an
// answer is one of its version.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "broker/api/error_counts.h"
#include "broker/api/registry.h"
#include "broker/api/testing/data_path.h"
#include "protocol/codec/all_messages.h"
#include "protocol/messages/find_coordinator.h"

namespace broker::api::testing {

inline base::Bytes from_hex(const std::string& hex) {
  base::Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

class EveryVersion : public ::testing::Test {
 protected:
  EveryVersion() {
    topic_id = broker.add_topic("t", 2);
    FindCoordinatorRequest find;
    find.key = "g";
    (void)broker.ask<FindCoordinatorResponse>(find, 0);  // makes the topic in the log of the groups
    coordinator::CoordinatorLog& log = broker.transaction_log;
    boost::asio::co_spawn(broker.loop, log.partition_count(true), [](const std::exception_ptr&, std::int32_t) {});
    broker.loop.restart();
    broker.loop.run();
    for (const char* name : {"__consumer_offsets", "__transaction_state"}) add_internal_topic(name);
    for (std::int32_t partition = 0; partition < 50; ++partition) broker.groups.partition_elected(partition);
    while (broker.groups.list().error != ErrorCode::none) std::this_thread::yield();
    broker.ask<ProduceResponse>(produce_request("t", batch_of({"a", "b"})), 9);
  }
  void add_internal_topic(const std::string& name) {
    auto topic = std::make_shared<metadata::Topic>();
    topic->name = name;
    for (std::int32_t i = 0; i < 50; ++i) topic->partitions[i].leader = TestBroker::kBrokerId;
    auto next = std::make_shared<metadata::ClusterMetadata>(*broker.metadata.get());
    next->controller_id = TestBroker::kBrokerId;
    next->topics[topic->name] = topic;
    broker.metadata.set(next);
  }

  // The frame is that of a response in this version: size, correlation id, the header's tags where it has any, and the
  // body to its last byte.
  static void expect_answer_in_version(const Api& api, std::int16_t version, const base::Bytes& frame) {
    const std::int16_t header_version = response_header_version(*find_api(api.key), version);
    const std::size_t prefix = response_prefix_bytes(header_version);
    ASSERT_GE(frame.size(), prefix);
    EXPECT_EQ(base::load_big_endian<std::uint32_t>(frame.data()), frame.size() - kFrameSizeBytes);
    EXPECT_EQ(base::load_big_endian<std::int32_t>(frame.data() + kFrameSizeBytes), 7);
    if (header_version >= 1) {
      EXPECT_EQ(frame[prefix - 1], 0) << "tags of the header";
    }
    const base::ByteView body = base::ByteView(frame).subspan(prefix);
    base::Bytes again;
    const Decoded decoded = find_message(api.key, MessageKind::response)->round_trip(version, body, again);
    EXPECT_TRUE(decoded) << decoded.error;
    EXPECT_EQ(decoded.bytes_left, 0u);
    EXPECT_EQ(again, base::Bytes(body.begin(), body.end()));
  }

  // The request must be answered without any error but those expected.
  template <class Response, class Request>
  Response good(const Request& request, std::int16_t version, std::set<ErrorCode> expected = {ErrorCode::none}) {
    auto response = broker.ask<Response>(request, version);
    if (!response) throw std::runtime_error(std::string(Request::kName) + ": not answered");
    expect_answer_in_version(*find_served(static_cast<std::int16_t>(Request::kApiKey)), version,
                             broker.last_reply.message.to_bytes());
    visit_error_codes(*response, version, [&](ErrorCode error) {
      EXPECT_TRUE(expected.contains(error)) << Request::kName << " v" << version << ": " << static_cast<int>(error);
    });
    return std::move(*response);
  }

  TestBroker broker;
  base::Uuid topic_id;
};

}  // namespace broker::api::testing
