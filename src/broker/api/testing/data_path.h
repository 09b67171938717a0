// Produce and Fetch requests of tests, and a broker to send them to.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "broker/api/testing/test_services.h"
#include "broker/partition/read_ahead.h"
#include "protocol/messages/fetch.h"
#include "protocol/messages/produce.h"
#include "protocol/record_batch_builder.h"

namespace broker::api::testing {

using namespace protocol;

inline base::Bytes batch_of(std::initializer_list<std::string_view> values, std::int64_t timestamp = 1'700'000'000'000,
                     std::int16_t attributes = 0) {
  RecordBatchBuilder builder;
  builder.header.attributes = attributes;
  for (std::string_view value : values) {
    NewRecord record;
    record.value = base::as_bytes(value);
    record.timestamp = timestamp++;
    builder.append(record);
  }
  return builder.build();
}

inline ProduceRequest produce_request(const std::string& topic, const base::Bytes& records, std::int16_t acks = -1,
                               std::int32_t partition = 0) {
  ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 1000;
  auto& data = request.topic_data.emplace_back();
  data.name = topic;
  auto& part = data.partition_data.emplace_back();
  part.index = partition;
  part.records = Records::own(records);
  return request;
}

inline FetchRequest fetch_request(const std::string& topic, std::int64_t offset, std::int32_t partition = 0) {
  FetchRequest request;
  request.max_wait_ms = 0;
  request.min_bytes = 1;
  auto& wanted = request.topics.emplace_back();
  wanted.topic = topic;
  auto& part = wanted.partitions.emplace_back();
  part.partition = partition;
  part.fetch_offset = offset;
  part.partition_max_bytes = 1 << 20;
  return request;
}

class DataPath : public ::testing::Test {
 protected:
  ~DataPath() override { partition::wait_until_nothing_runs_aside(); }

  ProduceResponse::PartitionProduceResponse produce(const ProduceRequest& request, std::int16_t version = 9) {
    auto response = broker.ask<ProduceResponse>(request, version);
    if (!response) throw std::runtime_error("not answered");
    return response->responses.at(0).partition_responses.at(0);
  }
  FetchResponse fetch(const FetchRequest& request, std::int16_t version = 12) {
    auto response = broker.ask<FetchResponse>(request, version);
    if (!response) throw std::runtime_error("not answered");
    return *response;
  }

  TestBroker broker;
};

}  // namespace broker::api::testing
